//! `Engine::open` and `Options`: how an engine is chosen and opened.

use crate::device::Backend;
use crate::engine::{Engine, cpu, gpu, reference};
use crate::error::{Error, Result, invalid_setting};

/// Which engine to open, and how it works. [`Engine::open`] is enough where only the backend is chosen.
///
/// ```
/// use impasto::{Backend, Options};
///
/// let engine = Options { backend: Backend::Cpu, ..Options::default() }.open()?;
/// println!("{}", engine.device());
/// # Ok::<(), impasto::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where to compute.
    pub backend: Backend,
    /// A part of an adapter's description, in any case, or its number among [`gpu::adapters`], from 0. Naming one,
    /// here or in the environment variable `IMPASTO_ADAPTER` or `WGPU_ADAPTER_NAME`, turns [`Backend::Auto`] into
    /// [`Backend::Gpu`]. The first of the three counts. An empty name is none.
    pub adapter: Option<String>,
    /// Which kernels the GPU engine uses. Choosing one kind turns [`Backend::Auto`] into
    /// [`Backend::Gpu`] too.
    pub kernels: gpu::Kernels,
    /// How precisely the GPU engine trains: full precision by default. A run that another precision does not
    /// support is computed in full precision, and [`Engine::notes`] says why. [`Engine::precision`] returns what a
    /// run was computed in. A precision other than full does not change which engine [`Backend::Auto`] opens, and is
    /// an error with [`Backend::Cpu`] and [`Backend::Reference`].
    pub precision: gpu::Precision,
    /// Whether the GPU engine looks for the fastest shapes of its kernels when it first trains a
    /// network of some size ([`GpuEngine::with_tuning`](gpu::GpuEngine::with_tuning)). The others
    /// need no such search.
    pub tune: bool,
    /// Threads of the CPU engine, at least 1, as in [`CpuEngine::new`](cpu::CpuEngine::new). `None`, one for each core
    /// that the process may use, by default. A number is an error with [`Backend::Gpu`] and [`Backend::Reference`], and
    /// is not used where [`Backend::Auto`] opens a GPU.
    pub threads: Option<usize>,
}

impl Default for Options {
    /// A real GPU if there is one, else the CPU, with the search for the fastest shapes.
    fn default() -> Self {
        Self {
            backend: Backend::Auto,
            adapter: None,
            kernels: gpu::Kernels::Auto,
            precision: gpu::Precision::Full,
            tune: true,
            threads: None,
        }
    }
}

impl Options {
    /// Opens the engine. See [`open`](Self::open) for an example.
    ///
    /// # Errors
    /// - The GPU engine was asked for and the feature `gpu` is off, there is no adapter (of that name), or it
    ///   cannot be opened.
    /// - An adapter, kernels, threads, or a precision other than full were chosen for an engine that has none.
    /// - The environment variables `RAYON_NUM_THREADS` or `IMPASTO_VECTORS` are wrong for the CPU engine.
    pub async fn open_async(&self) -> Result<Engine> {
        let given = self.adapter.as_deref().filter(|name| !name.trim().is_empty());
        let no_gpu = matches!(self.backend, Backend::Cpu | Backend::Reference);
        // The variables choose among adapters, and do not conflict with an engine without one.
        let named = gpu::named_adapter().filter(|_| given.is_none() && !no_gpu);
        let adapter = given.or(named.as_ref().map(|(_, name)| name.as_str()));
        if let (true, Some(name)) = (no_gpu, adapter) {
            return invalid_setting(format!(
                "the adapter '{name}' is for the GPU engine: leave it out, or choose the gpu backend"
            ));
        }
        let chosen = self.kernels != gpu::Kernels::Auto;
        if no_gpu && chosen {
            return invalid_setting(
                "the choice of kernels is for the GPU engine: leave it out, or choose the gpu backend",
            );
        }
        let special = self.precision != gpu::Precision::Full;
        if no_gpu && special {
            return invalid_setting(format!(
                "{} precision is for the GPU engine: leave it out, or choose the gpu backend",
                self.precision
            ));
        }
        if let (Backend::Gpu | Backend::Reference, Some(threads)) = (self.backend, self.threads) {
            return invalid_setting(format!(
                "{threads} thread{} for the CPU engine: leave them out, or choose the cpu backend",
                if threads == 1 { " is" } else { "s are" }
            ));
        }
        let wanted = match self.backend {
            Backend::Auto if adapter.is_some() || chosen => Backend::Gpu,
            other => other,
        };
        match wanted {
            Backend::Cpu => Ok(cpu::CpuEngine::new(self.threads)?.into()),
            Backend::Reference => Ok(reference::ReferenceEngine::new().into()),
            Backend::Gpu => {
                let opened = gpu::open(adapter, self.kernels, self.precision, self.tune).await;
                opened.map_err(|error| match (error, &named) {
                    (Error::NoAdapter { wanted, available }, Some((variable, _))) => {
                        let wanted =
                            format!("{wanted}, which the environment variable {variable} names");
                        Error::NoAdapter { wanted, available }
                    }
                    (other, _) => other,
                })
            }
            Backend::Auto => {
                match gpu::open_real_gpu(self.kernels, self.precision, self.tune).await {
                    Ok(engine) => Ok(engine),
                    Err(reason) => {
                        let reason = if special {
                            format!("{reason}: the run is computed in f32")
                        } else {
                            reason.to_string()
                        };
                        Ok(cpu::CpuEngine::new(self.threads)?.with_note(reason).into())
                    }
                }
            }
        }
    }

    /// Opens the engine. Blocks.
    ///
    /// ```
    /// use impasto::{Backend, Options};
    ///
    /// let engine = Options { backend: Backend::Cpu, ..Options::default() }.open()?;
    /// assert_eq!(engine.device().backend, Backend::Cpu);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`open_async`](Self::open_async).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn open(&self) -> Result<Engine> {
        pollster::block_on(self.open_async())
    }
}

impl Engine {
    /// The precision of the training run that was started last; full before any.
    ///
    /// ```
    /// use impasto::gpu::Precision;
    ///
    /// let engine = impasto::Engine::open(impasto::Backend::Cpu)?;
    /// assert_eq!(engine.precision(), Precision::Full);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    pub fn precision(&self) -> gpu::Precision {
        self.compute().precision()
    }

    /// Opens an engine: the best that is there, or the one that `backend` names. [`Options`] choose more.
    ///
    /// ```
    /// let engine = impasto::Engine::open(impasto::Backend::Auto)?;
    /// println!("{}", engine.device());
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Options::open`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn open(backend: Backend) -> Result<Self> {
        Options { backend, ..Options::default() }.open()
    }
}
