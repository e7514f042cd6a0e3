//! One job: why it is as it is, its log as it is written, what it was asked, what it made.

use super::{code::join_words, list::duration};
use crate::{
    api::{self, seg},
    app::ago,
    format,
    live::remote,
    pages::parts::{LogView, When, describe, short_id},
    reactive::memo,
    session::may,
    ui::{
        Button, Card, ConfirmDialog, CopyButton, EmptyState, Facts, Icon, LinkButton, Loaded, Look, PageHead, Pill,
        Show, Tabs, Tone, act, toast, url::param,
    },
};
use drydock_wire::{
    accounts::Role,
    events::Topic,
    jobs::{Attempt, JobDetail, JobState},
};
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

#[component]
pub fn JobPage() -> impl IntoView {
    let params = use_params_map();
    let id = memo(move || params.with(|p| p.get("id")).unwrap_or_default());
    let job = remote::<JobDetail>(move || Some(format!("/jobs/{}", seg(&id.get()))), &[Topic::Jobs]);
    view! { <section class="page"><Loaded remote=job lines=10 let:job><Detail job/></Loaded></section> }
}

#[component]
fn Detail(job: Signal<JobDetail>) -> impl IntoView {
    let tab = param("tab", "log");
    let stopping = RwSignal::new(false);
    let state = memo(move || job.with(|j| j.summary.state));
    let summary = move || job.with(|j| j.summary.clone());
    let id = memo(move || job.with(|j| j.summary.id.clone()));
    let why_not = Signal::derive(move || match state.get() {
        JobState::Cancelling => Some("The job is being stopped already.".to_owned()),
        s if s.is_final() => Some("The job has ended.".to_owned()),
        _ => None,
    });
    let tabs = vec![
        ("log", "Log".to_owned()),
        ("runs", "Runs".to_owned()),
        ("spec", "What was asked".to_owned()),
        ("attempts", "Attempts".to_owned()),
    ];
    view! {
        <PageHead title=Signal::derive(move || summary().name)
            aside=move || view! { <Pill status=state.get()/> }
            sub=move || { let s = summary(); format!("{} · submitted {} · {}", s.submitted_by, ago(s.submitted_at), duration(&s)) }>
            {move || may(Role::Engineer).then(|| view! {
                <LinkButton icon="rotate-ccw" href=format!("/jobs/new?from={}", seg(&id.get()))>"Submit again"</LinkButton>
                <Button look=Look::Danger icon="square" why_not on_press=move |_| stopping.set(true)>"Cancel job"</Button>
            })}
        </PageHead>
        <Reason job/>
        <Tabs param=tab label="Parts of the job" tabs/>
        <div role="tabpanel" class="panel">
            {move || match tab.get().as_str() {
                "runs" => view! { <Runs job/> }.into_any(),
                "spec" => view! { <Spec job/> }.into_any(),
                "attempts" => view! { <Attempts job/> }.into_any(),
                _ => view! { <LogView path=Signal::derive(move || format!("/jobs/{}/log", seg(&id.get())))
                    file=Signal::derive(move || format!("{}.log", summary().name))/> }.into_any(),
            }}
        </div>
        <CancelDialog open=stopping job/>
    }
}

/// Why the job waits or how it ended, where that needs saying.
#[component]
fn Reason(job: Signal<JobDetail>) -> impl IntoView {
    let said = memo(move || job.with(|j| (j.summary.state, j.summary.reason.clone())));
    move || {
        let (state, reason) = said.get();
        let (tone, icon) = match state {
            JobState::Failed | JobState::Lost => ("bad", "triangle-alert"),
            JobState::Queued | JobState::Cancelling => ("warn", "clock"),
            JobState::Starting | JobState::Running => ("info", "info"),
            JobState::Succeeded | JobState::Cancelled => ("neutral", "info"),
        };
        reason.filter(|r| !r.is_empty()).map(|text| {
            view! { <p class=format!("callout {tone}") role="status"><Icon name=icon/><span>{sentence(&text)}</span></p> }
        })
    }
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |c| c.to_uppercase().chain(chars).collect())
}

#[component]
fn Runs(job: Signal<JobDetail>) -> impl IntoView {
    let ids = memo(move || job.with(|j| j.run_ids.clone()));
    let ended = memo(move || job.with(|j| j.summary.state.is_final()));
    move || match ids.get() {
        ids if ids.is_empty() => {
            let text = if ended.get() {
                "The job's code logged nothing with mlflow. Call mlflow.start_run() in it; the address is set already."
            } else {
                "Runs appear here as soon as the job's code calls mlflow.start_run()."
            };
            view! { <EmptyState icon="activity" title="No runs" text/> }.into_any()
        }
        ids => {
            let all = ids.iter().map(|id| seg(id)).collect::<Vec<_>>().join(",");
            let several = ids.len() > 1;
            view! {
                <div class="pane" role="region" aria-label="Runs of this job" tabindex="0">
                    <table class="grid" aria-label="Runs of this job"><tbody>
                        {ids.into_iter().map(|id| view! { <RunRow id/> }).collect_view()}
                    </tbody></table>
                </div>
                {several.then(|| view! { <div class="actions"><LinkButton icon="git-compare" href=format!("/compare?ids={all}")>"Compare these runs"</LinkButton></div> })}
            }
            .into_any()
        }
    }
}

