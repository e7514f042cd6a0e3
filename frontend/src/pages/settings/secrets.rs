//! Secrets of the box: values that jobs get as files. A value goes in and is never shown again.

use crate::{
    api::{self, seg},
    live::remote,
    pages::parts::Listing,
    reactive::effect,
    ui::{
        Button, ConfirmDialog, Dialog, EmptyState, Field, Loaded, Look, TextArea, TimeAgo, Tone, act, opened_by, toast,
    },
};
use drydock_wire::{
    events::Topic,
    secrets::{PutSecret, Secret},
    validate,
};
use leptos::prelude::*;

#[component]
pub fn Secrets() -> impl IntoView {
    let secrets = remote::<Listing<Secret>>(|| Some("/secrets".into()), &[Topic::Jobs]);
    // nothing: closed; an empty name: a new one
    let setting = RwSignal::new(None::<String>);
    let deleting = RwSignal::new(None::<Secret>);
    view! {
        <div class="row wrap-row">
            <p class="dim">"Jobs that name one find it in /run/secrets. Values are kept sealed, shown as *** in logs, and never read back."</p>
            <span class="spread"></span>
            <Button look=Look::Primary icon="plus" on_press=move |_| setting.set(Some(String::new()))>"New secret"</Button>
        </div>
        <Loaded remote=secrets let:list>
            {move || if list.with(|l| l.items().is_empty()) { view! {
                <div class="pane"><EmptyState icon="key-round" title="No secret yet"
                    text="Keep a token or a password here, and name it in a job: it becomes a file that only its container sees. On the command line: `drydock secret set NAME --stdin`"/></div>
            }.into_any() } else { view! {
                <div class="pane" tabindex="0" role="region" aria-label="Secrets"><table class="grid">
                    <thead><tr><th scope="col">"Name"</th><th scope="col" class="wide-only">"Used by"</th><th scope="col">"Set"</th>
                        <th scope="col"><span class="sr">"Actions"</span></th></tr></thead>
                    <tbody>{list.with(|l| l.items().to_vec()).into_iter().map(|s| line(s, setting, deleting)).collect_view()}</tbody>
                </table></div>
            }.into_any() }}
        </Loaded>
        <SetSecret name=setting done=move |()| secrets.refetch()/>
        <Delete secret=deleting done=move |()| secrets.refetch()/>
    }
}

fn line(secret: Secret, setting: RwSignal<Option<String>>, deleting: RwSignal<Option<Secret>>) -> impl IntoView {
    let (this, name) = (secret.clone(), secret.name.clone());
    let used = match secret.job_ids.len() {
        0 => "no job that waits or runs".to_owned(),
        n => crate::format::plural(n as u64, "job"),
    };
    view! {
        <tr><td><b class="name mono">{secret.name}</b></td><td class="wide-only dim">{used}</td>
            <td><TimeAgo at=secret.updated_at/>" "<span class="dim">"by "{secret.updated_by}</span></td>
            <td class="num row-actions"><Button small=true icon="pencil" on_press=move |_| setting.set(Some(name.clone()))>"New value"</Button>" "
                <Button small=true look=Look::Danger on_press=move |_| deleting.set(Some(this.clone()))>"Delete"</Button></td></tr>
    }
}

#[component]
fn SetSecret(name: RwSignal<Option<String>>, #[prop(into)] done: Callback<()>) -> impl IntoView {
    let open = opened_by(name);
    let given = move || name.get().unwrap_or_default();
    let title = Signal::derive(move || match given() {
        n if n.is_empty() => "New secret".to_owned(),
        n => format!("New value of {n}"),
    });
    let (typed, value) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let (busy, tried) = (RwSignal::new(false), RwSignal::new(false));
    effect(move || {
        if !open.get() {
            typed.set(String::new());
            value.set(String::new());
            tried.set(false);
        }
    });
    let submit = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        tried.set(true);
        let name =
            Some(untrack(given)).filter(|n| !n.is_empty()).unwrap_or_else(|| typed.get_untracked().trim().to_owned());
        if validate::slug(&name).is_err() || value.with_untracked(String::is_empty) {
            return;
        }
        let (path, wish) = (format!("/secrets/{}", seg(&name)), PutSecret { value: value.get_untracked() });
        let call = async move { api::put::<_, Secret>(&path, &wish).await };
        act(busy, "The secret was not kept", call, move |_| {
            open.set(false);
            toast(Tone::Good, "The secret is kept", "Jobs that start from now on get this value.");
            done.run(());
        });
    };
    let refused =
        Signal::derive(move || (tried.get() && value.with(String::is_empty)).then(|| "Give it a value.".to_owned()));
    view! {
        <Dialog open title>
            <form novalidate on:submit=submit>
                {given().is_empty().then(|| view! { <Field id="secret-name" label="Name" value=typed check=validate::slug tried=tried mono=true autofocus=true
                    hint="Its file in /run/secrets, unless a job says otherwise."/> })}
                <TextArea id="secret-value" label="Value" value=value rows=4 mono=true refused hint="Text of up to 64 KiB. It is not shown again."/>
                <div class="actions">
                    <Button on_press=move |_| open.set(false)>"Cancel"</Button>
                    <Button look=Look::Primary submit=true busy=busy>"Keep the secret"</Button>
                </div>
            </form>
        </Dialog>
    }
}

#[component]
fn Delete(secret: RwSignal<Option<Secret>>, #[prop(into)] done: Callback<()>) -> impl IntoView {
    let open = opened_by(secret);
    let busy = RwSignal::new(false);
    let name = Signal::derive(move || secret.with(|s| s.as_ref().map(|s| s.name.clone()).unwrap_or_default()));
    let confirm = move |()| {
        let path = format!("/secrets/{}", seg(&untrack(|| name.get())));
        act(busy, "The secret was not deleted", async move { api::delete(&path).await }, move |()| {
            open.set(false);
            toast(Tone::Good, "Secret deleted", "");
            done.run(());
        });
    };
    view! {
        <ConfirmDialog open title="Delete this secret?" name=name action="Delete the secret" on_confirm=confirm busy=busy>
            <p>"Its value is gone for good. Jobs that name it are refused from now on; while one waits or runs, it cannot be deleted."</p>
        </ConfirmDialog>
    }
}
