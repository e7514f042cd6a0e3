//! What the form of a deployment is made of: what runs, how callers are treated, how a revision comes in.

pub mod behaviour;
mod callers;
pub mod capture;
pub mod fit;
mod limits;
pub mod runtime;
pub mod strategy;

use leptos::prelude::*;
use std::str::FromStr;

/// What a person typed.
pub type Text = RwSignal<String>;

pub fn text(value: impl ToString) -> Text {
    RwSignal::new(value.to_string())
}

/// Empty where there is none.
pub fn optional(value: Option<impl ToString>) -> Text {
    RwSignal::new(value.map(|v| v.to_string()).unwrap_or_default())
}

/// The value in a field; absent where it is empty or none.
pub fn read<T: FromStr>(field: Text) -> Option<T> {
    field.with_untracked(|t| t.trim().parse().ok())
}

/// Words between commas or spaces.
pub fn words(field: Text) -> Vec<String> {
    field.with_untracked(|t| words_of(t))
}

fn words_of(text: &str) -> Vec<String> {
    text.split([',', ' ', '\n']).map(str::trim).filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

/// Nothing, or a whole number.
pub fn check_whole(text: &str) -> Result<(), &'static str> {
    if text.trim().is_empty() { Ok(()) } else { check_count(text) }
}

/// A whole number.
pub fn check_count(text: &str) -> Result<(), &'static str> {
    text.trim().parse::<u32>().map(drop).map_err(|_| "A whole number, such as 1.")
}

/// Nothing, or a number above 0.
pub fn check_above_zero(text: &str) -> Result<(), &'static str> {
    match text.trim().parse::<f64>() {
        _ if text.trim().is_empty() => Ok(()),
        Ok(n) if n.is_finite() && n > 0.0 => Ok(()),
        _ => Err("A number above 0, or nothing."),
    }
}

/// A number above 0 up to 100.
pub fn check_percent(text: &str) -> Result<(), &'static str> {
    match text.trim().parse::<f64>() {
        Ok(n) if n > 0.0 && n <= 100.0 => Ok(()),
        _ => Err("A percentage above 0, up to 100."),
    }
}

/// Nothing, or a percentage.
pub fn check_percent_or_none(text: &str) -> Result<(), &'static str> {
    if text.trim().is_empty() { Ok(()) } else { check_percent(text) }
}

/// Whether all of them are as they should be.
pub fn all_good(fields: &[(Text, crate::ui::field::Check)]) -> bool {
    fields.iter().all(|(field, check)| field.with_untracked(|t| check(t).is_ok()))
}

/// A box to tick.
#[component]
pub fn Tick(value: RwSignal<bool>, #[prop(into)] label: String) -> impl IntoView {
    view! {
        <label class="check"><input type="checkbox" prop:checked=move || value.get()
            on:change:target=move |e| value.set(e.target().checked())/><span>{label}</span></label>
    }
}

/// Options of a select field.
pub fn options(pairs: &[(&str, &str)]) -> Signal<Vec<(String, String)>> {
    Signal::stored(pairs.iter().map(|(value, text)| ((*value).to_owned(), (*text).to_owned())).collect())
}
