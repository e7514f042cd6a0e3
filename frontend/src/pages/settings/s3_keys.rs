//! Keys for S3 clients: with a name, an end, and what they are limited to. A secret is shown once.

use crate::{
    api,
    live::remote,
    reactive::effect,
    session::{may, use_me},
    ui::{
        Button, ConfirmDialog, CopyButton, Dialog, EmptyState, Field, Icon, Loaded, Look, SelectField, Show, TimeAgo,
        Tone, act, toast, url::param,
    },
};
use drydock_wire::{
    accounts::Role,
    storage::{BucketSummary, CreateS3Key, CreatedS3Key, KeyScope, S3Key},
    validate,
};
use leptos::prelude::*;

#[component]
pub fn S3Keys() -> impl IntoView {
    let whose = param("keys", "");
    let admin = untrack(|| may(Role::Admin));
    let all = move || admin && whose.is("all");
    let keys =
        remote::<Vec<S3Key>>(move || Some(if all() { "/s3-keys?all=true".into() } else { "/s3-keys".into() }), &[]);
    let making = RwSignal::new(false);
    let ending = RwSignal::new(None::<S3Key>);
    view! {
        <div class="row">
            <p class="dim">"For boto3, dvc, aws-cli, rclone: a key may do what its person may, or less. Jobs have keys of their own."</p>
            <span class="spread"></span>
            {admin.then(|| view! {
                <label class="check"><input type="checkbox" prop:checked=all on:change:target=move |e| whose.set(if e.target().checked() { "all" } else { "" })/>"Of everybody"</label>
            })}
            <Button look=Look::Primary icon="plus" on_press=move |_| making.set(true)>"New S3 key"</Button>
        </div>
        <Loaded remote=keys let:list>
            {move || if list.with(Vec::is_empty) { view! {
                <div class="pane"><EmptyState icon="key-round" title="No S3 key yet"
                    text="Make one for each program. A bucket's page has settings to paste under “Connect”."/></div>
            }.into_any() } else { view! {
                <div class="pane" tabindex="0" role="region" aria-label="S3 keys"><table class="grid">
                    <thead><tr><th scope="col">"Name"</th><th scope="col">"Access key"</th><th scope="col">"Opens"</th><th scope="col">"Last used"</th><th scope="col">"Expires"</th>
                        <th scope="col"><span class="sr">"Action"</span></th></tr></thead>
                    <tbody>{list.get().into_iter().map(|key| line(key, all(), ending)).collect_view()}</tbody>
                </table></div>
            }.into_any() }}
        </Loaded>
        <NewKey open=making done=move |()| keys.refetch()/>
        <End key=ending done=move |()| keys.refetch()/>
    }
}

fn line(key: S3Key, named: bool, ending: RwSignal<Option<S3Key>>) -> impl IntoView {
    let this = key.clone();
    let at = |at: Option<i64>, none: &'static str| match at {
        Some(at) => view! { <TimeAgo at/> }.into_any(),
        None => view! { <span class="dim">{none}</span> }.into_any(),
    };
    let over = key.expires_at.is_some_and(|end| (end as f64) < js_sys::Date::now());
    let expires = match over {
        true => view! { <span class="missing">"expired"</span> }.into_any(),
        false => at(key.expires_at, "never"),
    };
    let own = use_me().is_some_and(|me| me.username == key.username);
    let copied = key.access_key.clone();
    view! {
        <tr><td><b class="name">{if key.name.is_empty() { "without a name".to_owned() } else { key.name }}</b>{(named && !own).then(|| view! { <span class="dim">" of "{key.username}</span> })}</td>
            <td><code>{key.access_key}</code><CopyButton text=Signal::stored(copied) what="Copy the access key"/></td>
            <td>{opens(&key.scopes)}</td><td>{at(key.last_used_at, "never")}</td><td>{expires}</td>
            <td class="num"><Button small=true look=Look::Danger on_press=move |_| ending.set(Some(this.clone()))>"End"</Button></td></tr>
    }
}

fn opens(scopes: &[KeyScope]) -> AnyView {
    if scopes.is_empty() {
        return view! { <span class="dim">"whatever its person may"</span> }.into_any();
    }
    let one = |scope: &KeyScope| {
        let text = format!("{}/{}", scope.bucket, scope.prefix);
        view! { <span class="tag">{text}{if scope.may_write { " · writes" } else { " · reads" }}</span>" " }
    };
    scopes.iter().map(one).collect_view().into_any()
}

/// The fields of one scope.
#[derive(Clone, Copy)]
struct Row {
    id: u32,
    bucket: RwSignal<String>,
    prefix: RwSignal<String>,
    may_write: RwSignal<bool>,
}

