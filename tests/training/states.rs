//! States that move between sessions and engines.

use crate::run::{optimizers, samples};
use crate::{batches_of_four, engines, small};
use impasto::{
    Activation, Backend, Dataset, Engine, Network, Optimizer, Plan, Session, State, Step, Wrappers,
};

/// Steps `first` to `last` over 10 samples in batches of 4.
fn steps(range: std::ops::RangeInclusive<u64>) -> Vec<Step> {
    range
        .map(|number| {
            let first = (number as usize - 1) % 3 * 4;
            let epoch = (number - 1) / 3 + 1;
            Step { number, epoch, first, count: 4.min(10 - first), learning_rate: 0.01 }
        })
        .collect()
}

fn start(engine: &Engine, network: &Network, plan: &Plan, dataset: &Dataset) -> Box<dyn Session> {
    pollster::block_on(engine.start(network, plan, dataset)).expect("starts")
}

fn train(session: &mut dyn Session, range: std::ops::RangeInclusive<u64>) {
    let outcome = session.train(&steps(range)).expect("steps that fit");
    assert_eq!(pollster::block_on(outcome).expect("trains").diverged, None);
}

fn state(session: &mut dyn Session) -> State {
    pollster::block_on(session.state()).expect("a state")
}

fn learned(session: &mut dyn Session) -> Vec<f64> {
    pollster::block_on(session.parameters()).expect("parameters")
}

/// Every optimizer alone, and what can surround one, alone and together.
fn plans() -> Vec<Plan> {
    let plain = Plan { shuffle: Some(3), seed: 3, ..batches_of_four() };
    let alone = optimizers().into_iter().map(move |optimizer| Plan { optimizer, ..plain });
    let wrappers = [
        "accumulate:batches=3",
        "clip-value:limit=0.01",
        "clip-norm:limit=0.01",
        "lookahead:alpha=0.25,every=4",
        "ema:decay=0.875,bias_correction=true",
    ]
    .map(|text| text.parse().expect("a wrapper"));
    let each = wrappers.iter().map(|wrapper| Wrappers::new([*wrapper]).expect("one"));
    let surrounded = each.chain([Wrappers::new(wrappers).expect("all different")]);
    let surrounded =
        surrounded.map(move |wrappers| Plan { optimizer: Optimizer::ADAM, wrappers, ..plain });
    alone.chain(surrounded).collect()
}

#[test]
fn a_state_goes_on_in_another_session_to_the_bit() {
    let dataset = samples(10, 3, 2, 1);
    let [network, other] = [small(Activation::Tanh, Activation::Identity, 2), {
        let mut network = small(Activation::Tanh, Activation::Identity, 2);
        let zeros = vec![0.0; network.parameters().len()];
        network.set_parameters(&zeros).expect("as many");
        network
    }];
    for engine in engines() {
        for plan in plans() {
            let what = format!("{:?}, {:?} on {}", plan.optimizer, plan.wrappers, engine.device());
            let mut whole = start(&engine, &network, &plan, &dataset);
            train(&mut *whole, 1..=20);
            let mut first = start(&engine, &network, &plan, &dataset);
            train(&mut *first, 1..=10);
            let half = state(&mut *first);
            // Into a session that was elsewhere.
            let mut second = start(&engine, &other, &plan, &dataset);
            train(&mut *second, 1..=3);
            pollster::block_on(second.restore(&half)).expect("a state that fits");
            assert!(state(&mut *second) == half, "{what}");
            assert!(learned(&mut *second) == learned(&mut *first), "{what}");
            for session in [&mut first, &mut second] {
                train(&mut **session, 11..=20);
                assert!(state(&mut **session) == state(&mut *whole), "{what}");
                assert!(learned(&mut **session) == learned(&mut *whole), "{what}");
            }
        }
    }
}

#[test]
fn a_state_moves_between_engines() {
    let (dataset, network) =
        (samples(10, 3, 2, 1), small(Activation::Tanh, Activation::Identity, 2));
    let plan = Plan { optimizer: Optimizer::ADAM, ..batches_of_four() };
    let mut states = Vec::new();
    for first in engines() {
        let mut session = start(&first, &network, &plan, &dataset);
        train(&mut *session, 1..=10);
        let half = state(&mut *session);
        for second in engines() {
            let mut session = start(&second, &network, &plan, &dataset);
            pollster::block_on(session.restore(&half)).expect("a state that fits");
            train(&mut *session, 11..=20);
            states.push(state(&mut *session));
        }
    }
    for state in &states {
        let pairs = state.parameters.iter().zip(&states[0].parameters);
        let off = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(off < 1e-4 && state.batches == 20, "{off}");
    }
}

