//! The chosen span: what went in, what came out, attributes, events.

use super::{
    json::{Json, JsonBlock, tree},
    kind_words, micros,
};
use crate::{
    api::seg,
    live::remote,
    ui::{CopyButton, Icon, Loaded, Pill, Status, Tabs, url::Param},
};
use drydock_wire::{KeyValue, events::Topic, traces::SpanDetail};
use leptos::prelude::*;

#[component]
pub fn SpanPanel(
    #[prop(into)] trace: Signal<String>,
    #[prop(into)] span: Signal<String>,
    part: Param,
) -> impl IntoView {
    let path = move || {
        let (trace, span) = (trace.get(), span.get());
        (!span.is_empty()).then(|| format!("/traces/{}/spans/{}", seg(&trace), seg(&span)))
    };
    let detail = remote::<SpanDetail>(path, &[Topic::Traces]);
    view! {
        <section class="card span-panel" aria-label="Chosen span">
            <Loaded remote=detail lines=8 let:span><Panel span part/></Loaded>
        </section>
    }
}

#[component]
fn Panel(span: Signal<SpanDetail>, part: Param) -> impl IntoView {
    let id = Signal::derive(move || span.with(|s| s.id.clone()));
    let head = move || {
        let s = span.get();
        let took = s.duration_us.map_or_else(|| "still running".to_owned(), micros);
        view! {
            <div class="span-head">
                <h2>{s.name.clone()}</h2>
                {(s.status != "unset").then(|| view! { <Pill status=Status::trace(&s.status)/> })}
                {kind_words(&s.kind).map(|kind| view! { <span class="tag">{kind}</span> })}
            </div>
            <p class="sub">{match s.start_us { 0 => format!("{took}, from the start · "), us => format!("{took}, {} after the start · ", micros(us)) }}<code>{s.id.clone()}</code><CopyButton text=id what="Copy the span's id"/></p>
            {(!s.message.is_empty()).then(|| view! {
                <div class="callout bad" role="note"><Icon name="circle-alert"/><span class="wrap">{s.message.clone()}</span></div>
            })}
        }
    };
    let tabs = move || {
        let (attributes, events) = span.with(|s| (s.attributes.len(), s.events.len() + s.links.len()));
        vec![
            ("io", "Input and output".to_owned()),
            ("attributes", format!("Attributes ({attributes})")),
            ("events", format!("Events ({events})")),
        ]
    };
    view! {
        {head}
        {move || view! { <Tabs param=part label="Parts of the span" tabs=tabs()/> }}
        <div role="tabpanel" class="panel" aria-label="Part of the span">
            {move || match part.get().as_str() {
                "attributes" => view! { <Pairs pairs=span.with(|s| s.attributes.clone()) none="This span has no other attributes."/> }.into_any(),
                "events" => view! { <Events span/> }.into_any(),
                _ => view! { <InOut span/> }.into_any(),
            }}
        </div>
    }
}

#[component]
fn InOut(span: Signal<SpanDetail>) -> impl IntoView {
    move || {
        let (inputs, outputs) = span.with(|s| (s.inputs.clone(), s.outputs.clone()));
        let none = inputs.is_none() && outputs.is_none();
        view! {
            {inputs.map(|json| view! { <JsonBlock title="Input" what="Copy the input" json/> })}
            {outputs.map(|json| view! { <JsonBlock title="Output" what="Copy the output" json/> })}
            {none.then(|| view! { <p class="dim none">"Neither input nor output was recorded for this span."</p> })}
        }
    }
}

/// Keys with JSON values.
#[component]
fn Pairs(pairs: Vec<KeyValue>, none: &'static str) -> impl IntoView {
    if pairs.is_empty() {
        return view! { <p class="dim none">{none}</p> }.into_any();
    }
    let lines = pairs.into_iter().map(|p| tree(Json::read(&p.value), Some(p.key), 1)).collect_view();
    view! { <div class="json" tabindex="0" role="region" aria-label="Attributes">{lines}</div> }.into_any()
}

#[component]
fn Events(span: Signal<SpanDetail>) -> impl IntoView {
    move || {
        let (events, links) = span.with(|s| (s.events.clone(), s.links.clone()));
        let none = events.is_empty() && links.is_empty();
        let event = |event: drydock_wire::traces::SpanEvent| {
            let at = micros(u64::try_from(event.at_us).unwrap_or(0));
            view! {
                <li><div class="event-head"><b>{event.name}</b><span class="dim num">{at}</span></div>
                    {(!event.attributes.is_empty()).then(|| view! { <Pairs pairs=event.attributes none=""/> })}</li>
            }
        };
        view! {
            <ul class="span-events">{events.into_iter().map(event).collect_view()}</ul>
            {(!links.is_empty()).then(|| view! {
                <h3>"Linked traces"</h3>
                <ul>{links.into_iter().map(|l| view! { <li><a href=format!("/traces/{}?span={}", seg(&l.trace_id), seg(&l.span_id))><code>{l.trace_id.clone()}</code></a></li> }).collect_view()}</ul>
            })}
            {none.then(|| view! { <p class="dim none">"Nothing happened that was worth an event."</p> })}
        }
    }
}
