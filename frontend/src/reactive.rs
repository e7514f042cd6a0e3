//! Effects and memos that are compiled once per value, not once per closure.
//!
//! leptos compiles all of its machinery for each closure that it is handed. A box in between costs one allocation where an
//! effect or memo is made, and nothing where it runs.

use leptos::prelude::*;

/// Runs `work` now and whenever something it read has changed.
pub fn effect(work: impl FnMut() + 'static) {
    effect_of(Box::new(work));
}

fn effect_of(mut work: Box<dyn FnMut()>) {
    Effect::new(move |_| work());
}

/// As `effect`, but the first time before anything else happens, so that nothing is missed that changes right after.
pub fn follow(work: impl FnMut() + 'static) {
    follow_of(Box::new(work));
}

fn follow_of(mut work: Box<dyn FnMut()>) {
    let running = RenderEffect::new(move |_| work());
    StoredValue::new_local(running);
}

/// A value made from others; who reads it hears of a change only if the value differs.
pub fn memo<T: PartialEq + Send + Sync + 'static>(make: impl Fn() -> T + Send + Sync + 'static) -> Memo<T> {
    memo_of(Box::new(make))
}

fn memo_of<T: PartialEq + Send + Sync + 'static>(make: Box<dyn Fn() -> T + Send + Sync>) -> Memo<T> {
    Memo::new(move |_| make())
}
