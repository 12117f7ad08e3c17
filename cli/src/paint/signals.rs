//! The signals that end a run early: what was learned so far is painted, saved and reported.

use super::allocator;
use super::console::{can_draw, print_line, warn_of};
use impasto::{StopHandle, files};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Signals so soon after the first one are the same request.
const SAME_REQUEST: Duration = Duration::from_millis(300);

/// The number of Ctrl-C's signal.
const INTERRUPT: u8 = 2;

/// The number of the signal of a limit of processor time on Linux. Elsewhere there is no such limit, or it is the same.
const PROCESSOR_TIME: u8 = 24;

/// The signal that asked for an early end, if one came.
#[derive(Clone, Debug, Default)]
pub struct Signal(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// 0 if none came.
    number: AtomicU8,
    first: Mutex<First>,
    /// What it stops too.
    run: Mutex<Option<StopHandle>>,
}

/// What the first signal does.
#[derive(Clone, Copy, Debug)]
enum First {
    /// It asks for a clean end, and this line says so.
    Asks(Option<&'static str>),
    /// It ends the program at once, with this line.
    Ends(Option<&'static str>),
}

impl Default for First {
    fn default() -> Self {
        Self::Asks(None)
    }
}

impl Signal {
    /// Listens for Ctrl-C, and where there are such signals for SIGTERM, SIGHUP and SIGXCPU. The first asks for a clean
    /// end, and a later one ends the program at once. Where the system cannot listen, the user is warned, and each
    /// signal ends the program at once.
    pub fn listen() -> Self {
        let signal = Self::default();
        let (raised, mut first) = (signal.clone(), None);
        let listening = platform::listen(move |number| {
            let now = Instant::now();
            // Some senders (`timeout -s INT`) reach us twice at once, which counts as the first. So do the signals that
            // a limit of processor time sends every second.
            let is_later =
                now - *first.get_or_insert(now) > SAME_REQUEST && number != PROCESSOR_TIME;
            let is_new = !is_later && raised.number() == 0;
            if let (First::Ends(Some(line)) | First::Asks(Some(line)), true) =
                (raised.first(), is_new)
            {
                // The bar has no newline behind it.
                let start = if can_draw() { "\n" } else { "" };
                print_line(format_args!("{start}{line}"));
            }
            if is_later || matches!(raised.first(), First::Ends(_)) {
                files::release_all();
                platform::exit(i32::from(exit_code(number)));
            }
            raised.0.number.store(number, Ordering::SeqCst);
            raised.stop_run();
        });
        if let Err(reason) = listening {
            warn_of(format_args!(
                "cannot listen for Ctrl-C and other signals, which end the run at once and lose what was learned: {reason}"
            ));
        }
        signal
    }

    /// From now on the first signal ends the program at once, with this line: there is nothing to keep.
    pub fn end_at_once(&self, line: Option<&'static str>) {
        self.set(First::Ends(line));
    }

    /// From now on the first signal asks for a clean end, and this line is printed at once.
    pub fn end_cleanly(&self, line: Option<&'static str>) {
        self.set(First::Asks(line));
    }

    /// From now on it also stops this run, within a step where the engine can.
    pub fn stop_with(&self, run: StopHandle) {
        *self.0.run.lock().unwrap_or_else(PoisonError::into_inner) = Some(run);
        if self.came() {
            self.stop_run();
        }
    }

    fn stop_run(&self) {
        if let Some(run) = &*self.0.run.lock().unwrap_or_else(PoisonError::into_inner) {
            run.stop();
        }
    }

    fn first(&self) -> First {
        *self.0.first.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, first: First) {
        *self.0.first.lock().unwrap_or_else(PoisonError::into_inner) = first;
    }

    /// Whether one came, or memory ran out, which ends a run alike.
    pub fn came(&self) -> bool {
        self.number() != 0 || allocator::is_short()
    }

    /// The number of the signal; 0 if none came.
    fn number(&self) -> u8 {
        self.0.number.load(Ordering::SeqCst)
    }

    /// The exit code of a program that it ended: 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP, 152 after
    /// SIGXCPU; `None` if none came.
    pub fn exit_code(&self) -> Option<u8> {
        let number = self.number();
        (number != 0).then(|| exit_code(number))
    }
}

/// Turns the signal of a file that exceeds a limit of size (`ulimit -f`) into an error of writing.
pub fn write_past_limits_as_errors() {
    platform::ignore_file_size();
}

/// Ends the program without waiting for its threads.
pub fn exit_at_once(code: i32) -> ! {
    platform::exit(code)
}

/// That of a shell for a program that a signal ended.
fn exit_code(number: u8) -> u8 {
    128 + number
}

#[cfg(unix)]
mod platform {
    use signal_hook::consts::{SIGHUP, SIGTERM, SIGXCPU, SIGXFSZ};
    use signal_hook::iterator::Signals;
    use std::io;
    use std::sync::{Arc, mpsc};

    /// Calls `on` on a thread of its own with the number of each signal.
    pub fn listen(mut on: impl FnMut(u8) + Send + 'static) -> io::Result<()> {
        let mut wanted = vec![i32::from(super::INTERRUPT), SIGTERM, SIGXCPU];
        // `nohup` has it ignored, so that the run goes on.
        if !hangup_is_ignored() {
            wanted.push(SIGHUP);
        }
        // The thread comes first: once there are handlers, a signal no longer ends the program by itself.
        let (sender, receiver) = mpsc::channel::<Signals>();
        let serve = move || {
            if let Ok(mut signals) = receiver.recv() {
                signals.forever().for_each(|number| on(number as u8));
            }
        };
        std::thread::Builder::new().name("signals".into()).spawn(serve)?;
        let _ = sender.send(Signals::new(wanted)?);
        Ok(())
    }

    /// Ends the program without waiting for its threads.
    pub fn exit(code: i32) -> ! {
        signal_hook::low_level::exit(code)
    }

    /// Sets a handler that does nothing, so that `write` reports the limit.
    pub fn ignore_file_size() {
        let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
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

    /// Ends the program.
    pub fn exit(code: i32) -> ! {
        std::process::exit(code)
    }

    /// There is no such signal.
    pub fn ignore_file_size() {}
}
