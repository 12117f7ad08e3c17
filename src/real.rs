//! The numbers that a caller passes and receives: f32 or f64.

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// `f32` or `f64`: what inputs may be, and then outputs are. Engines but the reference compute in f32.
///
/// ```
/// use impasto::{Activation, Engine, Network, cpu::CpuEngine};
///
/// let engine = Engine::from(CpuEngine::new(Some(1))?);
/// let network = Network::builder(2).output(1, Activation::Tanh).build()?;
/// let single: Vec<f32> = engine.predict(&network, &[0.5_f32, -1.0])?;
/// let double: Vec<f64> = engine.predict(&network, &[0.5, -1.0])?;
/// assert_eq!(f64::from(single[0]), double[0]);
/// # Ok::<(), impasto::Error>(())
/// ```
pub trait Real: sealed::Sealed + Copy + Default + Send + Sync + 'static {
    /// The numbers as f32 or f64, whichever they are.
    #[doc(hidden)]
    fn slice(numbers: &[Self]) -> Slice<'_>;

    /// The nearest f32.
    #[doc(hidden)]
    fn single(self) -> f32;

    /// The number of an f32.
    #[doc(hidden)]
    fn of(number: f32) -> Self;

    /// The numbers of f32s.
    #[doc(hidden)]
    fn of_single(numbers: Vec<f32>) -> Vec<Self>;

    /// The numbers of f64s, rounded where they must be.
    #[doc(hidden)]
    fn of_double(numbers: Vec<f64>) -> Vec<Self>;
}

/// Numbers of either kind.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub enum Slice<'a> {
    Single(&'a [f32]),
    Double(&'a [f64]),
}

impl Real for f32 {
    fn slice(numbers: &[Self]) -> Slice<'_> {
        Slice::Single(numbers)
    }

    #[inline]
    fn single(self) -> f32 {
        self
    }

    #[inline]
    fn of(number: f32) -> Self {
        number
    }

    fn of_single(numbers: Vec<f32>) -> Vec<Self> {
        numbers
    }

    fn of_double(numbers: Vec<f64>) -> Vec<Self> {
        numbers.into_iter().map(|number| number as f32).collect()
    }
}

impl Real for f64 {
    fn slice(numbers: &[Self]) -> Slice<'_> {
        Slice::Double(numbers)
    }

    #[inline]
    fn single(self) -> f32 {
        self as f32
    }

    #[inline]
    fn of(number: f32) -> Self {
        number.into()
    }

    fn of_single(numbers: Vec<f32>) -> Vec<Self> {
        numbers.into_iter().map(f64::from).collect()
    }

    fn of_double(numbers: Vec<f64>) -> Vec<Self> {
        numbers
    }
}
