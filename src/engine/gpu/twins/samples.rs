//! Tests of gathering and encoding against their twins.

use super::*;

/// A step of `batch` samples from position `first` of `dataset` on, in `order`.
fn gather_step(dataset: &Dataset, order: Permutation, first: usize, batch: usize) -> StepData {
    let (part, part_first) = (dataset.part().order.words(), dataset.part().first as u32);
    let step = StepData { order: order.words(), part, part_first, ..StepData::in_order(batch) };
    StepData { first: first as u32, ..step }
}

pub(super) fn gather_follows_the_permutation_across_segments() {
    on_random_shapes(|gpu, batch, samples, width, seed| {
        let rows = random(seed, samples * width);
        let whole = Dataset::new(rows.clone(), rows.clone(), width, width).expect("samples");
        let mut datasets = vec![whole.clone()];
        datasets.extend(whole.split(0.5, seed).ok().map(|(part, _)| part));
        for dataset in datasets {
            let batch = batch.min(dataset.len());
            let first = (seed % (dataset.len() - batch + 1) as u64) as usize;
            let still = Permutation::identity(dataset.len());
            for order in [still, Permutation::new(dataset.len(), seed, 3)] {
                let (expected, _) = reference::gather(&dataset, &order, first, batch);
                let mut out = vec![f32::NAN; batch * width];
                let segment = samples.div_ceil(2);
                for (position, part) in rows.chunks(segment * width).enumerate() {
                    let arguments = arguments::Gather {
                        batch: batch as u32,
                        width: width as u32,
                        offset: 0,
                        segment_first: (position * segment) as u32,
                        segment_rows: (part.len() / width) as u32,
                    };
                    let case = Case {
                        key: KernelKey::new("gather"),
                        arguments,
                        buffers: vec![part, &out],
                        grid: Grid::Elements(batch),
                        step: Some(gather_step(&dataset, order, first, batch)),
                    };
                    out.clone_from(&run(gpu, case)[1]);
                }
                assert_eq!(double(&out), expected);
            }
        }
    });
}

pub(super) fn orders_of_few_samples_are_those_of_the_host() {
    for gpu in adapters() {
        // Sizes on both sides of the change of method, and of a power of four.
        for len in (1..=20).chain([63, 64, 65, 255, 256, 257]) {
            let numbers: Vec<f32> = (0..len).map(|number| number as f32).collect();
            let dataset =
                Dataset::new(numbers.clone(), numbers.clone(), 1, 1).expect("some samples");
            for epoch in 1..=4 {
                let order = Permutation::new(len, 9, epoch);
                let out = vec![f32::NAN; len];
                let case = Case {
                    key: KernelKey::new("gather"),
                    arguments: arguments::Gather {
                        batch: len as u32,
                        width: 1,
                        offset: 0,
                        segment_first: 0,
                        segment_rows: len as u32,
                    },
                    buffers: vec![&numbers, &out],
                    grid: Grid::Elements(len),
                    step: Some(gather_step(&dataset, order, 0, len)),
                };
                let expected: Vec<f32> = (0..len).map(|p| order.index(p) as f32).collect();
                assert_eq!(run(&gpu, case)[1], expected, "{len} samples, epoch {epoch}");
            }
        }
    }
}

pub(super) fn gather_pixels_across_segments() {
    on_random_shapes(|gpu, batch, width, height, seed| {
        let channels = (seed % 4 + 1) as usize;
        let values = random(seed, width * height * channels);
        let centered = seed % 8 < 4;
        let places = Places::square(width, height, centered);
        let levels = if seed % 16 < 8 {
            Levels::Bytes(values.into_iter().map(|v| (v * 60.0 + 128.0) as u8).collect())
        } else {
            let word = |v: f32| (v * 15_000.0 + 32_768.0) as u16;
            Levels::Words(values.into_iter().map(word).collect())
        };
        let dataset = Dataset::from_levels(places, levels.into(), channels).expect("pixels");
        let Samples::Pixels(pixels) = dataset.samples() else { unreachable!("made of pixels") };
        let batch = batch.min(dataset.len());
        let first = (seed % (dataset.len() - batch + 1) as u64) as usize;
        let order = Permutation::new(dataset.len(), seed, 3);
        let (places, colors) = reference::gather(&dataset, &order, first, batch);
        let Packing { bits, pitch } = pixels.packing();
        let words: Vec<f32> =
            pixels.words(0..pixels.len()).into_iter().map(f32::from_bits).collect();
        let (mut inputs, mut targets) =
            (vec![f32::NAN; 2 * batch], vec![f32::NAN; channels * batch]);
        let segment = pixels.len().div_ceil(2);
        for (position, part) in words.chunks(segment * pitch as usize).enumerate() {
            let [scale_x, scale_y] = pixels.grid.scale;
            let [origin_x, origin_y] = pixels.grid.origin;
            let arguments = arguments::GatherPixels {
                batch: batch as u32,
                channels: channels as u32,
                offset: 0,
                segment_first: (position * segment) as u32,
                segment_rows: part.len() as u32 / pitch,
                bits,
                pitch,
                width: width as u32,
                scale_x,
                scale_y,
                origin_x,
                origin_y,
            };
            let case = Case {
                key: KernelKey::new("gather_pixels"),
                arguments,
                buffers: vec![part, &inputs, &targets],
                grid: Grid::Elements(batch),
                step: Some(gather_step(&dataset, order, first, batch)),
            };
            let got = run(gpu, case);
            inputs.clone_from(&got[1]);
            targets.clone_from(&got[2]);
        }
        assert_near("places", &inputs, &places, &vec![2.0; places.len()], 2.0);
        assert_near("channels", &targets, &colors, &vec![1.0; colors.len()], 4.0);
    });
}

