//! Panels of one's own: a metric, its labels, a function, a window. They live in the address, and saved under a name for everybody.

use super::{
    Shared,
    chart::{Asked, PanelChart, Wish},
    panels::Unit,
};
use crate::{
    api,
    live::remote,
    reactive::memo,
    ui::{
        Button, Card, Dialog, Each, EmptyState, Field, Look, SelectField, Show, Suggestions, Tone, act, toast,
        url::{Param, param},
    },
};
use drydock_wire::{
    metrics::MetricName,
    tracking::{SaveView, SavedView},
};
use leptos::prelude::*;
use leptos_router::hooks::use_location;

const FUNCTIONS: [(&str, &str); 9] = [
    ("avg", "Mean"),
    ("max", "Highest"),
    ("min", "Lowest"),
    ("last", "Last"),
    ("sum", "Sum"),
    ("count", "How many samples"),
    ("rate", "Growth a second (counters)"),
    ("increase", "Growth (counters)"),
    ("quantile", "95 of 100 below (histograms)"),
];

/// In the address a panel is a line of `function|labels to join by|window|which`.
fn read(line: &str) -> Option<Wish> {
    let mut parts = line.splitn(4, '|').map(str::to_owned);
    let (function, by, window_s, of) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let title = format!("{of}, {function}");
    let asked = Asked { name: String::new(), of, function, by, quantile: String::new(), window_s };
    Some(Wish { title, unit: Unit::Plain, asked: vec![asked] })
}

#[component]
pub fn OwnPanels(shared: Shared) -> impl IntoView {
    let own = param("own", "");
    let keys = memo(move || own.get().lines().map(str::to_owned).collect::<Vec<_>>());
    let remove = move |gone: String| {
        let left: Vec<String> = own.get_untracked().lines().filter(|line| *line != gone).map(str::to_owned).collect();
        own.set(&left.join("\n"));
    };
    view! {
        <NewPanel own/>
        <Saved/>
        <Show when=move || keys.with(|all| !all.is_empty()) fallback=|| view! {
            <EmptyState icon="chart-line" title="No panels yet" text="Choose a metric above, or open what somebody saved."/>
        }>
            <div class="charts">
                <Each keys let:line>
                    {
                        let gone = StoredValue::new(line.clone());
                        read(&line).map(|wish| {
                            let title = wish.title.clone();
                            view! {
                                <Card title=title aside=move || view! {
                                    <Button small=true icon="x" on_press=move |_| remove(gone.get_value())>"Take away"</Button>
                                }><PanelChart panel=wish shared/></Card>
                            }
                        })
                    }
                </Each>
            </div>
        </Show>
    }
}

#[component]
fn NewPanel(own: Param) -> impl IntoView {
    let names = remote::<Vec<MetricName>>(|| Some("/metrics/names".to_owned()), &[]);
    let (of, function) = (RwSignal::new(String::new()), RwSignal::new("avg".to_owned()));
    let (by, window) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let known = Signal::derive(move || {
        names
            .data
            .with(|all| all.as_ref().map(|all| all.iter().map(|it| it.name.clone()).collect()).unwrap_or_default())
    });
    let about = move || {
        let of = of.get();
        let name = of.split('{').next().unwrap_or_default().trim().to_owned();
        names.data.with(|all| {
            let found = all.as_ref()?.iter().find(|it| it.name == name)?;
            let labels = if found.labels.is_empty() { "no labels".to_owned() } else { found.labels.join(", ") };
            Some(format!("{} Labels: {labels}.", found.help))
        })
    };
    let add = move || {
        let line = format!(
            "{}|{}|{}|{}",
            function.get_untracked(),
            by.get_untracked().trim(),
            window.get_untracked().trim(),
            of.get_untracked().trim()
        );
        let mut all: Vec<String> = own.get_untracked().lines().map(str::to_owned).collect();
        if !all.contains(&line) {
            all.push(line);
            own.set(&all.join("\n"));
        }
    };
    let functions = Signal::stored(FUNCTIONS.map(|(key, text)| (key.to_owned(), text.to_owned())).to_vec());
    view! {
        <Card title="New panel">
            <form novalidate class="panel-form" on:submit=move |e| { e.prevent_default(); add() }>
                <Field id="panel-of" label="Metric and labels" value=of mono=true list="metric-names" placeholder="name{label=\"value\"}"/>
                <Suggestions id="metric-names" values=known/>
                <SelectField id="panel-function" label="Function" value=function options=functions/>
                <Field id="panel-by" label="A line for each" value=by mono=true hint="Labels with commas between; * is each series; empty joins all." placeholder="deployment"/>
                <Field id="panel-window" label="Window (seconds)" value=window mono=true hint="How far each value looks back; empty: as far as the step."/>
                <Button look=Look::Primary submit=true icon="plus"
                    why_not=Signal::derive(move || of.with(|it| it.trim().is_empty()).then(|| "Choose a metric.".to_owned()))>"Add the panel"</Button>
            </form>
            <p class="dim">{about}</p>
        </Card>
    }
}

/// What was saved, and saving what stands here.
#[component]
fn Saved() -> impl IntoView {
    let location = use_location();
    let list = remote::<Vec<SavedView>>(|| Some("/views?kind=monitoring".to_owned()), &[]);
    let (naming, name, busy) = (RwSignal::new(false), RwSignal::new(String::new()), RwSignal::new(false));
    let views = move || list.data.get().unwrap_or_default();
    let save = move || {
        let query = untrack(move || location.search.get()).trim_start_matches('?').to_owned();
        let wish = SaveView { kind: "monitoring".to_owned(), name: name.get_untracked(), query };
        act(
            busy,
            "The panels were not saved",
            async move { api::post::<_, SavedView>("/views", &wish).await },
            move |view| {
                naming.set(false);
                list.refetch();
                toast(Tone::Good, "Panels saved", &format!("{} can be opened by everybody.", view.name));
            },
        );
    };
    let forget = move |id: String| {
        act(
            busy,
            "The panels were not deleted",
            async move { api::delete(&format!("/views/{id}")).await },
            move |()| list.refetch(),
        );
    };
    let one = move |view: SavedView| {
        let (id, label) = (StoredValue::new(view.id.clone()), view.name.clone());
        view! {
            <li>
                <a href=format!("/monitoring?{}", view.query)>{label.clone()}</a>
                <span class="dim">{format!(" by {}", view.owner)}</span>
                {view.mine.then(|| view! {
                    <Button small=true icon="x" on_press=move |_| forget(id.get_value())>{format!("Forget {label}")}</Button>
                })}
            </li>
        }
    };
    view! {
        <div class="chart-bar">
            <Show when=move || !views().is_empty()><ul class="saved-panels" aria-label="Saved panels">{move || views().into_iter().map(one).collect_view()}</ul></Show>
            <Button icon="save" on_press=move |_| { name.set(String::new()); naming.set(true) }>"Save these panels…"</Button>
        </div>
        <Dialog open=naming title="Save these panels">
            <form novalidate on:submit=move |e| { e.prevent_default(); save() }>
                <Field id="panels-name" label="Name" value=name autofocus=true hint="Everybody can open them; yours with the same name are replaced."/>
                <div class="actions">
                    <Button on_press=move |_| naming.set(false)>"Cancel"</Button>
                    <Button look=Look::Primary submit=true busy=busy
                        why_not=Signal::derive(move || name.with(|n| n.trim().is_empty()).then(|| "Give them a name.".to_owned()))>"Save the panels"</Button>
                </div>
            </form>
        </Dialog>
    }
}
