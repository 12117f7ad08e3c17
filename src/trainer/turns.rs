//! Yields to the other tasks of an executor.

use std::future::poll_fn;
use std::pin::Pin;
#[cfg(not(target_arch = "wasm32"))]
use std::task::Poll;
use std::time::Duration;
use web_time::Instant;

/// How long a training run keeps its executor to itself.
const LONGEST: Duration = Duration::from_millis(5);

/// When the other tasks of the executor last had their turn.
pub(super) struct Turns {
    last: Instant,
}

impl Turns {
    pub(super) fn new() -> Self {
        Self { last: Instant::now() }
    }

    /// Awaits `future`. Where that never has to wait, since an engine computes within its calls, the
    /// other tasks get their turn now and then.
    pub(super) async fn wait<F: Future + Unpin>(&mut self, mut future: F) -> F::Output {
        // Before the future, whose output would be lost if the caller dropped this one meanwhile.
        if self.last.elapsed() >= LONGEST {
            give().await;
            self.last = Instant::now();
        }
        let mut waited = false;
        let output = poll_fn(|context| {
            let polled = Pin::new(&mut future).poll(context);
            waited |= polled.is_pending();
            polled
        });
        let output = output.await;
        if waited {
            self.last = Instant::now();
        }
        output
    }
}

/// Gives the other tasks of the executor a turn.
#[cfg(not(target_arch = "wasm32"))]
async fn give() {
    let mut given = false;
    poll_fn(|context| {
        if given {
            return Poll::Ready(());
        }
        given = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Gives the browser's timers and messages a turn, which a promise that is kept already would not.
#[cfg(target_arch = "wasm32")]
async fn give() {
    // Fails only where there are no messages.
    let _ = wasm_bindgen_futures::JsFuture::from(next_task()).await;
}

#[cfg(target_arch = "wasm32")]
#[wasm_bindgen::prelude::wasm_bindgen(inline_js = r#"
export function next_task() {
    // Not a timer: a browser lets those wait for 4 ms when they follow each other.
    return new Promise((resolve) => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => {
            port1.close();
            resolve();
        };
        port2.postMessage(null);
    });
}
"#)]
extern "C" {
    fn next_task() -> js_sys::Promise;
}
