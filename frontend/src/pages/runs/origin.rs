//! What a run was made from and what it made: code and models.

use crate::{
    api::seg,
    live::remote,
    pages::parts::{DeleteLoggedModel, describe, short_id},
    reactive::memo,
    ui::{Card, CopyButton, EmptyState, Facts, Loaded, Show, TimeAgo},
};
use drydock_wire::{jobs::JobDetail, tracking::RunDetail};
use leptos::prelude::*;

#[component]
pub fn Models(run: Signal<RunDetail>) -> impl IntoView {
    let logged = move || run.with(|r| r.logged_models.clone());
    let versions = move || run.with(|r| r.model_versions.clone());
    let id = memo(move || run.with(|r| seg(&r.summary.id)));
    let any = memo(move || run.with(|r| !(r.logged_models.is_empty() && r.model_versions.is_empty())));
    view! {
        <Show when=move || any.get() fallback=|| view! {
            <EmptyState icon="boxes" title="No models" text="A model that the run logs with log_model appears here, with the versions registered from it."/>
        }>
            <div class="split">
                <Card title="Logged models">
                    <table class="plain"><thead><tr><th scope="col">"Name"</th><th scope="col" class="wide-only">"Id"</th><th scope="col">"Logged"</th><th></th></tr></thead>
                        <tbody>{move || logged().into_iter().map(|m| view! {
                            <tr><td><a href=format!("/runs/{}?tab=artifacts&model={}", id.get(), seg(&m.id))>{m.name}</a>{(!m.made).then_some(" (read)")}</td><td class="wide-only"><code>{m.id.clone()}</code></td><td class="dim"><TimeAgo at=m.created_at/></td>
                                <td>{m.made.then(|| view! { <DeleteLoggedModel id=m.id/> })}</td></tr>
                        }).collect_view()}</tbody></table>
                    <Show when=move || logged().is_empty()><p class="dim none">"None."</p></Show>
                </Card>
                <Card title="Registered versions">
                    <ul>{move || versions().into_iter().map(|v| view! {
                        <li><a href=format!("/models/{}?version={}", seg(&v.model), v.version)>{format!("{} version {}", v.model, v.version)}</a></li>
                    }).collect_view()}</ul>
                    <Show when=move || versions().is_empty()><p class="dim none">"None yet. Register a logged model to serve it."</p></Show>
                </Card>
            </div>
        </Show>
    }
}

/// The program, its commit, and the job's snapshot of the code.
#[component]
pub fn Code(run: Signal<RunDetail>) -> impl IntoView {
    let tag = move |key: &str| run.with(|r| r.tags.iter().find(|t| t.key == key).map(|t| t.value.clone()));
    let job = memo(move || run.with(|r| r.job_id.clone()));
    let facts = move || {
        let said = [
            ("Program", tag("mlflow.source.name")),
            ("Kind", tag("mlflow.source.type").map(|t| t.to_lowercase())),
            ("Git commit", tag("mlflow.source.git.commit")),
            ("Branch", tag("mlflow.source.git.branch")),
            ("Repository", tag("mlflow.source.git.repoURL")),
            ("Entry point", tag("mlflow.project.entryPoint")),
            ("MLflow", tag("mlflow.version")),
        ];
        let said: Vec<_> = said.into_iter().filter_map(|(k, v)| Some((k, v?))).collect();
        match said.is_empty() {
            true => view! { <p class="dim none">"The client said nothing about the program that ran."</p> }.into_any(),
            false => view! {
                <Facts>{said.into_iter().map(|(k, v)| {
                    let text = v.clone();
                    view! { <dt>{k}</dt><dd><code>{v}</code><CopyButton text=Signal::derive(move || text.clone()) what="Copy this"/></dd> }
                }).collect_view()}</Facts>
            }.into_any(),
        }
    };
    view! {
        <div class="split">
            <Card title="Program">{facts}</Card>
            {move || job.get().map(|job| view! { <Snapshot job/> })}
        </div>
    }
}

#[component]
fn Snapshot(job: String) -> impl IntoView {
    let path = format!("/jobs/{}", seg(&job));
    let detail = remote::<JobDetail>(move || Some(path.clone()), &[]);
    let link = format!("/jobs/{}?tab=spec", seg(&job));
    view! {
        <Card title="Snapshot of the job" aside=move || view! { <a href=link.clone()>"Open the job"</a> }>
            <Loaded remote=detail lines=4 let:job>
                {move || {
                    let spec = job.with(|j| j.spec.clone());
                    let files = spec.code.into_iter().map(|f| view! { <div class="mono">{f.path}" "<span class="dim">{short_id(&f.digest)}</span></div> }).collect::<Vec<_>>();
                    let none = files.is_empty();
                    view! {
                        <Facts>
                            <dt>"Command"</dt><dd><code class="wrap">{spec.command.join(" ")}</code></dd>
                            <dt>"Image"</dt><dd class="mono">{spec.image.unwrap_or_else(|| "Drydock's runtime image".to_owned())}</dd>
                            <dt>"Resources"</dt><dd>{describe(&spec.resources)}</dd>
                            <dt>"Code"</dt><dd>{files}{none.then(|| view! { <span class="dim">"none beside the image"</span> })}</dd>
                        </Facts>
                    }
                }}
            </Loaded>
        </Card>
    }
}
