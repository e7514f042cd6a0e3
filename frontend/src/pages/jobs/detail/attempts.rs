//! A job's attempts: how each ended and why, and the choice of one for the tabs that show one.

use crate::{
    api::seg,
    format,
    pages::parts::{When, short_id},
    reactive::memo,
    ui::{EmptyState, Pill, Show, url::Param},
};
use drydock_wire::jobs::{Attempt, JobDetail};
use leptos::prelude::*;

/// A cause as people say it.
fn cause(attempt: &Attempt) -> String {
    let words = match attempt.cause.as_deref() {
        Some("exit") => match attempt.exit_code {
            Some(0) | None => "it ended",
            Some(_) => "the program failed",
        },
        Some("memory") => "out of memory",
        Some("disk") => "its disk was full",
        Some("time") => "over its time limit",
        Some("log") => "too much log",
        Some("image") => "no such image",
        Some("cancelled") => "cancelled",
        Some("preempted") => "made room for another job",
        Some("reboot") => "the box was restarted",
        Some("gpu") => "a GPU failed",
        Some("vanished") => "its container vanished",
        Some("docker") => "Docker failed",
        Some(other) => other,
        None if attempt.out_of_memory => "out of memory",
        None => "",
    };
    match (words, attempt.exit_code) {
        ("", Some(code)) => format!("exit code {code}"),
        ("", None) => "–".to_owned(),
        (words, Some(code)) if code != 0 => format!("{words} (exit code {code})"),
        (words, _) => words.to_owned(),
    }
}

/// Which attempt a tab shows; nothing to choose while there is one.
#[component]
pub fn AttemptPicker(job: Signal<JobDetail>, attempt: Param) -> impl IntoView {
    let numbers = memo(move || job.with(|j| j.attempts.iter().map(|a| a.number).collect::<Vec<_>>()));
    let several = move || numbers.with(|n| n.len() > 1);
    view! {
        <Show when=several>
            <label class="pick"><span>"Attempt"</span>
                <select prop:value=move || { numbers.track(); attempt.get() } on:change:target=move |e| attempt.set(&e.target().value())>
                    <option value="">"the latest"</option>
                    {move || numbers.get().into_iter().rev().map(|n| view! { <option value=n.to_string() selected=attempt.is(&n.to_string())>{n}</option> }).collect_view()}
                </select>
            </label>
        </Show>
    }
}

#[component]
pub fn Attempts(job: Signal<JobDetail>) -> impl IntoView {
    let rows = move || {
        let (id, attempts) = job.with(|j| (j.summary.id.clone(), j.attempts.clone()));
        attempts.into_iter().rev().map(|a| row(&id, a)).collect_view()
    };
    view! {
        <Show when=move || job.with(|j| !j.attempts.is_empty()) fallback=|| view! {
            <EmptyState icon="container" title="Not started yet" text="An attempt appears here when the job's container is made."/>
        }>
            <div class="pane" role="region" aria-label="Attempts" tabindex="0">
                <table class="grid attempts" aria-label="Attempts">
                    <thead><tr><th scope="col">"Attempt"</th><th scope="col">"State"</th><th scope="col">"Cause"</th><th scope="col" class="wide-only">"Why"</th>
                        <th scope="col" class="wide-only">"GPUs"</th><th scope="col" class="num wide-only">"Peak memory"</th>
                        <th scope="col" class="num wide-only">"Started"</th><th scope="col" class="num">"Ended"</th><th scope="col">"See"</th></tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </Show>
    }
}

fn row(id: &str, a: Attempt) -> impl IntoView + use<> {
    let cause = cause(&a);
    let why = a.reason.clone().unwrap_or_default();
    let gpus = a.gpu_uuids.iter().map(|u| short_id(u.trim_start_matches("GPU-"))).collect::<Vec<_>>().join(", ");
    let see = |tab: &str| format!("/jobs/{}?tab={tab}&attempt={}", seg(id), a.number);
    let run = a.run_id.clone().map(|run| view! { " · "<a href=format!("/runs/{}", seg(&run))>"run"</a> });
    view! {
        <tr>
            <td>"Attempt "{a.number}</td><td><Pill status=a.state/></td><td title=why.clone()>{cause}</td>
            <td class="dim wide-only why" title=why.clone()>{why.clone()}</td>
            <td class="mono wide-only">{if gpus.is_empty() { "–".to_owned() } else { gpus }}</td>
            <td class="num wide-only">{a.peak_memory_bytes.map_or("–".to_owned(), format::bytes)}</td>
            <td class="num dim wide-only"><When at=a.started_at/></td><td class="num dim"><When at=a.ended_at/></td>
            <td class="among"><a href=see("log")>"log"</a>" · "<a href=see("charts")>"charts"</a>" · "<a href=see("outputs")>"outputs"</a>{run}</td>
        </tr>
    }
}
