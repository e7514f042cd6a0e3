//! The model card of a version: read, printed, edited as a form, and compared with its earlier revisions.

use super::versions::card_text;
use crate::{
    api::{self, seg},
    difference::{Piece, difference},
    live::{Remote, remote},
    pages::parts::{is_engineer, metric_text},
    reactive::memo,
    ui::{
        Button, Card as Panel, EmptyState, Field, Icon, Loaded, Look, Show, TextArea, TimeAgo, Tone, act, toast,
        url::{Param, param},
    },
};
use drydock_wire::{
    events::Topic,
    registry::{CARD_SECTIONS, Card, CardContent, ModelDetail, SaveCard},
};
use leptos::prelude::*;

/// What of the card is looked at; all of it is in the address.
#[derive(Clone, Copy)]
struct Looking {
    editing: Param,
    revision: Param,
    against: Param,
}

#[component]
pub fn CardPanel(model: Signal<ModelDetail>, number: Memo<Option<i64>>) -> impl IntoView {
    let looking =
        Looking { editing: param("edit", ""), revision: param("revision", ""), against: param("against", "") };
    let base = move || {
        let name = model.with(|m| m.summary.name.clone());
        number.get().map(|number| format!("/models/{}/versions/{number}/card", seg(&name)))
    };
    let path = move || {
        let revision = looking.revision.get();
        base().map(|base| if revision.is_empty() { base } else { format!("{base}?revision={}", seg(&revision)) })
    };
    let card = remote::<Card>(path, &[Topic::Models]);
    let other_path = move || {
        let against = looking.against.get();
        (!against.is_empty()).then(base).flatten().map(|base| format!("{base}?revision={}", seg(&against)))
    };
    let other = remote::<Card>(other_path, &[]);
    let body = move |card: Signal<Card>| {
        move || match looking.editing.is("1") && is_engineer() {
            true => view! { <Editor card looking/> }.into_any(),
            false => view! { <Reader model card looking other/> }.into_any(),
        }
    };
    view! { <Loaded remote=card lines=10 let:card>{body(card)}</Loaded> }
}

#[component]
fn Reader(model: Signal<ModelDetail>, card: Signal<Card>, looking: Looking, other: Remote<Card>) -> impl IntoView {
    let nothing = memo(move || card.with(|c| c.revision == 0));
    let start = move |_| looking.editing.push("1");
    view! {
        <Show when=move || !nothing.get() fallback=move || view! {
            <div class="pane"><EmptyState icon="file-text" title="This version has no model card yet"
                text="A card says what the model is for, what it was made of, how good it is, where it fails and whom it may treat worse.">
                {is_engineer().then(|| view! { <Button look=Look::Primary icon="pencil" on_press=start>"Write the card"</Button> })}
            </EmptyState></div>
        }>
            <Tools card looking/>
            {move || {
                let before = (!looking.against.get().is_empty()).then(|| other.data.get()).flatten();
                match before {
                    Some(before) => changes(&before, &card.get()).into_any(),
                    None => model.with(|m| sheet(m, &card.get())).into_any(),
                }
            }}
        </Show>
    }
}

#[component]
fn Tools(card: Signal<Card>, looking: Looking) -> impl IntoView {
    let revisions = memo(move || card.with(|c| c.revisions.clone()));
    let newest = move || revisions.with(|r| r.first().map_or(0, |r| r.revision));
    let shown = memo(move || card.with(|c| c.revision));
    let select_revision = move |to: String| {
        let is_newest = to == newest().to_string();
        looking.revision.set(if is_newest { "" } else { &to });
    };
    let option = |r: drydock_wire::registry::CardRevision, chosen: bool| {
        let note = if r.note.is_empty() { String::new() } else { format!(": {}", r.note) };
        let text = format!("Revision {} by {}{note}", r.revision, r.author);
        view! { <option value=r.revision.to_string() selected=chosen>{text}</option> }
    };
    view! {
        <div class="toolbar print-hide">
            <b class="complete">{move || card.with(|c| format!("{} sections", card_text(&c.state)))}</b>
            <label class="pick"><span class="sr">"Revision"</span>
                <select aria-label="Revision" prop:value=move || shown.get().to_string() on:change:target=move |e| select_revision(e.target().value())>
                    {move || revisions.get().into_iter().map(|r| { let is_it = r.revision == shown.get_untracked(); option(r, is_it) }).collect_view()}
                </select></label>
            <Show when=move || revisions.with(|r| r.len() > 1)>
                <label class="pick"><span class="sr">"Compare with"</span>
                    <select aria-label="Compare with" prop:value=move || looking.against.get() on:change:target=move |e| looking.against.set(&e.target().value())>
                        <option value="">"Compare with…"</option>
                        {move || revisions.get().into_iter().filter(|r| r.revision != shown.get()).map(|r| {
                            let is_it = looking.against.get_untracked() == r.revision.to_string();
                            option(r, is_it)
                        }).collect_view()}
                    </select></label>
            </Show>
            <span class="push"></span>
            <Button icon="scroll-text" on_press=move |_| drop(window().print())>"Print"</Button>
            {move || (is_engineer() && shown.get() == newest()).then(|| view! {
                <Button look=Look::Primary icon="pencil" on_press=move |_| looking.editing.push("1")>"Edit the card"</Button>
            })}
        </div>
    }
}

