//! People and their roles, for admins.

use crate::{
    api,
    live::remote,
    reactive::effect,
    session::use_me,
    ui::{Button, CopyButton, Dialog, Field, Loaded, Look, Pill, SelectField, Status, TimeAgo, Tone, act, toast},
};
use drydock_wire::{
    accounts::{CreatePerson, PasswordLink, Person, Role, UpdatePerson},
    validate,
};
use leptos::prelude::*;

#[component]
pub fn People() -> impl IntoView {
    let people = remote::<Vec<Person>>(|| Some("/people".into()), &[]);
    let adding = RwSignal::new(false);
    let editing = RwSignal::new(None::<Person>);
    let changed = Callback::new(move |()| people.refetch());
    view! {
        <div class="row">
            <p class="dim">"Viewers see everything; engineers also run and deploy; admins also manage people and the box."</p>
            <span class="spread"></span>
            <Button look=Look::Primary icon="plus" on_press=move |_| adding.set(true)>"Add a person"</Button>
        </div>
        <Loaded remote=people let:list>
            <div class="pane" tabindex="0" role="region" aria-label="People"><table class="grid">
                <thead><tr><th scope="col">"Username"</th><th scope="col">"Role"</th><th scope="col">"State"</th>
                    <th scope="col" class="wide-only">"Last seen"</th><th scope="col"><span class="sr">"Action"</span></th></tr></thead>
                <tbody>{move || list.get().into_iter().map(|p| line(p, editing)).collect_view()}</tbody>
            </table></div>
        </Loaded>
        <Add open=adding changed/>
        <Edit person=editing changed/>
    }
}

fn line(person: Person, editing: RwSignal<Option<Person>>) -> impl IntoView {
    let this = person.clone();
    let state =
        if person.disabled { Status::new(Tone::Neutral, "Disabled") } else { Status::new(Tone::Good, "Active") };
    let name = person.username.clone();
    let own = move || use_me().is_some_and(|me| me.username == name);
    let label = format!("Change {}", person.username);
    view! {
        <tr><td><b class="name">{person.username}</b>{move || own().then(|| view! { <span class="dim">" (you)"</span> })}</td>
            <td>{person.role.as_str()}</td><td><Pill status=state/></td>
            <td class="wide-only">{match person.last_seen_at {
                Some(at) => view! { <TimeAgo at/> }.into_any(),
                None => view! { <span class="dim">"never"</span> }.into_any(),
            }}</td>
            <td class="num"><Button small=true on_press=move |_| editing.set(Some(this.clone()))>"Change"<span class="sr">{format!(": {label}")}</span></Button></td></tr>
    }
}

fn roles() -> Vec<(String, String)> {
    [(Role::Viewer, "Viewer"), (Role::Engineer, "Engineer"), (Role::Admin, "Admin")]
        .map(|(r, t)| (r.as_str().into(), t.into()))
        .into()
}

#[component]
fn Add(open: RwSignal<bool>, changed: Callback<()>) -> impl IntoView {
    let [username, password, role] = [String::new(), String::new(), "engineer".into()].map(RwSignal::new);
    let (busy, tried) = (RwSignal::new(false), RwSignal::new(false));
    effect(move || {
        if !open.get() {
            username.set(String::new());
            password.set(String::new());
            tried.set(false);
        }
    });
    let submit = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        tried.set(true);
        let role = Role::parse(&role.get_untracked()).unwrap_or(Role::Viewer);
        let person = CreatePerson {
            username: username.get_untracked(),
            password: Some(password.get_untracked()).filter(|text| !text.is_empty()),
            role,
        };
        if validate::username(&person.username).and(empty_or_password(&password.get_untracked())).is_err() {
            return;
        }
        act(
            busy,
            "The person was not added",
            async move { api::post::<_, Person>("/people", &person).await },
            move |person| {
                open.set(false);
                toast(Tone::Good, "Person added", &format!("{} can log in now.", person.username));
                changed.run(());
            },
        );
    };
    view! {
        <Dialog open title="Add a person">
            <form novalidate on:submit=submit>
                <Field id="person-name" label="Username" value=username check=validate::username tried=tried autofocus=true/>
                <Field id="person-password" label="First password" value=password kind="password" autocomplete="new-password"
                    check=empty_or_password tried=tried hint="At least 12 characters. Leave it empty, and send them a link with which they set their own."/>
                <SelectField id="person-role" label="Role" value=role options=roles()/>
                <div class="actions">
                    <Button on_press=move |_| open.set(false)>"Cancel"</Button>
                    <Button look=Look::Primary submit=true busy=busy>"Add the person"</Button>
                </div>
            </form>
        </Dialog>
    }
}

