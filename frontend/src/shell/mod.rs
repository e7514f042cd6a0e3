//! The frame around every page: navigation, top bar, banners, palette, keys. Nobody sees a page of it before the server
//! said who they are.

mod keys;
mod nav;
mod palette;
mod topbar;

use crate::{
    api::{self, ApiError},
    app::{app, go_instead},
    live::{Remote, remote},
    reactive::{effect, memo},
    session,
    ui::{ErrorState, Icon, Show, with_code},
};
use drydock_wire::{
    ErrorCode,
    accounts::{Me, SetupState},
    events::Topic,
    overview::Overview,
    store::DiskLevel,
};
use leptos::{html, prelude::*, task::spawn_local};
use leptos_router::{components::Outlet, hooks::use_location};
use std::time::Duration;

/// The box and its counts, asked for once for the whole frame.
pub fn use_overview() -> Remote<Overview> {
    expect_context()
}

#[component]
pub fn Shell() -> impl IntoView {
    let signed_in = Memo::new(|_| app().me.with(Option::is_some));
    let failed = RwSignal::new(None::<ApiError>);
    effect(move || {
        if !signed_in.get() {
            spawn_local(find_out(failed));
        }
    });
    let waiting = move || {
        failed.get().map(|error| {
            let retry = move |()| spawn_local(find_out(failed));
            view! { <main id="main" class="alone"><ErrorState error retry/></main> }
        })
    };
    view! { <Show when=move || signed_in.get() fallback=waiting><Frame/></Show> }
}

/// Who is at the browser? Goes to the setup or login page where that is the answer.
async fn find_out(failed: RwSignal<Option<ApiError>>) {
    let answer = match api::get::<SetupState>("/setup").await {
        Ok(state) if state.needed => return go_instead("/setup"),
        Ok(_) => api::get::<Me>("/me").await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(me) => {
            let _ = failed.try_set(None);
            session::begun(me);
        }
        Err(error) if error.code == ErrorCode::Unauthenticated => to_login(),
        // the project that was shown is gone, or this person is no member of it
        Err(error) if error.code == ErrorCode::NotFound && crate::project::chosen().is_some() => {
            crate::project::choose(None);
        }
        Err(error) => drop(failed.try_set(Some(error))),
    }
}

fn to_login() {
    let location = window().location();
    let path = location.pathname().unwrap_or_default();
    if path == "/login" {
        return;
    }
    let next = format!("{path}{}", location.search().unwrap_or_default());
    let query = if next == "/" { String::new() } else { format!("?next={}", api::seg(&next)) };
    go_instead(&format!("/login{query}"));
}

#[component]
fn Frame() -> impl IntoView {
    let overview = remote::<Overview>(|| Some("/overview".into()), &[Topic::Overview]).every(Duration::from_secs(5));
    provide_context(overview);
    keys::listen();
    let main = NodeRef::<html::Main>::new();
    let path = use_location().pathname;
    Effect::new(move |before: Option<String>| {
        let now = path.get();
        if before.is_some_and(|before| before != now) {
            app().drawer_open.set(false);
            if let Some(main) = main.get_untracked() {
                main.set_scroll_top(0);
                let _ = main.focus();
            }
        }
        now
    });
    view! {
        <a class="skip" href="#main">"Skip to content"</a>
        <div class="shell">
            <nav::Sidebar/>
            <div class="stage">
                <topbar::TopBar/>
                <DiskBanner/>
                <Banner/>
                <main id="main" tabindex="-1" node_ref=main><Outlet/></main>
            </div>
            <nav::BottomBar/>
        </div>
        <nav::Drawer/>
        <palette::Palette/>
        <keys::Shortcuts/>
    }
}

/// A full disk is told on every page: whatever a person tries next may be refused.
#[component]
fn DiskBanner() -> impl IntoView {
    let overview = use_overview();
    let is_full =
        memo(move || overview.data.with(|o| o.as_ref().is_some_and(|o| o.box_info.disk_level == DiskLevel::Full)));
    view! {
        <Show when=move || is_full.get()>
            <div class="banner" role="status" data-testid="disk-banner"><Icon name="hard-drive"/>
                <p><b>"The disk of the box is full: nothing more is taken."</b>" Reading and deleting go on. "<a href="/store">"See what can go"</a></p></div>
        </Show>
    }
}

/// What keeps containers from running, with what to do about it.
#[component]
fn Banner() -> impl IntoView {
    let overview = use_overview();
    let text = memo(move || {
        overview.data.with(|o| {
            let docker = &o.as_ref()?.docker;
            if !docker.available {
                let why = docker.message.clone().unwrap_or_else(|| "Start it with `systemctl start docker`.".into());
                // it answers, but cannot run anything: the reason says all
                let text = if docker.version.is_some() { why } else { format!("Docker is not running. {why}") };
                Some((text, "Jobs and deployments wait and go on by themselves when it is back."))
            } else if !docker.runtime_image {
                let text = "The runtime image is not on this box yet.";
                Some((text.to_owned(), "Jobs that use it wait until it was built or loaded; `make up` does that."))
            } else {
                None
            }
        })
    });
    move || {
        text.get().map(|(what, then)| {
            view! { <div class="banner" role="status" data-testid="docker-banner"><Icon name="unplug"/><p><b>{with_code(&what)}</b>" "{with_code(then)}</p></div> }
        })
    }
}
