//! Whether the columns of a version are spread as in another: the verdict in words, then each column with its test.

use super::changes::{Chosen, Pick};
use crate::{
    api::seg,
    format,
    live::{remote, use_live},
    pages::parts::{drift_columns, drift_verdict as verdict},
    reactive::effect,
    ui::{
        Card, EmptyState, Icon, Loaded, Show,
        url::{Param, param},
    },
};
use drydock_wire::datasets::DatasetDetail;
use drydock_wire::drift::{DriftReport, TableDrift};
use drydock_wire::events::Topic;
use leptos::prelude::*;

#[component]
pub fn Drift(dataset: Signal<DatasetDetail>, name: Memo<String>) -> impl IntoView {
    let chosen = Chosen::of(dataset);
    let (left, right) = (chosen.left, chosen.right);
    let correction = param("correction", "benjamini_hochberg");
    let path = move || {
        let (dataset, reference, current) = (seg(&name.get()), left.get()?, right.get()?);
        let correction = seg(&correction.get());
        Some(format!("/datasets/{dataset}/drift?reference={reference}&current={current}&correction={correction}"))
    };
    let report = remote::<DriftReport>(path, &[]);
    // versions do not change: only one that is still being profiled is worth asking for again
    let hints = use_live(Topic::Datasets);
    effect(move || {
        hints.track();
        if report.error.with_untracked(Option::is_some) {
            report.refetch();
        }
    });
    view! {
        <Show when=move || dataset.with(|d| d.versions.len() > 1) fallback=|| view! {
            <EmptyState icon="git-compare" title="Nothing to compare yet" text="With a second version this page shows whether its columns are spread as in the first."/>
        }>
            <div class="toolbar">
                <Pick dataset label="Reference" param=chosen.from shown=left/>
                <Pick dataset label="Current" param=chosen.to shown=right/>
                <Correction param=correction/>
            </div>
            <Loaded remote=report lines=8 let:report>{move || report.with(shown)}</Loaded>
        </Show>
    }
}

#[component]
fn Correction(param: Param) -> impl IntoView {
    let ways = [
        ("benjamini_hochberg", "Benjamini-Hochberg"),
        ("holm", "Holm (fewer false alarms)"),
        ("none", "None (as Evidently)"),
    ];
    view! {
        <label class="pick"><span>"Correction "</span>
            <select prop:value=move || param.get() on:change:target=move |e| param.push(&e.target().value())>
                {ways.into_iter().map(|(value, text)| view! { <option value=value selected=param.get_untracked() == value>{text}</option> }).collect_view()}
            </select>
        </label>
    }
}

fn shown(report: &DriftReport) -> AnyView {
    if report.tables.is_empty() {
        return view! {
            <EmptyState icon="table" title="No table in common" text="Drift is looked for in tables (CSV, Parquet, JSON Lines) that both versions have under the same path."/>
        }
        .into_any();
    }
    let more = report.left_out.len() as u64;
    view! {
        {report.tables.iter().map(|t| table(t, report.reference)).collect_view()}
        {(more > 0).then(|| view! { <p class="dim">{format!("{} more in common, not compared here.", format::plural(more, "table"))}</p> })}
    }
    .into_any()
}

fn table(t: &TableDrift, reference: i64) -> AnyView {
    let Some(drift) = &t.drift else {
        let problem = t.problem.clone().unwrap_or_default();
        return view! {
            <Card title=t.path.clone()>
                <p class="callout warn"><Icon name="triangle-alert"/><span>"This table cannot be compared. "{problem}</span></p>
            </Card>
        }
        .into_any();
    };
    let facts = format!("{} → {}", format::number(t.reference_rows), format::plural(t.current_rows, "row"));
    let drawn = (t.reference_drawn < t.reference_rows || t.current_drawn < t.current_rows).then(|| {
        let (old, new) = (format::number(t.reference_drawn), format::number(t.current_drawn));
        view! { <p class="dim">{format!("Compared: {old} and {new} rows, drawn by chance.")}</p> }
    });
    let label = format!("Drift of the columns of {}", t.path);
    let title = t.path.clone();
    let (told, columns) = (verdict(drift, "The table", &format!("version {reference}")), drift_columns(drift, label));
    view! {
        <Card title=title class="flush" aside=move || view! { <span class="dim tabular">{facts.clone()}</span> }>
            <div class="drift-verdict">{told}{drawn}</div>
            {columns}
        </Card>
    }
    .into_any()
}
