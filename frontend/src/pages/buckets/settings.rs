//! A bucket's settings, all saved together; and its end.

use super::{
    create::{access_choices, access_of, access_word},
    path,
    rules::{Cors, CorsFields, GrantFields, Grants, Lifecycle, LifecycleFields},
};
use crate::{
    api,
    app::go,
    format,
    reactive::memo,
    ui::{Button, Card, ConfirmDialog, Field, Look, SelectField, Tone, act, toast},
};
use drydock_wire::storage::{BucketDetail, BucketSettings, Versioning};
use leptos::prelude::*;

const GIB: f64 = (1u64 << 30) as f64;

#[component]
pub fn Settings(detail: Signal<BucketDetail>, #[prop(into)] done: Callback<()>) -> impl IntoView {
    let start = detail.get_untracked();
    let name = memo(move || detail.with(|d| d.summary.name.clone()));
    let access = RwSignal::new(access_word(start.summary.access).to_owned());
    let versioning = RwSignal::new(versioning_word(start.summary.versioning).to_owned());
    let quota = RwSignal::new(start.summary.quota_bytes.map(|bytes| gib(bytes)).unwrap_or_default());
    let (grants, lifecycle, cors) =
        (Grants::new(&start.grants), Lifecycle::new(&start.lifecycle), Cors::new(&start.cors));
    let busy = RwSignal::new(false);
    let wish = move || -> Result<BucketSettings, String> {
        Ok(BucketSettings {
            access: access_of(&access.get()),
            versioning: versioning_of(&versioning.get()),
            quota_bytes: read_quota(&quota.get())?,
            lifecycle: lifecycle.rules()?,
            cors: cors.rules()?,
            grants: grants.grants()?,
        })
    };
    let why_not = Signal::derive(move || wish().err());
    let save = move |_| {
        let Ok(wish) = untrack(wish) else { return };
        let to = path(&name.get_untracked(), "");
        let call = async move { api::put::<_, BucketDetail>(&to, &wish).await };
        act(busy, "The settings were not saved", call, move |_| {
            toast(Tone::Good, "Settings saved", "");
            done.run(());
        });
    };
    view! {
        <div class="split">
            <Card title="Access">
                <SelectField id="set-access" label="Who may use it" value=access options=access_choices()/>
                <div class="field">
                    <span class="label">"Grants"</span>
                    <GrantFields list=grants/>
                    <p class="note">"A viewer reads, whatever a grant says; nobody gets more than their role."</p>
                </div>
            </Card>
            <Card title="Content">
                <SelectField id="set-versioning" label="Older versions" value=versioning options=versioning_choices(start.summary.versioning)/>
                <Field id="set-quota" label="Quota in GiB" value=quota hint="Empty: no limit but the disk. Older versions and parts of unfinished uploads count."/>
            </Card>
        </div>
        <Card title="What goes by itself"><LifecycleFields list=lifecycle/></Card>
        <Card title="Web pages of other sites (CORS)"><CorsFields list=cors/></Card>
        <div class="actions"><Button look=Look::Primary icon="save" busy why_not on_press=save>"Save the settings"</Button></div>
        <Removal detail name/>
    }
}

#[component]
fn Removal(detail: Signal<BucketDetail>, name: Memo<String>) -> impl IntoView {
    let (open, busy) = (RwSignal::new(false), RwSignal::new(false));
    let confirm = move |()| {
        let gone = name.get_untracked();
        let to = path(&gone, "?with_objects=true");
        act(busy, "The bucket was not deleted", async move { api::delete(&to).await }, move |()| {
            open.set(false);
            toast(Tone::Good, "Bucket deleted", &gone);
            go("/buckets");
        });
    };
    let goes = move || {
        detail.with(|d| {
            let mut parts = vec![format!(
                "{} and all their older versions, {} together",
                format::plural(d.summary.object_count, "object"),
                format::bytes(d.summary.size_bytes)
            )];
            if d.open_uploads > 0 {
                parts.push(format::plural(d.open_uploads, "unfinished upload"));
            }
            format!("It goes for good with all that is in it: {}. Links to its files and keys limited to it open nothing any more.", parts.join("; "))
        })
    };
    view! {
        <Card title="The end of it">
            <div class="row"><p class="dim">"Nothing of a deleted bucket can be restored."</p><span class="spread"></span>
                <Button look=Look::Danger icon="trash-2" on_press=move |_| open.set(true)>"Delete this bucket"</Button></div>
        </Card>
        <ConfirmDialog open title="Delete this bucket?" name action="Delete the bucket" on_confirm=confirm busy=busy>
            <p>{goes}</p>
        </ConfirmDialog>
    }
}

fn versioning_word(versioning: Versioning) -> &'static str {
    match versioning {
        Versioning::Off => "off",
        Versioning::On => "on",
        Versioning::Suspended => "suspended",
    }
}

fn versioning_of(word: &str) -> Versioning {
    match word {
        "on" => Versioning::On,
        "suspended" => Versioning::Suspended,
        _ => Versioning::Off,
    }
}

/// What was on cannot be as if it never had been: older versions are there.
fn versioning_choices(now: Versioning) -> Vec<(String, String)> {
    let on = ("on".to_owned(), "Keep what is replaced or deleted".to_owned());
    match now {
        Versioning::Off => vec![("off".into(), "None: a new file replaces the old one for good".into()), on],
        _ => vec![on, ("suspended".into(), "Suspended: what is there stays, new ones are not kept".into())],
    }
}

fn gib(bytes: u64) -> String {
    let text = format!("{:.3}", bytes as f64 / GIB);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn read_quota(text: &str) -> Result<Option<u64>, String> {
    match text.trim() {
        "" => Ok(None),
        text => match text.parse::<f64>() {
            Ok(gib) if gib > 0.0 && gib < 1e9 => Ok(Some((gib * GIB) as u64)),
            _ => Err("The quota is a number of GiB above 0, or empty.".into()),
        },
    }
}
