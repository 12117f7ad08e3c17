//! The files of `--dump`: the WGSL of each kernel, and what the driver made of it.

use std::path::Path;

use anyhow::{Context, Result};
use impasto::gpu::Listing;

use super::worker::Compiled;

/// Writes `KERNEL.wgsl`, and `KERNEL.FAMILY.REPRESENTATION.txt` for each representation and the
/// statistics.
pub fn write(folder: &Path, family: &str, source: &Listing, compiled: &Compiled) -> Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot create the folder {}", folder.display()))?;
    let name = file_name(&source.name);
    let lines: Vec<_> =
        compiled.statistics.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let statistics = lines.join("\n");
    let mut texts = vec![
        (format!("{name}.wgsl"), source.wgsl.as_str()),
        (format!("{name}.{family}.statistics.txt"), &statistics),
    ];
    for (title, text) in &compiled.representations {
        let title = file_name(title).to_lowercase();
        texts.push((format!("{name}.{family}.{title}.txt"), text));
    }
    for (name, text) in texts {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The words of a title, joined.
fn file_name(title: &str) -> String {
    let title = title.replace("(s)", "s");
    let words = title.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}
