//! Tests of every loss against central differences and PyTorch, in both precisions.

use super::*;
use crate::family::{parameters, text_of};
use serde_json::Value;

/// The loss of one row and its gradient, not averaged.
fn row<N: Number + Into<f64>>(loss: Loss, y: &[N], t: &[N]) -> (N, Vec<N>) {
    struct Row<'a, N>(&'a [N], &'a [N], &'a mut [N]);
    impl<N: Number + Into<f64>> Visitor for Row<'_, N> {
        type Output = N;
        fn visit<F: Formula>(self, formula: F) -> N {
            formula.row(self.0, self.1, self.0[0].of(1.0), self.2)
        }
    }
    let mut delta = y.to_vec();
    let value = loss.visit(Row(y, t, &mut delta));
    (value, delta)
}

/// The output that replaces `y` in the tests of a loss: plain Poisson needs outputs above 0, and the
/// exponential of its other form must fit f32.
pub(crate) fn suited(loss: Loss, y: f32) -> f32 {
    match parameters(&loss).get("log_input") {
        Some(Value::Bool(true)) => y.min(80.0),
        Some(_) => y.abs().max(1e-3),
        None => y,
    }
}

/// Every loss, with its default parameters and with others that the fixtures have.
pub(crate) fn variants() -> Vec<Loss> {
    let mut all = Loss::ALL.to_vec();
    for Table { loss, .. } in tables() {
        if !all.contains(&loss) {
            all.push(loss);
        }
    }
    all
}

/// What a row's loss is divided by where the gradient takes that as constant, although it depends on
/// the outputs; and the numbers of outputs for which one number divides the whole row.
fn constant(loss: Loss, y: &[f64], t: &[f64]) -> (f64, &'static [usize]) {
    let epsilon = parameters(&loss).get("epsilon").and_then(Value::as_f64).unwrap_or_default();
    let divisor = match loss.name() {
        "relative-l1" => y[0].abs(),
        "relative-l2" => y[0] * y[0],
        "smape" => f64::midpoint(y[0].abs(), t[0].abs()),
        "relative-l2-luminance" => {
            let weights = [0.299, 0.587, 0.114, 0.299, 0.587, 0.114];
            y.iter().zip(weights).map(|(y, weight)| y * weight).sum::<f64>().powi(2)
        }
        _ => return (1.0, &[1, 3]),
    };
    (divisor + epsilon, if loss.name() == "relative-l2-luminance" { &[3, 6] } else { &[1] })
}

#[test]
fn gradients_agree_with_central_differences() {
    let h = 1e-6;
    let outputs = [0.9, 0.2, 0.45, 3.0, 0.61, -2.0, 0.1, 0.55, 0.2, -0.7, 1.5, 0.35];
    let targets = [0.25, 0.6, 0.15, 0.3, 0.1, 0.6];
    for loss in variants() {
        let outputs = outputs.map(|y| f64::from(suited(loss, y)));
        for width in constant(loss, &outputs, &targets).1 {
            for y in outputs.chunks_exact(*width) {
                let t = &targets[..*width];
                let (divisor, _) = constant(loss, y, t);
                let (_, delta) = row(loss, y, t);
                for j in 0..*width {
                    let at = |shift: f64| {
                        let mut moved = y.to_vec();
                        moved[j] += shift;
                        // With the divisor that it has where it is not moved.
                        row(loss, &moved, t).0 * constant(loss, &moved, t).0 / divisor
                    };
                    let difference = (at(h) - at(-h)) / (2.0 * h);
                    let near = (difference - delta[j]).abs() < 1e-7 * (1.0 + difference.abs());
                    assert!(near, "{loss} {j} of {y:?}: {difference} {}", delta[j]);
                }
            }
        }
    }
}

/// A table of `tests/fixtures/losses.json`: rows, their losses and gradients by PyTorch.
struct Table {
    loss: Loss,
    y: Vec<Vec<f64>>,
    t: Vec<Vec<f64>>,
    value: Vec<f64>,
    gradient: Vec<Vec<f64>>,
}

