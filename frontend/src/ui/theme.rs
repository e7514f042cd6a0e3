//! Light, dark or as the system says. The boot script sets it before the first paint; this keeps it.

use leptos::prelude::*;
use wasm_bindgen::{JsCast, closure::Closure};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    System,
    Light,
    Dark,
}

const KEY: &str = "drydock.theme";
const DARK: &str = "(prefers-color-scheme: dark)";

impl Theme {
    pub fn load() -> Self {
        match stored(KEY).as_deref() {
            Some("light") => Self::Light,
            Some("dark") => Self::Dark,
            _ => Self::System,
        }
    }

    pub fn next(self) -> Self {
        match self {
            Self::System => Self::Light,
            Self::Light => Self::Dark,
            Self::Dark => Self::System,
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::System => "System theme",
            Self::Light => "Light theme",
            Self::Dark => "Dark theme",
        }
    }

    pub fn icon(self) -> &'static str {
        match self {
            Self::System => "monitor",
            Self::Light => "sun",
            Self::Dark => "moon",
        }
    }

    /// The name that the stylesheet knows: `light` or `dark`.
    fn resolved(self) -> &'static str {
        let system_is_dark = || window().match_media(DARK).ok().flatten().is_some_and(|m| m.matches());
        match self {
            Self::Dark => "dark",
            Self::System if system_is_dark() => "dark",
            Self::System | Self::Light => "light",
        }
    }

    /// Marks the document and remembers the choice in this browser.
    pub fn apply(self) {
        if let Some(root) = document().document_element() {
            let _ = root.set_attribute("data-theme", self.resolved());
        }
        let name = match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        };
        store(KEY, name);
    }
}

/// Follows the system while the choice is the system's.
pub fn follow_system(theme: RwSignal<Theme>) {
    let Some(query) = window().match_media(DARK).ok().flatten() else { return };
    let changed = Closure::<dyn Fn()>::new(move || theme.get_untracked().apply());
    query.set_onchange(Some(changed.as_ref().unchecked_ref()));
    // both live as long as the page
    changed.forget();
    std::mem::forget(query);
}

/// A value that this browser remembers.
pub fn stored(key: &str) -> Option<String> {
    window().local_storage().ok().flatten().and_then(|s| s.get_item(key).ok().flatten())
}

/// Remembers a value in this browser, where it allows that.
pub fn store(key: &str, value: &str) {
    if let Ok(Some(storage)) = window().local_storage() {
        let _ = storage.set_item(key, value);
    }
}
