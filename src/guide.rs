//! The chapters of the guide, whose examples `cargo test --doc` compiles and runs.

/// A module for each chapter of `docs/guide/src` that has examples in Rust.
macro_rules! chapters {
    ($($name:ident = $file:literal;)*) => {$(
        #[doc = include_str!(concat!("../docs/guide/src/", $file))]
        mod $name {}
    )*};
}

chapters! {
    introduction = "introduction.md";
    first_painting = "first-painting.md";
    data = "data.md";
    choices = "choices.md";
    runs = "runs.md";
    predictions = "predictions.md";
    devices = "devices.md";
    pytorch = "pytorch.md";
    neuron = "neuron.md";
    layer = "layer.md";
    backpropagation = "backpropagation.md";
    ten_layers = "ten-layers.md";
    engine = "engine.md";
}
