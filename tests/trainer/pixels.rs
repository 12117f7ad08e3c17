//! Pictures of 8 and 16 bits as samples: words of pixels train as rows of numbers do.

use crate::common::{assert_near, engines};
use impasto::{
    Activation, Backend, Dataset, Encoding, Engine, Loss, Network, Picture, Trainer, evaluate,
};

/// A picture in which every level differs from its neighbors.
fn picture(width: usize, height: usize, channels: usize, maximum: u16) -> Picture {
    let value = |i: usize| (i * 40_503 % (usize::from(maximum) + 1)) as u16;
    let values = (0..width * height * channels).map(value).collect();
    Picture::new(width, height, channels, maximum, values).unwrap()
}

/// The parameters after some steps, and the loss of all samples with them.
fn trained(engine: &Engine, network: &Network, dataset: &Dataset) -> (Vec<f64>, f64) {
    let mut network = network.clone();
    let trainer = Trainer { epochs: 2, batch_size: 32, ..Trainer::default() };
    trainer.fit(engine, &mut network, dataset).unwrap();
    let loss = evaluate(engine, &network, Loss::MeanSquaredError, dataset).unwrap();
    (network.parameters().to_vec(), loss)
}

#[test]
fn pixels_train_as_the_rows_of_their_numbers() {
    for (channels, maximum) in [(3, 255), (1, 65_535), (2, 65_535), (3, 65_535), (4, 65_535)] {
        let picture = picture(13, 7, channels, maximum);
        let pixels = picture.to_dataset(false).unwrap();
        let (inputs, targets) = pixels.rows(0..pixels.len());
        for (target, value) in targets.iter().zip(&*picture.values()) {
            assert_eq!(*target, f32::from(*value) / f32::from(maximum));
        }
        let rows = Dataset::new(inputs, targets, 2, channels).unwrap();
        // Fused kernels on a GPU, and layerwise ones for layers that are too wide for those.
        for hidden in [16, 160] {
            let network = Network::builder(2)
                .encoding(Encoding::Frequency { octaves: 2 })
                .hidden(&[hidden], Activation::Relu)
                .output(channels, Activation::Identity)
                .build()
                .unwrap();
            for engine in engines() {
                let what = format!("{channels} channels up to {maximum}, {}", engine.device());
                let (of_pixels, loss) = trained(&engine, &network, &pixels);
                let (of_rows, expected) = trained(&engine, &network, &rows);
                if engine.device().backend == Backend::Gpu {
                    // WGSL leaves a division and a place some units in the last place.
                    assert_near(&of_pixels, &of_rows, 1e-4, &what);
                    assert!((loss - expected).abs() < 1e-5, "{what}: {loss} and {expected}");
                } else {
                    assert_eq!((of_pixels, loss), (of_rows, expected), "{what}");
                }
            }
        }
    }
}

#[test]
fn parts_of_pictures_of_16_bits_have_their_pixels() {
    let picture = picture(9, 5, 3, 65_535);
    let all = picture.to_dataset(true).unwrap();
    let (training, validation) = all.split(0.4, 3).unwrap();
    assert_eq!((training.len(), validation.len()), (27, 18));
    let mut found: Vec<Vec<u16>> = Vec::new();
    for part in [training, validation] {
        let (_, targets) = part.rows(0..part.len());
        let level = |unit: &f32| (f64::from(*unit) * 65_535.0).round() as u16;
        found.extend(targets.chunks(3).map(|pixel| pixel.iter().map(level).collect()));
    }
    let mut expected: Vec<Vec<u16>> = picture.pixels().map(|pixel| pixel.to_vec()).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}
