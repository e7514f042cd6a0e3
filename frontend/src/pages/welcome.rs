//! Where a link leads that an admin made: the person sets a password with it, once.

use super::login::{Alert, Gate};
use crate::{
    api,
    app::{go, set_title},
    ui::{Button, Field, Look, Tone, toast},
};
use drydock_wire::{accounts::UsePasswordLink, validate};
use leptos::{prelude::*, task::spawn_local};

#[component]
pub fn WelcomePage() -> impl IntoView {
    set_title("Set your password");
    // behind the number sign, so that it is in no server's log
    let secret = window().location().hash().unwrap_or_default().trim_start_matches('#').to_owned();
    let password = RwSignal::new(String::new());
    let (busy, tried) = (RwSignal::new(false), RwSignal::new(false));
    let refused = RwSignal::new(None::<String>);
    let submit = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        tried.set(true);
        let wish = UsePasswordLink { secret: secret.clone(), password: password.get_untracked() };
        if busy.get_untracked() || validate::password(&wish.password).is_err() {
            return;
        }
        busy.set(true);
        refused.set(None);
        spawn_local(async move {
            let answer = api::post_nothing("/password-link", &wish).await;
            let _ = busy.try_set(false);
            match answer {
                Ok(()) => {
                    go("/login");
                    toast(Tone::Good, "Your password is set", "Log in with it now.");
                }
                Err(error) => drop(refused.try_set(Some(error.message))),
            }
        });
    };
    view! {
        <Gate title="Set your password" text="The link that you were given is good once.">
            <form novalidate on:submit=submit>
                <Alert text=refused/>
                <Field id="new-password" label="New password" value=password kind="password" autocomplete="new-password"
                    check=validate::password tried=tried hint="At least 12 characters; a few words in a row are good." autofocus=true/>
                <Button look=Look::Primary submit=true busy=busy>"Set the password"</Button>
            </form>
        </Gate>
    }
}
