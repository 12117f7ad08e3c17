//! The machine, date and commit of the figures.

use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Where and when something was measured.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Setting {
    /// The day, in UTC.
    pub date: String,
    /// Impasto's commit.
    pub commit: String,
    /// How to do it again.
    pub command: String,
    /// The processor's name.
    pub processor: String,
    /// Logical processors that a process may use.
    pub threads: usize,
    /// Its vector instructions that matter here.
    pub simd: String,
    /// Main memory in GiB, where the system reports it.
    pub memory_gib: Option<f64>,
    /// The operating system.
    pub system: String,
    /// The compiler.
    pub rustc: String,
}

impl Setting {
    /// This machine, now. `command` is how to repeat what is measured.
    pub fn here(root: &Path, command: String, threads: usize) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        Self {
            date: date(now / 86_400),
            commit: commit(root),
            command,
            processor: processor(),
            threads,
            simd: simd().join(", "),
            memory_gib: memory(),
            system: system(),
            rustc: line_of(Command::new("rustc").arg("--version")).unwrap_or_default(),
        }
    }

    /// Processor, memory and system in one line.
    pub fn describe(&self) -> String {
        let mut parts = vec![format!("{}, {} threads", self.processor, self.threads)];
        if !self.simd.is_empty() {
            parts.push(self.simd.clone());
        }
        if let Some(memory) = self.memory_gib {
            parts.push(format!("{memory:.0} GiB of memory"));
        }
        parts.push(self.system.clone());
        parts.join("; ")
    }
}

/// The first line that a program prints, if it succeeds.
fn line_of(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().next().map(|line| line.trim().to_owned())
}

fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    line_of(Command::new("git").arg("-C").arg(root).args(arguments))
}

/// The commit, and whether the working copy differs from it in more than the figures themselves.
fn commit(root: &Path) -> String {
    let Some(commit) = git(root, &["rev-parse", "--short=12", "HEAD"]) else {
        return "unknown".into();
    };
    let changed =
        git(root, &["status", "--porcelain", "--", ".", ":!BENCHMARKS.md", ":!docs/benchmarks"]);
    match changed {
        None => commit,
        Some(_) => format!("{commit} with changes"),
    }
}

/// The calendar day, so many days after 1 January 1970.
fn date(days: u64) -> String {
    // Years that begin in March have the leap day at their end (Howard Hinnant's civil_from_days).
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

/// The value of the first line `name : value` of a file such as `/proc/cpuinfo`.
fn field(path: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let value = text.lines().find_map(|line| {
        let (key, value) = line.split_once([':', '='])?;
        (key.trim() == name).then(|| value.trim().trim_matches('"').to_owned())
    })?;
    (!value.is_empty()).then_some(value)
}

fn processor() -> String {
    field("/proc/cpuinfo", "model name")
        .or_else(|| line_of(Command::new("sysctl").args(["-n", "machdep.cpu.brand_string"])))
        .or_else(|| std::env::var("PROCESSOR_IDENTIFIER").ok())
        .unwrap_or_else(|| format!("{} processor", std::env::consts::ARCH))
}

fn memory() -> Option<f64> {
    if let Some(kibibytes) = field("/proc/meminfo", "MemTotal") {
        let kibibytes: f64 = kibibytes.strip_suffix("kB")?.trim().parse().ok()?;
        return Some(kibibytes / 1024.0 / 1024.0);
    }
    let bytes: f64 = line_of(Command::new("sysctl").args(["-n", "hw.memsize"]))?.parse().ok()?;
    Some(bytes / 1024.0 / 1024.0 / 1024.0)
}

fn system() -> String {
    let name =
        field("/etc/os-release", "PRETTY_NAME").unwrap_or_else(|| std::env::consts::OS.into());
    let kernel = line_of(Command::new("uname").arg("-sr"));
    kernel.map_or_else(|| name.clone(), |kernel| format!("{name}, {kernel}"))
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn simd() -> Vec<&'static str> {
    let all = [
        ("AVX2", is_x86_feature_detected!("avx2")),
        ("FMA", is_x86_feature_detected!("fma")),
        ("AVX-512", is_x86_feature_detected!("avx512f")),
    ];
    all.into_iter().filter_map(|(name, is_there)| is_there.then_some(name)).collect()
}

#[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
fn simd() -> Vec<&'static str> {
    if cfg!(target_feature = "neon") { vec!["NEON"] } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(11_016), "2000-02-29");
        assert_eq!(date(11_017), "2000-03-01");
        assert_eq!(date(20_779), "2026-11-22");
    }
}
