//! Runs as points: anything along x and y, a third for the colour. A point leads to its run.

use super::{
    Compared,
    axes::{Axis, AxisPick, candidates, label},
};
use crate::{
    app::go,
    chart::{PointChart, Points},
    reactive::memo,
    ui::{Card, Show, url::param},
};
use leptos::prelude::*;
use std::sync::Arc;

#[component]
pub fn Scatter(it: Compared) -> impl IntoView {
    let (x, y, colour) = (param("x", ""), param("y", ""), param("colour", ""));
    let words = memo(move || it.runs.with(|r| candidates(r)));
    let or = move |chosen: String, place: usize| {
        if !chosen.is_empty() {
            return chosen;
        }
        words.with(|w| {
            let metric = w.iter().find(|w| w.starts_with("metrics.")).or(w.last());
            let own = if place == 0 { w.first() } else { metric };
            own.cloned().unwrap_or_default()
        })
    };
    let x_now = memo(move || or(x.get(), 0));
    let y_now = memo(move || or(y.get(), 1));
    let points = Signal::derive(move || {
        let shown = it.shown();
        let runs: Vec<_> = shown.iter().map(|(_, r)| r.clone()).collect();
        let (along_x, along_y) = (Axis::of(&runs, &x_now.get()), Axis::of(&runs, &y_now.get()));
        let tint = Some(colour.get()).filter(|c| !c.is_empty()).map(|c| Axis::of(&runs, &c));
        let share = |i: usize| {
            let axis = tint.as_ref()?;
            let (lo, hi) = axis.span();
            axis.places[i].map(|p| (p - lo) / (hi - lo))
        };
        let spots = (0..runs.len())
            .filter_map(|i| Some((along_x.places[i]?, along_y.places[i]?, share(i), i)))
            .collect::<Vec<_>>();
        Arc::new(Points {
            x: spots.iter().map(|s| s.0).collect(),
            y: spots.iter().map(|s| s.1).collect(),
            tint: spots.iter().map(|s| s.2).collect(),
            labels: spots.iter().map(|s| runs[s.3].name.clone()).collect(),
            ids: spots.iter().map(|s| runs[s.3].id.clone()).collect(),
            x_words: along_x.words,
            y_words: along_y.words,
        })
    });
    let missing = move || it.runs.with(|r| r.len()) - points.with(|p| p.x.len()).min(it.runs.with(|r| r.len()));
    let tint_ends = move || {
        let word = colour.get();
        (!word.is_empty()).then(|| {
            let axis = it.runs.with(|r| Axis::of(r, &word));
            let (lo, hi) = axis.span();
            view! { <span class="ramp-key"><span>{axis.text_at(lo)}</span><i class="ramp" aria-hidden="true"></i><span>{axis.text_at(hi)}</span></span> }
        })
    };
    view! {
        <div class="chart-bar">
            <AxisPick label_text="Across" param=x words now=x_now/>
            <AxisPick label_text="Up" param=y words now=y_now/>
            <AxisPick label_text="Colour" param=colour words now=Signal::derive(move || colour.get()) none=true/>
            {tint_ends}
        </div>
        <Card>
            {move || {
                let (across, up) = (label(&x_now.get()).to_owned(), label(&y_now.get()).to_owned());
                view! { <PointChart title=format!("{up} over {across}") x_label=across y_label=up points on_open=move |id: String| go(&format!("/runs/{id}"))/> }
            }}
            <Show when=move || { missing() > 0 }>
                <p class="dim below">{move || format!("{} of the runs are not shown: they lack one of the two, or a brush on the parallel axes hides them.", missing())}</p>
            </Show>
        </Card>
    }
}
