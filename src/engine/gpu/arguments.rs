//! The arguments of each kernel besides its buffers, as types.
//!
//! A test compares each type here with the WGSL of the kernels.

/// The numbers that a kernel is given, laid out as its `Shape` in WGSL.
pub(super) trait Arguments: bytemuck::Pod {
    /// The name of the type.
    const NAME: &'static str;
    /// Its fields, in their order.
    #[cfg(test)]
    const FIELDS: &'static [Field];
}

/// A field of arguments.
#[cfg(test)]
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    pub(super) name: &'static str,
    /// Its type in WGSL.
    pub(super) kind: &'static str,
    /// Bytes before it.
    pub(super) offset: usize,
}

/// The type of a field.
#[cfg(test)]
trait Kind {
    /// Its name in WGSL; empty for padding, which WGSL does not name.
    const WGSL: &'static str;
}

#[cfg(test)]
impl Kind for u32 {
    const WGSL: &'static str = "u32";
}

#[cfg(test)]
impl Kind for f32 {
    const WGSL: &'static str = "f32";
}

#[cfg(test)]
impl<const COUNT: usize> Kind for [u32; COUNT] {
    const WGSL: &'static str = match COUNT {
        2 => "vec2<u32>",
        4 => "vec4<u32>",
        _ => "",
    };
}

#[cfg(test)]
impl Kind for [[f32; 4]; 3] {
    const WGSL: &'static str = "array<vec4<f32>, 3>";
}

/// Defines types of arguments.
macro_rules! arguments {
    ($(
        $(#[$meta:meta])*
        $Name:ident { $($(#[$note:meta])* $field:ident: $kind:ty),+ $(,)? }
    )*) => {$(
        $(#[$meta])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
        pub(super) struct $Name { $($(#[$note])* pub(super) $field: $kind),+ }

        impl Arguments for $Name {
            const NAME: &'static str = stringify!($Name);
            #[cfg(test)]
            const FIELDS: &'static [Field] = &[$(Field {
                name: stringify!($field),
                kind: <$kind as Kind>::WGSL,
                offset: std::mem::offset_of!($Name, $field),
            }),+];
        }
    )*};
}

/// The kernels that are written for one network need none.
impl Arguments for () {
    const NAME: &'static str = "no arguments";
    #[cfg(test)]
    const FIELDS: &'static [Field] = &[];
}

arguments! {
    /// Of `gather`.
    Gather { batch: u32, width: u32, offset: u32, segment_first: u32, segment_rows: u32 }

    /// Of `gather_pixels`.
    GatherPixels {
        batch: u32,
        channels: u32,
        offset: u32,
        segment_first: u32,
        segment_rows: u32,
        bits: u32,
        pitch: u32,
        width: u32,
        scale_x: f32,
        scale_y: f32,
        origin_x: f32,
        origin_y: f32,
    }

    /// Of `fourier_encoding` and `fourier_encoding_gradient`.
    FourierEncoding { batch: u32, inputs: u32, features: u32 }

    /// Of `encode`, `combine`, `combine_gradient` and `encoding_gradient`.
    Encode { rows: u32, capacity: u32, tables: u32 }

    /// Of `largest_delta`.
    LargestDelta { count: u32 }

    /// Of `grid_gradient`.
    GridGradient { rows: u32, capacity: u32, headroom: u32 }

    /// Of `scattered_gradient`.
    ScatteredGradient { count: u32, first: u32, accumulate: u32, headroom: u32 }

    /// Of `matmul` and `matmul_nt`.
    Matmul { m: u32, k: u32, n: u32, a_offset: u32, b_offset: u32 }

    /// Of `matmul_tn`.
    MatmulTn {
        batch: u32,
        m: u32,
        n: u32,
        c_offset: u32,
        accumulate: u32,
        slice: u32,
        stride: u32,
    }

    /// Of `bias_add`.
    BiasAdd { count: u32, outputs: u32, offset: u32 }

    /// Of `bias_gradient`.
    BiasGradient {
        batch: u32,
        outputs: u32,
        offset: u32,
        accumulate: u32,
        slice: u32,
        stride: u32,
    }

    /// Of the activations and their gradients.
    Activation { count: u32 }

    /// Of `softmax` and `softmax_gradient`.
    Softmax { batch: u32, outputs: u32 }

    /// Of `dropout`.
    Dropout { count: u32, width: u32, layer: u32, offset: u32, threshold: u32, factor: f32 }

    /// Of `loss`.
    Loss { batch: u32, outputs: u32, scale: f32 }

    /// Of `loss_sum`.
    LossSum { batch: u32, accumulate: u32, last: u32 }

    /// Of `update` and `gradient_norms`.
    Update { count: u32, slices: u32, pieces: u32 }

    /// What a step finds in its slice of the buffer of steps; `Step` in `shaders/shared/step.wgsl`.
    StepData {
        order: [u32; 4],
        part: [u32; 4],
        first: u32,
        slot: u32,
        number: u32,
        count: u32,
        constants: [[f32; 4]; 3],
        loss_factor: f32,
        part_first: u32,
        l2: f32,
        clip_value: f32,
        clip_norm: f32,
        alpha: f32,
        share: f32,
        gather_kept: f32,
        gather_part: f32,
        updates: u32,
        masks: [u32; 2],
        /// Up to the next slice.
        unused: [u32; 28],
    }
}
