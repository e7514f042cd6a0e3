//! The containers that answer: how many, what each has to do, on which GPU.

use crate::{
    format,
    reactive::memo,
    ui::{Card, Pill, Show, Status, Tone},
};
use drydock_wire::serving::{DeploymentDetail, Replica};
use leptos::prelude::*;

#[component]
pub fn Replicas(deployment: Signal<DeploymentDetail>) -> impl IntoView {
    let all = memo(move || {
        let of = |r: &drydock_wire::serving::Revision| {
            let number = r.number;
            r.replicas.iter().map(move |replica| (number, replica.clone())).collect::<Vec<_>>()
        };
        deployment.with(|d| d.revisions.iter().flat_map(of).collect::<Vec<_>>())
    });
    let wanted = move || {
        let (wanted, scale) = deployment.with(|d| (d.load.wanted_replicas, d.settings.scale.clone()));
        let scale = scale.map(|s| format!(", {} to {} by load", s.min, s.max)).unwrap_or_default();
        wanted.map(|n| format!(" · {n} wanted{scale}")).unwrap_or_default()
    };
    let facts = move || format!("{}{}", all.with(|all| summary(all)), wanted());
    view! {
        <Show when=move || all.with(|a| !a.is_empty())>
            <Card title="Replicas" class="flush" aside=move || view! { <span class="dim tabular">{facts()}</span> }>
                <div class="scroll-x" role="region" aria-label="Replicas" tabindex="0">
                    <table class="grid" aria-label="Replicas">
                        <thead><tr><th scope="col">"Replica"</th><th scope="col">"State"</th><th scope="col" class="num">"In flight"</th>
                            <th scope="col">"GPU"</th><th scope="col">"Why"</th></tr></thead>
                        <tbody>{move || all.get().into_iter().map(|(revision, replica)| row(revision, replica)).collect_view()}</tbody>
                    </table>
                </div>
            </Card>
        </Show>
    }
}

fn summary(all: &[(i64, Replica)]) -> String {
    let ready = all.iter().filter(|(_, r)| r.state == "ready").count() as u64;
    let flying: u64 = all.iter().map(|(_, r)| r.in_flight).sum();
    format!("{ready} of {} ready · {} in flight", format::number(all.len() as u64), format::number(flying))
}

fn row(revision: i64, replica: Replica) -> impl IntoView {
    let status = match replica.state.as_str() {
        "starting" => Status::live(Tone::Info, "Starting"),
        "ready" => Status::new(Tone::Good, "Ready"),
        "unwell" => Status::new(Tone::Bad, "Unwell"),
        "ending" => Status::live(Tone::Warn, "Ending"),
        other => Status::new(Tone::Neutral, other),
    };
    view! {
        <tr>
            <td>{format!("{} of revision {revision}", replica.number)}</td>
            <td><Pill status/></td>
            <td class="num">{format::number(replica.in_flight)}</td>
            <td>{replica.gpu.unwrap_or_else(|| "–".to_owned())}</td>
            <td class="dim" title=replica.reason.clone()>{replica.reason.clone()}</td>
        </tr>
    }
}
