//! What changed from one version to another: files, and of tables rows, columns and how their values are spread.

use super::profile::kind;
use crate::{
    api::seg,
    format,
    live::{remote, use_live},
    pages::parts::side_by_side,
    reactive::effect,
    ui::{
        Card, EmptyState, Loaded, Pill, Show, Status, Tone,
        url::{Param, param},
    },
};
use drydock_wire::datasets::{
    ColumnChange, ColumnKind, ColumnSide, DatasetDetail, FileChange, FileChangeKind, TableChange, VersionDiff,
};
use drydock_wire::events::Topic;
use leptos::prelude::*;

#[component]
pub fn Changes(dataset: Signal<DatasetDetail>, name: Memo<String>) -> impl IntoView {
    let chosen = Chosen::of(dataset);
    let (left, right) = (chosen.left, chosen.right);
    let diff = remote::<VersionDiff>(
        move || Some(format!("/datasets/{}/diff?from={}&to={}", seg(&name.get()), left.get()?, right.get()?)),
        &[],
    );
    // versions do not change: only what is still to be found out about them is worth asking for again
    let hints = use_live(Topic::Datasets);
    effect(move || {
        hints.track();
        if diff.data.with_untracked(|d| d.as_ref().is_some_and(|d| d.profiling)) {
            diff.refetch();
        }
    });
    view! {
        <Show when=move || dataset.with(|d| d.versions.len() > 1) fallback=|| view! {
            <EmptyState icon="git-compare" title="Nothing to compare yet" text="With a second version this page shows what changed."/>
        }>
            <div class="toolbar">
                <Pick dataset label="From" param=chosen.from shown=left/>
                <Pick dataset label="To" param=chosen.to shown=right/>
            </div>
            <Loaded remote=diff lines=8 let:diff>{move || diff.with(shown)}</Loaded>
        </Show>
    }
}

/// The two versions that are compared: the address's, else the newest and its parent.
#[derive(Clone, Copy)]
pub struct Chosen {
    pub from: Param,
    pub to: Param,
    pub left: Signal<Option<i64>>,
    pub right: Signal<Option<i64>>,
}

impl Chosen {
    pub fn of(dataset: Signal<DatasetDetail>) -> Self {
        let (from, to) = (param("from", ""), param("to", ""));
        let newest = move || dataset.with(|d| d.versions.first().map(|v| v.version));
        let right = Signal::derive(move || to.get().parse::<i64>().ok().or_else(newest));
        let left = move || {
            let wanted = from.get().parse::<i64>().ok();
            wanted.or_else(|| {
                let right = right.get()?;
                dataset.with(|d| {
                    let before = d.versions.iter().find(|v| v.version == right).and_then(|v| v.parent);
                    let is_there = |n: &i64| d.versions.iter().any(|v| v.version == *n);
                    before.filter(is_there).or_else(|| d.versions.iter().map(|v| v.version).find(|n| *n < right))
                })
            })
        };
        Self { from, to, left: Signal::derive(left), right }
    }
}

#[component]
pub fn Pick(
    dataset: Signal<DatasetDetail>,
    label: &'static str,
    param: Param,
    shown: Signal<Option<i64>>,
) -> impl IntoView {
    view! {
        <label class="pick"><span>{label}" "</span>
            <select prop:value=move || shown.get().unwrap_or_default().to_string() on:change:target=move |e| param.push(&e.target().value())>
                {move || dataset.with(|d| d.versions.iter().map(|v| v.version).collect::<Vec<_>>()).into_iter().map(|v| {
                    view! { <option value=v.to_string() selected=shown.get_untracked() == Some(v)>"Version "{v}</option> }
                }).collect_view()}
            </select>
        </label>
    }
}

fn shown(d: &VersionDiff) -> AnyView {
    let counts = [
        ("added", d.added_count),
        ("removed", d.removed_count),
        ("changed", d.changed_count),
        ("renamed", d.renamed_count),
        ("unchanged", d.unchanged_count),
    ];
    let words: Vec<String> =
        counts.iter().filter(|c| c.1 > 0).map(|(word, n)| format!("{} {word}", format::number(*n))).collect();
    let total = d.added_count + d.removed_count + d.changed_count + d.renamed_count;
    let more = total.saturating_sub(d.files.len() as u64);
    view! {
        <p class="dim">{words.join(", ")}" · "{format::bytes(d.added_bytes)}" came, "{format::bytes(d.removed_bytes)}" went"</p>
        {d.tables.iter().map(table).collect_view()}
        {d.profiling.then(|| view! { <p class="dim">"Large files are still being profiled; what changed in their columns follows by itself."</p> })}
        {match total {
            0 => view! { <EmptyState icon="circle-check" title="No difference" text="Both versions have the same files."/> }.into_any(),
            _ => view! {
                <div class="pane" role="region" aria-label="Changed files" tabindex="0">
                    <table class="grid" aria-label="Changed files">
                        <thead><tr><th scope="col">"File"</th><th scope="col">"Change"</th><th scope="col" class="num">"Before"</th><th scope="col" class="num">"After"</th></tr></thead>
                        <tbody>{d.files.iter().map(file).collect_view()}</tbody>
                    </table>
                </div>
                {(more > 0).then(|| view! { <p class="dim">{format!("and {} more", format::plural(more, "file"))}</p> })}
            }.into_any(),
        }}
    }
    .into_any()
}

