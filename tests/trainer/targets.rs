//! Targets outside the domain of a loss.

use crate::common::engines;
use impasto::cpu::CpuEngine;
use impasto::{Activation, Dataset, EarlyStopping, Loss, Network, Standardizer, Trainer, evaluate};
use std::ops::ControlFlow;

const BINARY: Loss = Loss::BinaryCrossEntropy;
const CLASSES: Loss = Loss::SoftmaxCrossEntropy;

/// Samples of one input each and these targets, two a sample.
fn samples(targets: &[f32]) -> Dataset {
    let inputs = (0..targets.len() / 2).map(|i| i as f32 / 8.0).collect();
    Dataset::new(inputs, targets.to_vec(), 1, 2).unwrap()
}

/// What every engine answers to training with `loss` and to the loss of the untrained network: the
/// same for all, or nothing if they accept the targets.
fn answer(loss: Loss, dataset: &Dataset) -> Option<String> {
    let network = Network::builder(1).output(2, Activation::Identity).build().unwrap();
    let trainer = Trainer { epochs: 1, loss, ..Trainer::default() };
    let mut answers = Vec::new();
    for engine in engines() {
        let fitted = trainer.fit(&engine, &mut network.clone(), dataset).err();
        let evaluated = evaluate(&engine, &network, loss, dataset).err();
        let plan = trainer.plan(dataset);
        let started = pollster::block_on(engine.start(&network, &plan, dataset)).err();
        answers.extend([fitted, evaluated, started].map(|error| error.map(|e| e.to_string())));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    answers.swap_remove(0)
}

#[test]
fn targets_that_a_loss_cannot_take_are_refused() {
    let refused = |loss, targets: &[f32]| answer(loss, &samples(targets)).expect("refused");
    assert_eq!(
        refused(BINARY, &[0.0, 1.0, 0.5, 1.5]),
        "target 1 of sample 1 is 1.5, and binary-cross-entropy takes targets in [0, 1]: scale them, \
         or choose another loss"
    );
    assert!(refused(BINARY, &[-0.25, 1.0]).contains("target 0 of sample 0 is -0.25"));
    assert_eq!(
        refused(CLASSES, &[0.0, 1.0, 0.5, 0.25]),
        "the targets of sample 1 sum to 0.75, and softmax-cross-entropy takes the probability of \
         each class, which sum to 1: give 1 for the class of a sample and 0 for the others, or choose \
         another loss"
    );
    // They sum to 1, and are no probabilities.
    assert!(refused(CLASSES, &[1.5, -0.5]).contains("target 0 of sample 0 is 1.5"));
    for log_input in [true, false] {
        let poisson = Loss::Poisson { log_input };
        assert!(refused(poisson, &[3.0, -1.0]).contains("target 1 of sample 0 is -1"));
    }
}

#[test]
fn inputs_far_from_unit_scale_are_noted() {
    let notes = |scale: f32, dataset: &dyn Fn(Dataset) -> Dataset| {
        let inputs = (0..80).flat_map(|i| [scale * (i % 9) as f32 / 8.0, 0.5]).collect();
        let samples = Dataset::new(inputs, vec![0.25; 80], 2, 1).unwrap();
        let network = Network::builder(2).output(1, Activation::Identity).build().unwrap();
        let trainer = Trainer { epochs: 1, ..Trainer::default() };
        let training = trainer.begin(CpuEngine::new(Some(1)).unwrap(), &network, dataset(samples));
        training.unwrap().summary().notes.clone()
    };
    let as_it_is = |samples| samples;
    assert_eq!(notes(1.0, &as_it_is), [""; 0]);
    let noted = notes(620.0, &as_it_is);
    assert_eq!(noted.len(), 1);
    assert!(noted[0].contains("input 0 is 36") && noted[0].contains("Standardizer"), "{noted:?}");
    // As the note advises.
    assert_eq!(notes(620.0, &|raw| Standardizer::fit(&raw).apply(&raw).unwrap()), [""; 0]);
    // The largest input counts, and it may be too small.
    assert_eq!(notes(1e-6, &as_it_is), [""; 0]);
    let samples = Dataset::new(vec![1e-5; 8], vec![1.0; 8], 1, 1).unwrap();
    let mut network = Network::builder(1).output(1, Activation::Identity).build().unwrap();
    let trainer = Trainer { epochs: 1, ..Trainer::default() };
    let summary = trainer.fit(CpuEngine::new(Some(1)).unwrap(), &mut network, samples).unwrap();
    assert!(summary.notes[0].contains("0.000"), "{:?}", summary.notes);
}

#[test]
fn targets_at_the_ends_and_rounded_are_taken() {
    assert_eq!(answer(BINARY, &samples(&[0.0, 1.0, 0.5, 1.0])), None);
    assert_eq!(answer(CLASSES, &samples(&[0.0, 1.0, 0.3, 0.7])), None);
    assert_eq!(answer(Loss::Poisson { log_input: true }, &samples(&[0.0, 7.0])), None);
    assert_eq!(answer(Loss::MeanSquaredError, &samples(&[-3.0, 7.0])), None);
    // A third rounded to f32, three times, and 1,000 probabilities that were divided by their sum.
    let engine = CpuEngine::new(Some(1)).unwrap();
    for classes in [3, 1000] {
        let weights: Vec<f32> = (1..=classes).map(|class| 1.0 / class as f32).collect();
        let sum: f32 = weights.iter().sum();
        let probabilities = weights.iter().map(|weight| weight / sum).collect();
        let dataset = Dataset::new(vec![0.5], probabilities, 1, classes).unwrap();
        let network = Network::builder(1).output(classes, Activation::Identity).build().unwrap();
        assert!(evaluate(&engine, &network, CLASSES, &dataset).unwrap().is_finite());
    }
}

#[test]
fn channels_of_pixels_are_numbers_from_0_to_1() {
    let pixels = |bytes: [u8; 4]| Dataset::from_pixels(2, 1, bytes, 2, true).unwrap();
    let network = Network::builder(2).output(2, Activation::Identity).build().unwrap();
    let engine = CpuEngine::new(Some(1)).unwrap();
    let loss = |loss, bytes| evaluate(&engine, &network, loss, &pixels(bytes));
    assert!(loss(BINARY, [0, 255, 7, 100]).is_ok());
    assert!(loss(CLASSES, [0, 255, 100, 155]).is_ok());
    let error = loss(CLASSES, [0, 255, 100, 100]).expect_err("refused").to_string();
    assert!(error.contains("the targets of sample 1 sum to 0.784"), "{error}");
}

#[test]
fn refused_samples_have_the_numbers_that_the_caller_knows() {
    let mut targets = vec![0.5; 40];
    targets[2 * 13] = 7.0;
    let stopping = EarlyStopping::default();
    for seed in 0..4 {
        let trainer = Trainer {
            loss: BINARY,
            early_stopping: Some(stopping),
            validation_fraction: Some(0.5),
            seed,
            ..Trainer::default()
        };
        let mut network = Network::builder(1).output(2, Activation::Identity).build().unwrap();
        let engine = CpuEngine::new(Some(1)).unwrap();
        let mut started = false;
        let result = trainer.fit_with(&engine, &mut network, samples(&targets), |_| {
            started = true;
            ControlFlow::Continue(())
        });
        let error = result.expect_err("refused").to_string();
        assert!(error.contains("target 0 of sample 13 is 7") && !started, "{error}");
    }
}
