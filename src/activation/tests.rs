//! Tests of every activation against central differences, in both precisions.

use super::*;
use crate::family::text_of;
use serde_json::Value;

const POINTS: [f64; 10] = [-9.0, -3.0, -0.7, -0.01, -1e-4, 1e-4, 0.02, 0.5, 2.0, 8.0];

/// `(f(z), f′(z))` in f32.
fn single(activation: Activation, z: f32) -> (f32, f32) {
    struct Single(f32);
    impl Visitor for Single {
        type Output = (f32, f32);
        fn visit<F: Formula>(self, formula: F) -> (f32, f32) {
            (formula.value(self.0), formula.slope(self.0))
        }
    }
    activation.visit(Single(z))
}

/// Every activation, with its default parameters and with others that the fixtures have.
pub(crate) fn variants() -> Vec<Activation> {
    let mut all = Activation::ALL.to_vec();
    for Table { activation, .. } in tables() {
        if !all.contains(&activation) {
            all.push(activation);
        }
    }
    all
}

#[test]
fn slopes_agree_with_central_differences() {
    let h = 1e-5;
    for activation in variants() {
        for z in POINTS {
            let difference = (activation.value(z + h) - activation.value(z - h)) / (2.0 * h);
            let slope = activation.slope(z);
            // What the difference leaves out is h²/6·f‴, with f‴ from the slopes.
            let bend = activation.slope(z + h) - 2.0 * slope + activation.slope(z - h);
            assert!(
                (difference - slope).abs() < 1e-7 + bend.abs() / 3.0,
                "{activation} at {z}: {difference} {slope}"
            );
        }
    }
}

#[test]
fn slopes_follow_from_outputs_where_they_are_said_to() {
    for activation in variants() {
        for z in POINTS {
            let (y, slope) = (activation.value(z), activation.slope(z));
            let from_output = match activation.backward() {
                Backward::Rectifier { below } if y > 0.0 => 1.0 + 0.0 * below,
                Backward::Rectifier { below } => below,
                Backward::Polynomial([a, b, c]) => a + b * y + c * y * y,
                Backward::Slope | Backward::Row | Backward::None => slope,
            };
            assert!((from_output - slope).abs() < 1e-15, "{activation} at {z}");
        }
    }
}

#[test]
fn large_numbers_are_never_nan_and_nan_is_not_hidden() {
    for activation in variants() {
        for z in [-1e30, 1e30] {
            let (y, slope) = (activation.value(z), activation.slope(z));
            assert!(!y.is_nan() && !slope.is_nan(), "{activation} at {z}: {y}, {slope}");
        }
        for z in [-1e4, -1e3, -90.0, 0.0, 90.0, 1e3, 1e4] {
            let (y, slope) = (activation.value(z), activation.slope(z));
            assert!(!y.is_nan() && !slope.is_nan(), "{activation} at {z}: {y}, {slope}");
            let (y, slope) = single(activation, z as f32);
            assert!(!y.is_nan() && !slope.is_nan(), "{activation} in f32 at {z}: {y}, {slope}");
        }
        if activation.is_row() || activation.backward() == Backward::None {
            continue;
        }
        assert!(activation.value(f64::NAN).is_nan(), "{activation} hides NaN");
        assert!(single(activation, f32::NAN).0.is_nan(), "{activation} hides NaN in f32");
    }
}

/// A table of `tests/fixtures/activations.json`: values and slopes by PyTorch.
struct Table {
    activation: Activation,
    z: Vec<f64>,
    value: Vec<f64>,
    slope: Vec<f64>,
}

/// All tables of the file.
fn tables() -> Vec<Table> {
    let text = include_str!("../../tests/fixtures/activations.json");
    let fixture: Value = serde_json::from_str(text).expect("the fixture is JSON");
    let tables = fixture["tables"].as_array().expect("it has tables");
    let numbers = |table: &Value, key: &str| -> Vec<f64> {
        table[key].as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
    };
    let read = |table: &Value| {
        let activation = text_of(&table["activation"]).parse().expect("an activation");
        let [z, value, slope] = ["z", "value", "slope"].map(|key| numbers(table, key));
        assert!(!z.is_empty() && z.len() == value.len() && z.len() == slope.len());
        Table { activation, z, value, slope }
    };
    tables.iter().map(read).collect()
}

#[test]
fn every_activation_has_a_table() {
    let tables = tables();
    // Softmax is a function of rows, and the step has no slope.
    let single = |a: &&Activation| !matches!(a.backward(), Backward::Row | Backward::None);
    for activation in Activation::ALL.iter().filter(single) {
        assert!(tables.iter().any(|table| table.activation == *activation), "{activation}");
    }
}

#[test]
fn values_and_slopes_agree_with_pytorch() {
    for Table { activation, z, value, slope } in tables() {
        let f = |z| activation.value(z);
        let f_slope = |z| activation.slope(z);
        for ((z, value), slope) in z.into_iter().zip(value).zip(slope) {
            // PyTorch's own slope of gelu-tanh has 1 − tanh², which loses digits that z·u′ magnifies.
            let double = 32.0 * f64::EPSILON;
            assert_near(&format!("{activation} at {z}"), f(z), value, rounding(f, z, double));
            let what = format!("slope of {activation} at {z}");
            assert_near(&what, f_slope(z), slope, rounding(f_slope, z, double));
            let (y, s) = single(activation, z as f32);
            let unit = 16.0 * f64::from(f32::EPSILON);
            assert_near(&format!("{activation} at {z} in f32"), y, value, rounding(f, z, unit));
            let what = format!("slope of {activation} at {z} in f32");
            assert_near(&what, s, slope, rounding(f_slope, z, unit));
        }
    }
}

fn assert_near(what: &str, got: impl Into<f64>, expected: f64, tolerance: f64) {
    let got: f64 = got.into();
    assert!((got - expected).abs() <= tolerance, "{what}: {got}, not {expected} ± {tolerance:e}");
}