/// All tables of the file.
fn tables() -> Vec<Table> {
    let text = include_str!("../../tests/fixtures/losses.json");
    let fixture: Value = serde_json::from_str(text).expect("the fixture is JSON");
    let tables = fixture["tables"].as_array().expect("it has tables");
    let numbers = |row: &Value| -> Vec<f64> {
        row.as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
    };
    let rows = |rows: &Value| -> Vec<Vec<f64>> {
        rows.as_array().into_iter().flatten().map(numbers).collect()
    };
    let read = |table: &Value| {
        let loss = text_of(&table["loss"]).parse().expect("a loss");
        let [y, t, gradient] = ["y", "t", "gradient"].map(|key| rows(&table[key]));
        let value = numbers(&table["value"]);
        assert!(!y.is_empty() && [t.len(), value.len(), gradient.len()] == [y.len(); 3]);
        Table { loss, y, t, value, gradient }
    };
    tables.iter().map(read).collect()
}

/// The errors that rounded evaluations of a row's loss and gradient may make where operations are off by
/// `unit` of their results: `unit` of each (of 1 where that is small), and what they change when an output
/// does by `unit` of itself.
fn roundings(loss: Loss, y: &[f64], t: &[f64], unit: f64) -> Vec<f64> {
    let all = |y: &[f64]| {
        let (value, delta) = row(loss, y, t);
        [vec![value], delta].concat()
    };
    let exact = all(y);
    let mut sizes: Vec<f64> = exact.iter().map(|e| unit * e.abs().max(1.0)).collect();
    for j in 0..y.len() {
        let mut moved = y.to_vec();
        moved[j] *= 1.0 + unit;
        for (size, (moved, exact)) in sizes.iter_mut().zip(all(&moved).iter().zip(&exact)) {
            *size += (moved - exact).abs();
        }
    }
    sizes
}

#[test]
fn every_loss_has_a_table() {
    let tables = tables();
    // The table of the mean squared error is that of the sum, since neither is divided.
    for loss in Loss::ALL.iter().filter(|loss| **loss != Loss::SquaredErrorSum) {
        assert!(tables.iter().any(|table| table.loss.name() == loss.name()), "{loss}");
    }
}

#[test]
fn values_and_gradients_agree_with_pytorch() {
    for Table { loss, y, t, value, gradient } in tables() {
        for (((y, t), value), gradient) in y.iter().zip(&t).zip(value).zip(gradient) {
            let expected = [vec![value], gradient].concat();
            let single = |row: &[f64]| -> Vec<f32> { row.iter().map(|v| *v as f32).collect() };
            let (value, delta) = row(loss, y, t);
            let double = [vec![value], delta].concat();
            let (value, delta) = row(loss, &single(y), &single(t));
            let single = std::iter::once(value).chain(delta).map(f64::from).collect();
            for (kind, got, unit) in [
                ("f64", double, 8.0 * f64::EPSILON),
                ("f32", single, 16.0 * f64::from(f32::EPSILON)),
            ] {
                let tolerances = roundings(loss, y, t, unit);
                for ((got, expected), tolerance) in got.iter().zip(&expected).zip(tolerances) {
                    assert!(
                        (got - expected).abs() <= tolerance,
                        "{loss} of {y:?}, {t:?} in {kind}: {got}, not {expected} ± {tolerance:e}"
                    );
                }
            }
        }
    }
}

#[test]
fn nan_is_not_hidden() {
    for loss in variants() {
        let value = row(loss, &[0.25, f64::NAN, 0.5], &[0.5, 0.25, 0.25]).0;
        let single = row(loss, &[0.25_f32, f32::NAN, 0.5], &[0.5, 0.25, 0.25]).0;
        assert!(value.is_nan() && single.is_nan(), "{loss}: {value}, {single}");
    }
}

#[test]
fn losses_that_need_several_outputs_refuse_fewer() {
    for loss in Loss::ALL {
        let least = loss.least_outputs();
        let output = loss.folded_activation().unwrap_or(Activation::Identity);
        assert!(loss.check_output(output, least).is_ok(), "{loss}");
        if let Some(error) = loss.check_output(output, least - 1).err().filter(|_| least > 1) {
            assert!(error.to_string().contains(&format!("at least {least}")), "{error}");
        }
    }
}
