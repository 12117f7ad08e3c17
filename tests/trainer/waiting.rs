//! `fit_async` beside other tasks of the same thread.

use super::common::engines;
use super::{hill, network, trainer};
use impasto::{Activation, Ending, Network, Trainer};
use std::cell::Cell;
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::pin;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

/// Between two ticks.
const TICK: Duration = Duration::from_millis(10);

/// After so long without a tick, no more are expected.
const ENOUGH: Duration = Duration::from_secs(20);

/// Ticks for ever, whenever it is polled late enough after the last one.
async fn timer(ticks: &Cell<u32>) {
    loop {
        let next = Instant::now() + TICK;
        let mut is_set = false;
        let due = |context: &mut Context| {
            if Instant::now() >= next {
                return Poll::Ready(());
            }
            if !is_set {
                let waker = context.waker().clone();
                thread::spawn(move || {
                    thread::sleep(TICK);
                    waker.wake();
                });
                is_set = true;
            }
            Poll::Pending
        };
        poll_fn(due).await;
        ticks.set(ticks.get() + 1);
    }
}

#[test]
fn a_timer_ticks_beside_a_training_run() {
    let dataset = hill();
    for engine in engines() {
        // Steps of microseconds, and of milliseconds.
        let wide = Network::builder(2).hidden(&[300, 300], Activation::Relu);
        let wide = wide.output(1, Activation::Identity).build().unwrap();
        for mut network in [network(), wide] {
            let long = Trainer { learning_rate: 1e-4, ..trainer(usize::MAX) };
            let (ticks, begun) = (Cell::new(0), Instant::now());
            let mut timer = pin!(timer(&ticks));
            let summary = {
                let watch = |_: &_| {
                    let done = ticks.get() >= 3 || begun.elapsed() > ENOUGH;
                    if done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                };
                let mut fit = pin!(long.fit_with_async(&engine, &mut network, &dataset, watch));
                let both = poll_fn(|context| {
                    assert!(timer.as_mut().poll(context).is_pending());
                    fit.as_mut().poll(context)
                });
                pollster::block_on(both).unwrap()
            };
            assert_eq!(summary.ending, Ending::Stopped);
            assert!(ticks.get() >= 3, "{} ticks beside {}", ticks.get(), engine.device());
        }
    }
}
