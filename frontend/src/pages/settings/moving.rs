//! Moving an MLflow history to the box and from it: the commands to paste, and what came from where.

use crate::{
    api::seg,
    format::plural,
    live::remote,
    pages::parts::Listing,
    reactive::memo,
    ui::{Card, CopyButton, EmptyState, LinkButton, Loaded, Show, TimeAgo},
};
use drydock_wire::{events::Topic, tracking::Experiment};
use leptos::prelude::*;

#[component]
pub fn Moving() -> impl IntoView {
    let box_url = window().location().origin().unwrap_or_default();
    let import = |source: &str| format!("drydock import mlflow {source} --url {box_url}");
    let folder = import("./mlruns");
    let sqlite = import("mlflow.db --artifacts ./mlartifacts");
    let server = import("http://old-server:5000");
    let export = format!("drydock export mlflow ./mlruns-copy --url {box_url}");
    view! {
        <p class="dim">"Run these where the history lies, with the drydock program and a token in DRYDOCK_TOKEN. Ids, times, metric histories, artifacts, traces, the registry and what was deleted come along. A broken-off import goes on where it was; a second one finds nothing to do."</p>
        <div class="row"><LinkButton href="/settings?tab=tokens" icon="key-round">"Make a token"</LinkButton></div>
        <div class="split">
            <Card title="Import">
                <Command label="From an mlruns folder" text=folder/>
                <Command label="From MLflow's SQLite file" text=sqlite/>
                <Command label="From a running MLflow server" text=server/>
                <p class="dim">"Names that the box has already get “ (imported)” after them, or another --suffix. With --experiment NAME only that one comes; with --into NAME all runs go into one experiment."</p>
            </Card>
            <Card title="Export">
                <Command label="To a folder that mlflow reads" text=export/>
                <p class="dim">"With --experiment or --model only those. For MLflow's own SQLite file: mlflow migrate-filestore, on the exported folder."</p>
            </Card>
        </div>
        <Imported/>
    }
}

#[component]
fn Command(label: &'static str, text: String) -> impl IntoView {
    let copied = Signal::stored(text.clone());
    view! {
        <div class="field"><span class="label">{label}</span>
            <div class="secret"><code>{text}</code><CopyButton text=copied what="Copy the command"/></div></div>
    }
}

/// Experiments that came from elsewhere.
#[component]
fn Imported() -> impl IntoView {
    let experiments = remote::<Listing<Experiment>>(|| Some("/experiments".to_owned()), &[Topic::Runs]);
    view! {
        <Loaded remote=experiments lines=4 let:all>
            {
                let rows = memo(move || {
                    all.with(|l| l.items().iter().filter(|e| e.imported_from.is_some()).cloned().collect::<Vec<_>>())
                });
                view! {
                    <Show when=move || rows.with(|r| !r.is_empty()) fallback=|| view! {
                        <div class="pane"><EmptyState icon="download" title="Nothing was imported yet"
                            text="Imported experiments are listed here with the place that they came from."/></div>
                    }>
                        <div class="pane" tabindex="0" role="region" aria-label="Imported experiments"><table class="grid">
                            <thead><tr><th scope="col">"Imported experiment"</th><th scope="col">"Came from"</th>
                                <th scope="col" class="num">"Runs"</th><th scope="col" class="wide-only">"Made there"</th></tr></thead>
                            <tbody>{move || rows.get().into_iter().map(line).collect_view()}</tbody>
                        </table></div>
                    </Show>
                }
            }
        </Loaded>
    }
}

fn line(experiment: Experiment) -> impl IntoView {
    let href = format!("/runs?experiment={}", seg(&experiment.id));
    view! {
        <tr><td><a class="row-link name" href=href>{experiment.name}</a></td>
            <td class="mono">{experiment.imported_from}</td>
            <td class="num">{plural(experiment.run_count, "run")}</td>
            <td class="wide-only"><TimeAgo at=experiment.created_at/></td></tr>
    }
}
