//! What a job was asked to do.

use super::super::form::fields::join_words;
use crate::{
    api::seg,
    format,
    pages::parts::{describe, short_id},
    ui::{Card, CopyButton, Facts},
};
use drydock_wire::jobs::{JobDetail, SubmitJob};
use leptos::prelude::*;

#[component]
pub fn Spec(job: Signal<JobDetail>) -> impl IntoView {
    let command = Signal::derive(move || job.with(|j| join_words(&j.spec.command)));
    move || {
        let JobDetail { spec, summary, .. } = job.get();
        let id = summary.id.clone();
        view! {
            <Card>
                <Facts>
                    <dt>"Job id"</dt><dd><code>{id.clone()}</code><CopyButton text=Signal::derive(move || id.clone()) what="Copy the job's id"/></dd>
                    <dt>"Command"</dt><dd><code class="wrap">{command.get()}</code><CopyButton text=command what="Copy the command"/></dd>
                    <dt>"Image"</dt><dd class="mono">{spec.image.clone().unwrap_or_else(|| "Drydock's runtime image".to_owned())}
                        {spec.image_id.clone().map(|id| view! { " "<span class="dim">{id}</span> })}</dd>
                    <dt>"Resources"</dt><dd>{describe(&spec.resources)}</dd>
                    <dt>"Time limit"</dt><dd>{spec.timeout_s.map_or("the queue's".to_owned(), |s| format::duration(s * 1000))}</dd>
                    <dt>"Queue"</dt><dd>{summary.queue.clone()}", priority "{summary.priority}</dd>
                    <dt>"Retries"</dt><dd>{again(&spec)}</dd>
                    <dt>"Experiment"</dt><dd>{spec.experiment.clone().unwrap_or_else(|| "Default".to_owned())}</dd>
                    {rest(&spec)}
                </Facts>
            </Card>
        }
    }
}

fn again(spec: &SubmitJob) -> String {
    let retries = match spec.retries.limit {
        0 => "none".to_owned(),
        n => format!("up to {n}, the first after {}", format::duration(u64::from(spec.retries.backoff_s) * 1000)),
    };
    match spec.resume {
        Some(resume) => format!("{retries}; resumable, with {} s to save", resume.grace_s),
        None => retries,
    }
}

fn listed(items: Vec<AnyView>) -> AnyView {
    if items.is_empty() { view! { <span class="dim">"none"</span> }.into_any() } else { items.into_any() }
}

fn rest(spec: &SubmitJob) -> impl IntoView + use<> {
    let pair = |(k, v): (&String, &String)| view! { <div class="mono">{k.clone()}"="{v.clone()}</div> }.into_any();
    let data = spec.datasets.iter().map(|d| {
        let version = d.version.map(|v| format!(" version {v}")).unwrap_or_default();
        let query = d.version.map(|v| format!("?version={v}")).unwrap_or_default();
        view! { <div><a href=format!("/datasets/{}{query}", seg(&d.name))>{d.name.clone()}{version}</a>" at "<code>"/data/"{d.name.clone()}</code></div> }.into_any()
    });
    let mut code: Vec<AnyView> = spec
        .code
        .iter()
        .map(|f| {
            view! { <div class="mono">{f.path.clone()}" "<span class="dim">{short_id(&f.digest)}</span></div> }
                .into_any()
        })
        .collect();
    code.extend(spec.snapshot.as_ref().map(|s| {
        let git = s.git.as_ref().map(|g| {
            let branch = g.branch.as_ref().map(|b| format!(" of {b}")).unwrap_or_default();
            format!("commit {}{branch}{}", g.commit, if g.dirty { ", with changes that were not committed" } else { "" })
        });
        view! { <div class="mono">{git.unwrap_or_else(|| "a folder".to_owned())}" "<span class="dim">{short_id(&s.digest)}</span></div> }.into_any()
    }));
    let secrets = spec.secrets.iter().map(|s| {
        let file = s.file.clone().unwrap_or_else(|| s.name.clone());
        view! { <div>{s.name.clone()}" at "<code>"/run/secrets/"{file}</code></div> }.into_any()
    });
    view! {
        <dt>"Data"</dt><dd>{listed(data.collect())}</dd>
        <dt>"Code"</dt><dd>{listed(code)}</dd>
        <dt>"Parameters"</dt><dd>{listed(spec.params.iter().map(pair).collect())}</dd>
        <dt>"Seed"</dt><dd class="mono">{spec.seed.map_or("–".to_owned(), |s| s.to_string())}</dd>
        <dt>"Secrets"</dt><dd>{listed(secrets.collect())}</dd>
        <dt>"Environment"</dt><dd>{listed(spec.env.iter().map(pair).collect())}</dd>
    }
}
