//! Editing what a model or a version is described as.

use crate::{
    api::{self, seg},
    reactive::effect,
    ui::{Button, Dialog, Look, TextArea, Tone, act, toast},
};
use drydock_wire::registry::Describe;
use leptos::prelude::*;

/// What is described, and as what now.
#[derive(Clone, PartialEq)]
pub struct Described {
    /// Absent: the model itself.
    pub version: Option<i64>,
    pub text: String,
}

#[component]
pub fn DescribeDialog(model: Memo<String>, action: RwSignal<Option<Described>>) -> impl IntoView {
    let (open, busy, text) = (RwSignal::new(false), RwSignal::new(false), RwSignal::new(String::new()));
    effect(move || {
        if let Some(what) = action.get() {
            text.set(what.text);
            open.set(true);
        }
    });
    effect(move || {
        if !open.get() {
            action.set(None);
        }
    });
    let title = Signal::derive(move || match action.get().and_then(|what| what.version) {
        Some(version) => format!("Description of version {version}"),
        None => "Description of the model".to_owned(),
    });
    let save = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        let Some(what) = action.get_untracked() else { return };
        let path = match what.version {
            Some(version) => format!("/models/{}/versions/{version}", seg(&model.get_untracked())),
            None => format!("/models/{}", seg(&model.get_untracked())),
        };
        let wish = Describe { description: Some(text.get_untracked()) };
        let call = async move { api::patch::<_, Option<()>>(&path, &wish).await };
        act(busy, "The description was not saved", call, move |_| {
            open.set(false);
            toast(Tone::Good, "Description saved", "");
        });
    };
    view! {
        <Dialog open title>
            <form novalidate on:submit=save>
                <TextArea id="description" label="Description" value=text rows=5 hint="What somebody should know who finds it in the list."/>
                <div class="actions">
                    <Button on_press=move |_| open.set(false)>"Cancel"</Button>
                    <Button look=Look::Primary submit=true busy>"Save"</Button>
                </div>
            </form>
        </Dialog>
    }
}
