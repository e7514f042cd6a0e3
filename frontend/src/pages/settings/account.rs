//! One's password and one's signed-in browsers.

use crate::app::app;
use crate::{
    api,
    live::remote,
    session::use_me,
    ui::{Button, Card, Field, Loaded, Look, Pill, Status, TimeAgo, Tone, act, theme::Theme, toast},
};
use drydock_wire::{
    accounts::{ChangePassword, Session},
    validate,
};
use leptos::prelude::*;

#[component]
pub fn Account() -> impl IntoView {
    view! { <div class="columns-2"><Password/><div class="stack"><Who/><Appearance/></div></div> }
}

#[component]
fn Who() -> impl IntoView {
    let me = move || use_me().map(|me| (me.username, me.role.as_str())).unwrap_or_default();
    view! {
        <Card title="Account">
            <dl class="facts">
                <dt>"Username"</dt><dd>{move || me().0}</dd>
                <dt>"Role"</dt><dd>{move || match me().1 {
                    "viewer" => "viewer: sees everything, changes nothing",
                    "engineer" => "engineer: runs experiments, jobs, models, datasets and deployments",
                    "admin" => "admin: also manages people and the box",
                    _ => "",
                }}</dd>
            </dl>
        </Card>
    }
}

#[component]
fn Appearance() -> impl IntoView {
    let theme = app().theme;
    view! {
        <Card title="Appearance">
            <div class="chips" role="group" aria-label="Theme">
                {[Theme::System, Theme::Light, Theme::Dark].map(|choice| view! {
                    <button type="button" class="chip" aria-pressed=move || (theme.get() == choice).to_string()
                        on:click=move |_| theme.set(choice)>{choice.label()}</button>
                }).collect_view()}
            </div>
        </Card>
    }
}

#[component]
fn Password() -> impl IntoView {
    let [current, new, again] = [String::new(), String::new(), String::new()].map(RwSignal::new);
    let (busy, tried) = (RwSignal::new(false), RwSignal::new(false));
    let differs = Signal::derive(move || {
        let wrong = again.with(|a| *a != new.get()) && (tried.get() || again.with(|a| !a.is_empty()));
        wrong.then(|| "The two passwords differ.".to_owned())
    });
    let submit = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        tried.set(true);
        let change = ChangePassword { current: current.get_untracked(), new: new.get_untracked() };
        if change.current.is_empty() || validate::password(&change.new).is_err() || differs.get_untracked().is_some() {
            return;
        }
        act(
            busy,
            "The password was not changed",
            async move { api::post::<_, ()>("/me/password", &change).await },
            move |()| {
                [current, new, again].iter().for_each(|field| field.set(String::new()));
                tried.set(false);
                toast(Tone::Good, "Password changed", "Your other sessions were ended.");
            },
        );
    };
    view! {
        <Card title="Change the password">
            <form novalidate on:submit=submit>
                <Field id="current" label="Current password" value=current kind="password" autocomplete="current-password" check=given tried=tried/>
                <Field id="new" label="New password" value=new kind="password" autocomplete="new-password" check=validate::password tried=tried
                    hint="At least 12 characters; a few words in a row are good."/>
                <Field id="again" label="New password again" value=again kind="password" autocomplete="new-password" refused=differs/>
                <div class="actions"><Button look=Look::Primary submit=true busy=busy>"Change the password"</Button></div>
            </form>
        </Card>
    }
}

fn given(text: &str) -> Result<(), &'static str> {
    (!text.is_empty()).then_some(()).ok_or("Enter your current password.")
}

/// The browsers that are signed in as this person.
#[component]
pub fn Sessions() -> impl IntoView {
    let sessions = remote::<Vec<Session>>(|| Some("/sessions".into()), &[]);
    let busy = RwSignal::new(false);
    let end = move |id: String| {
        let path = format!("/sessions/{}", api::seg(&id));
        act(busy, "The session was not ended", async move { api::delete(&path).await }, move |()| {
            toast(Tone::Good, "Session ended", "");
            sessions.refetch();
        });
    };
    let line = move |s: Session| {
        let id = s.id.clone();
        let last = if s.current {
            view! { <Pill status=Status::new(Tone::Good, "This browser")/> }.into_any()
        } else {
            view! { <Button small=true look=Look::Danger busy=busy on_press=move |_| end(id.clone())>"End"</Button> }
                .into_any()
        };
        view! {
            <tr><td>{browser(&s.user_agent)}</td><td class="mono">{s.address}</td><td><TimeAgo at=s.last_used_at/></td>
                <td class="wide-only"><TimeAgo at=s.created_at/></td><td class="num">{last}</td></tr>
        }
    };
    view! {
        <Loaded remote=sessions let:list>
            <div class="pane" tabindex="0" role="region" aria-label="Signed-in browsers"><table class="grid">
                <thead><tr><th scope="col">"Browser"</th><th scope="col">"Address"</th><th scope="col">"Last used"</th>
                    <th scope="col" class="wide-only">"Signed in"</th><th scope="col"><span class="sr">"Action"</span></th></tr></thead>
                <tbody>{move || list.get().into_iter().map(line).collect_view()}</tbody>
            </table></div>
        </Loaded>
    }
}

/// The browser and the system of a user agent, in words.
fn browser(agent: &str) -> String {
    let name =
        [("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari")];
    let system =
        [("Windows", "Windows"), ("Android", "Android"), ("iPhone", "iPhone"), ("Mac OS", "macOS"), ("Linux", "Linux")];
    let find =
        |list: &[(&str, &'static str)]| list.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name);
    match (find(&name), find(&system)) {
        (Some(name), Some(system)) => format!("{name} on {system}"),
        (Some(name), None) => name.to_owned(),
        (None, _) => agent.chars().take(60).collect(),
    }
}