#[component]
fn RunRow(id: String) -> impl IntoView {
    use crate::{pages::parts::metric_text, ui::Status};
    let path = format!("/runs/{}", seg(&id));
    let href = path.clone();
    let run = remote::<drydock_wire::tracking::RunDetail>(move || Some(path.clone()), &[Topic::Runs]);
    let name = move || run.data.with(|r| r.as_ref().map_or_else(|| short_id(&id), |r| r.summary.name.clone()));
    let part = move |f: fn(&drydock_wire::tracking::RunSummary) -> AnyView| {
        move || run.data.with(|r| r.as_ref().map(|r| f(&r.summary)))
    };
    view! {
        <tr>
            <td><a class="row-link name" href=href>{name}</a></td>
            <td>{part(|r| view! { <Pill status=Status::run(&r.status)/> }.into_any())}</td>
            <td class="dim">{part(|r| {
                let some = r.metrics.iter().take(3).map(|m| format!("{} {}", m.key, metric_text(m))).collect::<Vec<_>>();
                some.join(" · ").into_any()
            })}</td>
        </tr>
    }
}

#[component]
fn Spec(job: Signal<JobDetail>) -> impl IntoView {
    let command = Signal::derive(move || job.with(|j| join_words(&j.spec.command)));
    move || {
        let JobDetail { spec, summary, .. } = job.get();
        let none = || view! { <span class="dim">"none"</span> }.into_any();
        let env = spec.env.into_iter().map(|(k, v)| view! { <div class="mono">{k}"="{v}</div> }).collect::<Vec<_>>();
        let code = spec
            .code
            .into_iter()
            .map(|f| view! { <div class="mono">{f.path}" "<span class="dim">{short_id(&f.digest)}</span></div> })
            .collect::<Vec<_>>();
        let data = spec.datasets.into_iter().map(|d| {
            let version = d.version.map(|v| format!(" version {v}")).unwrap_or_default();
            let query = d.version.map(|v| format!("?version={v}")).unwrap_or_default();
            view! { <div><a href=format!("/datasets/{}{query}", seg(&d.name))>{d.name.clone()}{version}</a>" at "<code>"/data/"{d.name.clone()}</code></div> }
        });
        let data = data.collect::<Vec<_>>();
        let id = summary.id.clone();
        view! {
            <Card>
                <Facts>
                    <dt>"Job id"</dt><dd><code>{id.clone()}</code><CopyButton text=Signal::derive(move || id.clone()) what="Copy the job's id"/></dd>
                    <dt>"Command"</dt><dd><code class="wrap">{command.get()}</code><CopyButton text=command what="Copy the command"/></dd>
                    <dt>"Image"</dt><dd class="mono">{spec.image.unwrap_or_else(|| "Drydock's runtime image".to_owned())}</dd>
                    <dt>"Resources"</dt><dd>{describe(&spec.resources)}</dd>
                    <dt>"Time limit"</dt><dd>{spec.timeout_s.map_or("none".to_owned(), |s| format::duration(s * 1000))}</dd>
                    <dt>"Experiment"</dt><dd>{spec.experiment.unwrap_or_else(|| "Default".to_owned())}</dd>
                    <dt>"Data"</dt><dd>{if data.is_empty() { none() } else { data.into_any() }}</dd>
                    <dt>"Code"</dt><dd>{if code.is_empty() { none() } else { code.into_any() }}</dd>
                    <dt>"Environment"</dt><dd>{if env.is_empty() { none() } else { env.into_any() }}</dd>
                </Facts>
            </Card>
        }
    }
}

#[component]
fn Attempts(job: Signal<JobDetail>) -> impl IntoView {
    let row = |a: Attempt| {
        let end = match (a.out_of_memory, a.exit_code) {
            (true, _) => "out of memory".to_owned(),
            (false, Some(code)) => format!("exit code {code}"),
            (false, None) => "–".to_owned(),
        };
        view! {
            <tr>
                <td>"Attempt "{a.number}</td><td><Pill status=a.state/></td><td>{end}</td><td class="dim">{a.reason.unwrap_or_default()}</td>
                <td class="num dim"><When at=a.started_at/></td><td class="num dim"><When at=a.ended_at/></td>
            </tr>
        }
    };
    view! {
        <Show when=move || job.with(|j| !j.attempts.is_empty()) fallback=|| view! {
            <EmptyState icon="container" title="Not started yet" text="An attempt appears here when the job's container is made."/>
        }>
            <div class="pane" role="region" aria-label="Attempts" tabindex="0">
                <table class="grid" aria-label="Attempts">
                    <thead><tr><th scope="col">"Attempt"</th><th scope="col">"State"</th><th scope="col">"End"</th><th scope="col">"Why"</th>
                        <th scope="col" class="num">"Started"</th><th scope="col" class="num">"Ended"</th></tr></thead>
                    <tbody>{move || job.with(|j| j.attempts.clone()).into_iter().map(row).collect_view()}</tbody>
                </table>
            </div>
        </Show>
    }
}

#[component]
fn CancelDialog(open: RwSignal<bool>, job: Signal<JobDetail>) -> impl IntoView {
    let busy = RwSignal::new(false);
    let confirm = move |()| {
        let path = format!("/jobs/{}/cancel", seg(&job.with_untracked(|j| j.summary.id.clone())));
        act(busy, "The job was not cancelled", async move { api::post_empty::<JobDetail>(&path).await }, move |_| {
            open.set(false);
            toast(Tone::Good, "The job is being stopped", "It gets ten seconds to end by itself.");
        });
    };
    view! {
        <ConfirmDialog open title="Cancel this job?" name="" action="Stop the job" on_confirm=confirm busy=busy>
            <p>"Its container is stopped; what it computed and did not save is lost. Runs, logs and artifacts it sent so far are kept."</p>
        </ConfirmDialog>
    }
}
