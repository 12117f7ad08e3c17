//! A network's parameters on the device, with passes for predictions of any number of samples.

use super::device::Gpu;
use super::fused::PREDICTED;
use super::lock::lock;
use super::lowering;
use super::prediction::Prediction;
use super::readback::floats;
use super::task::{Lowering, PredictionTask, Task};
use crate::engine::choice::Kernels;
use crate::engine::{Output, Pending, Prepared};
use crate::error::{Result, internal};
use crate::network::Network;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// Samples of the passes that are recorded, each when it is first needed. Its kernels may be compiled
/// then, so there are few. A call takes the smallest pass that is large enough for its samples, or several
/// of the largest.
const SIZES: [usize; 4] = [64, 512, 2048, PREDICTED];

/// Passes of a call that the device has at a time: one computes while another is read back.
const UNDER_WAY: usize = 2;

/// A pass for so many samples at most and these outputs.
type Known = (usize, Output, Arc<Prediction>);

/// A network on a device, ready to predict. Threads share it.
pub(super) struct Predictor {
    gpu: Arc<Gpu>,
    /// The network without its parameters.
    network: Network,
    lowering: &'static dyn Lowering,
    parameters: wgpu::Buffer,
    /// Those of [`SIZES`] that fit the device, at least one.
    sizes: Vec<usize>,
    known: Mutex<Vec<Known>>,
}

impl Predictor {
    /// Uploads the parameters and records the smallest pass.
    pub(super) async fn new(gpu: &Arc<Gpu>, network: &Network, kernels: Kernels) -> Result<Self> {
        gpu.check()?;
        let output = Output::Activated;
        let task = |samples| PredictionTask { gpu, network, samples, output, parameters: None };
        let (first, lowering) = lowering::choose(&task(SIZES[0]), kernels).await?;
        gpu.check()?;
        let larger = SIZES[1..].iter().take_while(|size| task(**size).fits(lowering).is_ok());
        Ok(Self {
            gpu: Arc::clone(gpu),
            network: network.shape(),
            lowering,
            parameters: first.parameters.clone(),
            sizes: SIZES[..1].iter().chain(larger).copied().collect(),
            known: Mutex::new(vec![(SIZES[0], output, Arc::new(first))]),
        })
    }

    /// A pass for so many samples, or for the first of them.
    async fn pass(&self, samples: usize, output: Output) -> Result<Arc<Prediction>> {
        let large = self.sizes.iter().find(|size| **size >= samples);
        let Some(size) = large.or(self.sizes.last()).copied() else {
            return internal("a model without a pass");
        };
        let find = |known: &[Known]| {
            let found = known.iter().find(|(of, kind, _)| (*of, *kind) == (size, output));
            found.map(|(_, _, pass)| Arc::clone(pass))
        };
        if let Some(pass) = find(&lock(&self.known)) {
            return Ok(pass);
        }
        let (gpu, network, parameters) = (&self.gpu, &self.network, Some(&self.parameters));
        let task = PredictionTask { gpu, network, samples: size, output, parameters };
        let built = Arc::new(task.build(self.lowering).await?);
        // Another thread may have built it meanwhile.
        let mut known = lock(&self.known);
        Ok(find(&known).unwrap_or_else(|| {
            known.push((size, output, Arc::clone(&built)));
            built
        }))
    }

    async fn run(&self, inputs: &[f32], output: Output, outputs: &mut [f32]) -> Result<()> {
        self.gpu.check()?;
        let width = self.network.inputs();
        let mut outputs = outputs.iter_mut();
        let mut take = |bytes: Vec<u8>| {
            floats(&bytes).zip(&mut outputs).for_each(|(from, to)| *to = from);
        };
        let mut under_way = VecDeque::new();
        let mut rest = inputs;
        while !rest.is_empty() {
            let samples = rest.len() / width;
            let pass = self.pass(samples, output).await?;
            let (some, others) = rest.split_at(samples.min(pass.rows()) * width);
            rest = others;
            if under_way.len() == UNDER_WAY
                && let Some(first) = under_way.pop_front()
            {
                take(first.await?);
            }
            under_way.push_back(pass.start(&self.gpu, some)?);
        }
        for pass in under_way {
            take(pass.await?);
        }
        Ok(())
    }
}

impl Prepared for Predictor {
    fn forward<'a>(
        &'a self,
        inputs: &'a [f32],
        output: Output,
        outputs: &'a mut [f32],
    ) -> Pending<'a, ()> {
        Box::pin(self.run(inputs, output, outputs))
    }
}
