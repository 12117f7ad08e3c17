//! What a browser tells of its adapter beside what wgpu passes on.

use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// The name of the browser's adapter, from its vendor and architecture: `nvidia ampere`,
/// `google swiftshader`. Empty where the browser tells nothing.
pub(super) async fn adapter_name() -> String {
    match adapter_info().await {
        Ok(info) => {
            let text = |key: &str| property(&info, key).ok().and_then(|value| value.as_string());
            let known = [text("description"), text("vendor"), text("architecture")];
            let mut known = known.into_iter().flatten().filter(|text| !text.is_empty());
            // A description says it all.
            let first = known.next().unwrap_or_default();
            let second = known.next().filter(|_| text("description").is_none_or(|d| d.is_empty()));
            second.map_or(first.clone(), |second| format!("{first} {second}"))
        }
        Err(_) => String::new(),
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
