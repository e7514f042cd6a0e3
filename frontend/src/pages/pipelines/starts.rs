//! What starts a pipeline by itself: its schedules, its triggers.

use super::{schedules::Schedules, words::trigger};
use crate::{
    api::{self, seg},
    live::remote,
    pages::parts::is_engineer,
    reactive::memo,
    ui::{Button, Card, CopyButton, Show, Tone, act, toast},
};
use drydock_wire::{
    events::Topic,
    pipelines::{PipelineDetail, Trigger, TriggerKind},
};
use leptos::prelude::*;

/// What starts it is of the pipeline, not of a version; parameters are those of the newest, whichever version the page shows.
#[component]
pub fn Starts(pipeline: Signal<PipelineDetail>) -> impl IntoView {
    let name = memo(move || pipeline.with(|p| p.summary.name.clone()));
    let is_old = memo(move || pipeline.with(|p| p.version != p.summary.version));
    let path = move || is_old.get().then(|| format!("/pipelines/{}", seg(&name.get())));
    let newest = remote::<PipelineDetail>(path, &[Topic::Pipelines]);
    let pipeline = Signal::derive(move || newest.data.get().filter(|_| is_old.get()).unwrap_or_else(|| pipeline.get()));
    let triggers = memo(move || pipeline.with(|p| p.triggers.clone()));
    view! {
        <div class="split">
            <Schedules pipeline/>
            <Card title="Triggers">
                <Show when=move || triggers.with(|all| !all.is_empty()) fallback=|| view! {
                    <p class="dim none">"Nothing that happens starts it. Under triggers in its YAML it can follow a new dataset version, an alert, a drift finding, another pipeline or a webhook."</p>
                }>
                    <ul class="plain-list starts">{move || triggers.get().into_iter().map(|t| view! { <OneTrigger t name/> }).collect_view()}</ul>
                </Show>
            </Card>
        </div>
    }
}

#[component]
fn OneTrigger(t: Trigger, name: Memo<String>) -> impl IntoView {
    let busy = RwSignal::new(false);
    let token = RwSignal::new(t.token.clone());
    let id = StoredValue::new(t.id.clone());
    let renew = move |_| {
        let path = format!("/pipelines/{}/triggers/{}/token", seg(&name.get_untracked()), seg(&id.get_value()));
        act(
            busy,
            "The webhook has no new token",
            async move { api::post_empty::<Trigger>(&path).await },
            move |made| {
                token.set(made.token);
                toast(Tone::Good, "The webhook has a new token", "The one before is refused from now on.");
            },
        );
    };
    let words = match (t.kind, t.state) {
        (TriggerKind::Pipeline, Some(state)) => format!("When the pipeline {} {}", t.subject, state.as_str()),
        (kind, _) => format!("On a {}", trigger(kind, &t.subject)),
    };
    let words = words
        .replace("On a alert", "On the alert")
        .replace("On a drift", "On a drift finding")
        .replace("On a end", "At the end");
    let address = t.hook.clone().map(|hook| format!("{}{hook}", window().location().origin().unwrap_or_default()));
    view! {
        <li>
            <div class="start-head"><b>{words}</b><span class="dim push">"in the name of "{t.by}</span></div>
            {address.map(|address| {
                let copied = address.clone();
                view! {
                    <div class="secret"><code>"POST "{address}</code><CopyButton text=Signal::stored(copied) what="Copy the webhook's address"/></div>
                    <p class="note">"With the header Authorization: Bearer TOKEN; the body's fields are parameters of the run."</p>
                    {move || token.get().map(|t| { let copied = t.clone(); view! {
                        <p class="soft">"Copy the token now; it is not shown again."</p>
                        <div class="secret"><code>{t}</code><CopyButton text=Signal::stored(copied) what="Copy the token"/></div>
                    } })}
                    {is_engineer().then(|| view! { <Button small=true icon="key-round" busy on_press=renew>"New token"</Button> })}
                }
            })}
        </li>
    }
}
