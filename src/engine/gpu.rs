//! gpu
use super::{Device, Engine, Output, Pending, Plan, Session};
use crate::error::{Result, invalid};
/// gpu
/// x
pub const NO_ADAPTER: &str = "no adapter";
/// x
pub fn adapters() -> Vec<String> { vec![] }
/// gpu
pub struct GpuEngine;
impl GpuEngine {
    /// x
    pub async fn open(_: Option<&str>) -> Result<Self> {
        invalid("no")
    }
    /// x
    pub async fn open_real_gpu() -> Option<Self> {
        None
    }
}
impl Engine for GpuEngine {
    fn device(&self) -> &Device {
        unimplemented!()
    }
    fn start<'a>(
        &'a self,
        _: &'a crate::Network,
        _: &'a Plan,
        _: &'a crate::Dataset,
    ) -> Pending<'a, Box<dyn Session + 'a>> {
        unimplemented!()
    }
    fn forward<'a>(
        &'a self,
        _: &'a crate::Network,
        _: &'a [f64],
        _: Output,
    ) -> Pending<'a, Vec<f64>> {
        unimplemented!()
    }
}
