//! The messages of a webhook: how each fared, what was sent and answered, and the way to send one again.

use super::{PERIOD, event_words, status};
use crate::{
    api,
    live::remote,
    pages::parts::query,
    reactive::effect,
    ui::{
        Button, Card, Chips, Dialog, EmptyState, Loaded, Pager, Pill, TimeAgo, Tone, act, list::Chip, toast, url::param,
    },
};
use drydock_wire::{
    Page,
    webhooks::{Delivery, DeliveryDetail, DeliveryState},
};
use leptos::prelude::*;

/// `fresh` grows when something was sent from here.
#[component]
pub fn Log(webhook: Memo<String>, fresh: RwSignal<u64>) -> impl IntoView {
    let (state, page, opened) = (param("state", ""), param("page", ""), param("message", ""));
    let path = move || {
        fresh.track();
        let base = format!("/webhooks/{}/deliveries", api::seg(&webhook.get()));
        query(&base, &[("state", state.get()), ("page", page.get())])
    };
    let log = remote::<Page<Delivery>>(move || Some(path()), &[]).every(PERIOD);
    effect(move || {
        fresh.track();
        log.refetch();
    });
    let chip = |value: &'static str, label: &'static str, tone: Option<Tone>| Chip { value, label, tone, count: None };
    let chips = vec![
        chip("", "All", None),
        chip("due", "Waiting", Some(Tone::Warn)),
        chip("delivered", "Delivered", Some(Tone::Good)),
        chip("failed", "Failed", Some(Tone::Bad)),
    ];
    view! {
        <Card title="Messages" class="flush-table">
            <Chips param=state label="State" chips=Signal::stored(chips) resets=page/>
            <Loaded remote=log let:found>
                {move || if found.with(|f| f.items.is_empty()) { view! {
                    <EmptyState icon="send" title="No message here" text="Messages appear when one of the events happens. Test sends an example now."/>
                }.into_any() } else { view! {
                    <div class="pane" tabindex="0" role="region" aria-label="Messages"><table class="grid">
                        <thead><tr><th scope="col">"When"</th><th scope="col">"Event"</th><th scope="col">"State"</th>
                            <th scope="col" class="num wide-only">"Attempts"</th><th scope="col" class="wide-only">"Answer"</th></tr></thead>
                        <tbody>{move || found.get().items.into_iter().map(|d| {
                            let id = d.id.clone();
                            line(d, move |()| opened.push(&id))
                        }).collect_view()}</tbody>
                    </table></div>
                }.into_any() }}
                <Pager param=page total=Signal::derive(move || found.with(|f| f.total)) shown=Signal::derive(move || found.with(|f| f.items.len()))
                    next=Signal::derive(move || found.with(|f| f.next.clone())) noun="message"/>
            </Loaded>
        </Card>
        <Message webhook fresh/>
    }
}

fn line(d: Delivery, open: impl Fn(()) + 'static) -> impl IntoView {
    let answer = match (d.answer_status, &d.error) {
        (_, Some(error)) => error.clone(),
        (Some(code), None) => format!("{code} in {} ms", d.took_ms.unwrap_or_default()),
        _ => String::new(),
    };
    let next = d.due_at.filter(|_| d.attempts > 0).map(|at| view! { <span class="dim">" next "<TimeAgo at/></span> });
    view! {
        <tr><td><TimeAgo at=d.created_at/></td>
            <td><button type="button" class="link" on:click=move |_| open(())>{event_words(&d.event)}</button>
                {d.is_test.then(|| view! { " " <span class="tag">"test"</span> })}</td>
            <td><Pill status=status(&d)/>{next}</td><td class="num wide-only">{d.attempts}</td>
            <td class="wide-only" title=answer.clone()>{answer.clone()}</td></tr>
    }
}

#[component]
fn Message(webhook: Memo<String>, fresh: RwSignal<u64>) -> impl IntoView {
    let opened = param("message", "");
    let open = RwSignal::new(false);
    effect(move || open.set(!opened.get().is_empty()));
    effect(move || {
        if !open.get() && !opened.get_untracked().is_empty() {
            opened.clear();
        }
    });
    let path = move || {
        fresh.track();
        let id = opened.get();
        (!id.is_empty()).then(|| format!("/webhooks/{}/deliveries/{}", api::seg(&webhook.get()), api::seg(&id)))
    };
    let detail = remote::<DeliveryDetail>(path, &[]);
    let busy = RwSignal::new(false);
    let send = move |_| {
        let path = format!(
            "/webhooks/{}/deliveries/{}/send",
            api::seg(&webhook.get_untracked()),
            api::seg(&opened.get_untracked())
        );
        act(busy, "It was not sent again", async move { api::post_empty::<DeliveryDetail>(&path).await }, move |_| {
            open.set(false);
            fresh.update(|n| *n += 1);
            toast(Tone::Info, "The message is sent again", "");
        });
    };
    view! {
        <Dialog open title="Message" wide=true>
            <Loaded remote=detail let:shown>
                {move || shown.with(|d| facts(d))}
                <div class="actions">
                    <Button on_press=move |_| open.set(false)>"Close"</Button>
                    {move || shown.with(|d| d.delivery.state != DeliveryState::Due).then(|| view! {
                        <Button icon="send" busy on_press=send>"Send again"</Button>
                    })}
                </div>
            </Loaded>
        </Dialog>
    }
}

/// JSON with lines and indents, where it is JSON.
fn pretty(text: &str) -> String {
    let value = serde_json::from_str::<serde_json::Value>(text);
    value.and_then(|value| serde_json::to_string_pretty(&value)).unwrap_or_else(|_| text.to_owned())
}

fn facts(detail: &DeliveryDetail) -> impl IntoView + use<> {
    let d = detail.delivery.clone();
    let answer = detail.answer_body.clone().filter(|text| !text.is_empty());
    view! {
        <dl class="facts">
            <dt>"State"</dt><dd><Pill status=status(&d)/></dd>
            <dt>"Id"</dt><dd><code>{d.id.clone()}</code></dd>
            <dt>"Attempts"</dt><dd>{d.attempts}{d.tried_at.map(|at| view! { ", the last " <TimeAgo at/> })}</dd>
            {d.due_at.map(|at| view! { <dt>"Next attempt"</dt><dd><TimeAgo at/></dd> })}
            {d.error.clone().map(|error| view! { <dt>"What went wrong"</dt><dd>{error}</dd> })}
            {d.answer_status.map(|code| view! { <dt>"Answer"</dt><dd>{format!("{code} in {} ms", d.took_ms.unwrap_or_default())}</dd> })}
        </dl>
        <h3>"Sent"</h3><pre class="code" tabindex="0">{pretty(&detail.body)}</pre>
        {answer.map(|text| view! { <h3>"Answered"</h3><pre class="code" tabindex="0">{pretty(&text)}</pre> })}
    }
}
