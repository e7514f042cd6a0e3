//! State that lives in the address: filters, sort, page, tab. Back and reload bring it back.

use leptos::prelude::*;
use leptos_router::{NavigateOptions, hooks::query_signal_with_options};

/// One parameter of the address. Setting it to its default takes it out of the address.
#[derive(Clone, Copy)]
pub struct Param {
    default: &'static str,
    value: Memo<Option<String>>,
    set: SignalSetter<Option<String>>,
    push: SignalSetter<Option<String>>,
}

/// The query parameter `key` of the present page; call it while the page is built.
pub fn param(key: &'static str, default: &'static str) -> Param {
    let options = NavigateOptions { replace: true, scroll: false, ..Default::default() };
    let (value, set) = query_signal_with_options::<String>(key, options);
    let (_, push) = query_signal_with_options::<String>(key, NavigateOptions::default());
    Param { default, value, set, push }
}

impl Param {
    pub fn get(&self) -> String {
        self.value.get().unwrap_or_else(|| self.default.to_owned())
    }

    pub fn get_untracked(&self) -> String {
        self.value.get_untracked().unwrap_or_else(|| self.default.to_owned())
    }

    pub fn is(&self, text: &str) -> bool {
        self.value.with(|v| v.as_deref().unwrap_or(self.default) == text)
    }

    pub fn set(&self, text: &str) {
        if self.get_untracked() != text {
            self.set.set((text != self.default).then(|| text.to_owned()));
        }
    }

    /// As `set`, and Back returns to what was before.
    pub fn push(&self, text: &str) {
        self.push.set((text != self.default).then(|| text.to_owned()));
    }

    /// Back to the default.
    pub fn clear(&self) {
        self.set(self.default);
    }
}
