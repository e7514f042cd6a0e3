//! The login page.

use crate::{
    api,
    app::{go_instead, set_title},
    session,
    ui::{Button, Field, Icon, Look},
};
use drydock_wire::{
    ErrorCode,
    accounts::{Login, Me, SetupState},
};
use leptos::{prelude::*, task::spawn_local};
use leptos_router::hooks::use_query_map;

#[component]
pub fn LoginPage() -> impl IntoView {
    set_title("Log in");
    let next = use_query_map();
    let [username, password] = [String::new(), String::new()].map(RwSignal::new);
    let busy = RwSignal::new(false);
    let refused = RwSignal::new(None::<String>);
    // a box without its first admin has nobody who could log in
    spawn_local(async {
        if api::get::<SetupState>("/setup").await.is_ok_and(|s| s.needed) {
            go_instead("/setup");
        }
    });
    let submit = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        if busy.get_untracked() {
            return;
        }
        let login = Login { username: username.get_untracked().trim().to_owned(), password: password.get_untracked() };
        if login.username.is_empty() || login.password.is_empty() {
            return refused.set(Some("Enter your username and your password.".into()));
        }
        busy.set(true);
        refused.set(None);
        let next = next.get_untracked().get("next");
        spawn_local(async move {
            let answer = api::post::<_, Me>("/login", &login).await;
            let _ = busy.try_set(false);
            match answer {
                Ok(me) => {
                    session::begun(me);
                    go_instead(&own_address(next));
                }
                Err(error) => {
                    let words = match error.code {
                        ErrorCode::Unauthenticated => "The username or the password is not right.".to_owned(),
                        _ => error.message,
                    };
                    let _ = refused.try_set(Some(words));
                    let _ = password.try_set(String::new());
                }
            }
        });
    };
    view! {
        <Gate title="Log in" text="Use the account that an admin of this box made for you.">
            <form novalidate on:submit=submit>
                <Alert text=refused/>
                <Field id="username" label="Username" value=username autocomplete="username" autofocus=true/>
                <Field id="password" label="Password" value=password kind="password" autocomplete="current-password"/>
                <Button look=Look::Primary submit=true busy=busy>"Log in"</Button>
            </form>
        </Gate>
    }
}

/// Only addresses of this very dashboard: `//elsewhere` and `https:` are not.
fn own_address(next: Option<String>) -> String {
    next.filter(|to| to.starts_with('/') && !to.starts_with("//") && !to.contains('\\')).unwrap_or_else(|| "/".into())
}

/// The frame of the pages before the login.
#[component]
pub fn Gate(title: &'static str, text: &'static str, children: Children) -> impl IntoView {
    view! {
        <div class="gate">
            <main id="main" class="gate-card">
                <div class="brand"><span class="mark" aria-hidden="true"></span>"Drydock"</div>
                <h1>{title}</h1>
                <p>{text}</p>
                {children()}
            </main>
            <footer class="gate-foot">"Everything stays on this box."</footer>
        </div>
    }
}

/// What the server refused, above the fields.
#[component]
pub fn Alert(text: RwSignal<Option<String>>) -> impl IntoView {
    move || {
        text.get().map(
            |text| view! { <div class="alert bad" role="alert"><Icon name="circle-alert"/><span>{text}</span></div> },
        )
    }
}
