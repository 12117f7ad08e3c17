//! What reads bytes that anyone may have written: files, and text on a command line. Each function takes
//! the bytes of one and returns whether they were accepted. It panics if what was accepted does not hold
//! what the library promises of it. Other bytes must be refused with an error.
//!
//! The fuzz targets call these functions, and so does `tests/hostile.rs`, which has no fuzzer.

use impasto::gpu::Kernels;
use impasto::reference::ReferenceEngine;
use impasto::{
    Activation, Backend, Dataset, Encoding, Loss, Network, Optimizer, Output, Picture, Schedule,
    Subject, Trainer, Training, TrainingState, Wrapper,
};
use std::fmt::{Debug, Display};
use std::str::FromStr;

/// The most parameters of a network that is run: more would only take time.
const MOST_PARAMETERS: usize = 4096;

/// The most samples of a saved run that is continued.
const MOST_SAMPLES: usize = 64;

/// A saved network. It survives another round through a file, and predicts.
pub fn network(bytes: &[u8]) -> bool {
    let Ok((network, texts)) = Network::decode_with(bytes) else { return false };
    let again = network.encode_with(&texts).expect("what was read can be written");
    let (read, texts_read) = Network::decode_with(&again).expect("what was written can be read");
    assert_eq!((read.layers(), read.encoding()), (network.layers(), network.encoding()));
    assert_eq!((read.parameters(), texts_read), (network.parameters(), texts.clone()));
    // Saved by `paint`, or not.
    let _ = Subject::from_metadata(&network, &texts);
    predict(&network);
    true
}

/// Runs a small network on one sample.
fn predict(network: &Network) {
    if network.parameters().len() <= MOST_PARAMETERS && network.inputs() <= MOST_PARAMETERS {
        let engine = impasto::Engine::from(ReferenceEngine::new());
        let inputs = vec![0.5; network.inputs()];
        let outputs = block_on(engine.forward(network, &inputs, Output::Activated));
        assert_eq!(outputs.expect("no device to fail").len(), network.outputs());
    }
}

/// A saved training run. It survives another round through a file, and goes on if its numbers are those of
/// a run.
pub fn run(bytes: &[u8]) -> bool {
    let Ok(state) = TrainingState::decode(bytes) else { return false };
    let written = state.encode().expect("what was read can be written");
    let again = TrainingState::decode(&written).expect("what was written can be read");
    assert_eq!(again.encode().expect("as before"), written);
    let network = state.network();
    let (inputs, outputs) = (network.inputs(), network.outputs());
    if network.parameters().len() > MOST_PARAMETERS || inputs > MOST_PARAMETERS {
        return true;
    }
    // The file does not say to others how many samples the run has: the seeds have 8.
    for samples in [8, 1, MOST_SAMPLES] {
        let numbers = |width: usize| vec![0.25; samples * width];
        let dataset = Dataset::new(numbers(inputs), numbers(outputs), inputs, outputs);
        let dataset = dataset.expect("samples");
        // Refused, or it goes on; a run that diverges ends with an error.
        if let Ok(mut training) = Training::resume(ReferenceEngine::new(), &dataset, &state) {
            let _ = training.step(3);
            break;
        }
    }
    true
}

/// A file with a picture.
pub fn picture(bytes: &[u8]) -> bool {
    // Only by their names can files of TGA be told.
    let file = tempfile::Builder::new().suffix(".tga").tempfile();
    let mut file = file.expect("a temporary file");
    std::io::Write::write_all(&mut file, bytes).expect("a file that can be written");
    let Ok(picture) = Picture::load(file.path()) else { return false };
    let (width, height, channels) = (picture.width(), picture.height(), picture.channels());
    Picture::check_size(width, height).expect("a size that is allowed");
    assert!((1..=4).contains(&channels) && [255, 65_535].contains(&picture.maximum()));
    assert_eq!(picture.values().len(), width * height * channels);
    if width * height <= 1 << 16 {
        let values = picture.values().to_vec();
        let same = Picture::new(width, height, channels, picture.maximum(), values);
        assert_eq!(same.expect("a picture"), picture);
        let dataset = picture.to_dataset(true).expect("samples");
        assert_eq!(dataset.len(), width * height);
    }
    true
}

/// Text of a configuration: the name of a component with its parameters, or JSON of all settings.
pub fn configuration(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let parsed = [
        round_trip::<Activation>(text),
        round_trip::<Encoding>(text),
        round_trip::<Loss>(text),
        round_trip::<Optimizer>(text),
        round_trip::<Schedule>(text),
        round_trip::<Wrapper>(text),
        text.parse::<Backend>().is_ok(),
        text.parse::<Kernels>().is_ok(),
        trainer(text),
    ];
    if let Ok(activation) = text.parse::<Activation>() {
        let network = Network::builder(2).hidden(&[3], activation).output(2, activation).build();
        network.iter().for_each(predict);
    }
    if let Ok(encoding) = text.parse::<Encoding>()
        && encoding.takes(2)
        && encoding.outputs(2).max(encoding.parameters(2)) <= MOST_PARAMETERS
    {
        let network = Network::builder(2).encoding(encoding).output(1, Activation::Identity);
        predict(&network.build().expect("a network"));
    }
    parsed.contains(&true)
}

/// Whether a component has this text; then its own text must be read as the same.
fn round_trip<T: FromStr<Err = impasto::Error> + Display + Debug + PartialEq>(text: &str) -> bool {
    let Ok(component) = text.parse::<T>() else { return false };
    let written = component.to_string();
    assert_eq!(written.parse::<T>().expect("what was written can be read"), component, "{written}");
    true
}

/// Whether the text is JSON of all settings; then a run begins with them or refuses them.
fn trainer(text: &str) -> bool {
    let Ok(trainer) = serde_json::from_str::<Trainer>(text) else { return false };
    let network = Network::builder(1).output(1, Activation::Identity).build().expect("a network");
    let dataset = Dataset::from_rows([[0.0], [1.0]], [[1.0], [0.0]]).expect("samples");
    if let Ok(mut training) = trainer.begin(ReferenceEngine::new(), &network, &dataset) {
        let _ = training.step(3);
    }
    true
}

/// A file of shapes that were found to be the fastest.
pub fn shapes(bytes: &[u8]) -> bool {
    let network = Network::builder(2).hidden(&[48, 48], Activation::Relu);
    let network = network.output(3, Activation::Sigmoid).build().expect("a network");
    impasto::gpu::remembered_shapes(bytes, &network, 432).expect("kernels in these shapes") > 0
}

/// The result of a future that is ready when it is polled.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("the reference engine is always ready"),
    }
}
