//! The thread that waits for submissions.

#[cfg(test)]
use super::lock::lock;
#[cfg(test)]
use std::sync::{Arc, Mutex};
#[cfg(not(target_arch = "wasm32"))]
use std::{
    sync::mpsc,
    thread::{self, JoinHandle},
};

/// Sees to it that the callbacks of a submission are called when it is done. A browser does so by
/// itself; elsewhere a thread waits for the submissions one after the other, so that no future has
/// to. The thread ends, and is waited for, with the device: a driver must not be left at work while
/// the process ends.
pub(super) struct Waiter {
    #[cfg(not(target_arch = "wasm32"))]
    thread: Option<(mpsc::Sender<wgpu::SubmissionIndex>, JoinHandle<()>)>,
    /// While a test has it locked, the thread waits for nothing, and no callback is called.
    #[cfg(test)]
    pub(super) gate: Arc<Mutex<()>>,
}

#[cfg(not(target_arch = "wasm32"))]
impl Waiter {
    pub(super) fn new(device: &wgpu::Device) -> Self {
        let (sender, submissions) = mpsc::channel();
        let device = device.clone();
        #[cfg(test)]
        let gate = Arc::<Mutex<()>>::default();
        #[cfg(test)]
        let gate_of_the_thread = Arc::clone(&gate);
        let wait = move || {
            for submission in submissions {
                #[cfg(test)]
                drop(lock(&gate_of_the_thread));
                // What fails here also fails the mapping, which reports it.
                let _ = device.poll(wgpu::PollType::Wait {
                    submission_index: Some(submission),
                    timeout: None,
                });
            }
        };
        let thread = thread::Builder::new().name("impasto-gpu-wait".into()).spawn(wait);
        Self {
            thread: thread.ok().map(|thread| (sender, thread)),
            #[cfg(test)]
            gate,
        }
    }

    pub(super) fn wait_for(&self, device: &wgpu::Device, submission: wgpu::SubmissionIndex) {
        let sent = self.thread.as_ref().is_some_and(|(sender, _)| sender.send(submission).is_ok());
        if !sent {
            // No thread was to be had: wait here, late rather than never.
            let _ = device.poll(wgpu::PollType::wait_indefinitely());
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl Drop for Waiter {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.thread.take() {
            drop(sender);
            // It cannot have panicked with anything that is still needed.
            let _ = thread.join();
        }
    }
}

#[cfg(target_arch = "wasm32")]
impl Waiter {
    pub(super) fn new(_: &wgpu::Device) -> Self {
        Self {}
    }

    #[allow(clippy::unused_self, reason = "a browser waits by itself")]
    pub(super) fn wait_for(&self, _: &wgpu::Device, _: wgpu::SubmissionIndex) {}
}
