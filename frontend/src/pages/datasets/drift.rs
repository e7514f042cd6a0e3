//! Whether the columns of a version are spread as in another: the verdict in words, then each column with its test.

use super::changes::{Chosen, Pick, side_by_side};
use crate::{
    api::seg,
    format,
    live::{remote, use_live},
    reactive::effect,
    ui::{
        Card, EmptyState, Icon, Loaded, Pill, Show, Status, Tone,
        url::{Param, param},
    },
};
use drydock_wire::datasets::DatasetDetail;
use drydock_wire::drift::{
    ColumnDrift, DatasetDrift, DriftCorrection, DriftReport, DriftResult, DriftSide, DriftTest, TableDrift,
};
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
    let (title, table_label) = (t.path.clone(), label.clone());
    let (told, columns) = (verdict(drift, reference), drift.columns.iter().map(column).collect_view());
    view! {
        <Card title=title class="flush" aside=move || view! { <span class="dim tabular">{facts.clone()}</span> }>
            <div class="drift-verdict">{told}{drawn}</div>
            <div class="scroll-x" role="region" aria-label=label tabindex="0">
                <table class="grid profile" aria-label=table_label>
                    <thead><tr>
                        <th scope="col">"Column"</th><th scope="col">"Verdict"</th><th scope="col">"Before and after"</th>
                        <th scope="col">"Test"</th><th scope="col" class="num">"Statistic"</th>
                        <th scope="col" class="num">"P-value"</th><th scope="col" class="num">"Threshold"</th>
                        <th scope="col" class="num">"Mean"</th><th scope="col" class="num">"Missing"</th>
                    </tr></thead>
                    <tbody>{columns}</tbody>
                </table>
            </div>
        </Card>
    }
    .into_any()
}

/// What was found, and what it means.
fn verdict(drift: &DatasetDrift, reference: i64) -> AnyView {
    let (drifted, compared) = (drift.drifted_count, drift.compared_count);
    let limit = format::percent(drift.drift_share);
    let of = format!("{} of {} drifted", format::number(drifted), format::plural(compared, "compared column"));
    let (tone, icon, title, words) = match (compared, drift.drifted, drifted) {
        (0, ..) => (
            "info",
            "info",
            "Nothing could be compared".to_owned(),
            "No column has values of the same type on both sides.".to_owned(),
        ),
        (_, true, _) => (
            "bad",
            "triangle-alert",
            format!("The table drifted: {of}"),
            format!(
                "That is at least {limit} of them. What was trained on version {reference} meets other values now: train again, or find out what changed at the source."
            ),
        ),
        (_, false, 0) => (
            "good",
            "circle-check",
            format!("No drift: {of}"),
            format!("What differs from version {reference} is no more than chance, or too little to matter."),
        ),
        (_, false, _) => (
            "warn",
            "triangle-alert",
            format!("The table as a whole did not drift: {of}"),
            format!(
                "That is less than {limit} of them. Look at those columns before what was trained on version {reference} relies on them."
            ),
        ),
    };
    let correction = match drift.correction {
        DriftCorrection::None => "",
        DriftCorrection::BenjaminiHochberg | DriftCorrection::Holm => {
            " P-values are corrected for the number of columns, of which some would fall below the threshold by chance."
        }
    };
    let has_p_values = drift.columns.iter().any(|c| c.result.is_some_and(|r| r.p_value.is_some()));
    let correction = if has_p_values { correction } else { "" };
    view! { <p class=format!("callout {tone}") role="status"><Icon name=icon/><span><b>{title}</b>". "{words}{correction}</span></p> }
        .into_any()
}

fn column(c: &ColumnDrift) -> AnyView {
    let name = view! { <th scope="row" class="mono">{c.name.clone()}</th> };
    let Some(result) = c.result else {
        let status = Status::new(Tone::Neutral, "Not compared");
        let reason = c.reason.clone().unwrap_or_default();
        return view! { <tr>{name}<td><Pill status/></td><td colspan="7" class="dim">{reason}</td></tr> }.into_any();
    };
    let status = if c.drifted { Status::new(Tone::Bad, "Drifted") } else { Status::new(Tone::Good, "As before") };
    let (test, hint) = test(result.test);
    view! {
        <tr>
            {name}
            <td><Pill status/></td>
            <td class="dist">{chart(c)}</td>
            <td title=hint>{test}</td>
            <td class="num mono">{result.statistic.map_or_else(|| "∞".to_owned(), format::value)}</td>
            <td class="num mono">{p_value(&result)}</td>
            <td class="num mono">{format::value(result.threshold)}</td>
            <td class="num mono">{pair(c, |side| side.mean.map_or_else(|| "–".to_owned(), format::value))}</td>
            <td class="num">{pair(c, |side| format::number(side.missing_count))}</td>
        </tr>
    }
    .into_any()
}

/// The name, and when a column has drifted by it.
fn test(test: DriftTest) -> (&'static str, &'static str) {
    match test {
        DriftTest::KolmogorovSmirnov => ("Kolmogorov-Smirnov", "Drift: a p-value up to the threshold"),
        DriftTest::ChiSquared => ("Chi-squared", "Drift: a p-value below the threshold"),
        DriftTest::ProportionsZ => ("Z test of shares", "Drift: a p-value below the threshold"),
        DriftTest::Wasserstein => {
            ("Wasserstein distance", "In standard deviations of the reference. Drift: from the threshold on")
        }
        DriftTest::JensenShannon => ("Jensen-Shannon distance", "From 0 to 0.83. Drift: from the threshold on"),
        DriftTest::PopulationStability => ("Population stability", "Drift: from the threshold on"),
    }
}

fn p_value(result: &DriftResult) -> AnyView {
    let Some(p_value) = result.corrected_p_value.or(result.p_value) else { return "–".into_any() };
    let plain = result.p_value.map(|plain| format!("Not corrected: {}", format::value(plain)));
    view! { <span title=plain>{format::value(p_value)}</span> }.into_any()
}

fn pair(c: &ColumnDrift, of: impl Fn(&DriftSide) -> String) -> String {
    let word = |side: &Option<DriftSide>| side.as_ref().map_or_else(|| "–".to_owned(), &of);
    let (before, after) = (word(&c.reference), word(&c.current));
    if before == after { before } else { format!("{before} → {after}") }
}

fn chart(c: &ColumnDrift) -> AnyView {
    let (Some(before), Some(after)) = (&c.reference, &c.current) else { return ().into_any() };
    let place = |at: usize| match (c.values.get(at), c.bin_ends.get(at).zip(c.bin_ends.get(at + 1))) {
        (Some(value), _) => format!("{value}: "),
        (None, Some((from, to))) => format!("{} to {}: ", format::value(*from), format::value(*to)),
        (None, None) => String::new(),
    };
    side_by_side(&c.name, &before.shares, &after.shares, &place)
}
