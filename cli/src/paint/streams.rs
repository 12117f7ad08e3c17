//! `-`: standard input and standard output, wherever a file can be named.

use super::console::print_line;
use impasto::files::Reservation;
use impasto::{Error, Import, Network, Picture, Result, Subject, files};
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

/// The most bytes of a picture on standard input, which are put in a temporary file.
const MOST_BYTES: u64 = 2 << 30;

/// Whether this is not a file but standard input or standard output. A file of that name is `./-`.
pub fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Whether this is a file that the system has for standard output.
pub fn names_standard_output(path: &Path) -> bool {
    ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].iter().any(|name| path == Path::new(name))
}

/// Whether what is written there goes to another program or a device, whose pace is not ours.
pub fn is_pipe(path: &Path) -> bool {
    is_standard(path) || files::is_stream(path)
}

/// Reserves the outputs of a program, which must not be its inputs: those that there are, but for standard input and
/// standard output. Each has what it is for.
pub fn reserve<'a>(
    inputs: impl IntoIterator<Item = (&'a str, Option<&'a PathBuf>)>,
    outputs: impl IntoIterator<Item = (&'a str, Option<&'a PathBuf>)>,
) -> Result<Reservation> {
    let file = |(role, path): (&'a str, Option<&'a PathBuf>)| {
        path.filter(|path| !is_standard(path)).map(|path| (role, path.as_path()))
    };
    let inputs: Vec<_> = inputs.into_iter().filter_map(file).collect();
    let outputs: Vec<_> = outputs.into_iter().filter_map(file).collect();
    files::reserve(&inputs, &outputs)
}

/// A picture from a file or from standard input.
pub fn load_picture(path: &Path) -> Result<(Picture, Vec<String>)> {
    if !is_standard(path) {
        return Picture::load_with_notes(path);
    }
    let mut file = tempfile::NamedTempFile::new().map_err(unreadable)?;
    let mut input = io::stdin().lock().take(MOST_BYTES + 1);
    if io::copy(&mut input, &mut file).map_err(unreadable)? > MOST_BYTES {
        let reason = "it has more than 2 GiB: save the picture to a file first";
        return Err(unreadable(io::Error::other(reason)));
    }
    Picture::load_with_notes(file.path()).map_err(|error| match error {
        Error::Picture { reason, .. } => Error::Picture { path: "standard input".into(), reason },
        Error::File { source, .. } => unreadable(source),
        other => other,
    })
}

/// A network from a file or from standard input.
///
/// `import` and `size` are what a file of another program does not say. Prints what the user should know of the file,
/// unless `quiet`.
pub fn load_network(
    path: &Path,
    import: &Import,
    size: Option<(usize, usize)>,
    quiet: bool,
) -> Result<(Network, Subject)> {
    let loaded = if is_standard(path) {
        let name = || "standard input".into();
        Subject::import_from(io::stdin().lock(), import, size).map_err(|error| match error {
            Error::Checkpoint { reason, .. } => Error::Checkpoint { path: name(), reason },
            Error::File { source, .. } => unreadable(source),
            other => other,
        })
    } else {
        Subject::import_with_notes(path, import, size)
    };
    let (network, subject, notes) = loaded?;
    if !quiet {
        for note in notes {
            print_line(format!("note: {note}"));
        }
    }
    Ok((network, subject))
}

/// Writes a picture to a file, in the format of its name, or to standard output as PNG.
pub fn save_picture(path: &Path, picture: &Picture) -> Result<()> {
    if !is_standard(path) {
        return picture.save(path);
    }
    let folder = tempfile::tempdir().map_err(unwritable)?;
    let png = folder.path().join("painted.png");
    picture.save(&png)?;
    write(&std::fs::read(&png).map_err(unwritable)?)
}

/// Writes bytes to a file or to standard output.
pub fn save_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    if is_standard(path) { write(bytes) } else { files::write(path, bytes) }
}

/// Writes a picture with `paint`, which is given the name of a file: that one, or one whose bytes go to standard output.
/// Returns what `paint` returns, which is whether there is a picture.
pub fn write_picture_with(path: &Path, paint: impl FnOnce(&Path) -> Result<bool>) -> Result<bool> {
    if !is_standard(path) {
        return paint(path);
    }
    let folder = tempfile::tempdir().map_err(unwritable)?;
    let png = folder.path().join("painted.png");
    if !paint(&png)? {
        return Ok(false);
    }
    let mut file = std::fs::File::open(&png).map_err(unwritable)?;
    let mut output = io::stdout().lock();
    io::copy(&mut file, &mut output).and_then(|_| output.flush()).map_err(unwritable)?;
    Ok(true)
}

/// Writes text to a file or to standard output.
pub fn save_text(path: &Path, text: &str) -> Result<()> {
    save_bytes(path, text.as_bytes())
}

/// An error if bytes would go to a terminal.
pub fn check_redirected() -> Result<()> {
    if io::stdout().is_terminal() {
        return Err(Error::Setting(
            "standard output is a terminal: add '> FILE' or '| PROGRAM' to the command".into(),
        ));
    }
    Ok(())
}

fn write(bytes: &[u8]) -> Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(bytes).and_then(|()| output.flush()).map_err(unwritable)
}

fn unreadable(source: io::Error) -> Error {
    Error::File { action: "read", path: "standard input".into(), source }
}

fn unwritable(source: io::Error) -> Error {
    Error::File { action: "write", path: "standard output".into(), source }
}
