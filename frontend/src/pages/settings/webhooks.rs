//! Webhooks: who is told over HTTP of what happens in the registry; for engineers. One at a time shows its log.

mod form;
mod log;

use crate::{
    api,
    live::{Remote, remote},
    reactive::memo,
    ui::{
        Button, ConfirmDialog, EmptyState, Icon, Loaded, Look, Pill, Status, TimeAgo, Tone, act, toast,
        url::{Param, param},
    },
};
use drydock_wire::{
    Page,
    webhooks::{Delivery, DeliveryDetail, DeliveryState, UpdateWebhook, Webhook},
};
use leptos::prelude::*;
use std::time::Duration;

/// Deliveries change without a hint.
const PERIOD: Duration = Duration::from_secs(3);

/// A state as people read it.
fn status(delivery: &Delivery) -> Status {
    match delivery.state {
        DeliveryState::Delivered => Status::new(Tone::Good, "Delivered"),
        DeliveryState::Failed => Status::new(Tone::Bad, "Failed"),
        DeliveryState::Due if delivery.attempts == 0 => Status::live(Tone::Info, "Sending"),
        DeliveryState::Due => Status::live(Tone::Warn, "Trying again"),
    }
}

/// `model_version_alias.created` as people say it.
fn event_words(event: &str) -> String {
    let (entity, action) = event.split_once('.').unwrap_or((event, ""));
    let entity = entity.strip_prefix("model_").unwrap_or(entity).replace('_', " ");
    let mut words = format!("{entity} {action}");
    if let Some(first) = words.get_mut(0..1) {
        first.make_ascii_uppercase();
    }
    words
}

#[component]
pub fn Webhooks() -> impl IntoView {
    let chosen = param("webhook", "");
    let all = remote::<Page<Webhook>>(|| Some("/webhooks".into()), &[]).every(PERIOD);
    view! {
        {move || match chosen.get().is_empty() {
            true => view! { <List all chosen/> }.into_any(),
            false => view! { <One all chosen/> }.into_any(),
        }}
    }
}

#[component]
fn List(all: Remote<Page<Webhook>>, chosen: Param) -> impl IntoView {
    let editing = RwSignal::new(None::<Option<Webhook>>);
    view! {
        <div class="row wrap-row">
            <p class="dim">"Drydock tells other programs over HTTP when versions, aliases, tags or prompts change, in MLflow's form."</p>
            <span class="spread"></span>
            <Button look=Look::Primary icon="plus" on_press=move |_| editing.set(Some(None))>"New webhook"</Button>
        </div>
        <Loaded remote=all let:list>
            {move || if list.with(|l| l.items.is_empty()) { view! {
                <div class="pane"><EmptyState icon="send" title="No webhook yet"
                    text="Make one to have a chat, a pipeline or your own service told when a model version is registered or an alias moves."/></div>
            }.into_any() } else { view! {
                <div class="pane" tabindex="0" role="region" aria-label="Webhooks"><table class="grid">
                    <thead><tr><th scope="col">"Name"</th><th scope="col" class="wide-only">"To"</th><th scope="col" class="wide-only">"Events"</th>
                        <th scope="col">"Last message"</th><th scope="col" class="num">"Changed"</th></tr></thead>
                    <tbody>{move || list.get().items.into_iter().map(|w| line(w, chosen)).collect_view()}</tbody>
                </table></div>
            }.into_any() }}
        </Loaded>
        <form::Editor editing done=move |()| all.refetch()/>
    }
}

fn line(webhook: Webhook, chosen: Param) -> impl IntoView {
    let id = webhook.id.clone();
    let events = webhook.events.iter().map(|e| event_words(e)).collect::<Vec<_>>().join(", ");
    let mut few = webhook.events.first().map(|e| event_words(e)).unwrap_or_default();
    if webhook.events.len() > 1 {
        few = format!("{few} and {} more", webhook.events.len() - 1);
    }
    let last = match &webhook.last {
        Some(last) => view! { <Pill status=status(last)/>" "<span class="dim"><TimeAgo at=last.tried_at.unwrap_or(last.created_at)/></span> }.into_any(),
        None => view! { <span class="dim">"none yet"</span> }.into_any(),
    };
    view! {
        <tr><td><button type="button" class="link name" on:click=move |_| chosen.push(&id)>{webhook.name}</button>
                {(!webhook.active).then(|| view! { " " <Pill status=Status::new(Tone::Neutral, "Off")/> })}</td>
            <td class="mono wide-only" title=webhook.url.clone()>{webhook.url.clone()}</td>
            <td class="wide-only" title=events>{few}</td>
            <td>{last}</td><td class="num dim"><TimeAgo at=webhook.updated_at/></td></tr>
    }
}