#[component]
fn NewKey(open: RwSignal<bool>, #[prop(into)] done: Callback<()>) -> impl IntoView {
    let (name, days) = (RwSignal::new(String::new()), RwSignal::new("90".to_owned()));
    let rows = RwSignal::new(Vec::<Row>::new());
    let (busy, tried) = (RwSignal::new(false), RwSignal::new(false));
    let made = RwSignal::new(None::<CreatedS3Key>);
    effect(move || {
        if !open.get() {
            made.set(None);
            name.set(String::new());
            rows.set(vec![]);
            tried.set(false);
        }
    });
    let submit = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        tried.set(true);
        let scope = |row: &Row| KeyScope {
            bucket: row.bucket.get_untracked().trim().to_owned(),
            prefix: row.prefix.get_untracked().trim().to_owned(),
            may_write: row.may_write.get_untracked(),
        };
        let wish = CreateS3Key {
            name: name.get_untracked(),
            expires_in_days: days.get_untracked().parse().ok(),
            scopes: rows.with_untracked(|rows| rows.iter().map(scope).collect()),
            project: crate::project::chosen(),
        };
        if validate::label(&wish.name).is_err() || wish.scopes.iter().any(|s| validate::bucket(&s.bucket).is_err()) {
            return;
        }
        let call = async move { api::post::<_, CreatedS3Key>("/s3-keys", &wish).await };
        act(busy, "The key was not made", call, move |key| {
            made.set(Some(key));
            done.run(());
        });
    };
    view! {
        <Dialog open wide=true title=Signal::derive(move || if made.with(Option::is_some) { "Your new S3 key".to_owned() } else { "New S3 key".into() })>
            {move || match made.get() {
                Some(key) => shown_once(key, open).into_any(),
                None => view! {
                    <form novalidate on:submit=submit>
                        <div class="cols">
                            <Field id="key-name" label="Name" value=name check=validate::label tried=tried hint="The program it is for: “dvc on my laptop”." autofocus=true/>
                            <SelectField id="key-days" label="Expires after" value=days options=lasts()/>
                        </div>
                        <Scopes rows tried/>
                        <div class="actions">
                            <Button on_press=move |_| open.set(false)>"Cancel"</Button>
                            <Button look=Look::Primary submit=true busy=busy>"Make the key"</Button>
                        </div>
                    </form>
                }.into_any(),
            }}
        </Dialog>
    }
}

fn lasts() -> Vec<(String, String)> {
    [("30", "30 days"), ("90", "90 days"), ("365", "A year"), ("", "Never")].map(|(v, t)| (v.into(), t.into())).into()
}

#[component]
fn Scopes(rows: RwSignal<Vec<Row>>, tried: RwSignal<bool>) -> impl IntoView {
    let buckets = remote::<Vec<BucketSummary>>(|| Some("/buckets".into()), &[]);
    let names = move || buckets.data.with(|list| list.iter().flatten().map(|b| b.name.clone()).collect::<Vec<_>>());
    let add = move |_| {
        let id = rows.with_untracked(|rows| rows.last().map_or(1, |row| row.id + 1));
        let text = || RwSignal::new(String::new());
        rows.update(|rows| rows.push(Row { id, bucket: text(), prefix: text(), may_write: RwSignal::new(false) }));
    };
    view! {
        <div class="field">
            <span class="label">"What it opens"</span>
            <datalist id="key-buckets">{move || names().into_iter().map(|name| view! { <option value=name></option> }).collect_view()}</datalist>
            <Show when=move || rows.with(|rows| !rows.is_empty()) fallback=|| view! { <p class="dim none">"Whatever you may open. Limit it to what the program needs:"</p> }>
                <ol class="rules">
                    <For each=move || rows.get() key=|row| row.id let:row>
                        <li class="rule" class:invalid=move || tried.get() && row.bucket.with(|b| validate::bucket(b.trim()).is_err())>
                            <input class="mono" aria-label="Bucket" placeholder="bucket" list="key-buckets" bind:value=row.bucket spellcheck="false" autocapitalize="off"/>
                            <input class="grow mono" aria-label="Folder" placeholder="all of it, or a folder such as raw/" bind:value=row.prefix spellcheck="false" autocapitalize="off"/>
                            <label class="check"><input type="checkbox" prop:checked=move || row.may_write.get() on:change:target=move |e| row.may_write.set(e.target().checked())/>"may write"</label>
                            <button type="button" class="icon-btn" aria-label="Remove this bucket" title="Remove"
                                on:click=move |_| rows.update(|all| all.retain(|other| other.id != row.id))><Icon name="x"/></button>
                        </li>
                    </For>
                </ol>
            </Show>
            <Button small=true icon="plus" on_press=add>"Limit it to a bucket"</Button>
        </div>
    }
}

fn shown_once(made: CreatedS3Key, open: RwSignal<bool>) -> impl IntoView {
    let (access, secret) = (made.key.access_key.clone(), made.secret_key.clone());
    view! {
        <p class="soft">"Copy both now; the secret is not shown again."</p>
        <div class="labelled"><span class="label">"Access key"</span>
            <div class="secret"><code data-testid="access-key">{made.key.access_key}</code><CopyButton text=Signal::stored(access) what="Copy the access key"/></div></div>
        <div class="labelled"><span class="label">"Secret key"</span>
            <div class="secret"><code data-testid="secret-key">{made.secret_key}</code><CopyButton text=Signal::stored(secret) what="Copy the secret key"/></div></div>
        <div class="actions"><Button look=Look::Primary on_press=move |_| open.set(false)>"Done"</Button></div>
    }
}

#[component]
fn End(key: RwSignal<Option<S3Key>>, #[prop(into)] done: Callback<()>) -> impl IntoView {
    let (open, busy) = (RwSignal::new(false), RwSignal::new(false));
    effect(move || {
        if key.with(Option::is_some) {
            open.set(true);
        }
    });
    effect(move || {
        if !open.get() {
            key.set(None);
        }
    });
    let name = Signal::derive(move || {
        key.with(|k| {
            k.as_ref()
                .map(|k| if k.name.is_empty() { k.access_key.clone() } else { k.name.clone() })
                .unwrap_or_default()
        })
    });
    let confirm = move |()| {
        let Some(access) = key.with_untracked(|k| k.as_ref().map(|k| k.access_key.clone())) else { return };
        let path = format!("/s3-keys/{}", api::seg(&access));
        act(busy, "The key was not ended", async move { api::delete(&path).await }, move |()| {
            open.set(false);
            toast(Tone::Good, "S3 key ended", "");
            done.run(());
        });
    };
    view! {
        <ConfirmDialog open title="End this S3 key?" name action="End the key" on_confirm=confirm busy=busy>
            <p>"Programs that use it are refused from now on. It cannot be brought back; make another instead."</p>
        </ConfirmDialog>
    }
}
