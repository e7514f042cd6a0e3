//! What runs can be placed by: metrics, parameters, duration. A parameter of figures is a number, one of words a list of them.

use crate::ui::url::Param;
use drydock_wire::tracking::RunSummary;
use leptos::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// `metrics.…`, `params.…` or `duration`, as the address has it.
pub type Word = String;

/// Everything that could be an axis: parameters that differ, then metrics, the machine's own left out.
pub fn candidates(runs: &[RunSummary]) -> Vec<Word> {
    let mut params = BTreeMap::<&str, HashSet<&str>>::new();
    let mut metrics = BTreeMap::<&str, usize>::new();
    for run in runs {
        for param in &run.params {
            params.entry(&param.key).or_default().insert(&param.value);
        }
        for metric in run.metrics.iter().filter(|m| !m.key.starts_with("system/")) {
            *metrics.entry(&metric.key).or_default() += 1;
        }
    }
    let several = params.into_iter().filter(|(_, values)| values.len() > 1 || runs.len() == 1);
    let params = several.map(|(key, _)| format!("params.{key}"));
    // what most runs have comes first
    let mut metrics: Vec<(&str, usize)> = metrics.into_iter().collect();
    metrics.sort_by_key(|(key, runs)| (std::cmp::Reverse(*runs), *key));
    params.chain(metrics.into_iter().map(|(key, _)| format!("metrics.{key}"))).chain(["duration".to_owned()]).collect()
}

pub fn label(word: &str) -> &str {
    word.split_once('.').map_or("duration (s)", |(_, key)| key)
}

/// A value as it is in the run.
fn text(run: &RunSummary, word: &str) -> Option<String> {
    match word.split_once('.') {
        Some(("params", key)) => run.params.iter().find(|p| p.key == key).map(|p| p.value.clone()),
        Some(("metrics", key)) => {
            run.metrics.iter().find(|m| m.key == key).and_then(|m| m.value).map(|v| v.to_string())
        }
        _ => run.ended_at.map(|end| ((end - run.started_at) as f64 / 1000.0).to_string()),
    }
}

/// Runs along one axis: a place for each that has one, and words for places where they are no figures.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    pub places: Vec<Option<f64>>,
    pub words: Option<Vec<String>>,
}

impl Axis {
    pub fn of(runs: &[RunSummary], word: &str) -> Self {
        let texts: Vec<Option<String>> = runs.iter().map(|r| text(r, word)).collect();
        let numbers: Vec<Option<f64>> =
            texts.iter().map(|t| t.as_ref().and_then(|t| t.parse().ok()).filter(|v: &f64| v.is_finite())).collect();
        if texts.iter().zip(&numbers).all(|(t, n)| t.is_none() || n.is_some()) {
            return Self { places: numbers, words: None };
        }
        let words: Vec<String> = texts.iter().flatten().cloned().collect::<BTreeSet<_>>().into_iter().collect();
        let place = |t: &Option<String>| t.as_ref().and_then(|t| words.binary_search(t).ok()).map(|i| i as f64);
        Self { places: texts.iter().map(place).collect(), words: Some(words) }
    }

    /// The span of the places, widened where they are all the same.
    pub fn span(&self) -> (f64, f64) {
        let all = || self.places.iter().flatten().copied();
        match (all().reduce(f64::min), all().reduce(f64::max)) {
            (Some(lo), Some(hi)) if lo < hi => (lo, hi),
            (Some(at), _) => (at - 0.5, at + 0.5),
            _ => (0.0, 1.0),
        }
    }

    /// What stands at a place.
    pub fn text_at(&self, place: f64) -> String {
        match &self.words {
            Some(words) => words.get(place.round().max(0.0) as usize).cloned().unwrap_or_default(),
            None => crate::format::value(place),
        }
    }
}

/// A choice among axes.
#[component]
pub fn AxisPick(
    label_text: &'static str,
    param: Param,
    words: Memo<Vec<Word>>,
    /// What is chosen where the address says nothing.
    #[prop(into)]
    now: Signal<Word>,
    #[prop(optional)] none: bool,
) -> impl IntoView {
    view! {
        <label class="pick axis"><span>{label_text}</span>
            <select prop:value=move || { words.track(); now.get() } on:change:target=move |e| param.set(&e.target().value())>
                {none.then(|| view! { <option value="">"nothing"</option> })}
                {move || words.get().into_iter().map(|w| {
                    let chosen = now.get_untracked() == w;
                    let kind = if w.starts_with("params.") { " (parameter)" } else { "" };
                    let text = format!("{}{kind}", label(&w));
                    view! { <option value=w selected=chosen>{text}</option> }
                }).collect_view()}
            </select>
        </label>
    }
}
