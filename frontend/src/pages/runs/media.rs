//! What a run logged to be looked at: images step by step (`log_image`) and tables (`log_table`).

use super::preview::{Place, Table};
use crate::{
    api::seg,
    format, json,
    live::remote,
    reactive::memo,
    ui::{Card, EmptyState, Loaded, Show, url::param},
};
use drydock_wire::{
    events::Topic,
    tracking::{ArtifactEntry, Preview, RunDetail},
};
use leptos::prelude::*;
use std::collections::BTreeMap;

/// Files that `log_table` wrote, as the run's tag says.
pub fn logged_tables(run: &RunDetail) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Logged {
        path: String,
        #[serde(rename = "type")]
        kind: String,
    }
    let tag = run.tags.iter().find(|t| t.key == "mlflow.loggedArtifacts");
    let list: Vec<Logged> = tag.and_then(|t| json::from_str(&t.value).ok()).unwrap_or_default();
    list.into_iter().filter(|l| l.kind == "table").map(|l| l.path).collect()
}

/// One image of a series.
#[derive(Clone, PartialEq)]
struct Image {
    step: i64,
    at: i64,
    path: String,
}

/// `images/{key}%step%{step}%timestamp%{ms}%{id}.png`, or with `+` in place of `%`; the smaller copy is left out.
fn read_name(path: &str) -> Option<(String, Image)> {
    let name = path.rsplit('/').next()?;
    if name.contains("compressed") {
        return None;
    }
    let split = if name.contains("%step%") { '%' } else { '+' };
    let (key, rest) = name.split_once(&format!("{split}step{split}"))?;
    let mut parts = rest.split(split);
    let step = parts.next()?.parse().ok()?;
    let at = parts.find(|p| *p != "timestamp").and_then(|t| t.parse().ok()).unwrap_or(0);
    Some((key.replace('#', "/"), Image { step, at, path: path.to_owned() }))
}

#[component]
pub fn Media(run: Signal<RunDetail>) -> impl IntoView {
    let id = memo(move || run.with(|r| r.summary.id.clone()));
    let tables = memo(move || run.with(logged_tables));
    let files = remote::<Vec<ArtifactEntry>>(
        move || Some(format!("/runs/{}/artifacts?path=images", seg(&id.get()))),
        &[Topic::Runs],
    );
    view! {
        <Loaded remote=files lines=6 let:files>
            {
                let series = memo(move || files.with(|f| grouped(f)));
                view! {
                    <Show when=move || series.with(|s| !s.is_empty())><Images id series/></Show>
                    <Show when=move || series.with(BTreeMap::is_empty) && tables.with(Vec::is_empty)>
                        <EmptyState icon="image" title="No images or tables" text="mlflow.log_image(…, key=, step=) and mlflow.log_table put them here."/>
                    </Show>
                }
            }
        </Loaded>
        {move || tables.get().into_iter().map(|path| view! { <LoggedTable id=id.get() path/> }).collect_view()}
    }
}

type ByKey = BTreeMap<String, Vec<Image>>;

fn grouped(files: &[ArtifactEntry]) -> ByKey {
    let mut all = ByKey::new();
    for (key, image) in files.iter().filter(|f| !f.is_dir).filter_map(|f| read_name(&f.path)) {
        all.entry(key).or_default().push(image);
    }
    all.values_mut().for_each(|list| list.sort_by_key(|i| (i.step, i.at)));
    all
}

/// A picture per key at the step that the slider stands at, or the newest before it.
#[component]
fn Images(id: Memo<String>, series: Memo<ByKey>) -> impl IntoView {
    let at = param("step", "");
    let steps = memo(move || {
        let mut steps: Vec<i64> = series.with(|s| s.values().flatten().map(|i| i.step).collect());
        steps.sort_unstable();
        steps.dedup();
        steps
    });
    let place = move || {
        steps.with(|s| {
            let last = s.len().saturating_sub(1);
            at.get().parse::<i64>().map_or(last, |step| s.iter().rposition(|x| *x <= step).unwrap_or(0))
        })
    };
    let step = move || steps.with(|s| s.get(place()).copied().unwrap_or(0));
    let slide = move |text: String| {
        let chosen = text.parse::<usize>().ok().and_then(|i| steps.with_untracked(|s| s.get(i).copied()));
        if let Some(step) = chosen {
            at.set(&step.to_string());
        }
    };
    let one = move |(key, list): (String, Vec<Image>)| {
        let now = step();
        let found = list.iter().rev().find(|i| i.step <= now).cloned();
        view! {
            <figure class="card shot">
                <figcaption><b class="mono">{key.clone()}</b><span class="dim">{found.as_ref().map(|i| format!("step {}", i.step))}</span></figcaption>
                {match found {
                    Some(image) => view! { <div class="picture"><img src=Place::of_run(id.get()).file(&image.path) alt=format!("{key} at step {}", image.step) loading="lazy"/></div> }.into_any(),
                    None => view! { <p class="dim none">"Nothing logged up to this step."</p> }.into_any(),
                }}
            </figure>
        }
    };
    view! {
        <div class="chart-tools">
            <label class="smooth wide">"Step"
                <input type="range" min="0" max=move || steps.with(|s| s.len().saturating_sub(1)).to_string() step="1"
                    prop:value=move || place().to_string() aria-valuetext=move || format!("step {}", step())
                    on:input:target=move |e| slide(e.target().value())/>
                <output>{move || format::number(step().max(0) as u64)}</output>
            </label>
            <span class="dim">{move || format::plural(series.with(|s| s.values().map(Vec::len).sum::<usize>()) as u64, "image")}</span>
        </div>
        <div class="shots">{move || series.get().into_iter().map(one).collect_view()}</div>
    }
}

#[component]
fn LoggedTable(id: String, path: String) -> impl IntoView {
    let asked = format!("/runs/{}/preview?path={}", seg(&id), seg(&path));
    let head = remote::<Preview>(move || Some(asked.clone()), &[Topic::Runs]);
    view! {
        <Card title=path><Loaded remote=head lines=6 let:head>{move || view! { <Table head=head.get()/> }}</Loaded></Card>
    }
}
