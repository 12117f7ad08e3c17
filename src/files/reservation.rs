//! Outputs that are checked before a program works, and checked again when they are written.

use super::place::{Place, resolve};
use super::stream::{Stream, is_stream};
use super::temporary::Claim;
use super::way::Prepared;
use crate::error::{Error, Result};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

/// The outputs that are reserved in this process.
static RESERVED: Mutex<Vec<Arc<Entry>>> = Mutex::new(Vec::new());

/// An output.
#[derive(Debug)]
pub struct Entry {
    role: String,
    path: PathBuf,
    /// Where it led. None for a stream.
    place: Option<Place>,
    inputs: Arc<Vec<(String, Place)>>,
    claim: Mutex<Option<Claim>>,
    /// A pipe, so that its reader does not see its end before it is written.
    stream: Mutex<Option<Stream>>,
}

/// The outputs of a program, until it is dropped. See [`reserve`].
#[derive(Debug, Default)]
pub struct Reservation {
    entries: Vec<Arc<Entry>>,
    inputs: Arc<Vec<(String, Place)>>,
}

/// Checks the outputs of a program before it works: that each can be written, that none is an input or another output,
/// that no other run is going to write it, and that a program reads each pipe. Each path has a role for messages, such as
/// `the painting`.
///
/// A place is known by its folder's identity, so two mounts of one folder, links, and names in a folder that ignores case
/// are recognized. An input is known where it is a file. Until the reservation is dropped, another program that reserves
/// one of these outputs fails, and all functions of this library that write to one of these paths fail if it leads
/// elsewhere than now, or to an input. Pipes are opened here and stay open until they are written.
///
/// ```
/// use impasto::files;
///
/// # let folder = tempfile::tempdir().expect("a folder");
/// # let (input, output) = (folder.path().join("in.png"), folder.path().join("out.png"));
/// let outputs = files::reserve(&[("the input", &input)], &[("the painting", &output)])?;
/// assert!(files::reserve(&[], &[("the report", &output)]).is_err());
/// files::write(&output, b"painted")?;
/// drop(outputs);
/// assert!(files::reserve(&[("the input", &input)], &[("the painting", &input)]).is_err());
/// # Ok::<(), impasto::Error>(())
/// ```
///
/// # Errors
/// A sentence about the first output for which one of these is not so.
pub fn reserve(inputs: &[(&str, &Path)], outputs: &[(&str, &Path)]) -> Result<Reservation> {
    let place = |(role, path): &(&str, &Path)| {
        let place = if is_stream(path) { None } else { resolve(path).ok() };
        place.map(|place| ((*role).to_string(), place))
    };
    let inputs: Arc<Vec<_>> = Arc::new(inputs.iter().filter_map(place).collect());
    let mut reservation = Reservation { entries: Vec::new(), inputs };
    for (role, path) in outputs {
        let place = if is_stream(path) {
            None
        } else {
            let prepared = Prepared::new(path).map_err(|source| unwritable(path, source))?;
            Some(prepared.place)
        };
        reservation.add(role, path, place)?;
    }
    for entry in &reservation.entries {
        entry.take_claim()?;
    }
    // Last, since a pipe that is closed again looks to its reader as if it were written.
    for entry in reservation.entries.iter().filter(|entry| entry.place.is_none()) {
        let stream = Stream::open_pipe(&entry.path);
        *locked(&entry.stream) = stream.map_err(|source| unwritable(&entry.path, source))?;
    }
    locked(&RESERVED).extend(reservation.entries.iter().cloned());
    Ok(reservation)
}

/// Lets other runs have the outputs that this process has reserved, for a program that ends without dropping its
/// [`Reservation`]. It never waits: an output that another thread is just reserving or writing stays reserved until the
/// process has ended.
///
/// ```
/// use impasto::files;
///
/// # let folder = tempfile::tempdir().expect("a folder");
/// # let output = folder.path().join("out.png");
/// let outputs = files::reserve(&[], &[("the painting", &output)])?;
/// files::release_all();
/// assert!(files::reserve(&[], &[("the painting", &output)]).is_ok());
/// # Ok::<(), impasto::Error>(())
/// ```
pub fn release_all() {
    let Some(entries) = unlocked(&RESERVED) else { return };
    for mut claim in entries.iter().filter_map(|entry| unlocked(&entry.claim)) {
        drop(claim.take());
    }
}

