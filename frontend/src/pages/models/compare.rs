//! Two versions side by side: what differs in the parameters and metrics of their runs.

use crate::{
    api::seg,
    live::{Remote, remote},
    pages::parts::metric_text,
    reactive::memo,
    ui::{
        Button, Card, EmptyState, Icon, TimeAgo,
        url::{Param, param},
    },
};
use drydock_wire::{
    events::Topic,
    registry::{ModelDetail, ModelVersion},
    tracking::RunDetail,
};
use leptos::prelude::*;
use std::collections::BTreeSet;

fn two(text: &str) -> Option<(i64, i64)> {
    let (a, b) = text.split_once(',')?;
    Some((a.parse().ok()?, b.parse().ok()?))
}

/// `against` is the address's `compare`: two numbers.
#[component]
pub fn Compare(model: Signal<ModelDetail>, against: Param) -> impl IntoView {
    let chosen = memo(move || two(&against.get()));
    let version = move |first: bool| {
        let (a, b) = chosen.get()?;
        let wanted = if first { a } else { b };
        model.with(|m| m.versions.iter().find(|v| v.version == wanted).cloned())
    };
    let (left, right) = (memo(move || version(true)), memo(move || version(false)));
    let run = |of: Memo<Option<ModelVersion>>| {
        let path = move || of.get().and_then(|v| v.run_id).map(|id| format!("/runs/{}", seg(&id)));
        remote::<RunDetail>(path, &[Topic::Runs])
    };
    let runs = (run(left), run(right));
    view! {
        <div class="toolbar"><Button small=true icon="chevron-left" on_press=move |_| against.clear()>"All versions"</Button></div>
        {move || match (left.get(), right.get()) {
            (Some(a), Some(b)) => view! { <Sides a=a b=b runs/> }.into_any(),
            _ => view! { <EmptyState icon="git-compare" title="One of these versions is not there any more" text="Choose two from the list."/> }.into_any(),
        }}
    }
}

#[component]
fn Sides(a: ModelVersion, b: ModelVersion, runs: (Remote<RunDetail>, Remote<RunDetail>)) -> impl IntoView {
    let only = param("differing", "");
    let params = move |run: Remote<RunDetail>| {
        run.data.with(|r| {
            let pairs = r
                .as_ref()
                .map(|r| r.summary.params.iter().map(|p| (p.key.clone(), p.value.clone())).collect::<Vec<_>>());
            pairs.unwrap_or_default()
        })
    };
    let metrics = |v: &ModelVersion| v.metrics.iter().map(|m| (m.key.clone(), metric_text(m))).collect::<Vec<_>>();
    let facts = |v: &ModelVersion| {
        let aliases = if v.aliases.is_empty() { "–".to_owned() } else { v.aliases.join(", ") };
        vec![
            ("Run".to_owned(), v.run_name.clone().or(v.run_id.clone()).unwrap_or("–".into())),
            ("Aliases".to_owned(), aliases),
            ("Stage".to_owned(), v.stage.clone()),
            ("Registered by".to_owned(), v.user.clone()),
            ("Source".to_owned(), v.source.clone()),
        ]
    };
    let numbers = (a.version, b.version);
    let (metrics, facts) = ((metrics(&a), metrics(&b)), (facts(&a), facts(&b)));
    let dates = view! { <p class="dim">{format!("Version {} was registered ", a.version)}<TimeAgo at=a.created_at/>{format!(", version {} ", b.version)}<TimeAgo at=b.created_at/>"."</p> };
    let differing = move || {
        view! {
            <label class="check"><input type="checkbox" prop:checked=move || only.is("1")
                on:change:target=move |e| only.set(if e.target().checked() { "1" } else { "" })/>"Only what differs"</label>
        }
    };
    view! {
        {dates}
        <Card title="Metrics" aside=differing>{move || table("Metric", numbers, &metrics.0, &metrics.1, only.is("1"))}</Card>
        <Card title="Parameters">{move || table("Parameter", numbers, &params(runs.0), &params(runs.1), only.is("1"))}</Card>
        <Card title="About them">{move || table("", numbers, &facts.0, &facts.1, false)}</Card>
    }
}

type Pairs = [(String, String)];

fn table(what: &'static str, numbers: (i64, i64), a: &Pairs, b: &Pairs, only: bool) -> AnyView {
    let keys: BTreeSet<&str> = a.iter().chain(b).map(|(key, _)| key.as_str()).collect();
    let of = |pairs: &Pairs, key: &str| pairs.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone());
    let lines: Vec<(String, Option<String>, Option<String>)> =
        keys.into_iter().map(|key| (key.to_owned(), of(a, key), of(b, key))).collect();
    let total = lines.len();
    let shown: Vec<_> = lines.into_iter().filter(|(_, a, b)| !only || a != b).collect();
    if shown.is_empty() {
        let text = if total == 0 { "The runs logged none." } else { "All are the same." };
        return view! { <p class="dim none">{text}</p> }.into_any();
    }
    let cell = |text: Option<String>| match text {
        Some(text) => view! { <td class="mono">{text}</td> }.into_any(),
        None => view! { <td class="dim">"–"</td> }.into_any(),
    };
    let row = move |(key, a, b): (String, Option<String>, Option<String>)| {
        let differs = a != b;
        view! {
            <tr class:differs=differs><th scope="row">{key}{differs.then(|| view! { <span class="sr">" (differs)"</span> })}</th>
                {cell(a)}{cell(b)}</tr>
        }
    };
    let label = format!("{what} of versions {} and {}", numbers.0, numbers.1);
    view! {
        <div class="scroll-x" role="region" aria-label=label tabindex="0">
            <table class="plain lines diff"><thead><tr><th scope="col">{what}</th>
                <th scope="col"><Icon name="box"/>" Version "{numbers.0}</th><th scope="col"><Icon name="box"/>" Version "{numbers.1}</th></tr></thead>
                <tbody>{shown.into_iter().map(row).collect_view()}</tbody></table>
        </div>
    }
    .into_any()
}
