//! The numbers that the engines take and give: f32 or f64.

/// `f32` or `f64`: the type of the inputs and the outputs of a prediction. Engines but the reference compute
/// in f32.
pub(crate) trait Real: Copy + Default + Send + Sync + 'static {
    /// The nearest f32.
    fn single(self) -> f32;

    /// The number of an f32.
    fn of(number: f32) -> Self;
}

impl Real for f32 {
    #[inline]
    fn single(self) -> f32 {
        self
    }

    #[inline]
    fn of(number: f32) -> Self {
        number
    }
}

impl Real for f64 {
    #[inline]
    fn single(self) -> f32 {
        self as f32
    }

    #[inline]
    fn of(number: f32) -> Self {
        number.into()
    }
}
