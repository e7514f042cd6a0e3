//! The Dockerfile that a form means, before it is built.

use super::form::Form;
use crate::{
    api,
    ui::{Button, Card, CopyButton, Dialog, act, opened_by},
};
use drydock_wire::builds::BuildPreview;
use leptos::prelude::*;

/// A button that shows it; `tried` marks the fields that are wrong.
#[component]
pub fn PreviewButton(form: Form, tried: RwSignal<bool>) -> impl IntoView {
    let busy = RwSignal::new(false);
    let seen = RwSignal::new(None::<BuildPreview>);
    let open = opened_by(seen);
    let look = move |_| {
        tried.set(true);
        let Some(wish) = form.read(false) else { return };
        let call = async move { api::post::<_, BuildPreview>("/builds/preview", &wish).await };
        act(busy, "There is no preview", call, move |answer| seen.set(Some(answer)));
    };
    view! {
        <Button icon="eye" busy on_press=look>"Show the Dockerfile"</Button>
        <Dialog open wide=true title="The Dockerfile that this means">
            {move || seen.get_untracked().map(|it| view! { <Preview it open/> })}
        </Dialog>
    }
}

#[component]
fn Preview(it: BuildPreview, open: RwSignal<bool>) -> impl IntoView {
    let text = Signal::stored(it.dockerfile.clone());
    view! {
        <div class="copied"><pre class="code" tabindex="0" aria-label="Dockerfile">{it.dockerfile}</pre><CopyButton text what="Copy the Dockerfile"/></div>
        {(!it.bases.is_empty()).then(|| view! {
            <Card title="Built from"><ul class="plain-list">{it.bases.into_iter().map(|base| view! { <li class="mono wrap">{base}</li> }).collect_view()}</ul></Card>
        })}
        <div class="actions">
            <Button on_press=move |_| open.set(false)>"Close"</Button>
        </div>
    }
}
