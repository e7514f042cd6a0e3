//! The runs of a job: made for it, or logged by its program.

use crate::{
    api::seg,
    live::remote,
    pages::parts::{metric_text, short_id},
    reactive::memo,
    ui::{EmptyState, LinkButton, Pill, Status},
};
use drydock_wire::{
    events::Topic,
    jobs::JobDetail,
    tracking::{RunDetail, RunSummary},
};
use leptos::prelude::*;

#[component]
pub fn Runs(job: Signal<JobDetail>) -> impl IntoView {
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
    let path = format!("/runs/{}", seg(&id));
    let href = path.clone();
    let run = remote::<RunDetail>(move || Some(path.clone()), &[Topic::Runs]);
    let name = move || run.data.with(|r| r.as_ref().map_or_else(|| short_id(&id), |r| r.summary.name.clone()));
    let part = move |f: fn(&RunSummary) -> AnyView| move || run.data.with(|r| r.as_ref().map(|r| f(&r.summary)));
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
