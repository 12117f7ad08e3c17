//! Memory that may not be there.
//!
//! The library asks for large memory so that it gets an error where there is none, [`Error::OutOfMemory`]. A program whose
//! allocator does something else where memory runs out asks [`may_fail`] first.

use crate::error::{Error, Result};
use std::cell::Cell;
use std::fmt::Display;
use std::fs::read_to_string;
use std::path::{Path, PathBuf};

/// Advice where parameters take too much memory.
pub(crate) const NARROWER: &str = "make the layers narrower";

/// Advice where samples take too much memory.
pub(crate) const FEWER: &str = "take fewer samples";

/// Advice where pixels take too much memory.
pub(crate) const SMALLER: &str = "make the picture smaller";

/// Advice where what is there already has its size.
#[cfg(feature = "safetensors")]
pub(crate) const MORE: &str = "allow the program more memory";

thread_local! {
    /// Whether an allocation of this thread may fail.
    static MAY_FAIL: Cell<bool> = const { Cell::new(false) };
}

/// Whether an allocation that fails at this moment on this thread becomes an error. For global allocators: they return null
/// then. All other allocations end the program where they fail.
///
/// ```
/// use impasto::memory;
/// use std::alloc::{GlobalAlloc, Layout, System};
///
/// /// Ends the program with a sentence where memory runs out.
/// struct Polite;
///
/// // SAFETY: the system's allocator does it all.
/// unsafe impl GlobalAlloc for Polite {
///     unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
///         let block = unsafe { System.alloc(layout) };
///         if block.is_null() && !memory::may_fail() {
///             eprintln!("error: there is no memory left");
///             std::process::exit(1);
///         }
///         block
///     }
///
///     unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
///         unsafe { System.dealloc(block, layout) }
///     }
/// }
///
/// #[global_allocator]
/// static ALLOCATOR: Polite = Polite;
///
/// assert!(!memory::may_fail());
/// let values = memory::room::<u8>(1 << 60, "a table", "take fewer rows");
/// let error = values.expect_err("more than any machine has");
/// assert!(error.to_string().starts_with("a table needs 1152921504606846976 bytes"));
/// ```
pub fn may_fail() -> bool {
    MAY_FAIL.get()
}

/// An empty vector with room for `count` values.
///
/// ```
/// let mut numbers = impasto::memory::room(2, "a pair", "take fewer numbers")?;
/// numbers.extend([1, 2]);
/// # Ok::<(), impasto::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfMemory`], with what the values are and what to do instead.
pub fn room<T>(count: usize, what: impl Display, advice: impl Display) -> Result<Vec<T>> {
    let mut values = Vec::new();
    if reserve(&mut values, count) {
        return Ok(values);
    }
    missing(bytes_of::<T>(count), what, advice)
}

/// `count` zeros.
///
/// # Errors
/// As [`room`].
pub(crate) fn zeros<T: bytemuck::Zeroable>(
    count: usize,
    what: impl Display,
    advice: impl Display,
) -> Result<Vec<T>> {
    match fallibly(|| bytemuck::try_zeroed_vec(count)) {
        Ok(values) => Ok(values),
        Err(()) => missing(bytes_of::<T>(count), what, advice),
    }
}

/// The values of an iterator, in room for all of them.
///
/// # Errors
/// As [`room`].
pub(crate) fn collect<T>(
    values: impl ExactSizeIterator<Item = T>,
    what: impl Display,
    advice: impl Display,
) -> Result<Vec<T>> {
    let mut all = room(values.len(), what, advice)?;
    all.extend(values);
    Ok(all)
}

/// Appends values. The vector grows by doubling, so that repeated calls take linear time.
///
/// # Errors
/// As [`room`].
pub(crate) fn extend<T>(
    all: &mut Vec<T>,
    values: impl ExactSizeIterator<Item = T>,
    what: impl Display,
    advice: impl Display,
) -> Result<()> {
    let more = values.len();
    if all.capacity() - all.len() < more && fallibly(|| all.try_reserve(more).is_err()) {
        return missing(bytes_of::<T>(all.len().saturating_add(more)), what, advice);
    }
    all.extend(values);
    Ok(())
}

