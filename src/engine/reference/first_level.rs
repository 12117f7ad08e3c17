//! The inputs of the first layer of a network: all its encodings, combined.

use super::encoding::{
    direct_encoding, direct_encoding_gradient, fourier_encoding, fourier_encoding_gradient,
    grid_encoding, grid_encoding_gradient, grid_input_gradient,
};
use crate::encoding::Computation;
use crate::input_encoding::{Leaf, Leaves};
use crate::network::Network;

/// Some inputs of each sample, `[batch, count]`.
fn some_inputs(leaf: &Leaf, x: &[f64], inputs: usize) -> Vec<f64> {
    x.chunks_exact(inputs).flat_map(|x| x[leaf.inputs.clone()].iter().copied()).collect()
}

/// The frequencies of waves, `[features, count]`.
fn frequencies(leaf: &Leaf) -> Vec<f64> {
    let frequencies = leaf.encoding.frequencies(leaf.inputs.len()).unwrap_or_default();
    frequencies.into_iter().map(f64::from).collect()
}

/// Some columns of each sample, `[batch, count]`.
fn some_columns(leaf: &Leaf, columns: &[f64], all: usize) -> Vec<f64> {
    columns.chunks_exact(all).flat_map(|row| row[leaf.columns.clone()].iter().copied()).collect()
}

/// The columns of all encodings of a network, `[batch, columns]`, of inputs `[batch, network.inputs()]`.
pub(crate) fn encode_columns(network: &Network, leaves: &Leaves, inputs: &[f64]) -> Vec<f64> {
    let batch = inputs.len() / network.inputs();
    let mut columns = vec![0.0; batch * leaves.columns];
    for leaf in &leaves.all {
        let (x, width) = (some_inputs(leaf, inputs, network.inputs()), leaf.inputs.len());
        let mut out = vec![0.0; batch * leaf.columns.len()];
        match leaf.encoding.computation() {
            Computation::Identity => out.copy_from_slice(&x),
            Computation::Waves => {
                let frequencies = frequencies(leaf);
                fourier_encoding(&x, width, &frequencies, &mut out);
            }
            Computation::Direct => direct_encoding(leaf.encoding, &x, width, &mut out),
            Computation::Grid(grid) => {
                let table = &network.parameters()[leaf.table.clone()];
                grid_encoding(grid, &x, width, table, &mut out);
            }
        }
        let rows = columns.chunks_exact_mut(leaves.columns);
        for (to, from) in rows.zip(out.chunks_exact(leaf.columns.len())) {
            to[leaf.columns.clone()].copy_from_slice(from);
        }
    }
    columns
}

/// What the first layer of a network is given for `inputs`, `[batch, network.inputs()]`:
/// `[batch, layers[0].fan_in]`.
pub fn encode(network: &Network, inputs: &[f64]) -> Vec<f64> {
    let leaves = network.leaves();
    let columns = encode_columns(network, &leaves, inputs);
    let Some(root) = &leaves.root else { return columns };
    let outputs = root.outputs();
    let mut all = vec![0.0; inputs.len() / network.inputs() * outputs];
    for (out, columns) in all.chunks_exact_mut(outputs).zip(columns.chunks_exact(leaves.columns)) {
        root.combine(columns, out);
    }
    all
}

