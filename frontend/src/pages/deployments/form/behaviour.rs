//! How many replicas there are, how much callers may ask, and who may: what takes effect at once.

use super::{
    Text, all_good,
    callers::{CallerFields, CallersForm},
    capture::{CaptureFields, CaptureForm},
    check_above_zero, check_count, check_whole, optional, read, text,
};
use crate::{
    pages::parts::Fold,
    ui::{Choice, Field, Show},
};
use drydock_wire::serving::{CallLimits, Rate, Scale, ServingSettings};
use leptos::prelude::*;

const MIB: f64 = 1_048_576.0;

#[derive(Clone, Copy)]
pub struct SettingsForm {
    replicas: ReplicasForm,
    limits: LimitsForm,
    callers: CallersForm,
    capture: CaptureForm,
}

#[derive(Clone, Copy)]
struct ReplicasForm {
    /// `fixed` or `scale`.
    how: Text,
    count: Text,
    min: Text,
    max: Text,
    in_flight: Text,
    p95: Text,
    cpu: Text,
    up: Text,
    down: Text,
    idle: Text,
}

#[derive(Clone, Copy)]
struct LimitsForm {
    body_mib: Text,
    timeout: Text,
    concurrency: Text,
    queue: Text,
    rate: Text,
    burst: Text,
}

impl SettingsForm {
    pub fn new(start: &ServingSettings) -> Self {
        let scale = start.scale.clone().unwrap_or_else(|| Scale { max: 4, in_flight: Some(4.0), ..Scale::default() });
        let limits = &start.limits;
        Self {
            replicas: ReplicasForm {
                how: text(if start.scale.is_some() { "scale" } else { "fixed" }),
                count: text(start.replicas),
                min: text(scale.min),
                max: text(scale.max),
                in_flight: optional(scale.in_flight),
                p95: optional(scale.p95_ms),
                cpu: optional(scale.cpu_percent),
                up: text(scale.up_window_s),
                down: text(scale.down_window_s),
                idle: text(scale.idle_s),
            },
            limits: LimitsForm {
                body_mib: optional(limits.body_bytes.map(|b| b as f64 / MIB)),
                timeout: optional(limits.timeout_s),
                concurrency: optional(limits.concurrency),
                queue: text(limits.queue),
                rate: optional(limits.rate.as_ref().map(|r| r.per_second)),
                burst: text(limits.rate.as_ref().map_or(10, |r| r.burst)),
            },
            callers: CallersForm::new(&start.callers),
            capture: CaptureForm::new(start.capture.as_ref()),
        }
    }

    /// Absent while a field is wrong. `follow` is no business of this form.
    pub fn read(&self, follow: bool) -> Option<ServingSettings> {
        let (replicas, scale) = self.replicas.read()?;
        Some(ServingSettings {
            follow,
            replicas,
            scale,
            limits: self.limits.read()?,
            callers: untrack(|| self.callers.read()),
            capture: self.capture.read()?,
        })
    }
}

impl ReplicasForm {
    fn read(&self) -> Option<(u32, Option<Scale>)> {
        if self.how.with_untracked(|h| h == "fixed") {
            return Some((read(self.count)?, None));
        }
        let whole = [self.min, self.max, self.up, self.down, self.idle].map(|t| (t, check_count as _));
        let targets = [self.in_flight, self.p95, self.cpu].map(|t| (t, check_above_zero as _));
        if !all_good(&whole) || !all_good(&targets) || !untrack(|| self.has_target()) {
            return None;
        }
        let scale = Scale {
            min: read(self.min)?,
            max: read(self.max)?,
            in_flight: read(self.in_flight),
            p95_ms: read(self.p95),
            cpu_percent: read(self.cpu),
            up_window_s: read(self.up)?,
            down_window_s: read(self.down)?,
            idle_s: read(self.idle)?,
        };
        let count = read(self.count).unwrap_or(1);
        Some((count, Some(scale)))
    }

    /// It grows and shrinks by something, or is but waked and put to sleep.
    fn has_target(&self) -> bool {
        let set = [self.in_flight, self.p95, self.cpu].iter().any(|t| t.with(|t| !t.trim().is_empty()));
        set || self.min.get().trim() == "0"
    }

    fn summary(&self) -> String {
        match self.how.get().as_str() {
            "fixed" => match self.count.get().as_str() {
                "1" => "1 replica".to_owned(),
                n => format!("{n} replicas"),
            },
            _ => format!("{} to {} replicas, by load", self.min.get(), self.max.get()),
        }
    }
}