impl Reservation {
    /// Reserves a folder, which need not be there yet, for files that are not reserved one by one. Whether files can be
    /// written there is not checked.
    ///
    /// ```
    /// use impasto::files;
    ///
    /// # let folder = tempfile::tempdir().expect("a folder");
    /// # let frames = folder.path().join("frames");
    /// let mut outputs = files::reserve(&[], &[])?;
    /// outputs.add_folder("the folder of frames", &frames)?;
    /// assert!(files::reserve(&[], &[]).and_then(|mut o| o.add_folder("frames", &frames)).is_err());
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// The folder is an input or another output, or another run is going to write to it.
    pub fn add_folder(&mut self, role: &str, path: &Path) -> Result<()> {
        let plain = path.canonicalize().unwrap_or_else(|_| path.components().collect());
        // A folder without a name is a root, or is not there.
        let Ok(place) = resolve(&plain) else { return Ok(()) };
        let entry = self.add(role, path, Some(place))?;
        entry.take_claim()?;
        locked(&RESERVED).push(entry);
        Ok(())
    }

    /// The places of the outputs that are no streams, in their order.
    ///
    /// ```
    /// use impasto::files::{self, Place};
    ///
    /// # let folder = tempfile::tempdir().expect("a folder");
    /// # let output = folder.path().join("out.png");
    /// let outputs = files::reserve(&[], &[("the painting", &output)])?;
    /// assert!(outputs.places().all(|place| place.path().ends_with("out.png")));
    /// # Ok::<(), impasto::Error>(())
    /// ```
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.entries.iter().filter_map(|entry| entry.place.as_ref())
    }

    /// Whether a place is one of the inputs or outputs.
    ///
    /// ```
    /// use impasto::files::{self, Place};
    ///
    /// # let folder = tempfile::tempdir().expect("a folder");
    /// # let output = folder.path().join("out.png");
    /// let outputs = files::reserve(&[], &[("the painting", &output)])?;
    /// assert!(outputs.includes(&Place::of(&output)?));
    /// # Ok::<(), impasto::Error>(())
    /// ```
    pub fn includes(&self, place: &Place) -> bool {
        let inputs = self.inputs.iter().map(|(_, input)| input);
        inputs.chain(self.places()).any(|other| other.is_same(place))
    }

    /// Adds an output, unless it is an input or another output.
    fn add(&mut self, role: &str, path: &Path, place: Option<Place>) -> Result<Arc<Entry>> {
        if let Some(place) = &place {
            let inputs = self.inputs.iter().map(|(role, input)| (role, input));
            let others = self.entries.iter();
            let others = others.filter_map(|entry| Some((&entry.role, entry.place.as_ref()?)));
            if let Some((other, _)) = inputs.chain(others).find(|(_, other)| other.is_same(place)) {
                return Err(Error::Setting(format!(
                    "{} would be both {other} and {role}: choose another name",
                    path.display()
                )));
            }
        }
        let entry = Arc::new(Entry {
            role: role.into(),
            path: path.into(),
            place,
            inputs: self.inputs.clone(),
            claim: Mutex::new(None),
            stream: Mutex::new(None),
        });
        self.entries.push(entry.clone());
        Ok(entry)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let is_mine = |entry: &Arc<Entry>| self.entries.iter().any(|mine| Arc::ptr_eq(mine, entry));
        locked(&RESERVED).retain(|entry| !is_mine(entry));
    }
}

impl Entry {
    fn take_claim(&self) -> Result<()> {
        let Some(place) = &self.place else { return Ok(()) };
        *locked(&self.claim) =
            Claim::take(place).map_err(|source| unwritable(&self.path, source))?;
        Ok(())
    }

    /// The pipe that was opened, the first time.
    pub fn take_stream(&self) -> Option<Stream> {
        locked(&self.stream).take()
    }

    /// An error if the path leads elsewhere than when it was reserved, or to an input.
    pub fn check(&self, now: &Place) -> io::Result<()> {
        if let Some((role, _)) = self.inputs.iter().find(|(_, input)| input.is_same(now)) {
            return Err(io::Error::other(format!(
                "it leads to {role} now, which it did not before"
            )));
        }
        match &self.place {
            Some(before) if before.path() != now.path() => {
                let now = now.path();
                Err(io::Error::other(format!(
                    "it leads to {} now, which was not checked",
                    now.display()
                )))
            }
            _ => Ok(()),
        }
    }
}

/// The output that is reserved under this path, if one is.
pub fn reserved(path: &Path) -> Option<Arc<Entry>> {
    locked(&RESERVED).iter().find(|entry| entry.path == path).cloned()
}

fn unwritable(path: &Path, source: io::Error) -> Error {
    Error::File { action: "write", path: path.into(), source }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is in a mutex that no thread holds.
fn unlocked<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(found) => Some(found),
        Err(TryLockError::Poisoned(found)) => Some(found.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
