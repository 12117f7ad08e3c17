//! What the integration tests share.

use impasto::Engine;
use impasto::cpu::CpuEngine;
use impasto::reference::ReferenceEngine;

/// Every engine there is.
pub fn engines() -> Vec<Box<dyn Engine>> {
    vec![
        Box::new(ReferenceEngine::new()),
        Box::new(CpuEngine::new(None).expect("the CPU engine opens")),
    ]
}
