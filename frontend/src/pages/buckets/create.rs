//! The dialog that makes a bucket.

use crate::{
    api::{self, seg},
    app::go,
    reactive::effect,
    ui::{Button, Dialog, Field, Look, SelectField, act},
};
use drydock_wire::{
    storage::{BucketAccess, BucketSummary, CreateBucket},
    validate,
};
use leptos::prelude::*;

#[component]
pub fn CreateBucketDialog(open: RwSignal<bool>) -> impl IntoView {
    view! { <Dialog open title="New bucket"><CreateForm open/></Dialog> }
}

/// The choice of who may use a bucket, for selects.
pub fn access_choices() -> Vec<(String, String)> {
    vec![
        ("project".into(), "Everybody here: viewers read, engineers write".into()),
        ("private".into(), "Private: its owner, admins, and whom you grant it".into()),
    ]
}

pub fn access_word(access: BucketAccess) -> &'static str {
    match access {
        BucketAccess::Project => "project",
        BucketAccess::Private => "private",
    }
}

pub fn access_of(word: &str) -> BucketAccess {
    if word == "private" { BucketAccess::Private } else { BucketAccess::Project }
}

#[component]
fn CreateForm(open: RwSignal<bool>) -> impl IntoView {
    let (name, access) = (RwSignal::new(String::new()), RwSignal::new("project".to_owned()));
    let versioned = RwSignal::new(false);
    let (busy, tried) = (RwSignal::new(false), RwSignal::new(false));
    effect(move || {
        if !open.get() {
            name.set(String::new());
            tried.set(false);
        }
    });
    let submit = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        tried.set(true);
        let wish = CreateBucket {
            name: name.get_untracked().trim().to_owned(),
            access: access_of(&access.get_untracked()),
            versioned: versioned.get_untracked(),
        };
        if validate::bucket(&wish.name).is_err() {
            return;
        }
        let call = async move { api::post::<_, BucketSummary>("/buckets", &wish).await };
        act(busy, "The bucket was not made", call, move |made| {
            open.set(false);
            go(&format!("/buckets/{}", seg(&made.name)));
        });
    };
    view! {
        <form novalidate on:submit=submit>
            <Field id="bucket-name" label="Name" value=name check=validate::bucket tried=tried mono=true autofocus=true
                hint="As S3 has it: 3 to 63 lower-case letters, digits, dots and dashes. It cannot be changed later."/>
            <SelectField id="bucket-access" label="Who may use it" value=access options=access_choices()/>
            <label class="check">
                <input type="checkbox" prop:checked=move || versioned.get() on:change:target=move |e| versioned.set(e.target().checked())/>
                "Keep older versions of files that are replaced or deleted"
            </label>
            <div class="actions">
                <Button on_press=move |_| open.set(false)>"Cancel"</Button>
                <Button look=Look::Primary submit=true busy=busy>"Make the bucket"</Button>
            </div>
        </form>
    }
}
