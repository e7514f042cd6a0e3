//! Giving a model another name.

use crate::{
    api::{self, seg},
    app::go_instead,
    ui::{Button, Dialog, Field, Look, Tone, act, toast},
};
use drydock_wire::registry::RenameModel;
use leptos::prelude::*;

#[component]
pub fn RenameButton(model: Memo<String>) -> impl IntoView {
    let (open, name, busy) = (RwSignal::new(false), RwSignal::new(String::new()), RwSignal::new(false));
    let begin = move |_| {
        name.set(model.get_untracked());
        open.set(true);
    };
    let why_not = Signal::derive(move || {
        name.with(|n| match n.trim() {
            "" => Some("Give it a name.".to_owned()),
            same if same == model.get() => Some("That is its name already.".to_owned()),
            _ => None,
        })
    });
    let save = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        let to = name.get_untracked().trim().to_owned();
        let path = format!("/models/{}/rename", seg(&model.get_untracked()));
        let wish = RenameModel { name: to.clone() };
        let call = async move { api::post::<_, Option<()>>(&path, &wish).await };
        act(busy, "The model was not renamed", call, move |_| {
            open.set(false);
            toast(Tone::Good, &format!("Renamed to {to}"), "");
            go_instead(&format!("/models/{}", seg(&to)));
        });
    };
    view! {
        <Button icon="pencil" on_press=begin>"Rename"</Button>
        <Dialog open title="Rename this model">
            <form novalidate on:submit=save>
                <Field id="model-name" label="Name" value=name autofocus=true/>
                <p class="dim">"Versions, aliases and their history come along. Code that loads models:/OLD-NAME/… must be changed."</p>
                <div class="actions">
                    <Button on_press=move |_| open.set(false)>"Cancel"</Button>
                    <Button look=Look::Primary submit=true busy=busy why_not>"Rename the model"</Button>
                </div>
            </form>
        </Dialog>
    }
}