/// The card as a page: what is printed.
fn sheet(model: &ModelDetail, card: &Card) -> impl IntoView + use<> {
    let version = model.versions.iter().find(|v| v.version == card.version);
    let aliases = version.map(|v| v.aliases.join(", ")).unwrap_or_default();
    let run = version.and_then(|v| {
        let id = v.run_id.clone()?;
        let name = v.run_name.clone().unwrap_or_else(|| id.clone());
        Some(view! { <div><dt>"Run"</dt><dd><a href=format!("/runs/{id}")>{name}</a></dd></div> })
    });
    let facts = card.content.facts().into_iter().filter(|(_, text)| !text.trim().is_empty());
    let facts =
        facts.map(|(title, text)| view! { <div><dt>{title}</dt><dd>{text.to_owned()}</dd></div> }).collect_view();
    let section = |(key, title, hint): (&'static str, &'static str, &'static str)| {
        let text = card.content.section(key).trim().to_owned();
        let metrics = (key == "metrics").then(|| measured(version.map(|v| v.metrics.as_slice()).unwrap_or_default()));
        let body = if text.is_empty() {
            view! { <p class="blank"><Icon name="circle-dashed"/>"Not written yet. "<span class="print-hide">{hint}</span></p> }.into_any()
        } else {
            view! { <p class="prose">{text}</p> }.into_any()
        };
        view! { <section><h3>{title}</h3>{body}{metrics}</section> }
    };
    let saved = card.at.map(|at| view! { <TimeAgo at/> });
    let author = card.author.clone().unwrap_or_default();
    view! {
        <article class="model-card card" aria-label="Model card">
            <header><h2>{format!("{} version {}", card.model, card.version)}</h2>
                <p class="dim">{format!("Model card, revision {} by {author}, ", card.revision)}{saved}
                    {(!card.note.is_empty()).then(|| format!(": {}", card.note))}</p></header>
            <dl class="card-facts">{facts}{run}
                {(!aliases.is_empty()).then(|| view! { <div><dt>"Aliases"</dt><dd>{aliases}</dd></div> })}
                {version.map(|v| view! { <div><dt>"Registered by"</dt><dd>{v.user.clone()}</dd></div> })}</dl>
            {CARD_SECTIONS.map(section)}
        </article>
    }
}

/// What the run measured, beside what people wrote about it.
fn measured(metrics: &[drydock_wire::tracking::MetricValue]) -> impl IntoView + use<> {
    let rows: Vec<(String, String)> =
        metrics.iter().filter(|m| !m.key.starts_with("system/")).map(|m| (m.key.clone(), metric_text(m))).collect();
    (!rows.is_empty()).then(|| view! {
        <table class="plain measured"><caption class="dim">"Last values that the run logged"</caption><tbody>
            {rows.into_iter().map(|(key, value)| view! { <tr><th scope="row">{key}</th><td class="mono">{value}</td></tr> }).collect_view()}
        </tbody></table>
    })
}

/// What changed from one revision to another, by words.
fn changes(before: &Card, after: &Card) -> impl IntoView + use<> {
    let (old, new) = if before.revision < after.revision { (before, after) } else { (after, before) };
    let sections =
        CARD_SECTIONS.iter().map(|(key, title, _)| (*title, old.content.section(key), new.content.section(key)));
    let facts = old.content.facts().into_iter().zip(new.content.facts()).map(|((title, a), (_, b))| (title, a, b));
    let changed: Vec<_> = sections.chain(facts).filter(|(_, a, b)| a != b).collect();
    let none = changed.is_empty().then(|| view! { <p class="dim">"Nothing differs."</p> });
    let piece = |piece: Piece| match piece {
        Piece::Same(text) => view! { <span>{text}</span> }.into_any(),
        Piece::Gone(text) => view! { <del>{text}</del> }.into_any(),
        Piece::New(text) => view! { <ins>{text}</ins> }.into_any(),
    };
    let parts: Vec<_> = changed
        .into_iter()
        .map(|(title, a, b)| view! {
            <section><h3>{title}</h3><p class="prose">{difference(a, b).into_iter().map(piece).collect_view()}</p></section>
        })
        .collect();
    view! {
        <article class="model-card card" aria-label="What changed">
            <header><h2>{format!("From revision {} to revision {}", old.revision, new.revision)}</h2>
                <p class="dim">{format!("{} wrote the first, {} the second.", old.author.clone().unwrap_or_default(), new.author.clone().unwrap_or_default())}</p></header>
            {none}{parts}
        </article>
    }
}

