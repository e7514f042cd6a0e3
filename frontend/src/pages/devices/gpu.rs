//! One GPU, or an instance of one: how it stands, what it does now, who holds it.

use super::{
    holders::{Foreign, Leases},
    quarantine::free,
};
use crate::{
    api::{self, seg},
    app::ago,
    format,
    reactive::memo,
    session::may,
    ui::{Button, Facts, Icon, Look, Meter, Pill, Show, Status, Tone, act},
};
use drydock_wire::{
    accounts::Role,
    devices::{ChangeGpu, Devices, GpuDevice, GpuLive, GpuState},
};
use leptos::prelude::*;

/// `GPU 0`, or what stands for an instance.
pub fn title(gpu: &GpuDevice) -> String {
    match gpu.parent_uuid {
        Some(_) => format!("Instance of GPU {}", gpu.number),
        None => format!("GPU {}", gpu.number),
    }
}

/// Its state as a pill.
fn state(gpu: &GpuDevice) -> Status {
    match gpu.state {
        GpuState::Quarantined => Status::new(Tone::Bad, "Quarantined"),
        GpuState::Missing => Status::new(Tone::Bad, "Missing"),
        GpuState::Usable if gpu.is_divided => Status::new(Tone::Neutral, "Divided"),
        GpuState::Usable if gpu.leases.iter().any(|lease| lease.memory_bytes.is_none()) => {
            Status::new(Tone::Info, "In use")
        }
        GpuState::Usable if !gpu.leases.is_empty() => Status::new(Tone::Info, "Shared"),
        GpuState::Usable => Status::new(Tone::Good, "Free"),
    }
}

/// The card of the GPU of this id; it keeps what it showed last while the GPU leaves the list.
pub fn card(uuid: String, devices: Signal<Devices>, quarantining: RwSignal<Option<GpuDevice>>) -> impl IntoView {
    let wanted = uuid.clone();
    let find = move || devices.with(|d| d.gpus.iter().find(|gpu| gpu.uuid == wanted).cloned());
    let Some(first) = untrack(&find) else { return ().into_any() };
    let gpu =
        Memo::new(move |old: Option<&GpuDevice>| find().or_else(|| old.cloned()).unwrap_or_else(|| first.clone()));
    let pill = memo(move || gpu.with(state));
    let name = move || gpu.with(|g| g.name.clone());
    let heading = memo(move || gpu.with(title));
    let is_instance = gpu.with_untracked(|g| g.parent_uuid.is_some());
    view! {
        <section class="card device" class:instance=is_instance aria-label=move || heading.get()>
            <div class="card-head wraps">
                <h3>{move || heading.get()}</h3>
                {move || view! { <Pill status=pill.get()/> }}
                <span class="push"></span>
                <Actions gpu quarantining/>
            </div>
            <p class="dim device-name">{name}" "<code title=uuid.clone()>{format::short_uuid(&uuid).to_owned()}</code></p>
            <Trouble gpu/>
            <Show when=move || gpu.with(|g| g.is_divided)>
                <p class="dim">"It is cut into instances; those are given in its place."</p>
            </Show>
            <Live gpu/>
            <Leases gpu=gpu.into()/>
            <Foreign gpu=gpu.into()/>
        </section>
    }
    .into_any()
}

/// What an admin may do with it.
#[component]
fn Actions(gpu: Memo<GpuDevice>, quarantining: RwSignal<Option<GpuDevice>>) -> impl IntoView {
    let busy = RwSignal::new(false);
    let quarantined = memo(move || gpu.with(|g| g.state == GpuState::Quarantined));
    let share = move |sharable: bool| {
        let to = format!("/devices/{}", seg(&gpu.with_untracked(|g| g.uuid.clone())));
        let call = async move { api::patch::<_, serde_json::Value>(&to, &ChangeGpu { sharable }).await };
        act(busy, "The GPU was not changed", call, |_| ());
    };
    let label = move || format!("{} may be shared", gpu.with(title));
    view! {
        <Show when=move || may(Role::Admin)>
            <Show when=move || gpu.with(|g| !g.is_divided)>
                <label class="check small"><input type="checkbox" aria-label=label prop:checked=move || gpu.with(|g| g.sharable)
                    on:change:target=move |e| share(e.target().checked())/>"May be shared"</label>
            </Show>
            <Show when=move || quarantined.get() fallback=move || view! {
                <Button small=true look=Look::Danger icon="shield-alert" on_press=move |_| quarantining.set(Some(gpu.get_untracked()))>"Quarantine"</Button>
            }>
                <Button small=true icon="check" busy on_press=move |_| free(gpu.get_untracked(), busy)>"Free"</Button>
            </Show>
        </Show>
        <Show when=move || !may(Role::Admin) && gpu.with(|g| !g.sharable && !g.is_divided)><span class="dim">"whole only"</span></Show>
    }
}

