//! Networks in smaller files: parameters in 16 or 8 bits.

use super::bits::ParameterBits;
use super::{own_texts, to_bytes};
use crate::error::{Error, Result};
use crate::network::Network;

impl Network {
    /// [`encode_with`](Self::encode_with) with so many bits for each parameter. Reading such a file gives a network
    /// whose parameters are rounded; it may predict worse.
    ///
    /// ```
    /// use impasto::{Activation, Network, ParameterBits};
    ///
    /// let network = Network::builder(2).hidden(&[64; 4], Activation::Relu);
    /// let network = network.output(3, Activation::Identity).build()?;
    /// let small = network.encode_compact(ParameterBits::Eight, [("", ""); 0])?;
    /// assert!(2 * small.len() < network.encode()?.len());
    /// let rounded = Network::decode(&small)?;
    /// let pairs = rounded.parameters().iter().zip(network.parameters());
    /// assert!(pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) < 0.01);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`encode_with`](Self::encode_with).
    pub fn encode_compact(
        &self,
        bits: ParameterBits,
        texts: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>,
    ) -> Result<Vec<u8>> {
        own_texts(texts)
            .and_then(|texts| to_bytes(self, &texts, &[], bits))
            .map_err(|reason| Error::Format(format!("the network cannot be saved: {reason}")))
    }
}

#[cfg(test)]
mod tests {
    use super::super::bits::{LAST, range_of, width};
    use super::*;
    use crate::activation::Activation;
    use crate::encoding::Encoding;
    use crate::initialization::Initialization;
    use safetensors::{Dtype, SafeTensors};

    fn network(builder: crate::Builder) -> Network {
        let builder = builder.biases(Initialization::Uniform { low: -0.3, high: 0.2 });
        builder.output(2, Activation::Identity).build().expect("a small network")
    }

    fn small() -> Network {
        network(Network::builder(2).hidden(&[9, 5], Activation::Tanh))
    }

    const NONE: [(&str, &str); 0] = [];

    #[test]
    fn thirty_two_bits_are_the_usual_file() {
        let network = small();
        let bytes = network.encode_compact(ParameterBits::ThirtyTwo, NONE).expect("written");
        assert_eq!(bytes, network.encode().expect("written"));
    }

    #[test]
    fn sixteen_bits_round_each_number_to_the_nearest() {
        let mut network = small();
        let mut parameters = network.parameters().to_vec();
        // Beyond f16, in the first tensor alone.
        parameters[3] = -1e9;
        network.set_parameters(&parameters).expect("as many");
        let bytes = network.encode_compact(ParameterBits::Sixteen, NONE).expect("written");
        let tensors = SafeTensors::deserialize(&bytes).expect("read");
        let dtype = |name: &str| tensors.tensor(name).expect("there").dtype();
        assert_eq!(dtype("layers.0.weight"), Dtype::BF16);
        assert_eq!((dtype("layers.0.bias"), dtype("layers.1.weight")), (Dtype::F16, Dtype::F16));
        let back = Network::decode(&bytes).expect("read");
        for (place, (found, exact)) in back.parameters().iter().zip(&parameters).enumerate() {
            let relative = if place < 18 { 2.0_f64.powi(-8) } else { 2.0_f64.powi(-11) };
            assert!((found - exact).abs() <= relative * exact.abs(), "{found} {exact}");
        }
        assert_eq!(back.encode_compact(ParameterBits::Sixteen, NONE).expect("again"), bytes);
    }

    #[test]
    fn eight_bits_are_even_steps_over_the_range_of_a_tensor() {
        let grid: Encoding = "grid:levels=4,log2_size=8".parse().expect("an encoding");
        for network in [small(), network(Network::builder(2).encoding(grid))] {
            let bytes = network.encode_compact(ParameterBits::Eight, NONE).expect("written");
            let back = Network::decode(&bytes).expect("read");
            assert_eq!((back.layers(), back.encoding()), (network.layers(), network.encoding()));
            for segment in network.segments() {
                let numbers =
                    |network: &Network| network.parameters()[segment.range.clone()].to_vec();
                let (found, exact) = (numbers(&back), numbers(&network));
                let [least, greatest] = range_of(&exact);
                let step = width([least, greatest]) / LAST;
                for (found, exact) in found.iter().zip(&exact) {
                    assert!((found - exact).abs() <= 0.5001 * step + 1e-7, "{}", segment.name);
                    let steps = (found - f64::from(least)) / step.max(1e-300);
                    assert!((steps - steps.round()).abs() < 1e-3, "{}", segment.name);
                }
                // The ends of the range are exact.
                assert_eq!(range_of(&found), [least, greatest]);
            }
            let ratio = bytes.len() as f64 / network.encode().expect("written").len() as f64;
            assert!(network.parameters().len() < 1_000 || ratio < 0.35, "{ratio}");
        }
    }

    #[test]
    fn tensors_of_one_number_and_of_equal_numbers_come_back() {
        let mut network = small();
        let equal = vec![f64::from(-0.1_f32); network.parameters().len()];
        network.set_parameters(&equal).expect("as many");
        let bytes = network.encode_compact(ParameterBits::Eight, NONE).expect("written");
        assert_eq!(Network::decode(&bytes).expect("read").parameters(), equal);
    }

    #[test]
    fn bytes_without_a_range_and_ranges_without_bytes_are_refused() {
        let network = small();
        let read = |bits: ParameterBits, from: &str, to: &str| {
            let bytes = network.encode_compact(bits, NONE).expect("written");
            let (start, header) = SafeTensors::read_metadata(&bytes).expect("a header");
            let mut texts = header.metadata().clone().expect("texts");
            let text = texts.get_mut(super::super::KEY).expect("a description");
            *text = text.replace(from, to);
            let tensors = SafeTensors::deserialize(&bytes).expect("read");
            assert!(start > 0);
            texts.remove(super::super::checksum::KEY);
            let changed = safetensors::serialize(tensors.tensors(), Some(texts)).expect("written");
            Network::decode(&changed).map(drop).map_err(|error| error.to_string())
        };
        let eight = ParameterBits::Eight;
        assert_eq!(read(eight, "nothing", ""), Ok(()));
        let error = read(eight, "\"layers.0.bias\":", "\"layers.9.bias\":").expect_err("refused");
        assert!(error.contains("layers.0.bias is U8"), "{error}");
        let range = range_of(network.biases(0));
        let text = serde_json::to_string(&range).expect("JSON");
        for wrong in ["[1.0,-1.0]", "[-1e39,1.0]"] {
            let error = read(eight, &text, wrong).expect_err("refused");
            assert!(error.contains("range") || error.contains("entry"), "{error}");
        }
        let with = "\"format\":1,\"ranges\":{\"layers.0.bias\":[0.0,1.0]}";
        let error = read(ParameterBits::ThirtyTwo, "\"format\":1", with).expect_err("refused");
        assert!(error.contains("layers.0.bias is F32 and has a range"), "{error}");
    }
}