pub(super) fn fourier_encoding() {
    on_random_shapes(|gpu, batch, _, features, seed| {
        let inputs = (seed % 4 + 1) as usize;
        let fourier = Encoding::Fourier { features, scale: 10.0, seed };
        let octaves = Encoding::Frequency { octaves: features.min(16) };
        for encoding in [fourier, octaves] {
            let frequencies = encoding.frequencies(inputs).expect("waves");
            let features = frequencies.len() / inputs;
            let x = random(seed, batch * inputs);
            let mut expected = vec![0.0; batch * 2 * features];
            reference::fourier_encoding(&double(&x), inputs, &double(&frequencies), &mut expected);
            let out = vec![0.0; expected.len()];
            let got = run(
                gpu,
                Case {
                    key: KernelKey::new("fourier_encoding"),
                    arguments: arguments::FourierEncoding {
                        batch: batch as u32,
                        inputs: inputs as u32,
                        features: features as u32,
                    },
                    buffers: vec![&x, &frequencies, &out],
                    grid: Grid::Elements(batch * features),
                    step: None,
                },
            );
            // An error of the turns, ε times their terms, is 2π times that in sine and cosine.
            let mut sizes = Vec::new();
            for x in x.chunks(inputs) {
                for b in frequencies.chunks(inputs) {
                    let terms: f64 = x.iter().zip(b).map(|(x, b)| f64::from((x * b).abs())).sum();
                    sizes.extend([1.0 + std::f64::consts::TAU * terms; 2]);
                }
            }
            assert_near(encoding.name(), &got[2], &expected, &sizes, inputs as f64 + 1.0);
        }
    });
}

pub(super) fn fourier_encoding_gradient() {
    on_random_shapes(|gpu, batch, _, features, seed| {
        let inputs = (seed % 4 + 1) as usize;
        let fourier = Encoding::Fourier { features, scale: 10.0, seed };
        let octaves = Encoding::Frequency { octaves: features.min(16) };
        for encoding in [fourier, octaves] {
            let frequencies = encoding.frequencies(inputs).expect("waves");
            let features = frequencies.len() / inputs;
            // Any numbers will do: the twin takes what is encoded as it is.
            let [encoded, delta] = [seed, seed + 1].map(|seed| random(seed, batch * 2 * features));
            let twin = |encoded: &[f64], delta: &[f64], frequencies: &[f64]| {
                reference::fourier_encoding_gradient(encoded, delta, inputs, frequencies)
            };
            let operands = [&encoded, &delta, &frequencies].map(|numbers| double(numbers));
            let expected = twin(&operands[0], &operands[1], &operands[2]);
            // The same sum of the sizes of its terms: cos·δ_sin + sin·δ_cos.
            let size = |numbers: &[f64]| numbers.iter().map(|n| n.abs()).collect::<Vec<_>>();
            let signs =
                |(place, number): (usize, f64)| if place % 2 == 0 { -number } else { number };
            let sines: Vec<f64> = size(&operands[0]).into_iter().enumerate().map(signs).collect();
            let sizes = twin(&sines, &size(&operands[1]), &size(&operands[2]));
            let out = vec![f32::NAN; expected.len()];
            let case = Case {
                key: KernelKey::new("fourier_encoding_gradient"),
                arguments: arguments::FourierEncoding {
                    batch: batch as u32,
                    inputs: inputs as u32,
                    features: features as u32,
                },
                buffers: vec![&encoded, &delta, &frequencies, &out],
                grid: Grid::Elements(out.len()),
                step: None,
            };
            let units = features as f64 + 4.0;
            assert_near(encoding.name(), &run(gpu, case)[3], &expected, &sizes, units);
        }
    });
}
