//! What an attempt used while it ran: cores, memory, GPUs, disk, network; live while it runs.

use crate::{
    api::seg,
    chart::{Axis, LineChart, Series, Settings},
    format,
    live::remote,
    pages::parts::query,
    reactive::memo,
    ui::{Card, Each, EmptyState, Loaded, Show, url::Param},
};
use drydock_wire::{
    jobs::JobDetail,
    samples::{GpuSamples, JobSamples},
};
use leptos::prelude::*;
use std::{sync::Arc, time::Duration};

const PERIOD: Duration = Duration::from_secs(4);
const GIB: f64 = 1_073_741_824.0;
const KIB: f64 = 1_024.0;
const MIB: f64 = 1_048_576.0;

#[component]
pub fn Charts(job: Signal<JobDetail>, attempt: Param) -> impl IntoView {
    let id = memo(move || job.with(|j| j.summary.id.clone()));
    let started = memo(move || job.with(|j| !j.attempts.is_empty()));
    let path = move || {
        started.get().then(|| query(&format!("/jobs/{}/samples", seg(&id.get())), &[("attempt", attempt.get())]))
    };
    let samples = remote::<JobSamples>(path, &[]);
    let running = move || job.with_untracked(|j| !j.summary.state.is_final());
    if let Ok(timer) = set_interval_with_handle(
        move || {
            if running() && !document().hidden() {
                samples.refetch()
            }
        },
        PERIOD,
    ) {
        on_cleanup(move || timer.clear());
    }
    view! {
        <Show when=move || started.get() fallback=|| view! {
            <EmptyState icon="chart-line" title="Not started yet" text="Charts of its cores, memory, GPUs, disk and network appear when its container runs."/>
        }>
            <Loaded remote=samples lines=8 let:samples><Drawn samples/></Loaded>
        </Show>
    }
}

#[component]
fn Drawn(samples: Signal<JobSamples>) -> impl IntoView {
    let settings = Settings::new("clock");
    let titles = memo(move || samples.with(titles));
    view! {
        <Show when=move || samples.with(|s| s.at.len() > 1) fallback=|| view! {
            <EmptyState icon="chart-line" title="Nothing was measured yet" text="A value comes every two seconds while the job runs; a job that ends sooner has none."/>
        }>
            <p class="dim">{move || samples.with(peak)}</p>
            <div class="charts">
                <Each keys=titles let:title>
                    {
                        let key = title.clone();
                        let series = Signal::derive(move || Arc::new(samples.with(|s| lines(s, &key))));
                        view! { <Card title=title.clone()><LineChart title series settings axis=Axis::Clock/></Card> }
                    }
                </Each>
            </div>
        </Show>
    }
}

fn peak(samples: &JobSamples) -> String {
    let limit = format::bytes(samples.memory_limit_bytes);
    let cores = format::value(samples.cpus_limit);
    match samples.peak_memory_bytes {
        Some(peak) => format!("At most {} of {limit} of memory; {cores} cores are its limit.", format::bytes(peak)),
        None => format!("Its limits: {limit} of memory, {cores} cores."),
    }
}

/// A memory chart in GiB or MiB, whichever reads better.
fn unit(most: u64) -> (f64, &'static str) {
    if most as f64 >= GIB { (GIB, "GiB") } else { (MIB, "MiB") }
}

fn memory_unit(s: &JobSamples) -> (f64, &'static str) {
    unit(s.memory_limit_bytes.max(s.memory_bytes.iter().copied().max().unwrap_or(0)))
}

/// Of rates: the unit in which the highest of them is no tiny fraction.
fn rate_unit(all: [&[u64]; 2]) -> (f64, &'static str) {
    let most = all.into_iter().flatten().copied().max().unwrap_or(0);
    if most as f64 >= MIB / 10.0 { (MIB, "MiB/s") } else { (KIB, "KiB/s") }
}

fn disk_unit(s: &JobSamples) -> (f64, &'static str) {
    rate_unit([&s.disk_read_bytes_s, &s.disk_write_bytes_s])
}

fn net_unit(s: &JobSamples) -> (f64, &'static str) {
    rate_unit([&s.net_in_bytes_s, &s.net_out_bytes_s])
}

fn titles(s: &JobSamples) -> Vec<String> {
    let mut titles = vec!["CPU (cores)".to_owned(), format!("Memory ({})", memory_unit(s).1)];
    if !s.gpus.is_empty() {
        titles.extend(["GPU at work (%)".to_owned(), "GPU memory (GiB)".to_owned()]);
    }
    titles.extend([format!("Disk ({})", disk_unit(s).1), format!("Network ({})", net_unit(s).1)]);
    titles
}

/// The lines of the chart of that title.
fn lines(s: &JobSamples, title: &str) -> Vec<Series> {
    let at: Vec<f64> = s.at.iter().map(|at| *at as f64).collect();
    let line = |label: &str, colour: usize, values: Vec<f64>| Series {
        label: label.to_owned(),
        steps: (0..at.len()).map(|i| i as f64).collect(),
        at: at.clone(),
        values,
        colour,
    };
    let limit = |value: f64| vec![value; at.len()];
    let rate = |values: &[u64], unit: f64| values.iter().map(|v| *v as f64 / unit).collect::<Vec<_>>();
    if title.starts_with("GPU ") {
        let of = |gpu: &GpuSamples| match title.contains("memory") {
            false => gpu.percent.iter().map(|v| v.unwrap_or(f64::NAN)).collect(),
            true => gpu.memory_bytes.iter().map(|v| v.map_or(f64::NAN, |v| v as f64 / GIB)).collect(),
        };
        let called = |gpu: &GpuSamples| format::gpu(gpu.number, &gpu.name, &gpu.uuid, gpu.is_instance);
        return s.gpus.iter().enumerate().map(|(at, gpu)| line(&called(gpu), at, of(gpu))).collect();
    }
    let (size, _) = memory_unit(s);
    match title.split(' ').next().unwrap_or_default() {
        "CPU" => vec![line("used", 0, s.cpus.clone()), line("limit", 3, limit(s.cpus_limit))],
        "Memory" => vec![
            line("used", 0, s.memory_bytes.iter().map(|v| *v as f64 / size).collect()),
            line("limit", 3, limit(s.memory_limit_bytes as f64 / size)),
        ],
        "Disk" => {
            let (unit, _) = disk_unit(s);
            vec![
                line("read", 1, rate(&s.disk_read_bytes_s, unit)),
                line("written", 2, rate(&s.disk_write_bytes_s, unit)),
            ]
        }
        _ => {
            let (unit, _) = net_unit(s);
            vec![line("received", 1, rate(&s.net_in_bytes_s, unit)), line("sent", 2, rate(&s.net_out_bytes_s, unit))]
        }
    }
}
