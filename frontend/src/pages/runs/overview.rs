//! What a run is in one look: description, parameters, metrics, tags, times, data, models.

use super::edit::{Description, TagEditor};
use crate::{
    api::seg,
    pages::parts::{PairTable, is_engineer, metric_text, short_id},
    ui::{Card, CopyButton, Facts, TimeAgo},
};
use drydock_wire::{
    KeyValue,
    tracking::{MetricValue, RunDetail},
};
use leptos::prelude::*;

#[component]
pub fn Overview(run: Signal<RunDetail>) -> impl IntoView {
    let metrics = Signal::derive(move || {
        let pair = |m: &MetricValue| KeyValue { key: m.key.clone(), value: metric_text(m) };
        run.with(|r| r.summary.metrics.iter().map(pair).collect::<Vec<_>>())
    });
    let params = Signal::derive(move || run.with(|r| r.summary.params.clone()));
    // what MLflow keeps for itself is on the other tabs
    let tags = Signal::derive(move || {
        run.with(|r| r.tags.iter().filter(|t| !t.key.starts_with("mlflow.")).cloned().collect::<Vec<_>>())
    });
    view! {
        <Description run/>
        <div class="split">
            <Card title="Parameters"><PairTable label="Parameters" pairs=params none="No parameters were logged."/></Card>
            <Card title="Metrics" aside=|| view! { <small class="dim">"last values"</small> }>
                <PairTable label="Metrics" pairs=metrics none="No metrics were logged."/></Card>
            <Card title="Where from and where to"><Origin run/></Card>
            <Card title="Tags">
                {if is_engineer() { view! { <TagEditor run tags/> }.into_any() }
                    else { view! { <PairTable label="Tags" pairs=tags none="No tags."/> }.into_any() }}
            </Card>
        </div>
    }
}

#[component]
fn Origin(run: Signal<RunDetail>) -> impl IntoView {
    let id = Signal::derive(move || run.with(|r| r.summary.id.clone()));
    move || {
        let r = run.get();
        let tag = |key: &str| r.tags.iter().find(|t| t.key == key).map(|t| t.value.clone());
        let source = tag("mlflow.source.name");
        let commit = tag("mlflow.source.git.commit");
        let datasets = r.datasets.iter().map(|d| {
            let context = d.context.as_ref().map(|c| format!(" ({c})")).unwrap_or_default();
            view! { <div class="among"><a href=format!("/runs/{}?tab=data", seg(&r.summary.id))>{d.name.clone()}</a>{context}" "<code class="dim">{short_id(&d.digest)}</code></div> }
        });
        let versions = r.model_versions.iter().map(|v| {
            view! { <div><a href=format!("/models/{}?version={}", seg(&v.model), v.version)>{format!("{} version {}", v.model, v.version)}</a></div> }
        });
        let none = || view! { <span class="dim">"none"</span> };
        let (datasets, versions) = (datasets.collect::<Vec<_>>(), versions.collect::<Vec<_>>());
        let (no_data, no_versions) = (datasets.is_empty(), versions.is_empty());
        view! {
            <Facts>
                <dt>"Run id"</dt><dd><code>{id.get()}</code><CopyButton text=id what="Copy the run's id"/></dd>
                <dt>"Experiment"</dt><dd><a href=format!("/runs?experiment={}", seg(&r.summary.experiment_id))>{r.summary.experiment_name.clone()}</a></dd>
                <dt>"Job"</dt><dd>{match &r.job_id {
                    Some(job) => view! { <a href=format!("/jobs/{job}")><code>{short_id(job)}</code></a> }.into_any(),
                    None => view! { <span class="dim">"logged from outside"</span> }.into_any(),
                }}</dd>
                {source.map(|s| view! { <dt>"Source"</dt><dd><code>{s}</code></dd> })}
                {commit.map(|c| view! { <dt>"Commit"</dt><dd><code>{short_id(&c)}</code></dd> })}
                <dt>"Data"</dt><dd>{datasets}{no_data.then(none)}</dd>
                <dt>"Models"</dt><dd>{versions}{no_versions.then(none)}</dd>
                <dt>"Started"</dt><dd><TimeAgo at=r.summary.started_at/></dd>
                <dt>"Ended"</dt><dd>{match r.summary.ended_at {
                    Some(at) => view! { <TimeAgo at/> }.into_any(),
                    None => view! { <span class="dim">"still running"</span> }.into_any(),
                }}</dd>
            </Facts>
        }
    }
}
