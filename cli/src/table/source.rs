//! Reads a table row by row, from a file or from standard input.

use crate::paint::streams::is_standard;
use crate::paint::text::counted;
use clap::Args;
use impasto::{Error, Result, input};
use std::cell::Cell as Flag;
use std::io::{self, Cursor, Read};
use std::path::Path;
use std::rc::Rc;
use std::str::FromStr;

/// Bytes from which the separator is recognized.
const HEAD: u64 = 1 << 16;

/// Separators, the likeliest first.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// How a table is written.
#[derive(Args, Clone, Debug)]
pub struct Dialect {
    /// What separates the cells: a character, or tab [default: recognized: , ; tab or |]
    #[arg(long, value_name = "CHARACTER")]
    pub delimiter: Option<Separator>,

    /// The first line is a row too; the columns are called 1, 2, 3, …
    #[arg(long)]
    pub no_header: bool,
}

/// What separates cells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Separator(u8);

impl FromStr for Separator {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        match text.as_bytes() {
            b"tab" | b"\\t" => Ok(Self(b'\t')),
            [byte] if byte.is_ascii() && !b"\"\r\n".contains(byte) => Ok(Self(*byte)),
            _ => Err(Error::Setting(format!(
                "'{text}' is no separator: write one ASCII character, or tab"
            ))),
        }
    }
}

/// A row of cells.
pub type Row = csv::StringRecord;

/// A table that is read.
pub struct Source {
    reader: csv::Reader<Box<dyn Read>>,
    /// What messages call it.
    pub name: String,
    /// The names of the columns, all different.
    pub columns: Vec<String>,
    /// Whether 1,5 is a number.
    pub has_decimal_comma: bool,
    /// The first line, where it is a row.
    first: Option<(u64, Row)>,
    quotes: Rc<Quotes>,
}

/// What was read of a table, to find a quote that is not closed. A cell with such a quote goes on to the end.
#[derive(Default)]
struct Quotes {
    is_odd: Flag<bool>,
    is_end: Flag<bool>,
}

impl Quotes {
    /// An error if the last cell of the row from this line on goes on to the end of the table, since its quote is not closed.
    fn check(&self, name: &str, line: u64, row: &Row) -> Result<()> {
        let goes_on = row.iter().next_back().is_some_and(|cell| cell.contains('\n'));
        if !(goes_on && self.is_odd.get() && self.is_end.get()) {
            return Ok(());
        }
        Err(Error::Data(format!(
            "{name}, line {line}: a cell begins with a quote (\") that is not closed before the end of the table"
        )))
    }
}

/// A reader that counts quotes.
struct Counted {
    inner: Box<dyn Read>,
    quotes: Rc<Quotes>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let before = self.quotes.is_odd.get();
        let is_odd = buffer[..read].iter().fold(before, |odd, byte| odd != (*byte == b'"'));
        self.quotes.is_odd.set(is_odd);
        self.quotes.is_end.set(read == 0 && !buffer.is_empty());
        Ok(read)
    }
}

impl Source {
    /// Opens a table and reads its first line.
    pub fn open(path: &Path, dialect: &Dialect) -> Result<Self> {
        let name =
            if is_standard(path) { "standard input".into() } else { path.display().to_string() };
        let unreadable = |source| Error::File { action: "read", path: name.clone().into(), source };
        let bytes: Box<dyn Read> = if is_standard(path) {
            Box::new(io::stdin())
        } else {
            Box::new(input::open_stream(path)?)
        };
        let quotes = Rc::new(Quotes::default());
        let mut bytes = Counted { inner: bytes, quotes: Rc::clone(&quotes) };
        let mut head = Vec::new();
        bytes.by_ref().take(HEAD).read_to_end(&mut head).map_err(unreadable)?;
        check(&name, &head)?;
        let separator = dialect.delimiter.map_or_else(|| recognize(&head), |chosen| chosen.0);
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .delimiter(separator)
            .from_reader(Box::new(Cursor::new(head).chain(bytes)) as Box<dyn Read>);
        let mut first = Row::new();
        if !reader.read_record(&mut first).map_err(|error| wrong(&name, &error))? {
            return Err(Error::Data(format!("{name} is empty")));
        }
        let line = first.position().map_or(1, csv::Position::line);
        quotes.check(&name, line, &first)?;
        let columns: Vec<String> = (1..)
            .zip(first.iter())
            .map(|(number, cell)| match cell {
                cell if dialect.no_header || cell.is_empty() => format!("{number}"),
                cell => cell.into(),
            })
            .collect();
        for (place, column) in columns.iter().enumerate() {
            if let Some(other) = columns[..place].iter().position(|other| other == column) {
                return Err(Error::Data(format!(
                    "{name}: the columns {} and {} are both called '{column}': rename one{}",
                    other + 1,
                    place + 1,
                    advice(&first, dialect.no_header),
                )));
            }
        }
        Ok(Self {
            reader,
            has_decimal_comma: separator != b',',
            first: dialect.no_header.then_some((line, first)),
            columns,
            name,
            quotes,
        })
    }

