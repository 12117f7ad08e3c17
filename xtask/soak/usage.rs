//! Memory, threads and open files of a process over time, and whether they grow.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// The most bytes of growth that are the allocator's reserves, and no leak.
const RESERVES: u64 = 6 << 20;

/// How often a process is looked at, in a soak of any length.
const LOOKS: u32 = 60;

/// How many rows are printed.
const ROWS: u32 = 10;

/// What a process has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// In bytes.
    pub memory: u64,
    pub threads: usize,
    pub files: usize,
}

impl Usage {
    /// Of this process.
    ///
    /// # Errors
    /// A system without `/proc`.
    pub fn now() -> Result<Self> {
        use std::fs;
        let status = fs::read_to_string("/proc/self/status");
        let status = status.context("memory, threads and files are counted on Linux alone")?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
            number.with_context(|| format!("no {name} in /proc/self/status"))
        };
        let files = fs::read_dir("/proc/self/fd").context("cannot read /proc/self/fd")?.count();
        Ok(Self { memory: field("VmRSS:")? << 10, threads: field("Threads:")? as usize, files })
    }
}

/// What a process had in the course of a soak.
pub struct Log {
    between: Duration,
    rows: Vec<(Duration, Usage)>,
    printed: u32,
    length: Duration,
}

impl Log {
    /// Of a soak of this length.
    ///
    /// # Errors
    /// As [`Usage::now`].
    pub fn new(length: Duration) -> Result<Self> {
        Usage::now()?;
        println!("{:>8} {:>9} {:>9} {:>8} {:>6}", "seconds", "lives", "MiB", "threads", "files");
        Ok(Self { between: length / LOOKS, rows: Vec::new(), printed: 0, length })
    }

    /// Whether to look again after this time.
    pub fn is_due(&self, time: Duration) -> bool {
        time >= self.between * (self.rows.len() as u32 + 1)
    }

    /// Adds what the process has after this time and so many lives, and prints it now and then.
    pub fn add(&mut self, time: Duration, lives: usize, usage: Usage) {
        self.rows.push((time, usage));
        if time >= self.length * self.printed / ROWS {
            self.printed += 1;
            let Usage { memory, threads, files } = usage;
            let (seconds, memory) = (time.as_secs_f64(), memory as f64 / f64::from(1 << 20));
            println!("{seconds:>8.0} {lives:>9} {memory:>9.1} {threads:>8} {files:>6}");
        }
    }

    /// An error if the least of the last third is more than that of the middle one: what comes and goes is in neither. In
    /// the first third, caches fill.
    ///
    /// # Errors
    /// Growth, or too few looks to find any.
    pub fn judge(&self) -> Result<()> {
        let third = self.rows.len() / 3;
        ensure!(third >= 3, "{} looks in so short a time: give it more --minutes", self.rows.len());
        let (middle, last) = (&self.rows[third..2 * third], &self.rows[2 * third..]);
        let grows = |of: fn(&Usage) -> u64, more: u64| {
            let least = |rows: &[(Duration, Usage)]| rows.iter().map(|(_, usage)| of(usage)).min();
            let (before, after) =
                (least(middle).unwrap_or_default(), least(last).unwrap_or_default());
            (after > before + more).then_some((before, after))
        };
        for (what, of, more) in [
            ("bytes of memory", (|usage| usage.memory) as fn(&Usage) -> u64, RESERVES),
            ("threads", |usage| usage.threads as u64, 0),
            ("open files", |usage| usage.files as u64, 0),
        ] {
            if let Some((before, after)) = grows(of, more) {
                anyhow::bail!("{what} grew from {before} to {after}");
            }
        }
        println!("no growth");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(of: impl Fn(usize) -> Usage) -> Result<()> {
        let second = Duration::from_secs(1);
        let mut log = Log::new(LOOKS * second).unwrap();
        for look in 0..LOOKS {
            log.add(look * second, look as usize, of(look as usize));
        }
        log.judge()
    }

    #[test]
    fn growth_is_no_warm_up() {
        let steady = Usage { memory: 100 << 20, threads: 4, files: 6 };
        // Caches fill in the first third, and threads come and go.
        let fine = |look: usize| Usage {
            memory: steady.memory + (look.min(15) << 20) as u64,
            threads: 4 + look % 2,
            ..steady
        };
        judged(fine).unwrap();
        for (what, leaks) in [
            ("memory", Usage { memory: 1 << 20, threads: 0, files: 0 }),
            ("threads", Usage { memory: 0, threads: 1, files: 0 }),
            ("files", Usage { memory: 0, threads: 0, files: 1 }),
        ] {
            let leak = |look: usize| Usage {
                memory: steady.memory + look as u64 * leaks.memory,
                threads: steady.threads + look * leaks.threads,
                files: steady.files + look * leaks.files,
            };
            assert!(judged(leak).unwrap_err().to_string().contains(what));
        }
    }
}
