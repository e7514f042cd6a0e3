//! API tokens: for scripts, the `mlflow` client, CI. A secret is shown once.

use crate::{
    api,
    live::remote,
    reactive::effect,
    ui::{
        Button, ConfirmDialog, CopyButton, Dialog, EmptyState, Field, Loaded, Look, SelectField, TimeAgo, Tone, act,
        toast,
    },
};
use drydock_wire::{
    accounts::{CreateToken, CreatedToken, Role, Token},
    projects::Project,
    validate,
};
use leptos::prelude::*;

#[component]
pub fn Tokens() -> impl IntoView {
    let tokens = remote::<Vec<Token>>(|| Some("/tokens".into()), &[]);
    let making = RwSignal::new(false);
    let revoking = RwSignal::new(None::<Token>);
    view! {
        <div class="row">
            <p class="dim">"For scripts, CI and the mlflow client: a token may do what you may do."</p>
            <span class="spread"></span>
            <Button look=Look::Primary icon="plus" on_press=move |_| making.set(true)>"New token"</Button>
        </div>
        <Loaded remote=tokens let:list>
            {move || if list.with(Vec::is_empty) { view! {
                <div class="pane"><EmptyState icon="key-round" title="No token yet"
                    text="Make one and set it as MLFLOW_TRACKING_TOKEN, or send it as a Bearer token to the API."/></div>
            }.into_any() } else { view! {
                <div class="pane" tabindex="0" role="region" aria-label="API tokens"><table class="grid">
                    <thead><tr><th scope="col">"Name"</th><th scope="col">"Last used"</th><th scope="col">"Expires"</th>
                        <th scope="col" class="wide-only">"Created"</th><th scope="col"><span class="sr">"Action"</span></th></tr></thead>
                    <tbody>{list.get().into_iter().map(|t| token_line(t, revoking)).collect_view()}</tbody>
                </table></div>
            }.into_any() }}
        </Loaded>
        <NewToken open=making done=move |()| tokens.refetch()/>
        <Revoke token=revoking done=move |()| tokens.refetch()/>
    }
}

fn token_line(token: Token, revoking: RwSignal<Option<Token>>) -> impl IntoView {
    let this = token.clone();
    let limits: Vec<String> =
        [token.project.map(|project| format!("in {project} alone")), token.role.map(|role| role.as_str().to_owned())]
            .into_iter()
            .flatten()
            .collect();
    let limits = limits.join(", ");
    let at = |at: Option<i64>, none: &'static str| match at {
        Some(at) => view! { <TimeAgo at/> }.into_any(),
        None => view! { <span class="dim">{none}</span> }.into_any(),
    };
    view! {
        <tr><td><b class="name">{token.name}</b>{(!limits.is_empty()).then(|| view! { <span class="dim">{format!(" {limits}")}</span> })}</td><td>{at(token.last_used_at, "never")}</td><td>{at(token.expires_at, "never")}</td>
            <td class="wide-only"><TimeAgo at=token.created_at/></td>
            <td class="num"><Button small=true look=Look::Danger on_press=move |_| revoking.set(Some(this.clone()))>"Revoke"</Button></td></tr>
    }
}

