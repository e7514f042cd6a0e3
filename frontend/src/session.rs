//! Who is signed in, and what that role may do. Pages ask `may(Role::Engineer)` and leave out what is not allowed;
//! the server decides again on each request.

use crate::{api, app::app};
use drydock_wire::accounts::{Me, Role};
use leptos::prelude::*;

/// The person at the browser; reactive.
pub fn use_me() -> Option<Me> {
    app().me.get()
}

/// Whether the person's role is at least `role`: in the project that is shown; for what only admins do, on the box. Reactive.
pub fn may(role: Role) -> bool {
    let has = |me: &Me| if role == Role::Admin { me.role } else { me.role_here.unwrap_or(me.role) };
    app().me.with(|me| me.as_ref().is_some_and(|me| has(me) >= role))
}

/// Remembers who signed in and opens the live connection.
pub fn begun(me: Me) {
    app().me.set(Some(me));
    crate::live::start();
}

/// The server no longer knows this session. The shell's guard then goes to the login page.
pub fn ended() {
    crate::live::stop();
    if app().me.with_untracked(Option::is_some) {
        app().me.set(None);
    }
}

/// Signs out here and on the server.
pub async fn log_out() -> Result<(), api::ApiError> {
    let answer = api::post_empty::<serde_json::Value>("/logout").await;
    match answer {
        Err(error) if error.code != drydock_wire::ErrorCode::Unauthenticated => Err(error),
        _ => {
            ended();
            Ok(())
        }
    }
}