/// The gradients with respect to the encoding's parameters, which is added to `parameters`, and with respect to
/// the inputs, `[batch, network.inputs()]`, from that with respect to what [`encode`] returns.
pub(crate) fn encode_gradient(
    network: &Network,
    inputs: &[f64],
    delta: Vec<f64>,
    parameters: Option<&mut [f64]>,
    wants_inputs: bool,
) -> Vec<f64> {
    let leaves = network.leaves();
    let columns = encode_columns(network, &leaves, inputs);
    let delta = match &leaves.root {
        None => delta,
        Some(root) => {
            let mut all = vec![0.0; columns.len()];
            let rows = columns.chunks_exact(leaves.columns).zip(delta.chunks_exact(root.outputs()));
            for (gradient, (columns, delta)) in all.chunks_exact_mut(leaves.columns).zip(rows) {
                root.combine_gradient(columns, delta, gradient);
            }
            all
        }
    };
    if let Some(gradient) = parameters {
        for leaf in &leaves.all {
            if let Some(grid) = leaf.grid() {
                let x = some_inputs(leaf, inputs, network.inputs());
                let own = some_columns(leaf, &delta, leaves.columns);
                let gradient = &mut gradient[leaf.table.clone()];
                grid_encoding_gradient(grid, &x, leaf.inputs.len(), &own, gradient);
            }
        }
    }
    let mut all = vec![0.0; if wants_inputs { inputs.len() } else { 0 }];
    for leaf in leaves.all.iter().filter(|_| wants_inputs) {
        let (x, width) = (some_inputs(leaf, inputs, network.inputs()), leaf.inputs.len());
        let own = some_columns(leaf, &delta, leaves.columns);
        let gradient = match leaf.encoding.computation() {
            Computation::Identity => own,
            Computation::Waves => {
                let frequencies = frequencies(leaf);
                let encoded = some_columns(leaf, &columns, leaves.columns);
                fourier_encoding_gradient(&encoded, &own, width, &frequencies)
            }
            Computation::Direct => direct_encoding_gradient(leaf.encoding, &x, width, &own),
            Computation::Grid(grid) => {
                let table = &network.parameters()[leaf.table.clone()];
                grid_input_gradient(grid, &x, width, table, &own)
            }
        };
        let rows = all.chunks_exact_mut(network.inputs()).zip(gradient.chunks_exact(width));
        for (all, own) in rows {
            let all = all[leaf.inputs.clone()].iter_mut();
            all.zip(own).for_each(|(all, own)| *all += own);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::Encoding;
    use crate::engine::reference;
    use crate::input_encoding::InputEncoding;
    use crate::{Activation, Initialization, Loss};

    /// Encodings of 2 or 3 inputs, in every form.
    fn encodings() -> Vec<(usize, InputEncoding)> {
        let texts = [
            (2, "scaled:scale=-1.5,offset=0.25"),
            (2, "triangle-wave:octaves=3"),
            (2, "one-blob:bins=5"),
            (3, "spherical-harmonics:degree=5"),
            (2, "grid:levels=3,base_resolution=3,log2_size=4,level_scale=1.7"),
            (1, "grid:levels=2,base_resolution=3,interpolation=smoothstep,features=4"),
            (3, "grid:levels=2,base_resolution=2,interpolation=smoothstep,kind=dense,features=1"),
            (4, "grid:levels=2,base_resolution=2,kind=tiled"),
            (2, "identity+frequency:octaves=2+grid:levels=1,base_resolution=4"),
            (
                3,
                r#"{"composite":{"reduction":"product","parts":[
                {"inputs":{"start":0,"end":2},"encoding":{"grid":{"kind":"dense","levels":2,"features":2,
                    "log2_size":4,"base_resolution":3,"level_scale":1.5,"interpolation":"linear"}}},
                {"encoding":{"composite":{"reduction":"sum","parts":[
                    {"inputs":{"start":2,"end":3},"encoding":{"frequency":{"octaves":2}}},
                    {"inputs":{"start":0,"end":1},"encoding":{"one-blob":{"bins":4}}}]}}}]}}"#,
            ),
        ];
        texts.map(|(inputs, text)| (inputs, text.parse().expect("an encoding"))).to_vec()
    }

    #[test]
    fn gradients_of_encodings_agree_with_central_differences() {
        for (inputs, encoding) in encodings() {
            let mut network = Network::builder(inputs)
                .encoding(encoding.clone())
                .hidden(&[4], Activation::Tanh)
                .output(2, Activation::Identity)
                .biases(Initialization::Uniform { low: -1.0, high: 1.0 })
                .build()
                .expect("a network");
            // Tables that are not almost 0, whose features do not repeat.
            let mut parameters = network.parameters().to_vec();
            for (i, p) in parameters[..network.encoding_parameters()].iter_mut().enumerate() {
                *p = (i as f64 * 0.618_034).fract() - 0.5;
            }
            network.set_parameters(&parameters).expect("finite");
            let batch = 5;
            // Away from the corners of grids and the edges of bins, where slopes leap.
            let x: Vec<f64> =
                (0..batch * inputs).map(|i| 0.07 + (i as f64 * 0.381_966).fract() * 0.8).collect();
            let t: Vec<f64> = (0..batch * 2).map(|i| (i as f64).sin()).collect();
            let loss = Loss::MeanSquaredError;
            let of =
                |network: &Network, x: &[f64]| reference::loss_and_gradient(network, loss, x, &t).0;
            let (_, gradient) = reference::loss_and_gradient(&network, loss, &x, &t);
            let step = 1e-6;
            for i in 0..parameters.len() {
                let mut sides = [0.0; 2];
                for (side, sign) in sides.iter_mut().zip([1.0, -1.0]) {
                    let mut moved = parameters.clone();
                    moved[i] += sign * step;
                    let mut network = network.clone();
                    network.set_parameters(&moved).expect("finite");
                    *side = of(&network, &x);
                }
                let slope = (sides[0] - sides[1]) / (2.0 * step);
                assert!(
                    (slope - gradient[i]).abs() < 1e-8,
                    "{encoding} parameter {i}: {slope} {}",
                    gradient[i]
                );
            }
            let trace = reference::forward(&network, &x);
            let outputs = &trace.values[trace.values.len() - 1];
            let scale = 2.0 / outputs.len() as f64;
            let by_output = outputs.iter().zip(&t).map(|(y, t)| scale * (y - t)).collect();
            let gradient = reference::input_gradient(&network, &trace, by_output);
            for i in 0..x.len() {
                let mut sides = [x.clone(), x.clone()];
                sides[0][i] += step;
                sides[1][i] -= step;
                let slope = (of(&network, &sides[0]) - of(&network, &sides[1])) / (2.0 * step);
                assert!(
                    (slope - gradient[i]).abs() < 1e-7,
                    "{encoding} input {i}: {slope} {}",
                    gradient[i]
                );
            }
        }
    }

    #[test]
    fn encodings_have_the_values_of_their_sources() {
        let of = |encoding: &str, x: &[f64]| {
            let encoding: Encoding = encoding.parse().expect("an encoding");
            let mut out = vec![0.0; encoding.outputs(x.len())];
            direct_encoding(encoding, x, x.len(), &mut out);
            out
        };
        let near = |got: &[f64], expected: &[f64]| {
            let close = got.iter().zip(expected).all(|(got, e)| (got - e).abs() < 1e-12);
            assert!(got.len() == expected.len() && close, "{got:?} {expected:?}");
        };
        // The polynomials of tiny-cuda-nn, at the direction (0.6, -0.48, 0.64).
        let (x, y, z) = (0.6, -0.48, 0.64_f64);
        let got = of("spherical-harmonics:degree=4", &[x, y, z].map(|x| 0.5 * x + 0.5));
        near(
            &got,
            &[
                0.282_094_791_773_878_14,
                -0.488_602_511_902_919_87 * y,
                0.488_602_511_902_919_87 * z,
                -0.488_602_511_902_919_87 * x,
                1.092_548_430_592_079_2 * x * y,
                -1.092_548_430_592_079_2 * y * z,
                0.946_174_695_757_56 * z * z - 0.315_391_565_252_52,
                -1.092_548_430_592_079_2 * x * z,
                0.546_274_215_296_039_6 * (x * x - y * y),
                0.590_043_589_926_643_5 * y * (y * y - 3.0 * x * x),
                2.890_611_442_640_554 * x * y * z,
                0.457_045_799_464_465_8 * y * (1.0 - 5.0 * z * z),
                0.373_176_332_590_115_4 * z * (5.0 * z * z - 3.0),
                0.457_045_799_464_465_8 * x * (1.0 - 5.0 * z * z),
                1.445_305_721_320_277 * z * (x * x - y * y),
                0.590_043_589_926_643_5 * x * (3.0 * y * y - x * x),
            ],
        );
        // |0.3/2 - 1/2|·4 - 1 and |0.3 + 1/4 - 1/2|·4 - 1.
        near(&of("triangle-wave:octaves=2", &[0.3]), &[0.4, -0.8]);
        // A bump in the middle of the second of four bins: the quartic kernel's integral to 1/2 is 459/512.
        let inside = 2.0 * (459.0 / 512.0) - 1.0;
        let beside = (1.0 - inside) / 2.0;
        near(&of("one-blob:bins=4", &[0.375]), &[beside, inside, beside, 0.0]);
        // At the edge it wraps around.
        near(&of("one-blob:bins=4", &[0.125]), &[inside, beside, 0.0, beside]);
        near(&of("scaled:scale=2,offset=-1", &[0.25]), &[-0.5]);
    }

    #[test]
    fn a_grid_interpolates_between_its_corners() {
        // One level of 4 corners at x = (corner - 1/2)/3.
        let encoding: Encoding =
            "grid:levels=1,base_resolution=4,features=1,kind=dense".parse().expect("a grid");
        let Computation::Grid(grid) = encoding.computation() else { panic!("a grid") };
        let table = [1.0, 2.0, 4.0, 8.0, 0.0, 0.0, 0.0, 0.0];
        let mut out = [0.0; 3];
        grid_encoding(grid, &[0.5 / 3.0, 0.5, 2.0 / 3.0], 1, &table, &mut out);
        let expected = [2.0, 4.0, 6.0];
        assert!(out.iter().zip(expected).all(|(got, e)| (got - e).abs() < 1e-6), "{out:?}");
    }
}
