//! Saved views of the runs table: filter, sort and columns under a name, each with a link to send.

use crate::{
    api,
    app::go_instead,
    live::remote,
    reactive::effect,
    ui::{Button, Dialog, EmptyState, Field, Icon, LinkButton, Look, Show, Skeleton, Tone, act, toast, url::Param},
};
use drydock_wire::tracking::{SaveView, SavedView};
use leptos::{prelude::*, task::spawn_local};
use leptos_router::hooks::use_location;
use wasm_bindgen_futures::JsFuture;

/// The menu of one's views.
#[component]
pub fn Views() -> impl IntoView {
    let location = use_location();
    let list = remote::<Vec<SavedView>>(|| Some("/views?kind=runs".to_owned()), &[]);
    let (naming, name, busy) = (RwSignal::new(false), RwSignal::new(String::new()), RwSignal::new(false));
    let views = move || list.data.get().unwrap_or_default();
    let query = move || location.search.get().trim_start_matches('?').to_owned();
    let save = move || {
        let wish = SaveView { kind: "runs".to_owned(), name: name.get_untracked(), query: untrack(query) };
        act(
            busy,
            "The view was not saved",
            async move { api::post::<_, SavedView>("/views", &wish).await },
            move |view| {
                naming.set(false);
                list.refetch();
                toast(Tone::Good, "View saved", &format!("{} is under Views; its link can be sent.", view.name));
            },
        );
    };
    let remove = move |view: SavedView| {
        act(
            busy,
            "The view was not deleted",
            async move { api::delete(&format!("/views/{}", view.id)).await },
            move |()| {
                list.refetch();
            },
        );
    };
    let copy = move |id: String| {
        let link = format!("{}/runs?view={id}", window().location().origin().unwrap_or_default());
        let writing = window().navigator().clipboard().write_text(&link);
        spawn_local(async move {
            match JsFuture::from(writing).await {
                Ok(_) => toast(Tone::Good, "Link copied", &link),
                Err(_) => toast(Tone::Info, "The link of this view", &link),
            }
        });
    };
    let one = move |view: SavedView| {
        let (id, gone, label) = (view.id.clone(), view.clone(), view.name.clone());
        view! {
            <li>
                <a href=format!("/runs?{}", view.query)>{label.clone()}</a>
                <button type="button" class="icon-btn" aria-label=format!("Copy the link of {label}") on:click=move |_| copy(id.clone())><Icon name="link"/></button>
                <button type="button" class="icon-btn" aria-label=format!("Forget {label}") on:click=move |_| remove(gone.clone())><Icon name="x"/></button>
            </li>
        }
    };
    view! {
        <details class="menu views">
            <summary class="btn"><Icon name="star"/>"Views"</summary>
            <div class="menu-list">
                <ul>{move || views().into_iter().map(one).collect_view()}</ul>
                <Show when=move || views().is_empty()><p class="menu-note">"No saved views yet. A view keeps filter, sort and columns."</p></Show>
                <button type="button" class="btn small" on:click=move |_| { name.set(String::new()); naming.set(true) }><Icon name="save"/>"Save this view…"</button>
            </div>
        </details>
        <Dialog open=naming title="Save this view">
            <form novalidate on:submit=move |e| { e.prevent_default(); save() }>
                <Field id="view-name" label="Name" value=name autofocus=true hint="A view of yours with the same name is replaced."/>
                <div class="actions">
                    <Button on_press=move |_| naming.set(false)>"Cancel"</Button>
                    <Button look=Look::Primary submit=true busy=busy
                        why_not=Signal::derive(move || name.with(|n| n.trim().is_empty()).then(|| "Give it a name.".to_owned()))>"Save the view"</Button>
                </div>
            </form>
        </Dialog>
    }
}

/// `/runs?view=…`: the address of that view takes this one's place.
#[component]
pub fn OpenView(view: Param) -> impl IntoView {
    let found = remote::<SavedView>(move || Some(format!("/views/{}", api::seg(&view.get()))), &[]);
    effect(move || {
        if let Some(view) = found.data.get() {
            go_instead(&format!("/runs?{}", view.query));
        }
    });
    view! {
        <section class="page">
            {move || match found.error.get() {
                Some(error) => view! {
                    <EmptyState icon="star" title="This view cannot be opened" text=error.message>
                        <LinkButton href="/runs">"Go to the runs"</LinkButton>
                    </EmptyState>
                }.into_any(),
                None => view! { <Skeleton lines=10/> }.into_any(),
            }}
        </section>
    }
}
