//! Checks that the WGSL of the caller's formulas compiles.

use super::device::Gpu;
use super::lock::lock;
use crate::checksum::fnv;
use crate::error::{Result, unsupported};
use crate::loss::Loss;
use crate::network::Network;
use crate::wgsl::custom::CustomWgsl;

/// The formulas of the caller's in a network and a loss, each with its name in messages.
fn formulas(network: &Network, loss: Option<Loss>) -> Result<Vec<(String, CustomWgsl)>> {
    let mut all = Vec::new();
    for (layer, number) in network.layers().iter().zip(1..) {
        if let Some(formula) = layer.activation.custom_wgsl()? {
            all.push((format!("the activation of layer {number}"), formula));
        }
    }
    if let Some(formula) = loss.map_or(Ok(None), Loss::custom_wgsl)? {
        all.push(("the loss".into(), formula));
    }
    Ok(all)
}

/// A number that distinguishes the formulas of the caller's in a network and a loss; `None` without any.
pub(super) fn fingerprint(network: &Network, loss: Loss) -> Result<Option<u64>> {
    let texts: Vec<String> =
        formulas(network, Some(loss))?.iter().map(|(_, formula)| formula.trial_kernel()).collect();
    Ok((!texts.is_empty()).then(|| fnv(texts.iter().flat_map(|text| text.bytes()))))
}

