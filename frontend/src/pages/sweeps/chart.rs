//! Parameters and results of a sweep as parallel axes: a line per job that has a result.

use crate::{
    chart::{Brush, ParallelAxis, ParallelChart},
    reactive::memo,
    ui::{Button, Card, Look, Show},
};
use drydock_wire::sweeps::{SweepDetail, Trial};
use leptos::prelude::*;
use std::{collections::BTreeSet, sync::Arc};

/// Words of an axis whose values are no figures.
type Words = Option<Vec<String>>;

fn axis(label: String, values: Vec<Option<String>>) -> ParallelAxis {
    let known: BTreeSet<String> = values.iter().flatten().cloned().collect();
    let number = |text: &String| text.parse::<f64>().ok().filter(|n| n.is_finite());
    let (places, words): (Vec<Option<f64>>, Words) = if known.iter().all(|k| number(k).is_some()) {
        (values.iter().map(|v| v.as_ref().and_then(number)).collect(), None)
    } else {
        let words: Vec<String> = known.into_iter().collect();
        let place = |v: &String| words.iter().position(|w| w == v).map(|i| i as f64);
        (values.iter().map(|v| v.as_ref().and_then(place)).collect(), Some(words))
    };
    let found = || places.iter().flatten().copied();
    let (lo, hi) = (found().fold(f64::INFINITY, f64::min), found().fold(f64::NEG_INFINITY, f64::max));
    let span = match (lo.is_finite(), lo < hi) {
        (false, _) => (0.0, 1.0),
        (_, false) => (lo - 0.5, lo + 0.5),
        _ => (lo, hi),
    };
    ParallelAxis { label, span, places, words }
}

/// The parameters that differ, then the metric.
fn axes(sweep: &SweepDetail, trials: &[Trial]) -> Vec<ParallelAxis> {
    let names: BTreeSet<&String> = trials.iter().flat_map(|t| t.params.keys()).collect();
    let values = |name: &String| trials.iter().map(|t| t.params.get(name).cloned()).collect::<Vec<_>>();
    let differs = |values: &Vec<Option<String>>| values.iter().collect::<BTreeSet<_>>().len() > 1;
    let mut all: Vec<ParallelAxis> = names
        .into_iter()
        .map(|n| (n.clone(), values(n)))
        .filter(|(_, v)| differs(v))
        .map(|(n, v)| axis(n, v))
        .collect();
    let result = trials.iter().map(|t| t.value.map(|v| v.to_string())).collect();
    all.push(axis(sweep.summary.metric.clone().unwrap_or_else(|| "result".to_owned()), result));
    all
}

/// Nothing until two jobs have a result.
#[component]
pub fn SweepChart(sweep: Signal<SweepDetail>) -> impl IntoView {
    let with_result =
        memo(move || sweep.with(|s| s.trials.iter().filter(|t| t.value.is_some()).cloned().collect::<Vec<_>>()));
    let axes = memo(move || Arc::new(with_result.with(|t| sweep.with(|s| axes(s, t)))));
    let chosen = RwSignal::new(Vec::<(String, Brush)>::new());
    let brushes = memo(move || {
        let of =
            |axis: &ParallelAxis| chosen.with(|c| c.iter().find(|(label, _)| *label == axis.label).map(|(_, b)| *b));
        axes.with(|a| a.iter().map(of).collect::<Vec<Option<Brush>>>())
    });
    let set = Callback::new(move |(at, brush): (usize, Option<Brush>)| {
        let Some(label) = axes.with_untracked(|a| a.get(at).map(|a| a.label.clone())) else { return };
        chosen.update(|c| {
            c.retain(|(other, _)| *other != label);
            c.extend(brush.map(|b| (label, b)));
        });
    });
    let kept = memo(move || {
        let fits = |i: usize| {
            axes.with(|axes| {
                brushes.with(|b| {
                    axes.iter().zip(b).all(|(axis, brush)| match (brush, axis.places.get(i).copied().flatten()) {
                        (None, _) => true,
                        (Some((lo, hi)), Some(at)) => (*lo..=*hi).contains(&at),
                        (Some(_), None) => false,
                    })
                })
            })
        };
        Arc::new((0..with_result.with(Vec::len)).map(fits).collect::<Vec<bool>>())
    });
    view! {
        <Show when=move || with_result.with(|t| t.len() > 1)>
            <Card title="What made the difference" aside=move || chosen.with(|c| !c.is_empty()).then(|| view! {
                <Button small=true look=Look::Quiet icon="x" on_press=move |_| chosen.set(vec![])>"Show all"</Button>
            })>
                <ParallelChart axes kept brushes on_brush=set/>
                <p class="dim below">"A line per job with a result. Drag along an axis to keep only the jobs there; the table below says the same in figures."</p>
            </Card>
        </Show>
    }
}