/// A copy of `[parameters]` numbers.
///
/// # Errors
/// As [`room`].
pub(crate) fn copy(parameters: &[f64]) -> Result<Vec<f64>> {
    let what = format_args!("a copy of {} parameters", parameters.len());
    collect(parameters.iter().copied(), what, NARROWER)
}

/// The bytes of so many values.
fn bytes_of<T>(count: usize) -> u64 {
    (count as u64).saturating_mul(size_of::<T>() as u64)
}

/// Makes room for exactly so many more values. Returns whether there is memory.
pub(crate) fn reserve<T>(values: &mut Vec<T>, more: usize) -> bool {
    fallibly(|| values.try_reserve_exact(more).is_ok())
}

/// Whether there is memory for so many values at once.
pub(crate) fn has_room<T>(count: usize) -> bool {
    // Given back while it may fail: tests/memory.rs recognizes a question by that.
    fallibly(|| Vec::<T>::new().try_reserve_exact(count).is_ok())
}

/// The error that there is no memory for this.
pub(crate) fn missing<T>(bytes: u64, what: impl Display, advice: impl Display) -> Result<T> {
    let (what, advice) = (what.to_string(), advice.to_string());
    Err(Error::OutOfMemory { what, needed: bytes, advice })
}

/// What is not asked of the system, in bytes: asking takes a tenth of a millisecond.
const LITTLE: u64 = 16 << 20;

/// What a task needs, part by part, before it begins.
#[derive(Debug, Default)]
pub(crate) struct Need {
    bytes: u64,
    /// The largest part, and what makes it smaller.
    largest: (u64, &'static str),
}

impl Need {
    /// Adds so many numbers of `size` bytes; `advice` is what makes them fewer.
    pub(crate) fn add(&mut self, size: usize, numbers: usize, advice: &'static str) {
        let bytes = (numbers as u64).saturating_mul(size as u64);
        self.bytes = self.bytes.saturating_add(bytes);
        if bytes > self.largest.0 {
            self.largest = (bytes, advice);
        }
    }

    /// All bytes.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// An error if the system would not give that much.
    pub(crate) fn check(&self, what: impl Display) -> Result<()> {
        let left = if self.bytes > LITTLE { available() } else { None };
        self.check_of(left, what)
    }

    /// The same where so many bytes are left.
    fn check_of(&self, left: Option<u64>, what: impl Display) -> Result<()> {
        let Self { bytes, largest: (_, advice) } = self;
        if let Some(left) = left.filter(|left| bytes > left) {
            return missing(*bytes, what, format_args!("{left} are left, so {advice}"));
        }
        if usize::try_from(*bytes).is_ok_and(has_room::<u8>) {
            return Ok(());
        }
        missing(*bytes, what, advice)
    }
}

/// Calls `work`, whose allocations may fail.
fn fallibly<T>(work: impl FnOnce() -> T) -> T {
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            MAY_FAIL.set(self.0);
        }
    }
    let _before = Before(MAY_FAIL.replace(true));
    work()
}

/// Bytes that this process can still take: the least of what the machine has, what the limits of its
/// control groups leave, and what its limit of address space leaves. `None` where the system does not say
/// so, which is all but Linux.
pub(crate) fn available() -> Option<u64> {
    let text = |path: &str| read_to_string(path).ok();
    let machine = text("/proc/meminfo").and_then(|text| in_kilobytes(&text, "MemAvailable:"));
    let groups = text("/proc/self/cgroup").map(|text| folders(&text)).unwrap_or_default();
    let groups = groups.iter().filter_map(|folder| left_in(folder)).min();
    [machine, groups, space_left()].into_iter().flatten().min()
}

