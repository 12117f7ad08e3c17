//! What a browser tells of its adapter beside what wgpu passes on.

use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// The description of the browser's adapter, or where it has none its vendor and architecture:
/// `nvidia ampere`, `google swiftshader`. Empty where the browser tells nothing.
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
