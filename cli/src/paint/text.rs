//! Numbers and descriptions for people.

use super::training::Trained;
use impasto::{Activation, Ending, Loss, Network, Optimizer, Schedule, Trainer};
use std::fmt::Display;

/// `2 → 100 → 100 → 3, relu, 10,703 parameters`, with runs of equal layers as `10×100`.
pub fn describe_network(network: &Network) -> String {
    let widths = network.widths();
    let mut parts = vec![network.inputs().to_string()];
    if !network.encoding().is_identity() {
        parts.push(format!("{} ({})", widths[0], network.encoding().name()));
    }
    for run in widths[1..].chunk_by(|a, b| a == b) {
        parts.push(match run {
            [width] => width.to_string(),
            run => format!("{}×{}", run.len(), run[0]),
        });
    }
    let activation = network.layers()[0].activation;
    let activation = brief(&activation, Activation::ALL, activation.name());
    let parameters = thousands(network.parameters().len() as u64);
    format!("{}, {activation}, {parameters} parameters", parts.join(" → "))
}

/// `mean-squared-error with adam, learning rate 0.002, schedule cosine`.
pub fn describe_training(trainer: &Trainer) -> String {
    let Trainer { loss, optimizer, learning_rate, schedule, warm_up, .. } = *trainer;
    let warm_up = match warm_up {
        0 => String::new(),
        steps => format!(" after {steps} steps of warm-up"),
    };
    format!(
        "{} with {}, learning rate {learning_rate}, schedule {}{warm_up}",
        brief(&loss, Loss::ALL, loss.name()),
        brief(&optimizer, Optimizer::ALL, optimizer.name()),
        brief(&schedule, Schedule::ALL, schedule.name())
    )
}

/// A component's name, with its parameters where they are not the defaults.
fn brief<T: Display + PartialEq>(component: &T, all: &[T], name: &str) -> String {
    if all.contains(component) { name.into() } else { component.to_string() }
}

/// `trained 4,000 steps (80 epochs) in 9.8 s, 204,000 samples/s: loss 0.000341`.
pub fn describe_run(trained: &Trained, trainer: &Trainer) -> String {
    let summary = &trained.summary;
    let epochs = summary.epochs;
    let speed = thousands((summary.samples as f64 / summary.seconds.max(1e-9)) as u64);
    // Whole epochs are counted as such where epochs were asked for.
    let (done, all) = match trainer.steps {
        None => (thousands(epochs), counted(trainer.epochs as u64, "epoch")),
        Some(steps) => (thousands(summary.steps), counted(steps, "step")),
    };
    let amount = match (trained.ending(), trainer.steps) {
        ("finished", None) => all,
        ("finished", Some(_)) => format!("{all} ({})", counted(epochs, "epoch")),
        ("converged", _) => format!("{done} of {all} until the loss no longer fell,"),
        ("quality", _) => {
            let psnr = trained.reached.unwrap_or_default();
            format!("{done} of {all} until {psnr:.1} dB were reached,")
        }
        ("time limit", _) => format!("{done} of {all} until the time was over,"),
        ("diverged", _) => format!("{done} of {all} until it diverged,"),
        _ => format!("{done} of {all} until interrupted,"),
    };
    let last = summary.history.last();
    let loss = last.map_or(String::new(), |last| format!(": loss {:.6}", last.loss));
    format!("trained {amount} in {:.1} s, {speed} samples/s{loss}", summary.seconds)
}

/// Why training ended, in a word or two.
pub fn ending(ending: Ending) -> &'static str {
    match ending {
        Ending::Finished => "finished",
        Ending::Converged => "converged",
        Ending::TargetLoss => "target loss",
        Ending::TimeLimit => "time limit",
        Ending::Diverged => "diverged",
        _ => "interrupted",
    }
}

/// `76543.2` as `77k`, `765.4` as `765`.
pub fn short(number: f64) -> String {
    if number < 10_000.0 {
        thousands(number as u64)
    } else {
        format!("{}k", thousands((number / 1000.0).round() as u64))
    }
}

/// `1 epoch`, `1,000 epochs`.
pub fn counted(number: u64, thing: &str) -> String {
    format!("{} {thing}{}", thousands(number), if number == 1 { "" } else { "s" })
}

/// `1234567` as `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `12 s`, `3 min`, `1 h 20 min`.
pub fn lasting(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        ..120 => format!("{whole} s"),
        120..7200 => format!("{} min", (whole + 30) / 60),
        7200..360_000 => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
        _ => format!("{} days", thousands(whole / 86_400)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_for_people() {
        for (seconds, text) in [
            (0.4, "0 s"),
            (12.3, "12 s"),
            (119.4, "119 s"),
            (150.0, "3 min"),
            (7_199.0, "120 min"),
            (8_100.0, "2 h 15 min"),
            (864_000.0, "10 days"),
            (f64::INFINITY, "213,503,982,334,601 days"),
        ] {
            assert_eq!(lasting(seconds), text);
        }
    }
}
