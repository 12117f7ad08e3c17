//! Burn as a contestant of `cargo xtask peers`: `burn-flex` on the CPU, `burn-wgpu` on an adapter.
//!
//! Samples stay on the device and are gathered once an epoch; nothing is read back inside a span.
//! Fusion and autotune, which Burn recommends for speed, are on; both do their work in the first
//! epoch and the warm-up.

#[path = "../../serve.rs"]
mod serve;
#[path = "../../shuffle.rs"]
mod shuffle;

use std::process::ExitCode;
use std::time::Instant;

use burn::module::Module;
use burn::nn::loss::{MseLoss, Reduction};
use burn::nn::{Linear, LinearConfig, Relu};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::prelude::*;
use burn::tensor::{DeviceKind, DeviceType};
use serve::{Contestant, Job, Outcome};
use shuffle::Shuffle;

#[derive(Module, Debug)]
struct Mlp {
    hidden: Vec<Linear>,
    activation: Relu,
    output: Linear,
}

impl Mlp {
    fn new(job: &Job, device: &Device) -> Self {
        let mut width = job.inputs;
        let mut hidden = Vec::new();
        for &next in &job.hidden {
            hidden.push(LinearConfig::new(width, next).init(device));
            width = next;
        }
        let output = LinearConfig::new(width, job.outputs).init(device);
        Self { hidden, activation: Relu::new(), output }
    }

    fn forward(&self, mut x: Tensor<2>) -> Tensor<2> {
        for layer in &self.hidden {
            x = self.activation.forward(layer.forward(x));
        }
        self.output.forward(x)
    }
}

struct Burn {
    device: Device,
    description: String,
    model: Mlp,
    optimizer: ModuleOptimizer,
    inputs: Tensor<2>,
    targets: Tensor<2>,
    count: usize,
    batch: usize,
    learning_rate: f64,
    shuffle: Shuffle,
    /// Loss and number of samples of each step of the last epoch.
    losses: Vec<(Tensor<1>, usize)>,
}

impl Contestant for Burn {
    fn open(name: &str, job: &Job) -> Outcome<Self> {
        let (device, description) = open(name, job)?;
        device.seed(job.seed);
        let device = device.autodiff();
        let (inputs, targets) = serve::samples(job)?;
        let count = inputs.len() / job.inputs;
        Ok(Self {
            description,
            model: Mlp::new(job, &device),
            // The other contestants' epsilon.
            optimizer: AdamConfig::new().with_epsilon(1e-8).init(),
            inputs: Tensor::from_data(TensorData::new(inputs, [count, job.inputs]), &device),
            targets: Tensor::from_data(TensorData::new(targets, [count, job.outputs]), &device),
            device,
            count,
            batch: job.batch,
            learning_rate: job.learning_rate,
            shuffle: Shuffle(job.seed),
            losses: Vec::new(),
        })
    }

    fn version(&self) -> String {
        "Burn 0.22.1".into()
    }

    fn device(&self) -> String {
        self.description.clone()
    }

    fn train(&mut self, epochs: usize) -> Outcome<f64> {
        let start = Instant::now();
        for _ in 0..epochs {
            let order: Vec<i32> =
                self.shuffle.order(self.count).into_iter().map(|index| index as i32).collect();
            let order =
                Tensor::<1, Int>::from_data(TensorData::new(order, [self.count]), &self.device);
            let inputs = self.inputs.clone().select(0, order.clone());
            let targets = self.targets.clone().select(0, order);
            self.losses.clear();
            for first in (0..self.count).step_by(self.batch) {
                let last = (first + self.batch).min(self.count);
                let x = inputs.clone().slice([first..last]);
                let y = targets.clone().slice([first..last]);
                let loss = MseLoss::new().forward(self.model.forward(x), y, Reduction::Mean);
                let gradients = GradientsParams::from_grads(loss.backward(), &self.model);
                self.model = self.optimizer.step(self.learning_rate, self.model.clone(), gradients);
                self.losses.push((loss.detach(), last - first));
            }
        }
        self.device.sync().map_err(|error| format!("{error:?}"))?;
        Ok(start.elapsed().as_secs_f64())
    }

    fn loss(&self) -> Outcome<f64> {
        let mut sum = 0.0;
        for (loss, count) in &self.losses {
            sum += f64::from(loss.clone().into_scalar::<f32>()) * *count as f64;
        }
        Ok(sum / self.count as f64)
    }
}

/// The device, and what it is in words.
fn open(name: &str, job: &Job) -> Outcome<(Device, String)> {
    if name == "burn-flex" {
        return Ok((Device::flex(), format!("{} threads", job.threads)));
    }
    let named = |device: &Device| device.identity().map_or_else(String::new, |found| found.name);
    let Some(wanted) = &job.adapter else {
        let device = Device::wgpu(DeviceKind::DefaultDevice);
        let description = named(&device);
        return Ok((device, description));
    };
    let mut seen = Vec::new();
    for device in Device::enumerate(DeviceType::Wgpu).into_vec() {
        let name = named(&device);
        if name.to_lowercase().contains(&wanted.to_lowercase()) {
            return Ok((device, name));
        }
        seen.push(name);
    }
    Err(format!("Burn finds no adapter '{wanted}', only: {}", seen.join(", ")).into())
}

fn main() -> ExitCode {
    match std::env::args().nth(1) {
        Some(name) if name == "burn-flex" || name == "burn-wgpu" => serve::run::<Burn>(&name),
        _ => {
            eprintln!("which: burn-flex or burn-wgpu?");
            ExitCode::FAILURE
        }
    }
}