#[component]
fn One(all: Remote<Page<Webhook>>, chosen: Param) -> impl IntoView {
    let found = memo(move || {
        let id = chosen.get();
        all.data.with(|page| page.as_ref().map(|page| page.items.iter().find(|w| w.id == id).cloned()))
    });
    view! {
        <div class="toolbar"><Button small=true icon="chevron-left" on_press=move |_| chosen.clear()>"All webhooks"</Button></div>
        <Loaded remote=all let:_list>
            {move || match found.get().map(|found| found.is_some()) {
                Some(true) => {
                    let webhook = Signal::derive(move || found.get().flatten());
                    view! { <Shown webhook all chosen/> }.into_any()
                }
                _ => view! { <div class="pane"><EmptyState icon="send" title="This webhook is gone" text="It was deleted, with its log."/></div> }.into_any(),
            }}
        </Loaded>
    }
}

#[component]
fn Shown(webhook: Signal<Option<Webhook>>, all: Remote<Page<Webhook>>, chosen: Param) -> impl IntoView {
    let id = memo(move || webhook.with(|w| w.as_ref().map(|w| w.id.clone()).unwrap_or_default()));
    let name = memo(move || webhook.with(|w| w.as_ref().map(|w| w.name.clone()).unwrap_or_default()));
    let active = memo(move || webhook.with(|w| w.as_ref().is_some_and(|w| w.active)));
    let editing = RwSignal::new(None::<Option<Webhook>>);
    let (deleting, testing, switching) = (RwSignal::new(false), RwSignal::new(false), RwSignal::new(false));
    let fresh = RwSignal::new(0u64);
    let test = move |_| {
        let path = format!("/webhooks/{}/test", api::seg(&id.get_untracked()));
        let call = async move { api::post_empty::<DeliveryDetail>(&path).await };
        act(testing, "The test was not sent", call, move |sent| {
            fresh.update(|n| *n += 1);
            all.refetch();
            match (sent.delivery.error, sent.delivery.answer_status) {
                (None, Some(code)) => toast(Tone::Good, "The receiver took the test", &format!("It answered {code}.")),
                (error, _) => toast(Tone::Bad, "The test failed", &error.unwrap_or_default()),
            }
        });
    };
    let switch = move |_| {
        let path = format!("/webhooks/{}", api::seg(&id.get_untracked()));
        let wish = UpdateWebhook { active: Some(!active.get_untracked()), ..UpdateWebhook::default() };
        let call = async move { api::patch::<_, Webhook>(&path, &wish).await };
        act(switching, "It was not switched", call, move |now| {
            all.refetch();
            toast(Tone::Good, if now.active { "The webhook is on" } else { "The webhook is off" }, "");
        });
    };
    let delete = move |()| {
        let path = format!("/webhooks/{}", api::seg(&id.get_untracked()));
        act(switching, "The webhook was not deleted", async move { api::delete(&path).await }, move |()| {
            deleting.set(false);
            chosen.clear();
            all.refetch();
            toast(Tone::Good, "Webhook deleted", "");
        });
    };
    view! {
        <div class="card">
            <div class="card-head"><h2>{move || name.get()}{move || (!active.get()).then(|| view! { " " <Pill status=Status::new(Tone::Neutral, "Off")/> })}</h2>
                <div class="actions">
                    <Button small=true icon="send" busy=testing on_press=test>"Test"</Button>
                    <Button small=true icon="pencil" on_press=move |_| editing.set(webhook.get_untracked().map(Some))>"Edit"</Button>
                    <Button small=true busy=switching on_press=switch>{move || if active.get() { "Switch off" } else { "Switch on" }}</Button>
                    <Button small=true look=Look::Danger icon="trash-2" on_press=move |_| deleting.set(true)>"Delete"</Button>
                </div></div>
            {move || webhook.get().map(facts)}
        </div>
        <log::Log webhook=id fresh/>
        <form::Editor editing done=move |()| all.refetch()/>
        <ConfirmDialog open=deleting title="Delete this webhook?" name=name action="Delete the webhook" on_confirm=delete busy=switching>
            <p>"Its log goes, and what waits to be sent is not sent any more. The receiver hears nothing from now on."</p>
        </ConfirmDialog>
    }
}

fn facts(webhook: Webhook) -> impl IntoView {
    let events = webhook.events.iter().map(|e| view! { <span class="tag">{event_words(e)}</span> " " }).collect_view();
    view! {
        <dl class="facts">
            <dt>"Sends to"</dt><dd class="mono">{webhook.url}</dd>
            <dt>"When"</dt><dd>{events}</dd>
            {(!webhook.description.is_empty()).then(|| view! { <dt>"What for"</dt><dd>{webhook.description}</dd> })}
            <dt>"Signed"</dt><dd>{if webhook.signed {
                view! { <Icon name="lock"/>" yes, X-MLflow-Signature: HMAC-SHA256 with the secret" }.into_any()
            } else {
                view! { "no: the receiver cannot tell who sent a message" }.into_any()
            }}</dd>
            <dt>"Made by"</dt><dd>{webhook.created_by}" · "<TimeAgo at=webhook.created_at/></dd>
        </dl>
    }
}
