//! The containers that answer: how many, what each has to do, which GPU it holds.

use crate::{
    format,
    live::remote,
    reactive::memo,
    ui::{Card, Pill, Show, Status, Tone},
};
use drydock_wire::{
    devices::{Devices, GpuDevice},
    events::Topic,
    serving::{DeploymentDetail, Replica, Revision},
};
use leptos::prelude::*;
use std::time::Duration;

/// What a GPU's programs hold changes without a hint.
const PERIOD: Duration = Duration::from_secs(10);

/// A replica with the number of its revision and the share of a GPU that it asked for.
#[derive(Clone, PartialEq)]
struct Line {
    revision: i64,
    replica: Replica,
    /// Absent: whole GPUs.
    share: Option<u64>,
}

fn lines(revision: &Revision) -> impl Iterator<Item = Line> + '_ {
    let (number, share) = (revision.number, revision.resources.gpu_memory_bytes);
    revision.replicas.iter().map(move |replica| Line { revision: number, replica: replica.clone(), share })
}

#[component]
pub fn Replicas(deployment: Signal<DeploymentDetail>) -> impl IntoView {
    let all = memo(move || deployment.with(|d| d.revisions.iter().flat_map(lines).collect::<Vec<_>>()));
    let wanted = move || {
        let (wanted, scale) = deployment.with(|d| (d.load.wanted_replicas, d.settings.scale.clone()));
        let scale = scale.map(|s| format!(", {} to {} by load", s.min, s.max)).unwrap_or_default();
        wanted.map(|n| format!(" · {n} wanted{scale}")).unwrap_or_default()
    };
    let facts = move || format!("{}{}", all.with(|all| summary(all)), wanted());
    let on_gpus = memo(move || all.with(|all| all.iter().any(|line| line.replica.gpu.is_some())));
    let devices =
        remote::<Devices>(move || on_gpus.get().then(|| "/devices".to_owned()), &[Topic::Devices]).every(PERIOD);
    let gpus = memo(move || devices.data.with(|d| d.as_ref().map(|d| d.gpus.clone()).unwrap_or_default()));
    let rows = move || {
        let (gpus, on_gpus) = (gpus.get(), on_gpus.get());
        all.get().into_iter().map(move |line| row(line, &gpus, on_gpus)).collect_view()
    };
    view! {
        <Show when=move || all.with(|a| !a.is_empty())>
            <Card title="Replicas" class="flush" aside=move || view! { <span class="dim tabular">{facts()}</span> }>
                <div class="scroll-x" role="region" aria-label="Replicas" tabindex="0">
                    <table class="grid replicas" aria-label="Replicas">
                        <thead><tr><th scope="col">"Replica"</th><th scope="col">"State"</th><th scope="col" class="num">"In flight"</th>
                            <Show when=move || on_gpus.get()><th scope="col">"GPU"</th><th scope="col" class="num">"GPU memory"</th></Show>
                            <th scope="col">"Why"</th></tr></thead>
                        <tbody>{rows}</tbody>
                    </table>
                </div>
            </Card>
        </Show>
    }
}

fn summary(all: &[Line]) -> String {
    let ready = all.iter().filter(|line| line.replica.state == "ready").count() as u64;
    let flying: u64 = all.iter().map(|line| line.replica.in_flight).sum();
    format!("{ready} of {} ready · {} in flight", format::number(all.len() as u64), format::number(flying))
}

fn row(line: Line, gpus: &[GpuDevice], on_gpus: bool) -> impl IntoView + use<> {
    let Line { revision, replica, share } = line;
    let status = match replica.state.as_str() {
        "starting" => Status::live(Tone::Info, "Starting"),
        "ready" => Status::new(Tone::Good, "Ready"),
        "unwell" => Status::new(Tone::Bad, "Unwell"),
        "ending" => Status::live(Tone::Warn, "Ending"),
        other => Status::new(Tone::Neutral, other),
    };
    let held = on_gpus.then(|| {
        let uuids = replica.gpu.as_deref().into_iter().flat_map(|all| all.split(','));
        let (names, amounts): (Vec<_>, Vec<_>) = uuids.map(|uuid| held(uuid, share, gpus)).unzip();
        let lines = |all: Vec<String>| match all.is_empty() {
            true => view! { <span class="dim">"none yet"</span> }.into_any(),
            false => all.into_iter().map(|text| view! { <div>{text}</div> }).collect_view().into_any(),
        };
        view! { <td>{lines(names)}</td><td class="num">{lines(amounts)}</td> }
    });
    view! {
        <tr>
            <td>{format!("{} of revision {revision}", replica.number)}</td>
            <td><Pill status/></td>
            <td class="num">{format::number(replica.in_flight)}</td>
            {held}
            <td class="dim" title=replica.reason.clone()>{replica.reason.clone().unwrap_or_else(|| "–".to_owned())}</td>
        </tr>
    }
}

/// A GPU by its name, and how much of its memory the replica has.
fn held(uuid: &str, share: Option<u64>, gpus: &[GpuDevice]) -> (String, String) {
    let known = gpus.iter().find(|gpu| gpu.uuid == uuid);
    let name = match known {
        Some(gpu) => format::gpu(Some(gpu.number), &gpu.name, uuid, gpu.parent_uuid.is_some()),
        // not told yet
        None if gpus.is_empty() => format!("GPU {}", format::short_uuid(uuid)),
        None => format::gpu(None, "", uuid, false),
    };
    let all = known.map(|gpu| format::bytes(gpu.memory_bytes));
    let amount = match (share.map(format::bytes), all) {
        (Some(share), Some(all)) => format!("{share} of {all}"),
        (Some(share), None) => share,
        (None, Some(all)) => format!("all {all}"),
        (None, None) => "all of it".to_owned(),
    };
    (name, amount)
}
