//! The first admin of a box, made with the one-time secret from the server's console.

use super::login::{Alert, Gate};
use crate::{
    api,
    app::{go_instead, set_title},
    session,
    ui::{Button, Field, Look},
};
use drydock_wire::{
    accounts::{CompleteSetup, Login, Me, SetupState},
    validate,
};
use leptos::{prelude::*, task::spawn_local};

fn secret(text: &str) -> Result<(), &'static str> {
    (!text.trim().is_empty()).then_some(()).ok_or("Paste the secret that the server printed when it started.")
}

#[component]
pub fn SetupPage() -> impl IntoView {
    set_title("Set up");
    let [secret_text, username, password, again] =
        [String::new(), "admin".into(), String::new(), String::new()].map(RwSignal::new);
    let (busy, tried) = (RwSignal::new(false), RwSignal::new(false));
    let refused = RwSignal::new(None::<String>);
    spawn_local(async {
        if api::get::<SetupState>("/setup").await.is_ok_and(|s| !s.needed) {
            go_instead("/login");
        }
    });
    let differs = Signal::derive(move || {
        let wrong = again.with(|a| !a.is_empty() && *a != password.get());
        wrong.then(|| "The two passwords differ.".to_owned())
    });
    let submit = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        tried.set(true);
        let setup = CompleteSetup {
            secret: secret_text.get_untracked().trim().to_owned(),
            username: username.get_untracked().trim().to_owned(),
            password: password.get_untracked(),
        };
        let sound =
            secret(&setup.secret).and(validate::username(&setup.username)).and(validate::password(&setup.password));
        if sound.is_err() || busy.get_untracked() {
            return;
        }
        if again.get_untracked() != setup.password {
            return refused.set(Some("Type the same password twice.".into()));
        }
        busy.set(true);
        refused.set(None);
        spawn_local(async move {
            let answer = make_admin(setup).await;
            let _ = busy.try_set(false);
            match answer {
                Ok(me) => {
                    session::begun(me);
                    go_instead("/");
                }
                Err(error) => drop(refused.try_set(Some(error.message))),
            }
        });
    };
    view! {
        <Gate title="Set up this box" text="Make the first admin. The one-time secret is on the server's console and in its log.">
            <form novalidate on:submit=submit>
                <Alert text=refused/>
                <Field id="secret" label="One-time secret" value=secret_text check=secret tried=tried mono=true autofocus=true/>
                <Field id="username" label="Username" value=username check=validate::username tried=tried autocomplete="username"
                    hint="Lower-case letters, digits, dots and dashes."/>
                <div>
                    <Field id="password" label="Password" value=password check=validate::password tried=tried kind="password"
                        autocomplete="new-password" hint="At least 12 characters; a few words in a row are good."/>
                    <Strength password/>
                </div>
                <Field id="again" label="Password again" value=again kind="password" autocomplete="new-password" refused=differs/>
                <Button look=Look::Primary submit=true busy=busy>"Create the admin"</Button>
            </form>
        </Gate>
    }
}

/// Makes the admin and makes sure that this browser is signed in as them.
async fn make_admin(setup: CompleteSetup) -> Result<Me, api::ApiError> {
    let login = Login { username: setup.username.clone(), password: setup.password.clone() };
    api::post::<_, serde_json::Value>("/setup", &setup).await?;
    match api::get::<Me>("/me").await {
        Ok(me) => Ok(me),
        Err(_) => api::post("/login", &login).await,
    }
}

/// How far a password is on its way: length counts, and that the rules hold.
#[component]
fn Strength(password: RwSignal<String>) -> impl IntoView {
    let level = move || {
        password.with(|p| match p.chars().count() {
            0 => 0,
            _ if validate::password(p).is_err() => 1,
            12..=15 => 2,
            16..=21 => 3,
            _ => 4,
        })
    };
    view! { <div class="strength" aria-hidden="true">{(1..=4).map(|n| view! { <i class:on=move || { level() >= n }></i> }).collect_view()}</div> }
}
