//! Where the pixels of a picture are, as inputs of a network.

/// How the places of pixels come from their numbers: `(2·column + 1)·scale[0] + origin[0]` to the right,
/// `(2·row + 1)·scale[1] + origin[1]` down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Grid {
    /// Pixels in a row.
    pub(crate) width: usize,
    pub(crate) scale: [f32; 2],
    pub(crate) origin: [f32; 2],
}

impl Grid {
    /// The place of the center of `pixel`.
    pub(super) fn place(self, pixel: usize) -> [f32; 2] {
        let place = |index: usize, axis: usize| {
            (2 * index + 1) as f32 * self.scale[axis] + self.origin[axis]
        };
        [place(pixel % self.width, 0), place(pixel / self.width, 1)]
    }
}

/// Where the pixels of a picture of some size are, as inputs of a network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Places {
    pub(super) width: usize,
    pub(super) height: usize,
    /// How far the axes reach: to 1, or the shorter one less far.
    extent: [f64; 2],
    centered: bool,
}

impl Places {
    /// Square pixels: one scale for both axes. The longer axis spans [0, 1], or [-1, 1] if `centered`. The
    /// shorter one begins at 0 too, or has its middle there.
    pub(crate) fn square(width: usize, height: usize, centered: bool) -> Self {
        Self { width, height, extent: [1.0; 2], centered }.of_shape(width, height)
    }

    /// Both axes span [0, 1], or [-1, 1] if `centered`, whatever the shape of the picture.
    #[cfg(feature = "pictures")]
    pub(crate) fn stretched(width: usize, height: usize, centered: bool) -> Self {
        Self { width, height, extent: [1.0; 2], centered }
    }

    /// The same pixels over the places of a picture of another shape.
    pub(crate) fn of_shape(self, width: usize, height: usize) -> Self {
        let longest = width.max(height).max(1) as f64;
        Self { extent: [width, height].map(|size| size as f64 / longest), ..self }
    }

    /// The center of a pixel, x to the right and y down.
    #[cfg(feature = "pictures")]
    pub(crate) fn at(&self, pixel: usize) -> [f64; 2] {
        let place = |index: usize, size: usize, extent: f64| {
            let unit = (index as f64 + 0.5) / size as f64;
            extent * if self.centered { 2.0 * unit - 1.0 } else { unit }
        };
        [
            place(pixel % self.width, self.width, self.extent[0]),
            place(pixel / self.width, self.height, self.extent[1]),
        ]
    }

    /// The same in f32, for the engines.
    pub(super) fn grid(&self) -> Grid {
        let half = if self.centered { 1.0 } else { 0.5 };
        let [x, y] = self.extent;
        Grid {
            width: self.width,
            scale: [(x, self.width), (y, self.height)]
                .map(|(extent, size)| (half * extent / size as f64) as f32),
            origin: self.extent.map(|extent| if self.centered { -extent as f32 } else { 0.0 }),
        }
    }
}
