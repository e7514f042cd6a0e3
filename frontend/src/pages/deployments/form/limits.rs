//! What a new revision must keep: limits on what the gateway measures, and on the means of what callers report.

use super::{Text, all_good, check_above_zero, check_count, check_percent_or_none, optional, read, text};
use crate::ui::{Field, Icon};
use drydock_wire::serving::{Analysis, MetricLimit};
use leptos::prelude::*;

/// As many as the server takes.
const MOST_METRICS: usize = 20;
const LONGEST_NAME: usize = 64;

#[derive(Clone, Copy)]
pub struct LimitsForm {
    requests: Text,
    success: Text,
    p50: Text,
    p95: Text,
    p99: Text,
    failures: Text,
    metrics: RwSignal<Vec<MetricForm>>,
    /// Signals of rows that are added later live as long as the form.
    owner: StoredValue<Owner>,
}

/// A limit on the mean of a metric that callers report.
#[derive(Clone, Copy, PartialEq)]
struct MetricForm {
    name: Text,
    min: Text,
    max: Text,
    reports: Text,
}

impl MetricForm {
    fn new() -> Self {
        Self { name: text(""), min: text(""), max: text(""), reports: text(30) }
    }

    /// What is wrong with it.
    fn wrong(&self) -> Option<&'static str> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_.-/ ".contains(c);
        let named = self.name.with(|n| (1..=LONGEST_NAME).contains(&n.trim().len()) && n.trim().chars().all(plain));
        if !named {
            return Some("Name each metric as callers report it, such as conversion.");
        }
        let side = |field: Text| match field.get().trim() {
            "" => Ok(None),
            text => text.parse::<f64>().ok().filter(|n| n.is_finite()).map(Some).ok_or(()),
        };
        match (side(self.min), side(self.max)) {
            (Err(()), _) | (_, Err(())) => return Some("The limits of a metric are numbers, such as 0.05."),
            (Ok(None), Ok(None)) => return Some("Give each metric a least or a greatest mean."),
            (Ok(Some(min)), Ok(Some(max))) if min > max => return Some("The least mean is above the greatest."),
            _ => {}
        }
        let reports = self.reports.with(|t| t.trim().parse::<u64>().is_ok_and(|n| n > 0));
        (!reports).then_some("From how many reports on it is judged is a whole number from 1.")
    }

    fn read(&self) -> Option<MetricLimit> {
        let metric = self.name.get_untracked().trim().to_owned();
        Some(MetricLimit { metric, min: read(self.min), max: read(self.max), min_reports: read(self.reports)? })
    }
}

impl LimitsForm {
    pub fn new() -> Self {
        let usual = Analysis::default();
        Self {
            requests: text(usual.min_requests),
            success: optional(usual.min_success_rate),
            p50: optional(usual.max_p50_ms),
            p95: optional(usual.max_p95_ms),
            p99: optional(usual.max_p99_ms),
            failures: text(usual.max_failures),
            metrics: RwSignal::new(Vec::new()),
            owner: StoredValue::new(Owner::current().unwrap_or_default()),
        }
    }

    /// Absent while a field is wrong.
    pub fn read(&self) -> Option<Analysis> {
        let times = [self.p50, self.p95, self.p99].map(|t| (t, check_above_zero as _));
        let whole = [(self.requests, check_count as _), (self.failures, check_count as _)];
        if !all_good(&times) || !all_good(&whole) || !all_good(&[(self.success, check_percent_or_none)]) {
            return None;
        }
        if untrack(|| self.wrong_metrics()).is_some() {
            return None;
        }
        Some(Analysis {
            min_requests: read(self.requests)?,
            min_success_rate: read(self.success),
            max_p50_ms: read(self.p50),
            max_p95_ms: read(self.p95),
            max_p99_ms: read(self.p99),
            metrics: self.metrics.with_untracked(|all| all.iter().map(MetricForm::read).collect::<Option<_>>())?,
            max_failures: read(self.failures)?,
        })
    }

    fn wrong_metrics(&self) -> Option<&'static str> {
        self.metrics.get().iter().find_map(MetricForm::wrong)
    }
}

/// What the candidate must keep.
#[component]
pub fn Limits(form: LimitsForm, tried: RwSignal<bool>, name: Text) -> impl IntoView {
    view! {
        <div class="thirds even in-threes">
            <Field id="limit-success" label="Successful (%)" value=form.success check=check_percent_or_none tried=tried placeholder="no limit" hint="At least."/>
            <Field id="limit-p50" label="p50 (ms)" value=form.p50 check=check_above_zero tried=tried placeholder="no limit" hint="At most."/>
            <Field id="limit-p95" label="p95 (ms)" value=form.p95 check=check_above_zero tried=tried placeholder="no limit" hint="At most."/>
            <Field id="limit-p99" label="p99 (ms)" value=form.p99 check=check_above_zero tried=tried placeholder="no limit" hint="At most."/>
            <Field id="limit-requests" label="From requests on" value=form.requests check=check_count tried=tried hint="Fewer are not judged."/>
            <Field id="limit-failures" label="Bad looks in a row" value=form.failures check=check_count tried=tried hint="So many take it out."/>
        </div>
        <Metrics form tried name/>
    }
}

/// Limits on metrics of one's own: a row each.
#[component]
fn Metrics(form: LimitsForm, tried: RwSignal<bool>, name: Text) -> impl IntoView {
    let add = move |_| {
        let row = form.owner.with_value(|o| o.with(MetricForm::new));
        form.metrics.update(|all| all.push(row));
    };
    let wrong = move || if tried.get() { form.wrong_metrics() } else { None };
    let hint = move || format!("The mean of what callers report of its answers to POST /serve/{}/metric.", name.get());
    let row = move |(at, metric): (usize, MetricForm)| {
        let n = at + 1;
        view! {
            <li>
                <input class="mono" aria-label=format!("Name of metric {n}") placeholder="conversion" bind:value=metric.name spellcheck="false" autocapitalize="off"/>
                <label><span class="dim">"from"</span><input inputmode="decimal" aria-label=format!("Least mean of metric {n}") placeholder="any" bind:value=metric.min/></label>
                <label><span class="dim">"to"</span><input inputmode="decimal" aria-label=format!("Greatest mean of metric {n}") placeholder="any" bind:value=metric.max/></label>
                <label><span class="dim">"after"</span><input inputmode="numeric" aria-label=format!("Reports needed of metric {n}") bind:value=metric.reports/><span class="dim">"reports"</span></label>
                <button type="button" class="icon-btn" aria-label=format!("Remove metric {n}")
                    on:click=move |_| form.metrics.update(|all| { all.remove(at); })><Icon name="x"/></button>
            </li>
        }
    };
    let full = move || form.metrics.with(|all| all.len() >= MOST_METRICS);
    view! {
        <div class="field" class:invalid=move || wrong().is_some()>
            <span class="label">"Metrics of your own"</span>
            <ul class="env metric-rows" aria-label="Limits on metrics">{move || form.metrics.get().into_iter().enumerate().map(row).collect_view()}</ul>
            <button type="button" class="btn small" disabled=full on:click=add><Icon name="plus"/>"Add a metric"</button>
            <p class="note" aria-live="polite">{move || wrong().map_or_else(hint, str::to_owned)}</p>
        </div>
    }
}