/// Why it is not usable, and how that ends.
#[component]
fn Trouble(gpu: Memo<GpuDevice>) -> impl IntoView {
    let told = memo(move || gpu.with(|g| (g.state, g.reason.clone(), g.state_since, g.frees_itself_at)));
    move || {
        let (state, reason, since, frees) = told.get();
        if state == GpuState::Usable {
            return None;
        }
        let reason = reason.unwrap_or_else(|| match state {
            GpuState::Missing => "It is not in the machine, or the driver does not see it.".to_owned(),
            _ => "No reason was given.".to_owned(),
        });
        let then = match (state, frees) {
            (GpuState::Missing, _) => {
                "What held it has ended. It comes back by itself when the driver shows it again.".to_owned()
            }
            (_, Some(at)) => format!("Nothing new is given to it. If it stays quiet it frees itself {}.", ago(at)),
            _ => "Nothing new is given to it until an admin frees it.".to_owned(),
        };
        Some(view! {
            <p class="callout bad" role="status"><Icon name="shield-alert"/><span><b>{reason}</b>" "{then}" "
                <span class="nowrap">{format!("Since {}.", ago(since))}</span></span></p>
        })
    }
}

/// The last reading.
#[component]
fn Live(gpu: Memo<GpuDevice>) -> impl IntoView {
    let live = memo(move || gpu.with(|g| g.live.clone()));
    let share = move |part: fn(&GpuDevice, &GpuLive) -> f64| {
        Signal::derive(move || gpu.with(|g| g.live.as_ref().map_or(0.0, |live| part(g, live))))
    };
    let words = move |text: fn(&GpuDevice, &GpuLive) -> String| {
        Signal::derive(move || gpu.with(|g| g.live.as_ref().map(|live| text(g, live)).unwrap_or_default()))
    };
    // an instance tells of the whole GPU what only that has
    let whole = gpu.with_untracked(|g| g.parent_uuid.is_none());
    let has =
        move |told: fn(&GpuLive) -> bool| Signal::derive(move || whole && live.with(|l| l.as_ref().is_some_and(told)));
    let leased = move || {
        gpu.with(|g| {
            let sum: u64 = g.leases.iter().map(|lease| lease.memory_bytes.unwrap_or(g.memory_bytes)).sum();
            (sum != 0).then(|| format!("{} of it promised", format::bytes(sum.min(g.memory_bytes))))
        })
    };
    let silent = move || gpu.with(|g| g.live.is_none() && g.state != GpuState::Missing && !g.is_divided);
    view! {
        <Show when=silent><p class="dim">"It does not answer at the moment."</p></Show>
        <Show when=move || live.with(Option::is_some)>
            <div class="readings">
                <Show when=has(|l| l.utilization_percent.is_some())>
                    <Meter label="At work" calm=true share=share(|_, l| f64::from(l.utilization_percent.unwrap_or(0)) / 100.0)
                        text=words(|_, l| format!("{} %", l.utilization_percent.unwrap_or(0)))/>
                </Show>
                <div><Meter label="Memory" share=share(|g, l| l.memory_used_bytes as f64 / (g.memory_bytes as f64).max(1.0))
                        text=words(|g, l| format!("{} of {}", format::bytes(l.memory_used_bytes), format::bytes(g.memory_bytes)))/>
                    {move || leased().map(|text| view! { <p class="below">{text}</p> })}</div>
                <Show when=has(|l| l.power_mw.is_some())>
                    <Meter label="Power" calm=true share=share(|_, l| f64::from(l.power_mw.unwrap_or(0)) / f64::from(l.power_limit_mw.unwrap_or(u32::MAX)).max(1.0))
                        text=words(|_, l| watts(l))/>
                </Show>
            </div>
            <Show when=move || whole><Facts>{move || live.get().map(|l| figures(&l))}</Facts></Show>
        </Show>
    }
}

fn watts(live: &GpuLive) -> String {
    let whole = |mw: Option<u32>| (f64::from(mw.unwrap_or(0)) / 1000.0).round();
    match live.power_limit_mw {
        Some(_) => format!("{} of {} W", whole(live.power_mw), whole(live.power_limit_mw)),
        None => format!("{} W", whole(live.power_mw)),
    }
}

/// What the GPU tells of itself besides; nothing for what it does not tell.
fn figures(live: &GpuLive) -> impl IntoView + use<> {
    let clocks = match (live.clock_sm_mhz, live.clock_memory_mhz) {
        (None, None) => None,
        (sm, memory) => {
            let one =
                |name: &str, mhz: Option<u32>| mhz.map(|mhz| format!("{name} {} MHz", format::number(u64::from(mhz))));
            Some([one("cores", sm), one("memory", memory)].into_iter().flatten().collect::<Vec<_>>().join(", "))
        }
    };
    let ecc = match (live.ecc_corrected, live.ecc_uncorrected) {
        (None, None) => None,
        (mended, not) => Some((
            format!("{} mended, {} not", format::number(mended.unwrap_or(0)), format::number(not.unwrap_or(0))),
            not.unwrap_or(0) > 0,
        )),
    };
    view! {
        {live.temperature_celsius.map(|celsius| view! {
            <dt>"Temperature"</dt><dd class:warn-text={celsius >= 85}>{format!("{celsius} °C")}</dd>
        })}
        {clocks.map(|text| view! { <dt>"Clocks"</dt><dd>{text}</dd> })}
        {ecc.map(|(text, bad)| view! { <dt>"Memory errors"</dt><dd class:missing=bad>{text}</dd> })}
    }
}
