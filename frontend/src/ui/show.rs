//! Parts of a page that are there or not.

use crate::reactive::memo;
use leptos::prelude::*;

/// `children` while `when`, else `fallback`. leptos's own `Show`, but compiled once instead of once per use.
#[component]
pub fn Show(
    #[prop(into)] when: Signal<bool>,
    #[prop(optional, into)] fallback: ViewFn,
    children: ChildrenFn,
) -> impl IntoView {
    let when = memo(move || when.get());
    move || if when.get() { children() } else { fallback.run() }
}
