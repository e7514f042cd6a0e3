//! Making and changing a webhook.

use super::event_words;
use crate::{
    api,
    reactive::memo,
    ui::{Button, Dialog, Field, Look, Tone, act, opened_by, toast},
};
use drydock_wire::webhooks::{CreateWebhook, EVENTS, UpdateWebhook, Webhook};
use leptos::prelude::*;

fn check_name(text: &str) -> Result<(), &'static str> {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let inner = text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    let good = inner && text.len() <= 63 && edge(text.chars().next()) && edge(text.chars().next_back());
    good.then_some(()).ok_or("Use letters, digits, dots, dashes and underscores, such as team-chat.")
}

fn check_url(text: &str) -> Result<(), &'static str> {
    let good =
        ["https://", "http://"].iter().any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()));
    good.then_some(()).ok_or("Enter the whole address, such as https://chat.example/hooks/models.")
}

/// `editing`: absent: closed; `Some(None)`: a new one; else that one.
#[component]
pub fn Editor(editing: RwSignal<Option<Option<Webhook>>>, #[prop(into)] done: Callback<()>) -> impl IntoView {
    let open = opened_by(editing);
    let title = Signal::derive(move || match editing.get() {
        Some(Some(_)) => "Edit the webhook".to_owned(),
        _ => "New webhook".to_owned(),
    });
    view! {
        <Dialog open title wide=true>
            {move || editing.get_untracked().map(|old| view! { <Form old open done/> })}
        </Dialog>
    }
}

#[component]
fn Form(old: Option<Webhook>, open: RwSignal<bool>, done: Callback<()>) -> impl IntoView {
    let text = |of: fn(&Webhook) -> String| RwSignal::new(old.as_ref().map(of).unwrap_or_default());
    let (name, url, description) = (text(|w| w.name.clone()), text(|w| w.url.clone()), text(|w| w.description.clone()));
    let secret = RwSignal::new(String::new());
    let usual = || vec!["model_version.created".to_owned(), "model_version_alias.created".to_owned()];
    let events = RwSignal::new(old.as_ref().map_or_else(usual, |w| w.events.clone()));
    let (busy, tried) = (RwSignal::new(false), RwSignal::new(false));
    let signed = old.as_ref().is_some_and(|w| w.signed);
    let id = old.map(|w| w.id);
    let is_new = id.is_none();
    let none = memo(move || tried.get() && events.with(Vec::is_empty));
    let submit = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        tried.set(true);
        let (name, url, events) = (name.get_untracked(), url.get_untracked(), events.get_untracked());
        if check_name(&name).is_err() || check_url(&url).is_err() || events.is_empty() {
            return;
        }
        let (description, secret) = (description.get_untracked(), secret.get_untracked());
        let secret = (!secret.is_empty()).then_some(secret);
        let id = id.clone();
        let call = async move {
            match id {
                None => {
                    let wish = CreateWebhook { name, url, description, events, secret, active: None };
                    api::post::<_, Webhook>("/webhooks", &wish).await
                }
                Some(id) => {
                    let wish = UpdateWebhook {
                        name: Some(name),
                        url: Some(url),
                        description: Some(description),
                        events: Some(events),
                        secret,
                        active: None,
                    };
                    api::patch::<_, Webhook>(&format!("/webhooks/{}", api::seg(&id)), &wish).await
                }
            }
        };
        act(busy, "The webhook was not saved", call, move |saved| {
            open.set(false);
            done.run(());
            toast(Tone::Good, &format!("{} saved", saved.name), "Use Test to see whether the receiver hears it.");
        });
    };
    let choose = move |event: &'static str, on: bool| {
        events.update(|all| {
            all.retain(|one| one != event);
            if on {
                all.push(event.to_owned());
            }
        });
    };
    // budgets are a thing of MLflow's own gateway and never happen here
    let offered = EVENTS.into_iter().filter(|event| !event.starts_with("budget"));
    view! {
        <form novalidate on:submit=submit>
            <Field id="webhook-name" label="Name" value=name check=check_name tried=tried autofocus=is_new/>
            <Field id="webhook-url" label="Address" value=url check=check_url tried=tried mono=true
                hint="Public https addresses work at once; those of the LAN have to be allowed in drydock.toml, [webhooks] allow."/>
            <fieldset class="events"><legend>"Tell when"</legend>
                {offered.map(|event| view! {
                    <label class="check"><input type="checkbox" prop:checked=move || events.with(|all| all.iter().any(|one| one == event))
                        on:change:target=move |e| choose(event, e.target().checked())/>{event_words(event)}</label>
                }).collect_view()}
                <p class="note" class:missing=move || none.get()>{move || if none.get() { "Choose at least one." } else { "Model tags are not told, as in MLflow." }}</p>
            </fieldset>
            <Field id="webhook-secret" label="Secret" value=secret kind="password" autocomplete="new-password"
                hint=if signed { "Leave it empty to keep the secret that is there." } else { "Messages are signed with it, so that the receiver knows that they are yours. May stay empty." }/>
            <Field id="webhook-description" label="What for" value=description/>
            <div class="actions">
                <Button on_press=move |_| open.set(false)>"Cancel"</Button>
                <Button look=Look::Primary submit=true busy>{if is_new { "Make the webhook" } else { "Save" }}</Button>
            </div>
        </form>
    }
}
