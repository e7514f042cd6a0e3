//! What is in each column of each table, and in the images.

use crate::{
    format,
    pages::parts::Bars,
    reactive::memo,
    ui::{Card, EmptyState, Facts, Icon},
};
use drydock_wire::datasets::{ColumnKind, ColumnProfile, FileProfile, ImageProfile, ImageSpan, VersionDetail};
use leptos::prelude::*;

#[component]
pub fn Profiles(detail: Signal<VersionDetail>) -> impl IntoView {
    let profiles = memo(move || detail.with(|d| (d.profiles.clone(), d.images.clone(), d.profiling)));
    move || {
        match profiles.get() {
        (_, _, true) => view! {
            <EmptyState icon="table" title="Being profiled" text="Large files take a while. This page shows the columns as soon as they are known."/>
        }
        .into_any(),
        (list, None, _) if list.is_empty() => view! {
            <EmptyState icon="table" title="Nothing to profile" text="This version has no table (CSV, Parquet, JSON Lines) and no image. Its files are under Files."/>
        }
        .into_any(),
        (list, images, _) => view! {
            {images.map(images_card)}
            {list.into_iter().map(|p| view! { <File profile=p/> }).collect_view()}
        }
        .into_any(),
    }
    }
}

fn images_card(images: ImageProfile) -> impl IntoView {
    let span = |span: Option<ImageSpan>| match span {
        None => "–".to_owned(),
        Some(s) if s.min == s.max => format!("{} px", s.min),
        Some(s) => format!("{} to {} px, {} on average", s.min, s.max, s.mean.round()),
    };
    let formats: Vec<String> =
        images.formats.iter().map(|f| format!("{} {}", format::number(f.count), f.value)).collect();
    let named = |folder: &str| if folder.is_empty() { "(top)".to_owned() } else { folder.to_owned() };
    let bars: Vec<(String, u64)> = images.classes.iter().map(|c| (named(&c.value), c.count)).collect();
    let classes = images.classes.iter().take(12).map(|c| {
        view! { <span class="top"><span>{named(&c.value)}</span><small class="dim">{format::number(c.count)}</small></span> }
    });
    let classes = classes.collect_view();
    let facts = match images.measured == images.count {
        true => format::plural(images.count, "image"),
        false => {
            format!("{}, {} of them measured", format::plural(images.count, "image"), format::number(images.measured))
        }
    };
    let more = images.class_count.saturating_sub(12);
    let broken = (images.broken_count > 0).then(|| {
        let names = images.broken.into_iter().map(|b| view! { <li><span class="mono">{b.path}</span>" "<span class="dim">{b.problem}</span></li> });
        view! {
            <p class="callout warn"><Icon name="triangle-alert"/><span>{format!("{} cannot be read as an image:", format::plural(images.broken_count, "file"))}</span></p>
            <ul class="plain-list">{names.collect_view()}</ul>
        }
    });
    view! {
        <Card title="Images" aside=move || view! { <span class="dim tabular">{facts.clone()}</span> }>
            <Facts>
                <dt>"Formats"</dt><dd>{formats.join(", ")}</dd>
                <dt>"Width"</dt><dd>{span(images.width)}</dd>
                <dt>"Height"</dt><dd>{span(images.height)}</dd>
                <dt>{format!("Folders ({})", format::number(images.class_count))}</dt>
                <dd><div class="tops">{classes}{(more > 0).then(|| view! { <small class="dim">{format!("+{more}")}</small> })}</div></dd>
            </Facts>
            {(bars.len() > 1).then(|| view! { <div class="image-bars"><Bars label="Images per folder" bars/></div> })}
            {broken}
        </Card>
    }
}

#[component]
fn File(profile: FileProfile) -> impl IntoView {
    let rows = profile.row_count;
    if let Some(problem) = profile.problem {
        return view! {
            <Card title=profile.path>
                <p class="callout warn"><Icon name="triangle-alert"/><span>"This file cannot be read: "{problem}</span></p>
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
    let is_instant = c.kind == ColumnKind::Timestamp;
    let number = |v: Option<f64>| v.map_or("–".to_owned(), |v| shown(v, is_instant));
    let spread = c.std_dev.filter(|_| !is_instant);
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
            <td class="num mono">{number(c.max)}</td><td class="num mono">{number(spread)}</td>
        </tr>
    }
}

/// A number, or an instant as its day and minute.
fn shown(value: f64, is_instant: bool) -> String {
    if !is_instant {
        return format::value(value);
    }
    let text = js_sys::Date::new(&value.into()).to_iso_string().as_string().unwrap_or_default();
    let text = text.trim_end_matches("T00:00:00.000Z").replace('T', " ");
    text.chars().take(16).collect()
}

/// A share of the rows; what is there is never told as 0.0 %.
fn share(n: u64, rows: u64) -> String {
    let share = n as f64 / rows.max(1) as f64;
    if share < 0.001 { "< 0.1 %".to_owned() } else { format::percent(share) }
}

pub fn kind(kind: ColumnKind) -> &'static str {
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
            let is_instant = c.kind == ColumnKind::Timestamp;
            format!("{} to {}", shown(from, is_instant), shown(from + width, is_instant))
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
