//! What is in each column of each CSV file.

use crate::{
    format,
    pages::parts::Bars,
    reactive::memo,
    ui::{Card, EmptyState, Icon},
};
use drydock_wire::datasets::{ColumnKind, ColumnProfile, FileProfile, VersionDetail};
use leptos::prelude::*;

#[component]
pub fn Profiles(detail: Signal<VersionDetail>) -> impl IntoView {
    let profiles = memo(move || detail.with(|d| d.profiles.clone()));
    move || {
        match profiles.get() {
        list if list.is_empty() => view! {
            <EmptyState icon="table" title="Nothing to profile" text="This version has no CSV file. Its files are under Files."/>
        }
        .into_any(),
        list => list.into_iter().map(|p| view! { <File profile=p/> }).collect_view().into_any(),
    }
    }
}

#[component]
fn File(profile: FileProfile) -> impl IntoView {
    let rows = profile.row_count;
    if let Some(problem) = profile.problem {
        return view! {
            <Card title=profile.path>
                <p class="callout warn"><Icon name="triangle-alert"/><span>"This file cannot be read as CSV: "{problem}</span></p>
            </Card>
        }
        .into_any();
    }
    let facts = format!("{} · {}", format::plural(rows, "row"), format::plural(profile.columns.len() as u64, "column"));
    view! {
        <Card title=profile.path.clone() class="flush" aside=move || view! { <span class="dim tabular">{facts.clone()}</span> }>
            <div class="scroll-x" role="region" aria-label=format!("Columns of {}", profile.path) tabindex="0">
                <table class="grid profile" aria-label=format!("Columns of {}", profile.path)>
                    <thead><tr>
                        <th scope="col">"Column"</th><th scope="col">"Type"</th><th scope="col">"Distribution"</th>
                        <th scope="col" class="num">"Missing"</th><th scope="col" class="num">"Distinct"</th>
                        <th scope="col" class="num">"Least"</th><th scope="col" class="num">"Mean"</th>
                        <th scope="col" class="num">"Greatest"</th><th scope="col" class="num">"Std. dev."</th>
                    </tr></thead>
                    <tbody>{profile.columns.into_iter().map(|c| column(c, rows)).collect_view()}</tbody>
                </table>
            </div>
        </Card>
    }
    .into_any()
}

fn column(c: ColumnProfile, rows: u64) -> impl IntoView {
    let number = |v: Option<f64>| v.map_or("–".to_owned(), format::value);
    let missing = match c.null_count {
        0 => view! { <span class="dim">"0"</span> }.into_any(),
        n => view! { <span class="missing" title=format!("{} of {} cells are empty", format::number(n), format::number(rows))>
            {format::number(n)}" ("{share(n, rows)}")"</span> }
        .into_any(),
    };
    let distinct = format!("{}{}", if c.distinct_is_estimate { "≈ " } else { "" }, format::number(c.distinct_count));
    view! {
        <tr>
            <th scope="row" class="mono">{c.name.clone()}</th>
            <td><span class="tag">{kind(c.kind)}</span></td>
            <td class="dist">{distribution(&c)}</td>
            <td class="num">{missing}</td>
            <td class="num">{distinct}</td>
            <td class="num mono">{number(c.min)}</td><td class="num mono">{number(c.mean)}</td>
            <td class="num mono">{number(c.max)}</td><td class="num mono">{number(c.std_dev)}</td>
        </tr>
    }
}

/// A share of the rows; what is there is never told as 0.0 %.
fn share(n: u64, rows: u64) -> String {
    let share = n as f64 / rows.max(1) as f64;
    if share < 0.001 { "< 0.1 %".to_owned() } else { format::percent(share) }
}

fn kind(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Integer => "whole number",
        ColumnKind::Float => "number",
        ColumnKind::Boolean => "yes / no",
        ColumnKind::Timestamp => "date or time",
        ColumnKind::Text => "text",
        ColumnKind::Empty => "empty",
    }
}

/// A histogram for numbers, the most frequent values for text.
fn distribution(c: &ColumnProfile) -> AnyView {
    if !c.histogram.is_empty() {
        let (min, max) = (c.min.unwrap_or(0.0), c.max.unwrap_or(0.0));
        let width = (max - min) / c.histogram.len() as f64;
        let words = |i: usize| {
            let from = min + width * i as f64;
            format!("{} to {}", format::value(from), format::value(from + width))
        };
        let bars: Vec<(String, u64)> = c.histogram.iter().enumerate().map(|(i, n)| (words(i), *n)).collect();
        return view! { <Bars label=format!("Histogram of {}", c.name) bars/> }.into_any();
    }
    let top = c.top_values.iter().take(3).map(|v| {
        let text = if v.value.is_empty() { "(empty)".to_owned() } else { v.value.clone() };
        view! { <span class="top" title=format!("{}: {}", v.value, format::number(v.count))><span>{text}</span><small class="dim">{format::number(v.count)}</small></span> }
    });
    let more = c.top_values.len().saturating_sub(3);
    view! { <div class="tops">{top.collect_view()}{(more > 0).then(|| view! { <small class="dim">{format!("+{more}")}</small> })}</div> }.into_any()
}
