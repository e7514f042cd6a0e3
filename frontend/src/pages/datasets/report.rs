//! How a version stands against the rules, with the rows that break them.

use super::rules::in_words;
use crate::{
    api::{self, seg},
    format,
    pages::parts::is_engineer,
    reactive::memo,
    ui::{Button, Card, EmptyState, Icon, LinkButton, Look, Pill, Status, TimeAgo, Tone, act, toast},
};
use drydock_wire::datasets::{RuleResult, ValidationReport, VersionDetail};
use leptos::prelude::*;

#[component]
pub fn Report(dataset: Memo<String>, detail: Signal<VersionDetail>) -> impl IntoView {
    let report = memo(move || detail.with(|d| d.report.clone()));
    let check = move || is_engineer().then(|| view! { <CheckButton dataset detail/> });
    move || {
        match report.get() {
        None => view! {
            <EmptyState icon="list-checks" title="Not checked yet" text="Rules say what must be true of the data: no missing values, ranges, allowed values. Declare some, then check this version.">
                <LinkButton href="?tab=rules" icon="sliders-horizontal">"Edit the rules"</LinkButton>
                {check()}
            </EmptyState>
        }
        .into_any(),
        Some(report) => view! { <Results report check=Callback::new(move |()| check().into_any())/> }.into_any(),
    }
    }
}

#[component]
pub fn CheckButton(dataset: Memo<String>, detail: Signal<VersionDetail>) -> impl IntoView {
    let busy = RwSignal::new(false);
    let press = move |_| {
        let version = detail.with_untracked(|d| d.summary.version);
        let path = format!("/datasets/{}/versions/{version}/validate", seg(&dataset.get_untracked()));
        let call = async move { api::post_empty::<ValidationReport>(&path).await };
        act(busy, "The check did not run", call, |report| {
            let failed = report.results.iter().filter(|r| !r.passed).count() as u64;
            match failed {
                0 => toast(Tone::Good, "All checks passed", &format::plural(report.results.len() as u64, "check")),
                n => toast(Tone::Bad, "The data breaks rules", &format!("{} failed.", format::plural(n, "check"))),
            }
            // the page itself hears of it on the event stream
        });
    };
    view! { <Button look=Look::Primary icon="list-checks" busy on_press=press>"Check now"</Button> }
}

#[component]
fn Results(report: ValidationReport, check: Callback<(), AnyView>) -> impl IntoView {
    let failed = report.results.iter().filter(|r| !r.passed).count() as u64;
    let status = match (report.results.len(), failed) {
        (0, _) => Status::new(Tone::Neutral, "No rules"),
        (_, 0) => Status::new(Tone::Good, "All passed"),
        (_, n) => Status::new(Tone::Bad, &format!("{} failed", format::plural(n, "check"))),
    };
    view! {
        <div class="toolbar">
            <Pill status/><span class="dim">"checked "<TimeAgo at=report.checked_at/></span><span class="push"></span>{check.run(())}
        </div>
        <Card class="flush">
            <ul class="results">{report.results.into_iter().map(result).collect_view()}</ul>
        </Card>
    }
}

fn result(r: RuleResult) -> impl IntoView {
    let icon = if r.passed { "circle-check" } else { "circle-x" };
    let tone = if r.passed { "good" } else { "bad" };
    let samples = (!r.samples.is_empty()).then(|| {
        let rows = r.samples.iter().map(|s| {
            let value = if s.value.is_empty() { "(empty)".to_owned() } else { s.value.clone() };
            view! { <tr><td class="num">{format::number(s.line)}</td><td class="mono">{value}</td></tr> }
        });
        let more = r.failed_rows.saturating_sub(r.samples.len() as u64);
        view! {
            <div class="scroll-x">
                <table class="plain lines samples">
                    <thead><tr><th scope="col" class="num">"Line"</th><th scope="col">"Value"</th></tr></thead>
                    <tbody>{rows.collect_view()}</tbody>
                </table>
            </div>
            {(more > 0).then(|| view! { <p class="dim">{format!("and {} more", format::plural(more, "row"))}</p> })}
        }
    });
    view! {
        <li class=format!("result {tone}")>
            <Icon name=icon/>
            <div>
                <b>{in_words(&r.rule)}</b>
                <p class="dim">{r.message}" · "<span class="mono">{r.file}</span></p>
                {samples}
            </div>
            <span class="sr">{if r.passed { "passed" } else { "failed" }}</span>
        </li>
    }
}
