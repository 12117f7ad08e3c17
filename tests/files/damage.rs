//! Files that were cut short or changed.

use super::samples;
use impasto::reference::ReferenceEngine;
use impasto::{Activation, Network, Trainer, TrainingState};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Files that are changed, of each kind.
const CASES: u32 = 4000;

fn network() -> Network {
    let builder = Network::builder(2).hidden(&[8, 8], Activation::Relu);
    builder.output(1, Activation::Identity).seed(4).build().unwrap()
}

fn run() -> TrainingState {
    let trainer = Trainer { epochs: 9, batch_size: 16, ..Trainer::default() };
    let mut training = trainer.begin(ReferenceEngine::new(), &network(), samples()).unwrap();
    training.step(7).unwrap();
    training.state().unwrap()
}

/// Changes one to four bytes, or cuts the file short. What is then read, if anything, must be as it was written.
fn check<T: PartialEq + std::fmt::Debug>(bytes: &[u8], read: impl Fn(&[u8]) -> impasto::Result<T>) {
    let whole = read(bytes).unwrap();
    let change = prop::collection::vec((any::<Index>(), 1..=255_u8), 1..5);
    let changes = prop_oneof![
        change.prop_map(|changes| (changes, None)),
        any::<Index>().prop_map(|length| (Vec::new(), Some(length))),
    ];
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let refused = std::cell::Cell::new(0);
    TestRunner::new_with_rng(config, random)
        .run(&changes, |(changes, length)| {
            let mut changed = bytes.to_vec();
            for (place, bits) in changes {
                *place.get_mut(&mut changed) ^= bits;
            }
            changed.truncate(length.map_or(changed.len(), |length| length.index(bytes.len())));
            // Where the name of the checksum was hit, nothing says that there is one.
            let named = changed.windows(16).any(|key| key == b"impasto-checksum");
            prop_assume!(changed != bytes && (named || changed.len() < bytes.len()));
            match read(&changed) {
                Ok(read) => prop_assert_eq!(&read, &whole),
                Err(error) => {
                    refused.set(refused.get() + 1);
                    let error = error.to_string();
                    prop_assert!(!error.contains('\n') && error.len() < 1000, "{}", error);
                }
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(refused.get() == CASES, "{} of {CASES} were refused", refused.get());
}

#[test]
fn damaged_networks_are_refused() {
    check(&network().encode_with([("picture", "of a duck")]).unwrap(), |bytes| {
        Ok(Network::decode_with(bytes)?.0)
    });
}

#[test]
fn damaged_runs_are_refused() {
    check(&run().encode().unwrap(), TrainingState::decode);
}

#[test]
fn each_bit_of_the_numbers_is_checked() {
    let bytes = run().encode().unwrap();
    let header = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    for place in 8 + header..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 1 << (place % 8);
        let refused = TrainingState::decode(&changed).unwrap_err().to_string();
        assert!(refused.contains("it is damaged"), "byte {place}: {refused}");
        let refused = Network::decode(&changed).unwrap_err().to_string();
        assert!(refused.contains("it is damaged"), "byte {place}: {refused}");
    }
}

/// Such a file has the texts of the metadata, the checksum among them, and other bytes.
#[test]
fn a_file_that_another_program_wrote_again_is_read() {
    let bytes = network().encode_with([("note", "a text")]).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let metadata = header.metadata().clone();
    assert!(metadata.as_ref().unwrap().contains_key("impasto-checksum"));
    let again = safetensors::serialize(tensors.iter(), metadata).unwrap();
    assert_ne!(again, bytes);
    let (read, texts) = Network::decode_with(&again).unwrap();
    assert_eq!(read, Network::decode(&bytes).unwrap());
    assert_eq!((texts.len(), &*texts["note"]), (1, "a text"));
}

#[test]
fn texts_under_keys_of_the_library_are_refused() {
    for key in ["impasto", "impasto-training", "impasto-checksum"] {
        let refused = network().encode_with([(key, "mine")]).unwrap_err().to_string();
        assert!(refused.contains(&format!("the key '{key}'")), "{refused}");
        let refused = run().encode_with([(key, "mine")]).unwrap_err().to_string();
        assert!(refused.contains(&format!("the key '{key}'")), "{refused}");
    }
    // What was read from the file of a run can be saved again.
    let bytes = run().encode_with([("note", "a text")]).unwrap();
    let (network, texts) = Network::decode_with(&bytes).unwrap();
    assert_eq!(Network::decode_with(&network.encode_with(&texts).unwrap()).unwrap().1, texts);
}