#[component]
fn Edit(person: RwSignal<Option<Person>>, changed: Callback<()>) -> impl IntoView {
    let open = RwSignal::new(false);
    let (role, password) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let (disabled, busy) = (RwSignal::new(false), RwSignal::new(false));
    effect(move || {
        if let Some(person) = person.get() {
            role.set(person.role.as_str().to_owned());
            disabled.set(person.disabled);
            password.set(String::new());
            open.set(true);
        }
    });
    effect(move || {
        if !open.get() {
            person.set(None);
        }
    });
    let name = move || person.with(|p| p.as_ref().map(|p| p.username.clone()).unwrap_or_default());
    let submit = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        let Some(before) = person.get_untracked() else { return };
        let new_password = password.get_untracked();
        if !new_password.is_empty() && validate::password(&new_password).is_err() {
            return;
        }
        let change = UpdatePerson {
            role: Role::parse(&role.get_untracked()).filter(|r| *r != before.role),
            disabled: Some(disabled.get_untracked()).filter(|d| *d != before.disabled),
            password: Some(new_password).filter(|p| !p.is_empty()),
        };
        let path = format!("/people/{}", api::seg(&before.username));
        act(
            busy,
            "The person was not changed",
            async move { api::patch::<_, Person>(&path, &change).await },
            move |_| {
                open.set(false);
                toast(Tone::Good, "Changed", "");
                changed.run(());
            },
        );
    };
    view! {
        <Dialog open title=Signal::derive(move || format!("Change {}", name()))>
            <form novalidate on:submit=submit>
                <SelectField id="edit-role" label="Role" value=role options=roles()/>
                <Field id="edit-password" label="New password" value=password kind="password" autocomplete="new-password"
                    check=empty_or_password hint="Leave empty to keep the present one."/>
                <Links name=Signal::derive(name)/>
                <label class="check"><input type="checkbox" prop:checked=move || disabled.get()
                    on:change:target=move |e| disabled.set(e.target().checked())/>"Disabled: cannot log in, tokens are refused"</label>
                <div class="actions">
                    <Button on_press=move |_| open.set(false)>"Cancel"</Button>
                    <Button look=Look::Primary submit=true busy=busy>"Save"</Button>
                </div>
            </form>
        </Dialog>
    }
}

/// A link for who has no password or forgot it, and the end of all sessions.
#[component]
fn Links(name: Signal<String>) -> impl IntoView {
    let (busy, leaving) = (RwSignal::new(false), RwSignal::new(false));
    let link = RwSignal::new(None::<String>);
    effect(move || {
        name.track();
        link.set(None);
    });
    let make = move |_| {
        let path = format!("/people/{}/password-link", api::seg(&name.get_untracked()));
        let call = async move { api::post_empty::<PasswordLink>(&path).await };
        act(busy, "The link was not made", call, move |made| {
            let origin = window().location().origin().unwrap_or_default();
            link.set(Some(format!("{origin}{}", made.path)));
        });
    };
    let leave = move |_| {
        let path = format!("/people/{}/sessions", api::seg(&name.get_untracked()));
        act(leaving, "The sessions did not end", async move { api::delete(&path).await }, move |()| {
            toast(Tone::Good, "Logged out everywhere", "");
        });
    };
    view! {
        <div class="row">
            <Button small=true busy=busy on_press=make>"Make a password link"</Button>
            <Button small=true busy=leaving on_press=leave>"Log out everywhere"</Button>
        </div>
        {move || link.get().map(|text| view! {
            <p class="soft">"Good once, for a day; it is not shown again."</p>
            <div class="secret"><code data-testid="password-link">{text.clone()}</code><CopyButton text=Signal::stored(text) what="Copy the link"/></div>
        })}
    }
}

fn empty_or_password(text: &str) -> Result<(), &'static str> {
    if text.is_empty() { Ok(()) } else { validate::password(text) }
}
