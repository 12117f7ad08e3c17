//! The signals that end a run early: what was learned so far is painted, saved and reported.

use impasto::{Error, Result};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

/// Signals so soon after the first one are the same request.
const SAME_REQUEST: Duration = Duration::from_millis(300);

/// The number of Ctrl-C's signal.
const INTERRUPT: u8 = 2;

/// The signal that asked for an early end, if one came.
#[derive(Clone, Debug, Default)]
pub struct Signal(Arc<AtomicU8>);

impl Signal {
    /// Listens for Ctrl-C, and where there are such signals for SIGTERM and SIGHUP. The first asks for a clean end, and
    /// a later one ends the program at once.
    pub fn listen() -> Result<Self> {
        let signal = Self::default();
        let (raised, mut first) = (signal.clone(), None);
        platform::listen(move |number| {
            let now = Instant::now();
            raised.0.store(number, Ordering::SeqCst);
            // Some senders (`timeout -s INT`) reach us twice at once, which counts as the first.
            if now - *first.get_or_insert(now) > SAME_REQUEST {
                process::exit(i32::from(exit_code(number)));
            }
        })
        .map_err(|error| Error::Unsupported(format!("cannot listen for signals: {error}")))?;
        Ok(signal)
    }

    /// Whether one came.
    pub fn came(&self) -> bool {
        self.0.load(Ordering::SeqCst) != 0
    }

    /// The exit code of a program that it ended: 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP; `None` if none
    /// came.
    pub fn exit_code(&self) -> Option<u8> {
        self.came().then(|| exit_code(self.0.load(Ordering::SeqCst)))
    }
}

/// That of a shell for a program that a signal ended.
fn exit_code(number: u8) -> u8 {
    128 + number
}

#[cfg(unix)]
mod platform {
    use signal_hook::consts::{SIGHUP, SIGTERM};
    use signal_hook::iterator::Signals;
    use std::io;

    /// Calls `on` on a thread of its own with the number of each signal.
    pub fn listen(mut on: impl FnMut(u8) + Send + 'static) -> io::Result<()> {
        let mut wanted = vec![i32::from(super::INTERRUPT), SIGTERM];
        // `nohup` has it ignored, so that the run goes on.
        if !hangup_is_ignored() {
            wanted.push(SIGHUP);
        }
        let mut signals = Signals::new(wanted)?;
        let serve = move || signals.forever().for_each(|number| on(number as u8));
        std::thread::Builder::new().name("signals".into()).spawn(serve).map(drop)
    }

    /// Whether SIGHUP is ignored. Known on Linux only.
    fn hangup_is_ignored() -> bool {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.is_some_and(|mask| mask & 1 << (SIGHUP - 1) != 0)
    }
}

#[cfg(not(unix))]
mod platform {
    /// Calls `on` on a thread of its own at each Ctrl-C, and where the console closes or the system shuts down.
    pub fn listen(mut on: impl FnMut(u8) + Send + 'static) -> Result<(), ctrlc::Error> {
        ctrlc::set_handler(move || on(super::INTERRUPT))
    }
}