#[test]
fn a_state_that_does_not_fit_is_refused_and_changes_nothing() {
    let (dataset, network) =
        (samples(10, 3, 2, 1), small(Activation::Tanh, Activation::Identity, 2));
    let plan = Plan { optimizer: Optimizer::ADAM, ..batches_of_four() };
    for engine in engines() {
        let mut session = start(&engine, &network, &plan, &dataset);
        train(&mut *session, 1..=5);
        let fits = state(&mut *session);
        let mut fewer = fits.clone();
        fewer.vectors.pop();
        let mut shorter = fits.clone();
        shorter.vectors[1].pop();
        let mut infinite = fits.clone();
        infinite.parameters[0] = f64::INFINITY;
        let mut large = fits.clone();
        large.parameters[0] = 1e39;
        for (unfit, reason) in [
            (fewer, "a state with 1 vectors does not fit adam"),
            (shorter, "does not fit a network of 98 parameters"),
            (infinite, "a parameter that is not finite"),
        ] {
            let error = pollster::block_on(session.restore(&unfit)).expect_err("unfit");
            assert!(error.to_string().contains(reason), "{error}");
            assert_eq!(state(&mut *session), fits, "{}", engine.device());
        }
        // What f64 alone can hold is for the reference alone.
        let restored = pollster::block_on(session.restore(&large));
        assert_eq!(
            restored.is_ok(),
            engine.device().backend == Backend::Reference,
            "{}",
            engine.device()
        );
    }
}

#[test]
fn after_a_divergence_a_kept_moment_has_a_state() {
    let (dataset, network) =
        (samples(10, 3, 2, 1), small(Activation::Tanh, Activation::Identity, 2));
    let plan = Plan { optimizer: Optimizer::SGD, ..batches_of_four() };
    for engine in engines() {
        let mut session = start(&engine, &network, &plan, &dataset);
        train(&mut *session, 1..=4);
        let before = state(&mut *session);
        pollster::block_on(session.keep(0)).expect("small enough");
        let mut bad = steps(5..=6);
        bad[0].learning_rate = 1e300;
        let outcome = pollster::block_on(session.train(&bad).expect("fits")).expect("runs");
        assert!(outcome.diverged.is_some(), "{}", engine.device());
        // After a loss that is not finite, the state is that from before the step.
        match pollster::block_on(session.state()) {
            Ok(state) => assert_eq!(state.batches, 5),
            Err(error) => assert!(error.to_string().contains("no state"), "{error}"),
        }
        pollster::block_on(session.go_back(0)).expect("kept");
        assert_eq!(state(&mut *session), before, "{}", engine.device());
        // Or another state is restored.
        session.train(&bad).map(pollster::block_on).expect("fits").expect("runs");
        pollster::block_on(session.restore(&before)).expect("fits");
        train(&mut *session, 5..=6);
    }
}

#[test]
fn a_moment_after_an_update_that_was_undone_is_kept_as_it_was() {
    let (dataset, network) =
        (samples(10, 3, 2, 1), small(Activation::Tanh, Activation::Identity, 2));
    let wrappers = Wrappers::new(["ema:decay=0.5".parse().expect("a wrapper")]).expect("one");
    // In f64 such an update is still finite.
    let single =
        engines().into_iter().filter(|engine| engine.device().backend != Backend::Reference);
    for engine in single {
        for wrappers in [Wrappers::default(), wrappers] {
            let plan = Plan { wrappers, ..batches_of_four() };
            let mut session = start(&engine, &network, &plan, &dataset);
            train(&mut *session, 1..=4);
            pollster::block_on(session.keep(0)).expect("small enough");
            let mut bad = steps(5..=6);
            bad[0].learning_rate = 1e300;
            let outcome = pollster::block_on(session.train(&bad).expect("fits")).expect("runs");
            assert!(outcome.diverged.is_some_and(|diverged| !diverged.in_loss));
            pollster::block_on(session.keep(1)).expect("small enough");
            let undone = learned(&mut *session);
            // Another branch, and back.
            pollster::block_on(session.go_back(0)).expect("kept");
            train(&mut *session, 5..=20);
            pollster::block_on(session.go_back(1)).expect("kept");
            assert_eq!(learned(&mut *session), undone, "{wrappers:?} on {}", engine.device());
        }
    }
}
