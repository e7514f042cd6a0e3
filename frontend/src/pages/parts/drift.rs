//! Two sets of columns held against each other: the verdict in words, then each column with its test and both distributions.

use crate::{
    format,
    ui::{Icon, Pill, Status, Tone},
};
use drydock_wire::drift::{ColumnDrift, DatasetDrift, DriftCorrection, DriftResult, DriftSide, DriftTest};
use leptos::prelude::*;

/// Every column with its test.
pub fn drift_columns(drift: &DatasetDrift, label: String) -> AnyView {
    let table_label = label.clone();
    view! {
        <div class="scroll-x" role="region" aria-label=label tabindex="0">
            <table class="grid profile" aria-label=table_label>
                <thead><tr>
                    <th scope="col">"Column"</th><th scope="col">"Verdict"</th>
                    <th scope="col"><span class="with-dot"><i class="key before"></i>"Before"<i class="key"></i>"and after"</span></th>
                    <th scope="col">"Test"</th><th scope="col" class="num">"Statistic"</th>
                    <th scope="col" class="num">"P-value"</th><th scope="col" class="num">"Threshold"</th>
                    <th scope="col" class="num">"Mean"</th><th scope="col" class="num">"Missing"</th>
                </tr></thead>
                <tbody>{drift.columns.iter().map(column).collect_view()}</tbody>
            </table>
        </div>
    }
    .into_any()
}

/// What was found, and what it means. `what` begins a sentence, `reference` ends one.
pub fn drift_verdict(drift: &DatasetDrift, what: &str, reference: &str) -> AnyView {
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
            format!("{what} drifted: {of}"),
            format!(
                "That is at least {limit} of them. What was trained on {reference} meets other values now: train again, or find out what changed at the source."
            ),
        ),
        (_, false, 0) => (
            "good",
            "circle-check",
            format!("No drift: {of}"),
            format!("What differs from {reference} is no more than chance, or too little to matter."),
        ),
        (_, false, _) => (
            "warn",
            "triangle-alert",
            format!("{what} as a whole did not drift: {of}"),
            format!(
                "That is less than {limit} of them. Look at those columns before what was trained on {reference} relies on them."
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
    let bars = side_by_side(&c.name, &before.shares, &after.shares, &place);
    view! { {bars}{reach(c)} }.into_any()
}

/// What the bars reach from and to.
fn reach(c: &ColumnDrift) -> Option<AnyView> {
    let (first, last) = match (c.bin_ends.first().zip(c.bin_ends.last()), c.values.first().zip(c.values.last())) {
        (Some((first, last)), _) => (format::value(*first), format::value(*last)),
        (None, Some((first, last))) => (first.clone(), last.clone()),
        (None, None) => return None,
    };
    let last = (first != last).then(|| view! { <span>{last}</span> });
    Some(view! { <small class="reach-ends" aria-hidden="true"><span>{first}</span>{last}</small> }.into_any())
}

/// Shares of the same bins or values before and after, as pairs of bars; `place` says what a pair is about.
pub fn side_by_side(name: &str, before: &[f64], after: &[f64], place: &dyn Fn(usize) -> String) -> AnyView {
    let most = before.iter().chain(after).copied().fold(f64::MIN_POSITIVE, f64::max);
    let height = move |n: f64| if n <= 0.0 { 0.0 } else { (n / most * 100.0).max(4.0) };
    let pairs = before.iter().zip(after).enumerate().map(|(at, (x, y))| {
        let title = format!("{}before {}, after {}", place(at), format::percent(*x), format::percent(*y));
        let (x, y) = (height(*x), height(*y));
        view! { <span title=title><i class="before" style:height=format!("{x:.1}%")></i><i style:height=format!("{y:.1}%")></i></span> }
    });
    view! { <div class="bars pairs" role="img" aria-label=format!("{name} before and after")>{pairs.collect_view()}</div> }.into_any()
}
