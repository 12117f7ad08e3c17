//! The table of the lowerings (fused and layerwise), and the choice between them.
//!
//! A [`Lowering`] turns a task, such as a training step, into dispatches of kernels. `Kernels::Auto` goes
//! through the table: where a lowering cannot take the task, or the driver refuses its kernels, the next
//! one is tried, and a note says why.

mod fused;
mod layerwise;
mod mixed;

use super::choice::Choice;
use super::task::{Lowering, Task, Training, TrainingTask};
use crate::engine::choice::{Kernels, Precision};
use crate::error::{Error, Result, internal};

/// Every lowering, the fastest first; the last takes any network that the device can run.
static ALL: [&dyn Lowering; 2] = [&fused::FUSED, &layerwise::LAYERWISE];

/// Builds a training run with the chosen kernels and in the chosen precision. Where the driver refuses the
/// kernels of another than full precision, a note says so and the run is computed in that.
///
/// # Errors
/// As [`build`].
pub(super) async fn train(task: &TrainingTask<'_>, choice: Choice) -> Result<Training> {
    let (trained, instead) = match choice.precision {
        Precision::Full => return build(task, choice.kernels).await,
        Precision::Mixed => (mixed::train(task).await, "f32"),
        Precision::F16Storage => {
            task.gpu.check_formulas(task.network, Some(task.plan.loss)).await?;
            (fused::train(task, Precision::F16Storage).await, "full precision")
        }
    };
    match trained {
        Ok(training) => Ok(training),
        Err(error) => {
            let reason = task.gpu.refusal(error)?;
            task.gpu.note(format!("{reason}: the run is computed in {instead}"));
            build(task, choice.kernels).await
        }
    }
}

/// Builds a task with the chosen kernels.
///
/// # Errors
/// The chosen kernels cannot take the task (the message says why), a formula of the caller's has no WGSL that
/// compiles, or the device failed.
pub(super) async fn build<T: Task>(task: &T, kernels: Kernels) -> Result<T::Built> {
    Ok(choose(task, kernels).await?.0)
}

/// As [`build`], with the lowering that built it.
///
/// # Errors
/// As [`build`].
pub(super) async fn choose<T: Task>(
    task: &T,
    kernels: Kernels,
) -> Result<(T::Built, &'static dyn Lowering)> {
    task.gpu().check_formulas(task.network(), task.loss()).await?;
    let is_auto = kernels == Kernels::Auto;
    for (lowering, place) in ALL.into_iter().zip(1..) {
        if !is_auto && lowering.kernels() != kernels {
            continue;
        }
        let next = ALL.get(place);
        let reason = match task.fits(lowering) {
            Err(reason) => reason,
            Ok(()) => match task.build(lowering).await {
                Ok(built) => return Ok((built, lowering)),
                Err(error) if !is_auto || next.is_none() => return Err(error),
                Err(error) => task.gpu().refusal(error)?,
            },
        };
        let Some(next) = next.map(|next| next.name()) else { return Err(reason) };
        if !is_auto {
            return Err(Error::Unsupported(format!("{reason}: choose the {next} kernels")));
        }
        task.gpu().note(format!("{reason}: the {next} kernels are used"));
    }
    internal(format!("no lowering has the kernels {kernels:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Output;
    use crate::engine::gpu::faults;
    use crate::engine::gpu::task::{PredictionTask, TrainingTask};
    use crate::engine::gpu::twins::adapters;

    #[test]
    fn a_prediction_can_read_the_parameters_of_a_run() {
        let (network, plan, dataset) = faults::task(&[20, 12], 100);
        let mut zeros = network.clone();
        zeros.set_parameters(&vec![0.0; network.parameters().len()]).expect("as many");
        let inputs: Vec<f64> = (0..40).map(|i| f64::from(i) / 40.0).collect();
        let output = Output::Activated;
        for gpu in &adapters() {
            for lowering in ALL {
                let (slots, tune) = (1, false);
                let training = TrainingTask {
                    gpu,
                    network: &network,
                    plan: &plan,
                    dataset: &dataset,
                    slots,
                    counts: &[100],
                    tune,
                    tile: None,
                };
                let predict = |network, parameters| {
                    let task = PredictionTask { gpu, network, samples: 20, output, parameters };
                    pollster::block_on(async {
                        task.build(lowering).await?.run(gpu, &inputs).await
                    })
                    .expect("predicts")
                };
                let built = pollster::block_on(training.build(lowering)).expect("is built");
                let expected = predict(&network, None);
                assert_eq!(predict(&zeros, Some(&built.state.parameters)), expected);
                assert!(expected.iter().any(|y| *y != 0.0));
            }
        }
    }

    #[test]
    fn a_forced_choice_says_why_it_cannot_be_used() {
        let (network, plan, dataset) = faults::task(&[129], 10);
        for gpu in &adapters() {
            let (slots, counts, tune) = (1, &[10][..], false);
            let task = TrainingTask {
                gpu,
                network: &network,
                plan: &plan,
                dataset: &dataset,
                slots,
                counts,
                tune,
                tile: None,
            };
            let reason = "the fused kernels take layers of at most 128 neurons";
            let build = |kernels| pollster::block_on(build(&task, kernels));
            let error = build(Kernels::Fused).err().expect("too wide").to_string();
            assert_eq!(error, format!("{reason}: choose the layerwise kernels"));
            assert!(build(Kernels::Auto).is_ok() && build(Kernels::Layerwise).is_ok());
            assert_eq!(gpu.notes(), [format!("{reason}: the layerwise kernels are used")]);
        }
    }
}
