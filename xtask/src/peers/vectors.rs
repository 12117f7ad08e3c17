//! Vector instructions that a run is restricted to, as on another class of processor.

use clap::ValueEnum;

/// The vector instructions.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum Vectors {
    /// Without AVX-512.
    Avx2,
}

/// What restricts each library to AVX2: Impasto; PyTorch and what `torch.compile` writes; oneDNN and MKL
/// within PyTorch; NumPy; OpenBLAS within NumPy and SciPy.
const AVX2: [(&str, &str); 6] = [
    ("IMPASTO_VECTORS", "avx2"),
    ("ATEN_CPU_CAPABILITY", "avx2"),
    ("ONEDNN_MAX_CPU_ISA", "AVX2"),
    ("MKL_ENABLE_INSTRUCTIONS", "AVX2"),
    ("NPY_DISABLE_CPU_FEATURES", "X86_V4 AVX512_ICL"),
    ("OPENBLAS_CORETYPE", "Haswell"),
];

impl Vectors {
    /// Their name on the page.
    pub fn name(self) -> &'static str {
        match self {
            Self::Avx2 => "AVX2",
        }
    }

    /// The environment variables that restrict the contestants, with their values.
    pub fn variables(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Avx2 => &AVX2,
        }
    }

    /// Those variables, for readers.
    pub fn describe() -> String {
        let written = |(name, value): &(&str, &str)| {
            if value.contains(' ') {
                format!("`{name}=\"{value}\"`")
            } else {
                format!("`{name}={value}`")
            }
        };
        AVX2.iter().map(written).collect::<Vec<_>>().join(",\n")
    }
}