impl Gpu {
    /// Checks that the formulas of the caller's in a network and a loss have WGSL that compiles.
    ///
    /// # Errors
    /// A formula without WGSL, with WGSL that does not compile, or with WGSL that binds a resource.
    pub(super) async fn check_formulas(&self, network: &Network, loss: Option<Loss>) -> Result<()> {
        for (name, formula) in formulas(network, loss)? {
            let text = formula.trial_kernel();
            if lock(&self.compiled_formulas).get(&text).is_some() {
                continue;
            }
            if formula.binds() {
                return unsupported(format!(
                    "the WGSL of {name} binds a resource, by @group or @binding: declare functions, \
                     constants and structures alone"
                ));
            }
            let descriptor = wgpu::ShaderModuleDescriptor {
                label: Some(&name),
                source: wgpu::ShaderSource::Wgsl(text.as_str().into()),
            };
            let what = format!("compiling the WGSL of {name}");
            self.guarded(&what, |device| device.create_shader_module(descriptor)).await?;
            lock(&self.compiled_formulas).insert(text, ());
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::activation::Activation;
    use crate::activation_fn::ActivationFn;
    use crate::engine::Output;
    use crate::engine::gpu::candidates::candidates;
    use crate::engine::gpu::fused;
    use crate::engine::gpu::kernels::KernelKey;
    use crate::engine::gpu::layout::Layout;
    use crate::engine::gpu::shape::Abilities;
    use crate::engine::gpu::specialize::{Purpose, Samples};
    use crate::engine::gpu::twins::adapters;
    use crate::loss_fn::LossFn;

    /// A formula whose WGSL matters alone.
    struct Written(String);

    impl ActivationFn for Written {
        fn value(&self, z: f64) -> f64 {
            z
        }

        fn slope(&self, _: f64) -> f64 {
            1.0
        }

        fn wgsl(&self) -> Option<String> {
            Some(self.0.clone())
        }
    }

    impl LossFn for Written {
        fn row(&self, _: &[f64], _: &[f64], _: &mut [f64]) -> f64 {
            0.0
        }

        fn wgsl(&self) -> Option<String> {
            Some(self.0.clone())
        }
    }

    /// An activation whose WGSL declares names that the kernels have, too.
    pub(in crate::engine::gpu) fn activation(factor: f32) -> Activation {
        Activation::custom(Written(format!(
            "const tile = {factor:?}; var<private> values: f32; struct Shape {{ main: f32 }}
            fn slope(z: f32) -> Shape {{ values = z; return Shape(tile * values); }}
            fn activation(z: f32) -> f32 {{ return slope(z).main; }}
            fn activation_slope(z: f32) -> f32 {{ return tile; }}"
        )))
    }

    /// A loss whose WGSL does the same.
    pub(in crate::engine::gpu) fn loss(factor: f32) -> Loss {
        Loss::custom(Written(format!(
            "const tile = {factor:?}; struct Shape {{ main: f32 }}
            fn slope(z: f32) -> Shape {{ return Shape(tile * z); }}
            fn row_loss(row: u32, outputs: u32, scale: f32) -> f32 {{
                set_delta(row, 0u, scale * slope(target_of(row, 0u)).main);
                return scale * slope(output_of(row, 0u) * target_of(row, 0u)).main;
            }}"
        )))
    }

    fn network(activation: Activation) -> Network {
        let builder = Network::builder(2).hidden(&[8], activation);
        builder.output(3, Activation::Identity).build().expect("a network")
    }

    #[test]
    fn formulas_are_distinguished_by_their_texts() {
        let of = |activation, loss| fingerprint(&network(activation), loss).expect("has WGSL");
        let mse = Loss::MeanSquaredError;
        assert_eq!(of(Activation::Tanh, mse), None);
        assert_eq!(of(activation(1.5), mse), of(activation(1.5), mse));
        assert_eq!(of(Activation::Tanh, loss(1.5)), of(Activation::Tanh, loss(1.5)));
        let different = [
            of(activation(1.5), mse),
            of(activation(2.5), mse),
            of(Activation::Tanh, loss(1.5)),
            of(Activation::Tanh, loss(2.5)),
            of(activation(1.5), loss(1.5)),
        ];
        for (place, number) in different.iter().enumerate() {
            assert!(number.is_some() && !different[..place].contains(number), "{place}");
        }
        let key = |factor| KernelKey::activation("activation", activation(factor)).expect("a text");
        assert!(key(1.5) == key(1.5) && key(1.5) != key(2.5));
        let key = |factor| KernelKey::loss(loss(factor), false).expect("a text");
        assert!(key(1.5) == key(1.5) && key(1.5) != key(2.5));
    }

    #[test]
    fn kernels_with_text_of_the_caller_are_compiled_with_checks() {
        let abilities = Abilities::of_gpu(wgpu::Limits::default());
        let layout = Layout::new(&network(Activation::Tanh), 100);
        let shape = candidates(&abilities, &layout)[0].step;
        let key = |activation, purpose| {
            fused::pass_kernel(&network(activation), 100, shape, Samples::TABLE, purpose)
                .expect("a template")
        };
        let mse = Loss::MeanSquaredError;
        for activation in [Activation::Tanh, activation(1.5)] {
            for loss in [mse, loss(1.5)] {
                let own = activation.is_custom() || loss.is_custom();
                for purpose in [Purpose::Training(loss), Purpose::Evaluation(loss)] {
                    assert_eq!(key(activation, purpose).is_trusted, !own, "{purpose:?}");
                }
            }
            let prediction = key(activation, Purpose::Prediction(Output::Activated));
            assert_eq!(prediction.is_trusted, !activation.is_custom());
        }
        let general = [
            KernelKey::activation("activation", activation(1.5)),
            KernelKey::with_slopes(activation(1.5)),
            KernelKey::loss(loss(1.5), true),
        ];
        assert!(general.iter().all(|key| key.as_ref().is_ok_and(|key| !key.is_trusted)));
    }

    #[test]
    fn a_formula_is_compiled_once() {
        for gpu in adapters() {
            let check = |factor| {
                let network = network(activation(factor));
                let checked = gpu.check_formulas(&network, Some(loss(factor)));
                pollster::block_on(checked).expect("compiles");
                lock(&gpu.compiled_formulas).len()
            };
            assert_eq!([1.5, 1.5, 2.5].map(check), [2, 2, 4]);
        }
    }
}
