//! What the GPUs did while the page stood open: a line for each, by its name.

use crate::{
    chart::{Axis, LineChart, Series, Settings},
    format,
    reactive::effect,
    ui::Card,
};
use drydock_wire::devices::{Devices, GpuDevice};
use leptos::prelude::*;
use std::{collections::VecDeque, sync::Arc};

/// Half an hour of a reading every two seconds.
const MOST: usize = 900;
const GIB: f64 = 1_073_741_824.0;

/// One look at all GPUs.
#[derive(Clone)]
struct Look {
    at: f64,
    gpus: Vec<Reading>,
}

#[derive(Clone)]
struct Reading {
    uuid: String,
    called: String,
    /// Not told: not a number.
    percent: f64,
    memory_gib: f64,
}

fn reading(gpu: &GpuDevice) -> Reading {
    let live = gpu.live.as_ref();
    // an instance tells of the whole GPU what only that has
    let percent = live.filter(|_| gpu.parent_uuid.is_none()).and_then(|live| live.utilization_percent);
    Reading {
        uuid: gpu.uuid.clone(),
        called: format::gpu(Some(gpu.number), &gpu.name, &gpu.uuid, gpu.parent_uuid.is_some()),
        percent: percent.map_or(f64::NAN, f64::from),
        memory_gib: live.filter(|_| !gpu.is_divided).map_or(f64::NAN, |live| live.memory_used_bytes as f64 / GIB),
    }
}

#[component]
pub fn History(devices: Signal<Devices>) -> impl IntoView {
    let looks = RwSignal::new(VecDeque::<Look>::new());
    effect(move || {
        let gpus = devices.with(|d| d.gpus.iter().map(reading).collect());
        looks.update(|looks| {
            looks.push_back(Look { at: js_sys::Date::now(), gpus });
            if looks.len() > MOST {
                looks.pop_front();
            }
        });
    });
    let settings = Settings::new("clock");
    let chart = move |title: &'static str, of: fn(&Reading) -> f64| {
        let series = Signal::derive(move || Arc::new(looks.with(|looks| lines(looks, of))));
        view! { <Card title=title><LineChart title series settings axis=Axis::Clock/></Card> }
    };
    view! {
        <div class="charts">
            {chart("At work (%)", |gpu| gpu.percent)}
            {chart("Memory in use (GiB)", |gpu| gpu.memory_gib)}
        </div>
        <p class="dim">"Since this page was opened, half an hour at most. What a job used is kept in its Charts."</p>
    }
}

/// A line per GPU that told something, in the order in which they came; where it told nothing the line has a gap.
fn lines(looks: &VecDeque<Look>, of: fn(&Reading) -> f64) -> Vec<Series> {
    let mut known: Vec<&Reading> = vec![];
    for gpu in looks.iter().flat_map(|look| &look.gpus) {
        match known.iter_mut().find(|one| one.uuid == gpu.uuid) {
            Some(one) => *one = gpu,
            None => known.push(gpu),
        }
    }
    let at: Vec<f64> = looks.iter().map(|look| look.at).collect();
    let line = |(colour, gpu): (usize, &&Reading)| {
        let value = |look: &Look| look.gpus.iter().find(|one| one.uuid == gpu.uuid).map_or(f64::NAN, of);
        let values: Vec<f64> = looks.iter().map(value).collect();
        values.iter().any(|value| value.is_finite()).then(|| Series {
            label: gpu.called.clone(),
            steps: (0..at.len()).map(|i| i as f64).collect(),
            at: at.clone(),
            values,
            colour,
        })
    };
    known.iter().enumerate().filter_map(line).collect()
}