/// What a limit of address space leaves, if there is one.
pub(crate) fn space_left() -> Option<u64> {
    let limit = address_space(&read_to_string("/proc/self/limits").ok()?)?;
    let used = in_kilobytes(&read_to_string("/proc/self/status").ok()?, "VmSize:")?;
    Some(limit.saturating_sub(used))
}

/// The bytes in a line such as `MemAvailable:   24026464 kB`.
fn in_kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The limit of address space, if there is one.
fn address_space(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The folders of the control groups of a process and of those around them.
fn folders(groups: &str) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let root = match controllers {
            "" => "/sys/fs/cgroup",
            _ if controllers.split(',').any(|name| name == "memory") => "/sys/fs/cgroup/memory",
            _ => continue,
        };
        let inner = Path::new(root).join(path.trim_start_matches('/'));
        folders.extend(inner.ancestors().take_while(|f| f.starts_with(root)).map(PathBuf::from));
    }
    folders
}

/// What the limit of a control group leaves, if it has one.
fn left_in(folder: &Path) -> Option<u64> {
    let number = |name: &str| read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
    let limit = number("memory.max").or_else(|| number("memory.limit_in_bytes"))?;
    let used = number("memory.current").or_else(|| number("memory.usage_in_bytes"))?;
    Some(limit.saturating_sub(used))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_is_for_the_largest_part() {
        let mut need = Need::default();
        need.add(4, 1000, "make the layers narrower");
        need.add(8, 1000, "lower the batch size");
        assert_eq!(need.bytes(), 12_000);
        assert!(need.check("training").is_ok() && need.check_of(Some(12_000), "training").is_ok());
        let error = need.check_of(Some(11_999), "training").expect_err("too little");
        let expected = "training needs 12000 bytes, more than this machine has: 11999 are left, so lower the batch size";
        assert_eq!(error.to_string(), expected);
        need.add(4, usize::MAX, "make the layers narrower");
        let error = need.check("training").expect_err("more than any machine has");
        assert!(error.to_string().ends_with("make the layers narrower"), "{error}");
    }

    #[test]
    fn allocations_may_fail_where_their_failure_is_an_error() {
        assert!(!may_fail());
        assert!(fallibly(|| fallibly(may_fail) && may_fail()) && !may_fail());
        assert!(!has_room::<u64>(usize::MAX / 16));
        let error = zeros::<u64>(usize::MAX / 16, "a vector", "take less").expect_err("too much");
        assert!(error.to_string().ends_with("more than this machine has: take less"), "{error}");
        assert_eq!(zeros::<u64>(2, "a vector", "take less").expect("16 bytes"), [0, 0]);
    }

    #[test]
    fn texts_of_the_system_are_read() {
        let text = "MemTotal:       32000000 kB\nMemAvailable:   24026464 kB\n";
        assert_eq!(in_kilobytes(text, "MemAvailable:"), Some(24_026_464 * 1024));
        let limits = "Max processes             100   100   processes\n\
                      Max address space         943718400            unlimited            bytes\n";
        assert_eq!(address_space(limits), Some(943_718_400));
        assert_eq!(address_space("Max address space         unlimited   unlimited   bytes"), None);
        let found = folders("12:memory:/a\n3:cpu:/b\n0::/c/d\n");
        let expected = ["memory/a", "memory", "c/d", "c", ""];
        let expected = expected.map(|f| PathBuf::from(format!("/sys/fs/cgroup/{f}")));
        assert_eq!(found, expected);
    }

    #[test]
    fn limits_of_groups_leave_what_is_not_used() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(left_in(folder.path()), None);
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("written");
        };
        write("memory.max", "max\n");
        write("memory.current", "300\n");
        assert_eq!(left_in(folder.path()), None);
        write("memory.max", "1000\n");
        assert_eq!(left_in(folder.path()), Some(700));
        #[cfg(target_os = "linux")]
        assert!(available().is_some_and(|bytes| bytes > 0));
    }
}
