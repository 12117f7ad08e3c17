//! Where a run stops: after the last step that an event reported, whatever is under way.

use super::Training;
use crate::error::{Error, Result};
use crate::summary::Ending;
use crate::trainer::Event;
use crate::trainer::turns::Turns;
use std::ops::ControlFlow;

impl Training {
    /// [`run_with_async`](Self::run_with_async) up to the step of that number.
    pub(super) async fn run_until(
        &mut self,
        until: u64,
        mut watch: impl FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<Ending> {
        let mut trained = self.train(until, &mut watch).await;
        if matches!(trained, Err(Error::Stopped)) {
            self.stop.take();
            trained = Ok(Ending::Stopped);
        }
        if self.stop.is_stopping() {
            let settled = if self.pipeline.waits() { Ok(()) } else { self.pipeline.settle().await };
            self.stop.resume();
            trained = trained.and_then(|ending| settled.map(|()| ending));
        }
        self.summary.ending = match &trained {
            Ok(ending) => *ending,
            Err(_) => Ending::Stopped,
        };
        trained
    }

    /// Takes in the steps that are under way in a session that cannot go back to before them. A run whose
    /// future was dropped may have some.
    pub(super) async fn catch_up(&mut self) -> Result<()> {
        if !self.pipeline.waits() {
            return Ok(());
        }
        let mut turns = Turns::new();
        while !self.pipeline.is_empty() {
            if let Some(seconds) = self.pipeline.finish_first(&mut turns).await? {
                self.summary.seconds += seconds;
            }
            let Some(done) = self.pipeline.first() else { break };
            let mut watch = |_: &Event| ControlFlow::Continue(());
            let ended = self.digest(done, self.timetable.steps, &mut watch).await;
            if matches!(ended, Err(Error::Stopped)) {
                // The run stops when it goes on, and this belongs to what it did before.
                self.stop.resume();
                continue;
            }
            if matches!(ended, Ok(Some(Ending::Stopped))) {
                self.stop.stop();
            }
            if let Err(error) = ended {
                // What is before the step that diverged can still be read.
                return if matches!(error, Error::Diverged { .. }) { Ok(()) } else { Err(error) };
            }
        }
        Ok(())
    }
}