impl LimitsForm {
    fn read(&self) -> Option<CallLimits> {
        let amounts = [self.body_mib, self.rate].map(|t| (t, check_above_zero as _));
        let whole = [self.timeout, self.concurrency].map(|t| (t, check_whole as _));
        if !all_good(&amounts)
            || !all_good(&whole)
            || !all_good(&[(self.queue, check_count), (self.burst, check_count)])
        {
            return None;
        }
        let burst = read(self.burst)?;
        Some(CallLimits {
            body_bytes: read::<f64>(self.body_mib).map(|mib| (mib * MIB) as u64),
            timeout_s: read(self.timeout),
            concurrency: read(self.concurrency),
            queue: read(self.queue)?,
            rate: read(self.rate).map(|per_second| Rate { per_second, burst }),
        })
    }

    fn summary(&self) -> String {
        let set = [(self.body_mib, "MiB"), (self.timeout, "s"), (self.concurrency, "at once"), (self.rate, "a second")];
        let said: Vec<String> = set
            .iter()
            .filter_map(|(t, unit)| t.with(|t| (!t.trim().is_empty()).then(|| format!("{} {unit}", t.trim()))))
            .collect();
        if said.is_empty() { "the server's own".to_owned() } else { said.join(", ") }
    }
}

/// The folded sections.
#[component]
pub fn SettingsFields(
    form: SettingsForm,
    tried: RwSignal<bool>,
    /// Unfolds what is looked at first.
    #[prop(optional)]
    unfolded: bool,
) -> impl IntoView {
    let (replicas, limits) = (form.replicas, form.limits);
    let callers = move || form.callers.summary();
    let open = untrack(|| replicas.summary() != "1 replica") || unfolded;
    view! {
        <Fold title="Replicas" set=Signal::derive(move || replicas.summary()) open=open>
            <ReplicaFields form=replicas tried/>
        </Fold>
        <Fold title="Limits" set=Signal::derive(move || limits.summary()) open=unfolded><LimitFields form=limits tried/></Fold>
        <Fold title="Who may call" set=Signal::derive(callers) open=unfolded>
            <CallerFields form=form.callers/>
        </Fold>
        <CaptureFields form=form.capture tried open=unfolded/>
    }
}

#[component]
fn ReplicaFields(form: ReplicasForm, tried: RwSignal<bool>) -> impl IntoView {
    view! {
        <Choice id="replicas-how" label="How many" value=form.how options=vec![
            ("fixed", "Always the same number".to_owned()),
            ("scale", "As the load asks for".to_owned()),
        ]/>
        <Show when=move || form.how.get() == "fixed">
            <Field id="replicas" label="Replicas" value=form.count check=check_count tried=tried hint="Each is a container of its own with all the resources."/>
        </Show>
        <Show when=move || form.how.get() == "scale">
            <div class="cols">
                <Field id="scale-min" label="At least" value=form.min check=check_count tried=tried hint="0: none while nobody calls; requests wait while it wakes."/>
                <Field id="scale-max" label="At most" value=form.max check=check_count tried=tried/>
            </div>
            <div class="thirds even">
                <Field id="scale-in-flight" label="Requests at once" value=form.in_flight check=check_above_zero tried=tried placeholder="no target" hint="For each replica."/>
                <Field id="scale-p95" label="p95 (ms)" value=form.p95 check=check_above_zero tried=tried placeholder="no target" hint="Of the last minute."/>
                <Field id="scale-cpu" label="CPU (%)" value=form.cpu check=check_above_zero tried=tried placeholder="no target" hint="Of the cores it asked for."/>
            </div>
            <Show when=move || tried.get() && !form.has_target()>
                <p class="callout bad" role="alert"><span>"Give at least one target, or 0 as the least number."</span></p>
            </Show>
            <div class="thirds even">
                <Field id="scale-up" label="Grow after (s)" value=form.up check=check_count tried=tried/>
                <Field id="scale-down" label="Shrink after (s)" value=form.down check=check_count tried=tried/>
                <Show when=move || form.min.get().trim() == "0">
                    <Field id="scale-idle" label="Sleep after (s)" value=form.idle check=check_count tried=tried hint="Without a request."/>
                </Show>
            </div>
        </Show>
    }
}

#[component]
fn LimitFields(form: LimitsForm, tried: RwSignal<bool>) -> impl IntoView {
    view! {
        <div class="thirds even in-threes">
            <Field id="limit-body" label="Largest body (MiB)" value=form.body_mib check=check_above_zero tried=tried placeholder="the server's"/>
            <Field id="limit-timeout" label="Answer within (s)" value=form.timeout check=check_whole tried=tried placeholder="the server's"/>
            <Field id="limit-concurrency" label="At once" value=form.concurrency check=check_whole tried=tried placeholder="no limit" hint="For each replica."/>
            <Field id="limit-queue" label="May wait" value=form.queue check=check_count tried=tried hint="More get 503 and Retry-After."/>
            <Field id="limit-rate" label="Requests a second" value=form.rate check=check_above_zero tried=tried placeholder="no limit" hint="For each caller; more get 429."/>
            <Field id="limit-burst" label="Burst" value=form.burst check=check_count tried=tried hint="At once, after a pause."/>
        </div>
    }
}
