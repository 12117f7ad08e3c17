//! Error scopes of wgpu.

/// Error scopes for whatever a driver can say against what is asked of it. They hold for the thread
/// that pushed them, which must pop them before it waits for anything.
pub(super) struct Scopes([wgpu::ErrorScopeGuard; 3]);

impl Scopes {
    pub(super) fn push(device: &wgpu::Device) -> Self {
        let filters = [
            wgpu::ErrorFilter::OutOfMemory,
            wgpu::ErrorFilter::Validation,
            wgpu::ErrorFilter::Internal,
        ];
        Self(filters.map(|filter| device.push_error_scope(filter)))
    }

    /// The first error since the scopes were pushed.
    pub(super) fn pop(self) -> impl Future<Output = Option<wgpu::Error>> + 'static + use<> {
        // In the reverse order, all before the first wait.
        let [memory, validation, internal] = self.0;
        let internal = internal.pop();
        let validation = validation.pop();
        let memory = memory.pop();
        async move {
            let errors = [internal.await, validation.await, memory.await];
            errors.into_iter().flatten().next()
        }
    }
}
