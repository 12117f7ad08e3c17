//! Runs that move to another thread.

use super::{fit, hill, network, trainer};
use crate::common::engines;
use std::thread;

/// Compiles only for a value that can move to another thread.
fn is_send<T: Send>(value: T) -> T {
    value
}

#[test]
fn a_run_goes_on_on_another_thread() {
    let trainer = trainer(4);
    for engine in engines() {
        let (expected, _) = fit(&trainer, &engine);
        let mut training =
            pollster::block_on(is_send(trainer.begin_async(&engine, &network(), &hill()))).unwrap();
        let learned = thread::scope(|scope| {
            let run = scope.spawn(|| {
                pollster::block_on(is_send(training.run_async()))?;
                pollster::block_on(is_send(training.parameters_async()))
            });
            run.join().expect("no panic").expect("trains")
        });
        assert_eq!(learned, expected.parameters(), "on {}", engine.device());
    }
}
