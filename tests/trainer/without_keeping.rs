//! Runs on an engine of another crate, whose sessions keep no moments.

use super::{fit, hill, network, trainer};
use impasto::cpu::CpuEngine;
use impasto::{
    Compute, Dataset, Device, EarlyStopping, Engine, Loss, Network, Outcome, Output, Pending, Plan,
    Resources, Session, State, Step, StopHandle, Trainer, Training, TrainingState,
};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// The CPU engine, whose sessions cannot keep and make their callers wait.
pub struct Forgetful(pub CpuEngine);

struct ForgetfulSession(Box<dyn Session>);

impl Compute for Forgetful {
    fn device(&self) -> &Device {
        self.0.device()
    }

    fn start<'a>(
        &'a self,
        network: &'a Network,
        plan: &'a Plan,
        dataset: &'a Dataset,
    ) -> Pending<'a, Box<dyn Session>> {
        Box::pin(async move {
            let session = self.0.start(network, plan, dataset).await?;
            Ok(Box::new(ForgetfulSession(session)) as Box<dyn Session>)
        })
    }

    fn forward<'a>(
        &'a self,
        network: &'a Network,
        inputs: &'a [f64],
        output: Output,
    ) -> Pending<'a, Vec<f64>> {
        self.0.forward(network, inputs, output)
    }
}

impl Session for ForgetfulSession {
    fn stop_with(&mut self, stop: &StopHandle) {
        self.0.stop_with(stop);
    }

    fn train(&mut self, steps: &[Step]) -> impasto::Result<Pending<'static, Outcome>> {
        let outcome = self.0.train(steps)?;
        let mut waited = false;
        Ok(Box::pin(async move {
            std::future::poll_fn(|context| {
                if waited {
                    return Poll::Ready(());
                }
                waited = true;
                context.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            outcome.await
        }))
    }

    fn parameters(&mut self) -> Pending<'_, Vec<f64>> {
        self.0.parameters()
    }

    fn state(&mut self) -> Pending<'_, State> {
        self.0.state()
    }

    fn restore<'a>(&'a mut self, state: &'a State) -> Pending<'a, ()> {
        self.0.restore(state)
    }

    fn predict<'a>(&'a mut self, inputs: &'a [f64], output: Output) -> Pending<'a, Vec<f64>> {
        self.0.predict(inputs, output)
    }

    fn evaluate<'a>(&'a mut self, dataset: &'a Dataset, loss: Loss) -> Pending<'a, f64> {
        self.0.evaluate(dataset, loss)
    }

    fn resources(&self) -> Resources {
        self.0.resources()
    }
}

/// Drops the future of some steps after one poll.
fn abandon(training: &mut Training) {
    let mut steps = pin!(training.step_async(3));
    assert!(steps.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

#[test]
fn a_dropped_step_is_neither_lost_nor_taken_twice() {
    let cpu = || CpuEngine::new(Some(1)).unwrap();
    let early_stopping = Some(EarlyStopping { tolerance: 0.0, patience: 50 });
    for early_stopping in [None, early_stopping] {
        let trainer = Trainer { early_stopping, ..trainer(6) };
        let (whole, expected) = fit(&trainer, &cpu().into());
        let engine = Engine::new(Forgetful(cpu()));
        // What is looked at after the dropped step.
        let looks: [fn(&mut Training) -> TrainingState; 3] = [
            |training| training.state().unwrap(),
            |training| {
                training.predict(&[0.5, 0.5]).unwrap();
                training.state().unwrap()
            },
            |training| {
                training.network().unwrap();
                training.set_learning_rate(0.02).unwrap();
                training.step(1).unwrap();
                training.state().unwrap()
            },
        ];
        for look in looks {
            let mut training = trainer.begin(&engine, &network(), hill()).unwrap();
            training.step(2).unwrap();
            abandon(&mut training);
            let state = TrainingState::decode(&look(&mut training).encode().unwrap()).unwrap();
            let mut resumed = Training::resume(&engine, hill(), &state).unwrap();
            for run in [&mut training, &mut resumed] {
                run.run().unwrap();
                assert_eq!(run.summary().steps, expected.steps);
                assert_eq!(run.parameters().unwrap(), whole.parameters());
            }
        }
    }
}
