//! Candle on the CPU as a contestant of `cargo xtask peers`.
//!
//! Samples stay in tensors and are gathered once an epoch. Candle has no Adam; its AdamW without
//! weight decay is the same.

#[path = "../../serve.rs"]
mod serve;
#[path = "../../shuffle.rs"]
mod shuffle;

use std::process::ExitCode;
use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use candle_nn::{
    AdamW, Linear, Module, Optimizer, ParamsAdamW, VarBuilder, VarMap, linear, loss::mse,
};
use serve::{Contestant, Job, Outcome};
use shuffle::Shuffle;

struct Candle {
    threads: usize,
    hidden: Vec<Linear>,
    output: Linear,
    optimizer: AdamW,
    inputs: Tensor,
    targets: Tensor,
    count: usize,
    batch: usize,
    shuffle: Shuffle,
    /// Loss and number of samples of each step of the last epoch.
    losses: Vec<(Tensor, usize)>,
}

impl Candle {
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let mut x = x.clone();
        for layer in &self.hidden {
            x = layer.forward(&x)?.relu()?;
        }
        self.output.forward(&x)
    }
}

impl Contestant for Candle {
    fn open(_: &str, job: &Job) -> Outcome<Self> {
        let device = Device::Cpu;
        let (inputs, targets) = serve::samples(job)?;
        let count = inputs.len() / job.inputs;
        let variables = VarMap::new();
        let builder = VarBuilder::from_varmap(&variables, DType::F32, &device);
        let mut width = job.inputs;
        let mut hidden = Vec::new();
        for (number, &next) in job.hidden.iter().enumerate() {
            hidden.push(linear(width, next, builder.pp(format!("hidden.{number}")))?);
            width = next;
        }
        let output = linear(width, job.outputs, builder.pp("output"))?;
        let parameters =
            ParamsAdamW { lr: job.learning_rate, weight_decay: 0.0, ..ParamsAdamW::default() };
        Ok(Self {
            threads: job.threads,
            hidden,
            output,
            optimizer: AdamW::new(variables.all_vars(), parameters)?,
            inputs: Tensor::from_vec(inputs, (count, job.inputs), &device)?,
            targets: Tensor::from_vec(targets, (count, job.outputs), &device)?,
            count,
            batch: job.batch,
            shuffle: Shuffle(job.seed),
            losses: Vec::new(),
        })
    }

    fn version(&self) -> String {
        "Candle 0.11.1".into()
    }

    fn device(&self) -> String {
        format!("{} threads", self.threads)
    }

    fn train(&mut self, epochs: usize) -> Outcome<f64> {
        let start = Instant::now();
        for _ in 0..epochs {
            let order = self.shuffle.order(self.count);
            let order = Tensor::from_vec(order, self.count, &Device::Cpu)?;
            let inputs = self.inputs.index_select(&order, 0)?;
            let targets = self.targets.index_select(&order, 0)?;
            self.losses.clear();
            for first in (0..self.count).step_by(self.batch) {
                let count = self.batch.min(self.count - first);
                let outputs = self.forward(&inputs.narrow(0, first, count)?)?;
                let loss = mse(&outputs, &targets.narrow(0, first, count)?)?;
                self.optimizer.backward_step(&loss)?;
                self.losses.push((loss.detach(), count));
            }
        }
        Ok(start.elapsed().as_secs_f64())
    }

    fn loss(&self) -> Outcome<f64> {
        let mut sum = 0.0;
        for (loss, count) in &self.losses {
            sum += f64::from(loss.to_scalar::<f32>()?) * *count as f64;
        }
        Ok(sum / self.count as f64)
    }
}

fn main() -> ExitCode {
    serve::run::<Candle>("candle")
}