    /// Reads the next row, with a cell for each column. Returns its line, from 1, or nothing at the end.
    pub fn read(&mut self, row: &mut Row) -> Result<Option<u64>> {
        if let Some((line, first)) = self.first.take() {
            *row = first;
            return Ok(Some(line));
        }
        let width = self.columns.len();
        while self.reader.read_record(row).map_err(|error| wrong(&self.name, &error))? {
            let line = row.position().map_or(0, csv::Position::line);
            // Spaces alone.
            if row.len() == 1 && row[0].is_empty() && width > 1 {
                continue;
            }
            self.quotes.check(&self.name, line, row)?;
            if row.len() != width {
                return Err(Error::Data(format!(
                    "{}, line {line}: a row of {} in a table of {}",
                    self.name,
                    counted(row.len() as u64, "cell"),
                    counted(width as u64, "column")
                )));
            }
            return Ok(Some(line));
        }
        Ok(None)
    }

    /// The place of the column of that name.
    pub fn place(&self, column: &str) -> Result<usize> {
        self.columns.iter().position(|name| name == column).ok_or_else(|| {
            Error::Data(format!(
                "{} has no column '{column}': it has {}{}",
                self.name,
                listed(&self.columns),
                advice(&self.columns, self.first.is_some()),
            ))
        })
    }
}

/// `a, b, c`; of many columns the first.
pub fn listed<T: AsRef<str>>(names: &[T]) -> String {
    const MOST: usize = 20;
    let shown: Vec<&str> = names.iter().take(MOST).map(AsRef::as_ref).collect();
    let more = names.len().saturating_sub(MOST);
    let shown = shown.join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

/// What to try where the names of the columns are numbers.
fn advice<'a, T: AsRef<str> + ?Sized + 'a>(
    names: impl IntoIterator<Item = &'a T>,
    is_a_row: bool,
) -> &'static str {
    let is_number = |name: &T| name.as_ref().parse::<f64>().is_ok();
    let numbers = !is_a_row && names.into_iter().all(is_number);
    if numbers { "; if the first line is a row, add --no-header" } else { "" }
}

/// Refuses what is no text.
fn check(name: &str, head: &[u8]) -> Result<()> {
    let advice = if head.starts_with(b"PK\x03\x04") {
        "it is a spreadsheet or another archive: export it as CSV"
    } else if head.starts_with(b"\xFF\xFE") || head.starts_with(b"\xFE\xFF") {
        "it is UTF-16: save it as UTF-8"
    } else if head.contains(&0) {
        "it is no text"
    } else {
        return Ok(());
    };
    Err(Error::Data(format!("{name} is no table: {advice}")))
}

/// The separator that the first line has most of, outside of quotes.
fn recognize(head: &[u8]) -> u8 {
    let mut counts = [0; SEPARATORS.len()];
    let mut is_quoted = false;
    for byte in head {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\n' | b'\r' if !is_quoted && counts.iter().any(|count| *count > 0) => break,
            byte if !is_quoted => {
                if let Some(place) = SEPARATORS.iter().position(|separator| separator == byte) {
                    counts[place] += 1;
                }
            }
            _ => {}
        }
    }
    let most = counts.iter().max().copied().unwrap_or_default();
    let place = counts.iter().position(|count| *count == most).unwrap_or_default();
    SEPARATORS[place]
}

/// The message of an error of the reader.
fn wrong(name: &str, error: &csv::Error) -> Error {
    let line = error.position().map_or(0, csv::Position::line);
    match error.kind() {
        csv::ErrorKind::Utf8 { err, .. } => Error::Data(format!(
            "{name}, line {line}, column {}: the cell is not UTF-8: save the table as UTF-8",
            err.field() + 1
        )),
        csv::ErrorKind::Io(source) => Error::File {
            action: "read",
            path: name.into(),
            source: io::Error::new(source.kind(), source.to_string()),
        },
        _ => Error::Data(format!("{name}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_separator_is_that_of_the_first_line() {
        for (text, separator) in [
            ("a,b,c\n1;2", b','),
            ("a;b\n1,5;2,5\n2,5;3,5", b';'),
            ("\"a,b,c\";d\n", b';'),
            ("a\tb, in m\tc\n", b'\t'),
            ("a|b", b'|'),
            ("a\n1\n", b','),
        ] {
            assert_eq!(recognize(text.as_bytes()), separator, "{text}");
        }
        assert_eq!("tab".parse::<Separator>().ok(), Some(Separator(b'\t')));
        assert!("::".parse::<Separator>().is_err() && "\"".parse::<Separator>().is_err());
    }
}
