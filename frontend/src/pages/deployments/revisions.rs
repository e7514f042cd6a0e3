//! The revisions of a deployment: what each runs, and the way back to one.

use crate::{
    api::{self, seg},
    pages::parts::{When, describe},
    reactive::memo,
    session::may,
    ui::{Button, Pill, Status, Tone, act, toast},
};
use drydock_wire::{
    accounts::Role,
    serving::{DeploymentDetail, Protocol, Revision, RollBack, Runtime},
};
use leptos::prelude::*;

#[component]
pub fn Revisions(deployment: Signal<DeploymentDetail>) -> impl IntoView {
    let list = memo(move || deployment.with(|d| d.revisions.clone()));
    let name = memo(move || deployment.with(|d| d.summary.name.clone()));
    view! {
        <div class="pane" role="region" aria-label="Revisions" tabindex="0">
            <table class="grid" aria-label="Revisions">
                <thead><tr><th scope="col">"Revision"</th><th scope="col">"State"</th><th scope="col">"What answers"</th><th scope="col">"Why"</th>
                    <th scope="col">"Resources"</th><th scope="col">"By"</th><th scope="col" class="num">"Made"</th><th scope="col" class="num">"Ready"</th>
                    <th scope="col"><span class="sr">"Actions"</span></th></tr></thead>
                <tbody>{move || list.get().into_iter().map(|r| row(name, r)).collect_view()}</tbody>
            </table>
        </div>
    }
}

fn row(name: Memo<String>, r: Revision) -> impl IntoView {
    // what never answered is nothing to go back to
    let back =
        r.ready_at.is_some() && matches!(r.state.as_str(), "warm" | "draining" | "retired") && may(Role::Engineer);
    let number = r.number;
    view! {
        <tr>
            <td>"Revision "{r.number}</td>
            <td><Pill status=Status::revision(&r.state)/></td>
            <td>{what(&r)}</td>
            <td class="dim" title=r.reason.clone()>{r.reason.clone()}</td>
            <td class="dim">{describe(&r.resources)}</td>
            <td>{r.created_by}</td>
            <td class="num dim"><When at=Some(r.created_at)/></td>
            <td class="num dim"><When at=r.ready_at absent="never"/></td>
            <td class="row-actions">{back.then(|| view! { <BackButton name number/> })}</td>
        </tr>
    }
}

/// The model's version and, unless it is MLflow's scorer, what runs it.
fn what(r: &Revision) -> AnyView {
    let image = match &r.served_by.runtime {
        Runtime::Mlflow => None,
        Runtime::Image(image) => Some(format!("{} ({})", image.image, spoken(image.protocol))),
    };
    let model = (!r.model.is_empty()).then(|| {
        let href = format!("/models/{}?version={}", seg(&r.model), r.version);
        view! { <a href=href>{format!("{} version {}", r.model, r.version)}</a> }
    });
    let between = (model.is_some() && image.is_some()).then_some(" · ");
    view! { {model}{between}{image.map(|text| view! { <span class="mono">{text}</span> })} }.into_any()
}

/// A protocol in a word.
pub fn spoken(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Mlflow => "MLflow's scoring",
        Protocol::OpenInference => "Open Inference",
        Protocol::Openai => "OpenAI",
        Protocol::Plain => "plain",
    }
}

/// One click: at once where it is kept warm, else as a new revision that takes over when it answers.
#[component]
fn BackButton(name: Memo<String>, number: i64) -> impl IntoView {
    let busy = RwSignal::new(false);
    let press = move |_| {
        let path = format!("/deployments/{}/rollback", seg(&name.get_untracked()));
        let call = async move { api::post::<_, DeploymentDetail>(&path, &RollBack { revision: Some(number) }).await };
        act(busy, "That revision did not come back", call, move |_| {
            toast(Tone::Good, &format!("Going back to revision {number}"), "It takes over as soon as it answers.");
        });
    };
    view! { <Button small=true icon="rotate-ccw" busy on_press=press>{format!("Back to {number}")}</Button> }
}