fn file(f: &FileChange) -> impl IntoView + use<> {
    let status = match f.kind {
        FileChangeKind::Added => Status::new(Tone::Good, "added"),
        FileChangeKind::Removed => Status::new(Tone::Bad, "removed"),
        FileChangeKind::Changed => Status::new(Tone::Warn, "changed"),
        FileChangeKind::Renamed => Status::new(Tone::Neutral, "renamed"),
    };
    let size = |file: &Option<drydock_wire::datasets::DatasetFile>| {
        file.as_ref().map_or_else(|| "–".to_owned(), |f| format::bytes(f.size_bytes))
    };
    let old = f.old_path.clone().map(|old| view! { <small class="dim">" was "{old}</small> });
    view! {
        <tr><td class="mono">{f.path.clone()}{old}</td><td><Pill status/></td>
            <td class="num">{size(&f.before)}</td><td class="num">{size(&f.after)}</td></tr>
    }
}

fn table(t: &TableChange) -> impl IntoView + use<> {
    let rows = format!("{} → {}", format::number(t.rows_before), format::plural(t.rows_after, "row"));
    let moved = t
        .rows_added
        .zip(t.rows_removed)
        .map(|(added, removed)| format!(" · {} added, {} removed", format::number(added), format::number(removed)));
    let facts = format!("{rows}{}", moved.unwrap_or_default());
    let label = format!("Columns of {}", t.path);
    let (title, columns) = (t.path.clone(), t.columns.iter().map(column).collect_view());
    view! {
        <Card title=title class="flush" aside=move || view! { <span class="dim tabular">{facts.clone()}</span> }>
            <div class="scroll-x" role="region" aria-label=label tabindex="0">
                <table class="grid profile">
                    <thead><tr><th scope="col">"Column"</th><th scope="col">"Type"</th><th scope="col">"Before and after"</th>
                        <th scope="col" class="num">"Missing"</th><th scope="col" class="num">"Mean"</th><th scope="col" class="num">"Moved by"</th></tr></thead>
                    <tbody>{columns}</tbody>
                </table>
            </div>
        </Card>
    }
}

fn column(c: &ColumnChange) -> impl IntoView + use<> {
    let type_of = |side: &Option<ColumnSide>| side.as_ref().map(|s| s.kind);
    let types = match (type_of(&c.before), type_of(&c.after)) {
        (None, Some(new)) => view! { <Pill status=Status::new(Tone::Good, "new")/>" "{kind(new)} }.into_any(),
        (Some(_), None) => view! { <Pill status=Status::new(Tone::Bad, "gone")/> }.into_any(),
        (Some(a), Some(b)) if a != b => view! { <span class="missing">{kind(a)}" → "{kind(b)}</span> }.into_any(),
        (Some(a), _) => view! { <span class="tag">{kind(a)}</span> }.into_any(),
        (None, None) => ().into_any(),
    };
    let pair = |of: fn(&ColumnSide) -> String| {
        let word = |side: &Option<ColumnSide>| side.as_ref().map_or_else(|| "–".to_owned(), of);
        let (before, after) = (word(&c.before), word(&c.after));
        if before == after { before } else { format!("{before} → {after}") }
    };
    let distance = c.distance.map_or_else(|| "–".to_owned(), |d| format!("{d:.3}"));
    let strong = c.distance.is_some_and(|d| d > 0.1);
    view! {
        <tr>
            <th scope="row" class="mono">{c.name.clone()}</th>
            <td>{types}</td>
            <td class="dist">{spread(c)}</td>
            <td class="num">{pair(|s| format::number(s.null_count))}</td>
            <td class="num mono">{pair(|s| match s.kind { ColumnKind::Timestamp => "–".to_owned(), _ => s.mean.map_or_else(|| "–".to_owned(), format::value) })}</td>
            <td class="num mono" class:missing=strong>{distance}</td>
        </tr>
    }
}

/// Both histograms over the same bins, or the most frequent values of both.
fn spread(c: &ColumnChange) -> AnyView {
    let (Some(before), Some(after)) = (&c.before, &c.after) else { return ().into_any() };
    if !c.bin_ends.is_empty() {
        let share = |h: &[f64]| {
            let all: f64 = h.iter().sum::<f64>().max(1.0);
            h.iter().map(|n| n / all).collect::<Vec<f64>>()
        };
        return side_by_side(&c.name, &share(&before.histogram), &share(&after.histogram), &|_| String::new());
    }
    let tops = after.top_values.iter().take(3).map(|top| {
        let old = before.top_values.iter().find(|t| t.value == top.value).map_or(0, |t| t.count);
        view! { <span class="top"><span>{top.value.clone()}</span><small class="dim">{format::number(old)}" → "{format::number(top.count)}</small></span> }
    });
    view! { <div class="tops">{tops.collect_view()}</div> }.into_any()
}
