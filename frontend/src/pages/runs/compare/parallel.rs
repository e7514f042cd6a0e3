//! Parallel coordinates: a line per run across axes of parameters and metrics; dragging along an axis keeps only the runs there.

use super::{
    Compared,
    axes::{Axis, candidates, label},
};
use crate::{
    chart::{Brush, ParallelAxis, ParallelChart},
    format,
    reactive::{effect, memo},
    ui::{Button, Card, EmptyState, Icon, Look, Show, url::param},
};
use leptos::prelude::*;
use std::{collections::HashSet, sync::Arc};

/// Axes that are drawn where the address names none.
const AUTOMATIC: usize = 7;
const SEPARATOR: &str = "|";

#[component]
pub fn Parallel(it: Compared) -> impl IntoView {
    let (chosen, brushed) = (param("axes", ""), param("brush", ""));
    let words = memo(move || it.runs.with(|r| candidates(r)));
    let now = memo(move || match chosen.get().as_str() {
        "" => words.with(|w| automatic(w)),
        text => text.split(SEPARATOR).map(str::to_owned).collect(),
    });
    let axes = memo(move || {
        let axis = |word: &String| {
            let found = it.runs.with(|r| Axis::of(r, word));
            let span = found.span();
            ParallelAxis { label: label(word).to_owned(), span, places: found.places, words: found.words }
        };
        Arc::new(now.with(|n: &Vec<String>| n.iter().map(axis).collect::<Vec<_>>()))
    });
    // brushes stand in the address by the axis's word, so that they outlive a change of axes
    let brushes = memo(move || {
        let read = read_brushes(&brushed.get());
        now.with(|n: &Vec<String>| {
            n.iter().map(|w| read.iter().find(|b| b.0 == *w).map(|b| (b.1, b.2))).collect::<Vec<Option<Brush>>>()
        })
    });
    let set = Callback::new(move |(index, brush): (usize, Option<Brush>)| {
        let Some(word) = now.with_untracked(|n| n.get(index).cloned()) else { return };
        let mut all = read_brushes(&untrack(|| brushed.get()));
        all.retain(|b| b.0 != word);
        all.extend(brush.map(|(lo, hi)| (word, lo, hi)));
        let text: Vec<String> = all.iter().map(|(w, lo, hi)| format!("{w}~{lo}~{hi}")).collect();
        brushed.set(&text.join(SEPARATOR));
    });
    let kept = memo(move || {
        let count = it.runs.with(|r| r.len());
        axes.with(|axes| {
            brushes.with(|b| {
                let fits = |i: usize| {
                    axes.iter().zip(b).all(|(axis, brush)| match (brush, axis.places[i]) {
                        (None, _) => true,
                        (Some((lo, hi)), Some(at)) => (*lo..=*hi).contains(&at),
                        (Some(_), None) => false,
                    })
                };
                Arc::new((0..count).map(fits).collect::<Vec<bool>>())
            })
        })
    });
    // what is brushed away is gone from the other pictures, too
    effect(move || {
        let hidden: HashSet<String> = kept.with(|k| {
            it.runs.with(|r| r.iter().zip(k.iter()).filter(|(_, kept)| !**kept).map(|(r, _)| r.id.clone()).collect())
        });
        it.hidden.set(hidden);
    });
    let toggle = move |word: String, on: bool| {
        let mut list = now.get_untracked();
        list.retain(|w| *w != word);
        if on {
            list.push(word);
        }
        chosen.set(&list.join(SEPARATOR));
    };
    let left = move || kept.with(|k| k.iter().filter(|k| **k).count());
    let rows = move || {
        it.shown()
            .into_iter()
            .take(12)
            .map(|(_, r)| {
                view! {
                    <li><a href=format!("/runs/{}", r.id)>{r.name.clone()}</a></li>
                }
            })
            .collect_view()
    };
    view! {
        <div class="chart-bar">
            <details class="menu experiments">
                <summary class="btn"><Icon name="sliders-horizontal"/>"Axes"<Icon name="chevron-down"/></summary>
                <div class="menu-list" role="group" aria-label="Axes">
                    {move || words.get().into_iter().map(|w| {
                        let (own, text) = (w.clone(), label(&w).to_owned());
                        view! {
                            <label class="check"><input type="checkbox" prop:checked=move || now.with(|n: &Vec<String>| n.contains(&own))
                                on:change:target=move |e| toggle(w.clone(), e.target().checked())/><span>{text}</span></label>
                        }
                    }).collect_view()}
                </div>
            </details>
            <span class="dim tabular" role="status">{move || format!("{} of {}", left(), format::plural(it.runs.with(|r| r.len()) as u64, "run"))}</span>
            <Show when=move || !brushed.is("")>
                <Button small=true look=Look::Quiet icon="rotate-ccw" on_press=move |_| brushed.clear()>"Show all"</Button>
            </Show>
            <span class="dim push">"Drag along an axis to keep only the runs there."</span>
        </div>
        <Show when=move || now.with(|n: &Vec<String>| n.len() > 1) fallback=|| view! {
            <EmptyState icon="sliders-horizontal" title="Choose two axes" text="Parameters and metrics under Axes become vertical lines here."/>
        }>
            <Card>
                <ParallelChart axes kept brushes on_brush=set/>
                <Show when=move || !brushed.is("")>
                    <p class="dim below">"Kept:"</p><ul class="kept">{rows}</ul>
                </Show>
            </Card>
        </Show>
    }
}

/// Some parameters, then some metrics.
fn automatic(words: &[String]) -> Vec<String> {
    let params = words.iter().filter(|w| w.starts_with("params.")).take(AUTOMATIC - 2);
    let metrics = words.iter().filter(|w| w.starts_with("metrics.")).take(2);
    params.chain(metrics).take(AUTOMATIC).cloned().collect()
}

fn read_brushes(text: &str) -> Vec<(String, f64, f64)> {
    let one = |part: &str| {
        let mut parts = part.rsplitn(3, '~');
        let (hi, lo, word) = (parts.next()?, parts.next()?, parts.next()?);
        Some((word.to_owned(), lo.parse().ok()?, hi.parse().ok()?))
    };
    text.split(SEPARATOR).filter_map(one).collect()
}
