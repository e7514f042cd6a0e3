//! What an attempt left in `/outputs`: folder by folder, each file to open and to download, all of it as one archive.

use super::into_dataset::IntoDataset;
use crate::{
    api::seg,
    format,
    live::remote,
    pages::parts::{FolderPath, is_engineer, query},
    reactive::memo,
    ui::{
        Button, EmptyState, Icon, Loaded, Show,
        url::{Param, param},
    },
};
use drydock_wire::{
    events::Topic,
    jobs::{JobDetail, JobOutputs, OutputEntry},
};
use leptos::prelude::*;

#[component]
pub fn Outputs(job: Signal<JobDetail>, attempt: Param) -> impl IntoView {
    let folder = param("folder", "");
    let id = memo(move || job.with(|j| j.summary.id.clone()));
    let started = memo(move || job.with(|j| !j.attempts.is_empty()));
    let running = memo(move || job.with(|j| !j.summary.state.is_final()));
    let path = move || {
        let pairs = [("attempt", attempt.get()), ("folder", folder.get())];
        started.get().then(|| query(&format!("/jobs/{}/outputs", seg(&id.get())), &pairs))
    };
    let outputs = remote::<JobOutputs>(path, &[Topic::Jobs]);
    view! {
        <Show when=move || started.get() fallback=|| view! {
            <EmptyState icon="folder" title="Not started yet" text="What the program writes to /outputs is kept when it ends."/>
        }>
            <Loaded remote=outputs lines=5 let:outputs>
                {move || if outputs.with(|o| o.file_count == 0) {
                    nothing(running.get()).into_any()
                } else {
                    view! { <Kept outputs job id folder/> }.into_any()
                }}
            </Loaded>
        </Show>
    }
}

fn nothing(running: bool) -> impl IntoView {
    let text = if running {
        "What the program writes to /outputs is kept when the attempt ends, also when it fails."
    } else {
        "The program wrote nothing to /outputs. What it writes there is kept, as artifacts of its run."
    };
    view! { <EmptyState icon="folder" title="No outputs" text/> }
}

#[component]
fn Kept(outputs: Signal<JobOutputs>, job: Signal<JobDetail>, id: Memo<String>, folder: Param) -> impl IntoView {
    let making = RwSignal::new(false);
    let attempt = memo(move || outputs.with(|o| o.attempt));
    let run = memo(move || outputs.with(|o| o.run_id.clone()));
    let archive = move || format!("/api/v1/jobs/{}/outputs/archive?attempt={}", seg(&id.get()), attempt.get());
    let sum =
        move || outputs.with(|o| format!("{}, {}", format::plural(o.file_count, "file"), format::bytes(o.size_bytes)));
    let here = move |to: &str| {
        query(&format!("/jobs/{}", seg(&id.get())), &[("tab", "outputs".to_owned()), ("folder", to.to_owned())])
    };
    // the address has a folder without the slash at its end
    let shown = Signal::derive(move || match folder.get() {
        f if f.is_empty() => f,
        f => format!("{}/", f.trim_end_matches('/')),
    });
    let why_not = Signal::derive(move || {
        let goes_on = job.with(|j| j.attempts.iter().any(|a| a.number == attempt.get() && !a.state.is_final()));
        goes_on.then(|| "The attempt goes on; what it leaves is kept at its end.".to_owned())
    });
    let rows = move || {
        let (id, attempt, run) = (id.get(), attempt.get(), run.get());
        outputs.with(|o| o.entries.iter().map(|e| row(e, &id, attempt, run.as_deref())).collect_view())
    };
    view! {
        <div class="toolbar">
            <FolderPath top=Signal::stored("outputs".to_owned()) folder=shown file=Signal::stored(String::new())
                href=move |to: String| here(to.trim_end_matches('/'))/>
            <span class="spread"></span><span class="dim">{sum}</span>
            {is_engineer().then(|| view! { <Button small=true icon="database" why_not on_press=move |_| making.set(true)>"Make a dataset of it"</Button> })}
            <a class="btn small" href=archive download=""><Icon name="download"/>"Download all (tar)"</a>
        </div>
        <IntoDataset open=making job=id outputs folder=shown/>
        <div class="pane" role="region" aria-label="Outputs" tabindex="0">
            <table class="grid" aria-label="Outputs">
                <thead><tr><th scope="col">"Name"</th><th scope="col" class="num">"Size"</th><th scope="col"><span class="sr">"Download"</span></th></tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        {move || run.get().map(|run| view! {
            <p class="dim among">"They are artifacts of "<a href=format!("/runs/{}?tab=artifacts", seg(&run))>"its run"</a>", under outputs/."</p>
        })}
    }
}

fn row(entry: &OutputEntry, id: &str, attempt: i64, run: Option<&str>) -> AnyView {
    let name = entry.path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
    let size = format::bytes(entry.size_bytes);
    if entry.is_folder {
        let pairs = [
            ("tab", "outputs".to_owned()),
            ("attempt", attempt.to_string()),
            ("folder", entry.path.trim_end_matches('/').to_owned()),
        ];
        let href = query(&format!("/jobs/{}", seg(id)), &pairs);
        return view! {
            <tr><td><span class="with-icon"><Icon name="folder"/><a class="row-link name" href=href>{name}"/"</a></span></td>
                <td class="num">{size}</td><td></td></tr>
        }
        .into_any();
    }
    let file = format!("/api/v1/jobs/{}/outputs/file?attempt={attempt}&path={}", seg(id), seg(&entry.path));
    let open = match run {
        Some(run) => {
            let href = query(
                &format!("/runs/{}", seg(run)),
                &[("tab", "artifacts".to_owned()), ("file", format!("outputs/{}", entry.path))],
            );
            view! { <a class="row-link name" href=href>{name.clone()}</a> }.into_any()
        }
        None => {
            view! { <a class="row-link name" href=file.clone() download=name.clone() rel="external">{name.clone()}</a> }
                .into_any()
        }
    };
    let label = format!("Download {name}");
    view! {
        <tr><td><span class="with-icon"><Icon name="file"/>{open}</span></td><td class="num">{size}</td>
            <td class="row-actions"><a class="icon-btn" href=file download=name aria-label=label.clone() title=label><Icon name="download"/></a></td></tr>
    }
    .into_any()
}
