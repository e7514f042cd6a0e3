//! The dashboard: one page in the browser that shows what the server knows and asks it to act.
//!
//! It sees `drydock-wire` and the native API, nothing else of the house. All of it compiles for wasm32 only; on the host this
//! program is empty, so that checking the workspace does not compile a browser framework.

#[cfg(target_arch = "wasm32")]
mod api;
#[cfg(target_arch = "wasm32")]
mod app;
#[cfg(target_arch = "wasm32")]
mod area;
#[cfg(any(target_arch = "wasm32", test))]
mod asked;
#[cfg(any(target_arch = "wasm32", test))]
#[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
mod chart;
#[cfg(any(target_arch = "wasm32", test))]
mod difference;
#[cfg(any(target_arch = "wasm32", test))]
mod format;
#[cfg(any(target_arch = "wasm32", test))]
mod gantt;
#[cfg(any(target_arch = "wasm32", test))]
mod grammar;
#[cfg(any(target_arch = "wasm32", test))]
#[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
mod json;
#[cfg(any(target_arch = "wasm32", test))]
mod layout;
#[cfg(target_arch = "wasm32")]
mod live;
#[cfg(target_arch = "wasm32")]
mod pages;
#[cfg(any(target_arch = "wasm32", test))]
mod place;
#[cfg(target_arch = "wasm32")]
mod project;
#[cfg(target_arch = "wasm32")]
mod reactive;
#[cfg(any(target_arch = "wasm32", test))]
#[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
mod reading;
#[cfg(any(target_arch = "wasm32", test))]
mod recipe;
#[cfg(target_arch = "wasm32")]
mod session;
#[cfg(target_arch = "wasm32")]
mod shell;
#[cfg(target_arch = "wasm32")]
mod transfer;
#[cfg(target_arch = "wasm32")]
mod ui;
#[cfg(any(target_arch = "wasm32", test))]
#[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
mod wish;
#[cfg(any(target_arch = "wasm32", test))]
#[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
mod yaml;

#[cfg(target_arch = "wasm32")]
fn main() {
    #[cfg(not(wordless_panics))]
    console_error_panic_hook::set_once();
    app::mount();
}

#[cfg(not(target_arch = "wasm32"))]
fn main() {}