/// The fields of the form.
#[derive(Clone, Copy)]
struct Form {
    sections: [RwSignal<String>; CARD_SECTIONS.len()],
    facts: [RwSignal<String>; 4],
    note: RwSignal<String>,
}

impl Form {
    fn new(content: &CardContent) -> Self {
        Self {
            sections: CARD_SECTIONS.map(|(key, ..)| RwSignal::new(content.section(key).to_owned())),
            facts: content.facts().map(|(_, text)| RwSignal::new(text.to_owned())),
            note: RwSignal::new(String::new()),
        }
    }

    fn fill(&self, content: &CardContent) {
        for (signal, (key, ..)) in self.sections.iter().zip(CARD_SECTIONS) {
            signal.set(content.section(key).to_owned());
        }
        for (signal, (_, text)) in self.facts.iter().zip(content.facts()) {
            signal.set(text.to_owned());
        }
    }

    fn content(&self) -> CardContent {
        let [purpose, data, metrics, limits, bias] = self.sections.map(|s| s.get());
        let [intended_users, owner, contact, licence] = self.facts.map(|s| s.get());
        CardContent { purpose, data, metrics, limits, bias, intended_users, owner, contact, licence }
    }
}

const SECTION_IDS: [&str; CARD_SECTIONS.len()] =
    ["card-purpose", "card-data", "card-metrics", "card-limits", "card-bias"];

#[component]
fn Editor(card: Signal<Card>, looking: Looking) -> impl IntoView {
    let first = card.get_untracked();
    let form = Form::new(&first.content);
    let (busy, loading) = (RwSignal::new(false), RwSignal::new(false));
    let (base, earlier) = (first.revision, first.earlier.filter(|_| first.revision == 0));
    let address = move |version: i64| format!("/models/{}/versions/{version}/card", seg(&first.model));
    let (save_to, take_from) = (address(first.version), earlier.map(&address));
    let filled = memo(move || form.content().filled());
    let take = move |_| {
        let Some(path) = take_from.clone() else { return };
        act(loading, "The earlier card was not loaded", async move { api::get::<Card>(&path).await }, move |card| {
            form.fill(&card.content);
            form.note.set(format!("Started from version {}", card.version));
        });
    };
    let save = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        let wish = untrack(|| SaveCard { base, content: form.content(), note: form.note.get() });
        let path = save_to.clone();
        act(busy, "The card was not saved", async move { api::put::<_, Card>(&path, &wish).await }, move |card| {
            looking.revision.clear();
            looking.editing.clear();
            toast(Tone::Good, &format!("Saved as revision {}", card.revision), "");
        });
    };
    view! {
        <Panel title="Model card" aside=move || view! {
            <span class="dim" role="status">{move || format!("{} of {} sections", filled.get(), CARD_SECTIONS.len())}</span>
        }>
            <form novalidate class="card-form" on:submit=save>
                {earlier.map(|version| view! {
                    <p class="callout info"><Icon name="info"/><span>{format!("Version {version} has a card. ")}</span>
                        <Button small=true busy=loading on_press=take.clone()>{format!("Start from version {version}")}</Button></p>
                })}
                {CARD_SECTIONS.iter().enumerate().map(|(i, (_, title, hint))| view! {
                    <TextArea id=SECTION_IDS[i] label=*title hint=*hint value=form.sections[i] rows=5/>
                }).collect_view()}
                <div class="thirds">
                    <Field id="card-users" label="Intended users" value=form.facts[0]/>
                    <Field id="card-owner" label="Owner" value=form.facts[1]/>
                    <Field id="card-contact" label="Contact" value=form.facts[2]/>
                    <Field id="card-licence" label="Licence" value=form.facts[3]/>
                </div>
                <Field id="card-note" label="What changed" value=form.note hint="A line for the list of revisions; may stay empty."/>
                <div class="actions">
                    <Button on_press=move |_| looking.editing.clear()>"Cancel"</Button>
                    <Button look=Look::Primary submit=true busy>"Save the card"</Button>
                </div>
            </form>
        </Panel>
    }
}
