//! What happens where memory runs out: a run ends early with what it has learned, or the program ends with a sentence.
//!
//! The library asks for large memory in a way that fails with an error. All other allocations abort a Rust program where
//! they fail. The allocator here gives back a reserve first, which ends training as a signal does.
//!
//! Unsafe: an allocator is an unsafe trait, and so is calling a function of the C library, which sets how much address space
//! its own allocator takes for each thread.

#![expect(unsafe_code, reason = "an allocator, and a setting of the C library")]

use super::signals::exit_at_once;
use impasto::{Error, memory};
use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::time::Duration;

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: Guard = Guard;

/// Bytes that are kept for the end of a run beside its network: for a few rows of its painting.
const PAINTING: usize = 16 << 20;

/// How many times as much must be free for a reserve, so that it is no reason why memory runs out.
const PLENTY: usize = 4;

/// How often an allocation is tried again, and the time between two tries.
const TRIES: usize = 3;
const PAUSE: Duration = Duration::from_millis(5);

/// The reserve, if it is set aside.
static SET_ASIDE: AtomicPtr<u8> = AtomicPtr::new(null_mut());

/// The bytes of the reserve that was set aside last.
static RESERVE: AtomicUsize = AtomicUsize::new(0);

/// The bytes that were asked for when the reserve was given back; 0 if it was not.
static NEEDED: AtomicUsize = AtomicUsize::new(0);

/// Whether a thread is ending the program.
static IS_ENDING: AtomicBool = AtomicBool::new(false);

/// The system's allocator, and what to do where it fails.
struct Guard;

// SAFETY: all blocks are those of the system's allocator, asked for with the layout that the caller gives. Nothing here
// unwinds, and nothing but the system's allocator allocates.
unsafe impl GlobalAlloc for Guard {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises a layout of a size above 0.
        let allocate = || unsafe { System.alloc(layout) };
        let block = allocate();
        if block.is_null() { again(layout.size(), allocate) } else { block }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        let allocate = || unsafe { System.alloc_zeroed(layout) };
        let block = allocate();
        if block.is_null() { again(layout.size(), allocate) } else { block }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises a block of this layout, which stays as it is where this fails, and a size above 0.
        let allocate = || unsafe { System.realloc(block, layout, size) };
        let moved = allocate();
        if moved.is_null() { again(size, allocate) } else { moved }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller promises a block of this layout.
        unsafe { System.dealloc(block, layout) }
    }
}

/// What follows an allocation of so many bytes that failed.
#[cold]
fn again(bytes: usize, allocate: impl Fn() -> *mut u8) -> *mut u8 {
    if memory::may_fail() {
        return null_mut();
    }
    if give_back() {
        // At least 1, although no allocation has 0 bytes.
        NEEDED.store(bytes.max(1), Ordering::SeqCst);
    }
    for _ in 0..TRIES {
        let block = allocate();
        if !block.is_null() {
            return block;
        }
        // Another thread may be about to give back the reserve, or other memory.
        std::thread::sleep(PAUSE);
    }
    end(bytes)
}

/// Gives the reserve back. Returns whether it was set aside.
fn give_back() -> bool {
    let reserve = SET_ASIDE.swap(null_mut(), Ordering::SeqCst);
    if reserve.is_null() {
        return false;
    }
    let layout = layout(RESERVE.load(Ordering::SeqCst));
    // SAFETY: it is a block of this layout, which no other thread has got from the swap.
    unsafe { System.dealloc(reserve, layout) };
    true
}

/// Ends the program, since it needs so many bytes and there are none.
fn end(bytes: usize) -> ! {
    if IS_ENDING.swap(true, Ordering::SeqCst) {
        // Another thread is about to end the program, or what it does for that needs memory itself.
        std::thread::sleep(Duration::from_millis(100));
        exit_at_once(1);
    }
    let mut text = [0; 240];
    let all = text.len();
    let mut rest = &mut text[..];
    let _ = writeln!(
        rest,
        "error: going on needs {bytes} bytes, more than this machine has: make the picture, the layers or the batch \
         smaller, or allow the program more memory"
    );
    let length = all - rest.len();
    let _ = std::io::stderr().write_all(&text[..length]);
    impasto::files::release_all();
    exit_at_once(1);
}

/// Sets memory aside for the end of a run, which takes so many bytes for its network, if there is plenty. From then on, an
/// allocation that fails ends training. One thread calls this and [`release`] in turn.
pub fn set_aside(network: usize) {
    release();
    let bytes = network.saturating_add(PAINTING).min(isize::MAX as usize / 8);
    let all = layout(PLENTY * bytes);
    // SAFETY: the layouts have a size above 0, and the block is of the layout that it is given back with.
    let reserve = unsafe {
        let plenty = System.alloc(all);
        if plenty.is_null() {
            return;
        }
        System.dealloc(plenty, all);
        System.alloc(layout(bytes))
    };
    RESERVE.store(bytes, Ordering::SeqCst);
    SET_ASIDE.store(reserve, Ordering::SeqCst);
}

/// The layout of a block of so many bytes.
fn layout(bytes: usize) -> Layout {
    Layout::array::<u8>(bytes).unwrap_or(Layout::new::<u8>())
}

/// Gives the reserve back, since training is over.
pub fn release() {
    give_back();
}

/// Whether training has to end, since memory has run out.
pub fn is_short() -> bool {
    NEEDED.load(Ordering::Relaxed) != 0
}

/// Why training ended early, if memory ran out.
pub fn shortage() -> Option<Error> {
    is_short().then(|| Error::OutOfMemory {
        what: "going on with training".into(),
        needed: NEEDED.load(Ordering::Relaxed) as u64,
        advice: "it ended early with what it had learned; make the picture, the layers or the batch smaller, or allow the \
                 program more memory"
            .into(),
    })
}

/// Under a limit of address space, has all threads allocate in the same places: the C library on Linux reserves 64 MiB or
/// more for each thread otherwise.
pub fn prepare() {
    platform::share_heaps();
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod platform {
    /// The number of the setting for the most heaps, `M_ARENA_MAX`.
    const MOST_HEAPS: i32 = -8;

    unsafe extern "C" {
        fn mallopt(setting: i32, value: i32) -> i32;
    }

    /// Whether there is a limit of address space (`ulimit -v`).
    fn is_limited() -> bool {
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let limit = limits.lines().find_map(|line| line.strip_prefix("Max address space"));
        limit.is_some_and(|limit| !limit.trim_start().starts_with("unlimited"))
    }

    pub(super) fn share_heaps() {
        if is_limited() {
            // SAFETY: the function of glibc, with a setting and a value that it documents.
            unsafe { mallopt(MOST_HEAPS, 1) };
        }
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod platform {
    pub(super) fn share_heaps() {}
}
