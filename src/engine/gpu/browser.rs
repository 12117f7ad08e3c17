//! What a browser reports about its adapter beyond what wgpu passes on.

use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

// wgpu 30 asks a browser for no subgroups: the next device that it opens is given them on the way.
#[wasm_bindgen(inline_js = r#"
export function want_subgroups() {
    const wish = { granted: false };
    const adapters = globalThis.GPUAdapter?.prototype;
    if (!adapters) return wish;
    const request = adapters.requestDevice;
    adapters.requestDevice = function (descriptor = {}) {
        adapters.requestDevice = request;
        wish.granted = this.features.has("subgroups");
        const more = wish.granted ? ["subgroups"] : [];
        const requiredFeatures = [...(descriptor.requiredFeatures ?? []), ...more];
        return request.call(this, Object.assign(descriptor, { requiredFeatures }));
    };
    return wish;
}
"#)]
extern "C" {
    fn want_subgroups() -> JsValue;
}

#[wasm_bindgen(inline_js = r#"
export function soon() {
    return new Promise((resolve) => setTimeout(resolve, 10));
}
"#)]
extern "C" {
    fn soon() -> js_sys::Promise;
}

/// Waits until `is_known`, but for a tenth of a second at most.
pub(super) async fn wait_until(is_known: impl Fn() -> bool) {
    for _ in 0..10 {
        if is_known() {
            return;
        }
        // Fails only where there are no timers.
        let _ = JsFuture::from(soon()).await;
    }
}

/// That the device to be opened next has subgroups.
pub(super) struct Wish(JsValue);

impl Wish {
    /// Asks for them, with the next device that is opened, where its adapter has them.
    pub(super) fn for_subgroups() -> Self {
        Self(want_subgroups())
    }

    /// Whether it was opened with them.
    pub(super) fn is_granted(&self) -> bool {
        property(&self.0, "granted").is_ok_and(|granted| granted.is_truthy())
    }
}

/// The description of the browser's adapter, or where it has none its vendor and architecture:
/// `nvidia ampere`, `google swiftshader`. Empty where the browser reports nothing.
pub(super) async fn adapter_name() -> String {
    let Ok(info) = adapter_info().await else { return String::new() };
    let text =
        |key| property(&info, key).ok().and_then(|text| text.as_string()).unwrap_or_default();
    let description = text("description");
    if description.is_empty() {
        [text("vendor"), text("architecture")].join(" ").trim().to_string()
    } else {
        description
    }
}

/// `(await navigator.gpu.requestAdapter()).info`, in a window or a worker.
async fn adapter_info() -> Result<JsValue, JsValue> {
    let gpu = property(&property(&js_sys::global(), "navigator")?, "gpu")?;
    let request: js_sys::Function = property(&gpu, "requestAdapter")?.dyn_into()?;
    let adapter: js_sys::Promise = request.call0(&gpu)?.dyn_into()?;
    property(&JsFuture::from(adapter).await?, "info")
}

fn property(object: &JsValue, key: &str) -> Result<JsValue, JsValue> {
    js_sys::Reflect::get(object, &JsValue::from_str(key))
}