#[component]
fn NewToken(open: RwSignal<bool>, #[prop(into)] done: Callback<()>) -> impl IntoView {
    let (name, days) = (RwSignal::new(String::new()), RwSignal::new("90".to_owned()));
    let (project, role) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let projects = remote::<Vec<Project>>(|| Some("/projects".into()), &[]);
    let places = Signal::derive(move || {
        let all = projects.data.get().unwrap_or_default();
        let every = [(String::new(), "Wherever you may".to_owned())];
        every.into_iter().chain(all.into_iter().map(|one| (one.id, one.name))).collect::<Vec<_>>()
    });
    let roles: Vec<(String, String)> =
        [("", "All that you may"), ("viewer", "Look, change nothing"), ("engineer", "Work, not administer")]
            .map(|(value, text)| (value.into(), text.into()))
            .into();
    let roles = StoredValue::new(roles);
    let (busy, tried) = (RwSignal::new(false), RwSignal::new(false));
    let made = RwSignal::new(None::<CreatedToken>);
    effect(move || {
        if !open.get() {
            made.set(None);
            name.set(String::new());
            tried.set(false);
        }
    });
    let choices: Vec<(String, String)> = [("30", "30 days"), ("90", "90 days"), ("365", "A year"), ("", "Never")]
        .map(|(v, t)| (v.into(), t.into()))
        .into();
    let submit = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        tried.set(true);
        let wish = CreateToken {
            name: name.get_untracked(),
            expires_in_days: days.get_untracked().parse().ok(),
            project: Some(project.get_untracked()).filter(|project| !project.is_empty()),
            role: Role::parse(&role.get_untracked()),
        };
        if validate::label(&wish.name).is_err() {
            return;
        }
        act(
            busy,
            "The token was not made",
            async move { api::post::<_, CreatedToken>("/tokens", &wish).await },
            move |token| {
                made.set(Some(token));
                done.run(());
            },
        );
    };
    let choices = StoredValue::new(choices);
    view! {
        <Dialog open title=Signal::derive(move || if made.with(Option::is_some) { "Your new token".to_owned() } else { "New token".into() })>
            {move || match made.get() {
                Some(token) => shown_once(token, open).into_any(),
                None => view! {
                    <form novalidate on:submit=submit>
                        <Field id="token-name" label="Name" value=name check=validate::label tried=tried hint="What it is for: “nightly training”." autofocus=true/>
                        <SelectField id="token-days" label="Expires after" value=days options=choices.get_value()/>
                        <SelectField id="token-project" label="Project" value=project options=places
                            hint="Good in one project alone: what the mlflow client makes with it goes there."/>
                        <SelectField id="token-role" label="It may" value=role options=roles.get_value()/>
                        <div class="actions">
                            <Button on_press=move |_| open.set(false)>"Cancel"</Button>
                            <Button look=Look::Primary submit=true busy=busy>"Make the token"</Button>
                        </div>
                    </form>
                }.into_any(),
            }}
        </Dialog>
    }
}

fn shown_once(made: CreatedToken, open: RwSignal<bool>) -> impl IntoView {
    let secret = made.secret.clone();
    view! {
        <p class="soft">"Copy it now; it is not shown again."</p>
        <div class="secret"><code data-testid="token-secret">{made.secret}</code><CopyButton text=Signal::stored(secret) what="Copy the token"/></div>
        <div class="actions"><Button look=Look::Primary on_press=move |_| open.set(false)>"Done"</Button></div>
    }
}

#[component]
fn Revoke(token: RwSignal<Option<Token>>, #[prop(into)] done: Callback<()>) -> impl IntoView {
    let open = RwSignal::new(false);
    let busy = RwSignal::new(false);
    effect(move || {
        if token.with(Option::is_some) {
            open.set(true);
        }
    });
    effect(move || {
        if !open.get() {
            token.set(None);
        }
    });
    let name = Signal::derive(move || token.with(|t| t.as_ref().map(|t| t.name.clone()).unwrap_or_default()));
    let confirm = move |()| {
        let Some(id) = token.with_untracked(|t| t.as_ref().map(|t| t.id.clone())) else { return };
        let path = format!("/tokens/{}", api::seg(&id));
        act(busy, "The token was not revoked", async move { api::delete(&path).await }, move |()| {
            open.set(false);
            toast(Tone::Good, "Token revoked", "");
            done.run(());
        });
    };
    view! {
        <ConfirmDialog open title="Revoke this token?" name=name action="Revoke the token" on_confirm=confirm busy=busy>
            <p>"Whatever uses it is refused from now on. This cannot be undone."</p>
        </ConfirmDialog>
    }
}
