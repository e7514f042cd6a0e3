//! A link that opens one file without a login, until it expires.

use super::path;
use crate::{
    api,
    app::ago,
    reactive::effect,
    ui::{Button, CopyButton, Dialog, Look, SelectField, act},
};
use drydock_wire::storage::{ShareObject, SharedLink};
use leptos::prelude::*;

#[component]
pub fn ShareDialog(
    open: RwSignal<bool>,
    #[prop(into)] bucket: Signal<String>,
    #[prop(into)] key: Signal<String>,
    /// Empty: whatever the key holds when the link is opened.
    #[prop(into)]
    version: Signal<String>,
) -> impl IntoView {
    let lasts = RwSignal::new("86400".to_owned());
    let busy = RwSignal::new(false);
    let made = RwSignal::new(None::<SharedLink>);
    effect(move || {
        if !open.get() {
            made.set(None);
        }
    });
    let choices: Vec<(String, String)> =
        [("3600", "An hour"), ("86400", "A day"), ("259200", "3 days"), ("604800", "A week")]
            .map(|(v, t)| (v.into(), t.into()))
            .into();
    let choices = StoredValue::new(choices);
    let submit = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        let wish = ShareObject {
            key: key.get_untracked(),
            version_id: Some(version.get_untracked()).filter(|version| !version.is_empty()),
            expires_in_s: lasts.get_untracked().parse().unwrap_or(3600),
        };
        let to = path(&bucket.get_untracked(), "/share");
        let call = async move { api::post::<_, SharedLink>(&to, &wish).await };
        act(busy, "The link was not made", call, move |link| made.set(Some(link)));
    };
    view! {
        <Dialog open title=Signal::derive(move || format!("Share {}", super::last(&key.get())))>
            {move || match made.get() {
                Some(link) => shown(link, open).into_any(),
                None => view! {
                    <form novalidate on:submit=submit>
                        <p class="soft">"Whoever has the link can download this file from here without an account, until it expires or the file goes."</p>
                        <SelectField id="share-days" label="Good for" value=lasts options=choices.get_value()/>
                        <div class="actions">
                            <Button on_press=move |_| open.set(false)>"Cancel"</Button>
                            <Button look=Look::Primary submit=true busy=busy>"Make the link"</Button>
                        </div>
                    </form>
                }.into_any(),
            }}
        </Dialog>
    }
}

fn shown(link: SharedLink, open: RwSignal<bool>) -> impl IntoView {
    let url = format!("{}{}", window().location().origin().unwrap_or_default(), link.path);
    let copied = url.clone();
    let expires_at = link.expires_at;
    view! {
        <div class="secret"><code class="link-text" data-testid="share-link">{url}</code><CopyButton text=Signal::stored(copied) what="Copy the link"/></div>
        <p class="dim">{move || format!("It expires {}.", ago(expires_at))}</p>
        <div class="actions"><Button look=Look::Primary on_press=move |_| open.set(false)>"Done"</Button></div>
    }
}
