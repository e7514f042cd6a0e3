//! Things to press.

use super::Icon;
use leptos::{ev, prelude::*, task::spawn_local};
use std::time::Duration;
use wasm_bindgen_futures::JsFuture;

#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub enum Look {
    #[default]
    Plain,
    Primary,
    /// Takes something away: red text; solid inside a dialog that confirms it.
    Danger,
    DangerSolid,
    /// No border until hovered.
    Quiet,
}

impl Look {
    fn class(self) -> &'static str {
        match self {
            Self::Plain => "btn",
            Self::Primary => "btn primary",
            Self::Danger => "btn danger",
            Self::DangerSolid => "btn danger solid",
            Self::Quiet => "btn quiet",
        }
    }
}

/// `<Button look=Look::Primary icon="play" on_press=move |_| … busy=busy>"Run"</Button>`.
/// `why_not` gives the reason while it cannot be pressed; it then stays visible, dimmed, with the reason as its tooltip.
#[component]
pub fn Button(
    #[prop(optional)] look: Look,
    #[prop(optional)] icon: Option<&'static str>,
    #[prop(optional)] small: bool,
    /// A submit button of the form around it.
    #[prop(optional)]
    submit: bool,
    #[prop(optional, into)] busy: Option<Signal<bool>>,
    #[prop(optional, into)] why_not: Option<Signal<Option<String>>>,
    #[prop(optional, into)] on_press: Option<Callback<ev::MouseEvent>>,
    /// For tests, where role and name are not enough.
    #[prop(optional)]
    testid: Option<&'static str>,
    children: Children,
) -> impl IntoView {
    let busy = move || busy.is_some_and(|b| b.get());
    let reason = move || why_not.and_then(|w| w.get());
    view! {
        <button
            type=if submit { "submit" } else { "button" }
            class=look.class()
            class:small=small
            class:busy=busy
            data-testid=testid
            aria-busy=move || busy().then_some("true")
            aria-disabled=move || (busy() || reason().is_some()).then_some("true")
            title=reason
            on:click=move |e| {
                if busy() || reason().is_some() {
                    e.prevent_default();
                } else if let Some(press) = on_press {
                    press.run(e);
                }
            }
        >
            {icon.map(|name| move || view! { <Icon name=if busy() { "loader-circle" } else { name }/> })}
            {children()}
        </button>
    }
}

/// A link that looks like a button.
#[component]
pub fn LinkButton(
    #[prop(into)] href: String,
    #[prop(optional)] look: Look,
    #[prop(optional)] icon: Option<&'static str>,
    #[prop(optional)] small: bool,
    children: Children,
) -> impl IntoView {
    view! { <a class=look.class() class:small=small href=href>{icon.map(|name| view! { <Icon name/> })}{children()}</a> }
}

/// Copies `text`; `what` names it for screen readers: "Copy the token".
#[component]
pub fn CopyButton(#[prop(into)] text: Signal<String>, what: &'static str) -> impl IntoView {
    let copied = RwSignal::new(false);
    let copy = move |_| {
        let writing = window().navigator().clipboard().write_text(&text.get_untracked());
        spawn_local(async move {
            if JsFuture::from(writing).await.is_ok() {
                let _ = copied.try_set(true);
                set_timeout(
                    move || {
                        let _ = copied.try_set(false);
                    },
                    Duration::from_millis(1500),
                );
            }
        });
    };
    view! {
        <button type="button" class="icon-btn copy" aria-label=what title=what on:click=copy>
            {move || view! { <Icon name=if copied.get() { "check" } else { "copy" }/> }}
        </button>
    }
}
