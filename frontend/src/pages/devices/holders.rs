//! Who holds a GPU or a part of it, and programs on it that Drydock did not start.

use crate::{
    api::seg,
    format,
    reactive::memo,
    ui::{Icon, Show, TimeAgo},
};
use drydock_wire::devices::{GpuDevice, GpuLease, GpuProgram, OverShare};
use leptos::prelude::*;

#[component]
pub fn Leases(gpu: Signal<GpuDevice>) -> impl IntoView {
    let leases = memo(move || gpu.with(|g| g.leases.clone()));
    let total = memo(move || gpu.with(|g| g.memory_bytes));
    view! {
        <Show when=move || leases.with(|l| !l.is_empty())>
            <div class="scroll-x" role="region" aria-label="Who holds it" tabindex="0">
                <table class="plain lines leases">
                    <thead><tr><th scope="col">"Held by"</th><th scope="col" class="num">"Asked for"</th><th scope="col" class="num">"Uses now"</th><th scope="col" class="num wide-only">"Since"</th></tr></thead>
                    <tbody>{move || leases.get().into_iter().map(|lease| row(lease, total.get())).collect_view()}</tbody>
                </table>
            </div>
        </Show>
    }
}

fn row(lease: GpuLease, total: u64) -> impl IntoView {
    let (icon, href) = match lease.kind.as_str() {
        "deployment" => ("rocket", format!("/deployments/{}", seg(&lease.holder))),
        _ => ("container", format!("/jobs/{}", seg(&lease.holder))),
    };
    let over = lease.memory_bytes.is_some_and(|asked| lease.used_bytes > asked);
    let asked = match lease.memory_bytes {
        Some(bytes) => format::bytes(bytes),
        None => "all of it".to_owned(),
    };
    let share = lease.used_bytes as f64 / (lease.memory_bytes.unwrap_or(total) as f64).max(1.0);
    let level = if over { "bar bad quota" } else { "bar quota" };
    view! {
        <tr>
            <td><a class="row-link name with-icon" href=href><Icon name=icon/>{lease.name}</a></td>
            <td class="num">{asked}</td>
            <td class="num" class:missing=over>{format::bytes(lease.used_bytes)}{over.then_some(" (more than asked for)")}
                <span class=level aria-hidden="true"><i style:width=format!("{:.1}%", share.clamp(0.0, 1.0) * 100.0)></i></span></td>
            <td class="num dim wide-only"><TimeAgo at=lease.taken_at/></td>
        </tr>
    }
}

#[component]
pub fn Foreign(gpu: Signal<GpuDevice>) -> impl IntoView {
    let programs = memo(move || gpu.with(|g| g.foreign.clone()));
    let row = |program: GpuProgram| {
        let name = if program.name.is_empty() { "(ended)".to_owned() } else { program.name };
        let place = match program.container {
            Some(id) => format!("in the container {}", id.chars().take(12).collect::<String>()),
            None => "on the box itself".to_owned(),
        };
        view! {
            <tr><td class="mono">{name}</td><td class="num mono">{program.pid}</td>
                <td class="dim">{place}</td><td class="num">{format::bytes(program.memory_bytes)}</td></tr>
        }
    };
    let sum = move || format::bytes(gpu.with(|g| g.foreign_bytes));
    view! {
        <Show when=move || programs.with(|p| !p.is_empty())>
            <p class="callout warn"><Icon name="triangle-alert"/><span>
                {move || format!("Programs that Drydock did not start hold {} of it. That is not promised to anybody; end them to give it to jobs again.", sum())}</span></p>
            <div class="scroll-x" role="region" aria-label="Programs outside Drydock" tabindex="0">
                <table class="plain lines">
                    <thead><tr><th scope="col">"Program"</th><th scope="col" class="num">"Process"</th><th scope="col">"Where"</th><th scope="col" class="num">"Holds"</th></tr></thead>
                    <tbody>{move || programs.get().into_iter().map(row).collect_view()}</tbody>
                </table>
            </div>
        </Show>
    }
}

/// What a share is, said where they are seen.
#[component]
pub fn SharingNote(over_share: Memo<OverShare>) -> impl IntoView {
    let then = move || match over_share.get() {
        OverShare::Stop => "who uses more than it asked for is stopped within seconds",
        OverShare::Warn => "who uses more than it asked for is named in the events, and goes on",
    };
    view! { <p class="dim">{move || format!("A share is a promise that is watched, not a wall: {}. MIG instances are walls.", then())}</p> }
}
