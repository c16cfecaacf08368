//! How a type that is plain for `bytemuck` is plain for `aya` too.

/// A value of a map.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct MapPod<T>(pub T);

// SAFETY: the wrapper is transparent, and `bytemuck::Pod` promises what `aya::Pod` asks for: any
// bytes are a value, and a value has no padding.
unsafe impl<T: bytemuck::Pod> aya::Pod for MapPod<T> {}
