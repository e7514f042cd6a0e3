//! One deployment.

use super::{
    deploy::{DeployDialog, Wish},
    predict::PredictionBox,
    release::ReleasePanel,
    traffic::{Charts, Figures},
};
use crate::{
    api::{self, seg},
    app::{ago, go},
    live::remote,
    pages::parts::{LogView, When, describe},
    reactive::memo,
    session::may,
    ui::{
        Button, ConfirmDialog, CopyButton, Icon, Loaded, Look, PageHead, Pill, Status, Tabs, Tone, act, toast,
        url::param,
    },
};
use drydock_wire::{
    accounts::Role,
    events::Topic,
    serving::{DeploymentDetail, DeploymentState, Revision},
};
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use std::time::Duration;

/// Counts and latencies change without a hint.
const TRAFFIC_PERIOD: Duration = Duration::from_secs(4);

#[component]
pub fn DeploymentPage() -> impl IntoView {
    let params = use_params_map();
    let name = memo(move || params.with(|p| p.get("name")).unwrap_or_default());
    let path = move || Some(format!("/deployments/{}", seg(&name.get())));
    let deployment = remote::<DeploymentDetail>(path, &[Topic::Deployments]).every(TRAFFIC_PERIOD);
    view! { <section class="page"><Loaded remote=deployment lines=10 let:deployment><Detail deployment/></Loaded></section> }
}

#[component]
fn Detail(deployment: Signal<DeploymentDetail>) -> impl IntoView {
    let tab = param("tab", "overview");
    let (deleting, rolling) = (RwSignal::new(false), RwSignal::new(false));
    let wish = RwSignal::new(Wish::default());
    let name = memo(move || deployment.with(|d| d.summary.name.clone()));
    let state = memo(move || deployment.with(|d| d.summary.state));
    let gone = Signal::derive(move || {
        (state.get() == DeploymentState::Deleting).then(|| "The deployment is going away.".to_owned())
    });
    let roll = move |_| {
        let start = deployment.with_untracked(|d| Wish {
            name: d.summary.name.clone(),
            model: d.summary.model.clone(),
            version: d.summary.version.to_string(),
            fixed: true,
            resources: d.revisions.first().map(|r| r.resources.clone()),
        });
        wish.set(start);
        rolling.set(true);
    };
    let tabs = vec![
        ("overview", "Traffic".to_owned()),
        ("predict", "Try it".to_owned()),
        ("release", "Release".to_owned()),
        ("revisions", "Revisions".to_owned()),
        ("log", "Log".to_owned()),
    ];
    let model = move || deployment.with(|d| (d.summary.model.clone(), d.summary.version, d.summary.updated_at));
    let sub = move || {
        let (model, version, at) = model();
        let href = format!("/models/{}?version={version}", seg(&model));
        let lineage = format!("/lineage/deployment/{}", seg(&name.get()));
        view! { <a href=href>{format!("{model} version {version}")}</a>{format!(" · updated {} · ", ago(at))}<a href=lineage>"Where it comes from"</a> }
    };
    view! {
        <PageHead title=Signal::derive(move || name.get()) aside=move || view! { <Pill status=state.get()/> } sub>
            {move || may(Role::Engineer).then(|| view! {
                <Button icon="refresh-cw" why_not=gone on_press=roll>"Change version"</Button>
                <Button look=Look::Danger icon="trash-2" why_not=gone on_press=move |_| deleting.set(true)>"Delete"</Button>
            })}
        </PageHead>
        <Reason deployment/>
        <Endpoint deployment/>
        <Tabs param=tab label="Parts of the deployment" tabs/>
        <div role="tabpanel" class="panel">
            {move || match tab.get().as_str() {
                "predict" => view! { <PredictionBox deployment/> }.into_any(),
                "release" => view! { <ReleasePanel deployment/> }.into_any(),
                "revisions" => view! { <Revisions deployment/> }.into_any(),
                "log" => view! { <LogView path=Signal::derive(move || format!("/deployments/{}/log", seg(&name.get())))
                    file=Signal::derive(move || format!("{}.log", name.get()))/> }.into_any(),
                _ => view! { <Figures deployment/><Charts deployment/> }.into_any(),
            }}
        </div>
        <DeployDialog open=rolling wish/>
        <DeleteDialog open=deleting name/>
    }
}

#[component]
fn Reason(deployment: Signal<DeploymentDetail>) -> impl IntoView {
    let said = memo(move || deployment.with(|d| (d.summary.state, d.summary.reason.clone())));
    move || {
        let (state, reason) = said.get();
        let tone = if state == DeploymentState::Failed { "bad" } else { "info" };
        let icon = if state == DeploymentState::Failed { "triangle-alert" } else { "info" };
        reason.filter(|r| !r.is_empty()).map(
            |text| view! { <p class=format!("callout {tone}") role="status"><Icon name=icon/><span>{text}</span></p> },
        )
    }
}

#[component]
fn Endpoint(deployment: Signal<DeploymentDetail>) -> impl IntoView {
    let address = Signal::derive(move || {
        let origin = window().location().origin().unwrap_or_default();
        format!("{origin}{}", deployment.with(|d| d.summary.endpoint.clone()))
    });
    view! { <div class="secret endpoint"><span class="dim">"POST"</span><code>{move || address.get()}</code><CopyButton text=address what="Copy the address"/></div> }
}

#[component]
fn Revisions(deployment: Signal<DeploymentDetail>) -> impl IntoView {
    let list = memo(move || deployment.with(|d| d.revisions.clone()));
    let row = |r: Revision| {
        let href = format!("/models/{}?version={}", seg(&r.model), r.version);
        view! {
            <tr>
                <td>"Revision "{r.number}</td>
                <td><Pill status=Status::revision(&r.state)/></td>
                <td><a href=href>{format!("{} version {}", r.model, r.version)}</a></td>
                <td class="dim">{r.reason}</td>
                <td class="dim">{describe(&r.resources)}</td>
                <td>{r.created_by}</td>
                <td class="num dim"><When at=Some(r.created_at)/></td>
                <td class="num dim"><When at=r.ready_at/></td>
            </tr>
        }
    };
    view! {
        <div class="pane" role="region" aria-label="Revisions" tabindex="0">
            <table class="grid" aria-label="Revisions">
                <thead><tr><th scope="col">"Revision"</th><th scope="col">"State"</th><th scope="col">"Model"</th><th scope="col">"Why"</th>
                    <th scope="col">"Resources"</th><th scope="col">"By"</th><th scope="col" class="num">"Made"</th><th scope="col" class="num">"Ready"</th></tr></thead>
                <tbody>{move || list.get().into_iter().map(row).collect_view()}</tbody>
            </table>
        </div>
    }
}

#[component]
fn DeleteDialog(open: RwSignal<bool>, name: Memo<String>) -> impl IntoView {
    let busy = RwSignal::new(false);
    let confirm = move |()| {
        let gone = name.get_untracked();
        let path = format!("/deployments/{}", seg(&gone));
        act(busy, "The deployment was not deleted", async move { api::delete(&path).await }, move |()| {
            open.set(false);
            toast(Tone::Good, "Deployment deleted", &gone);
            go("/deployments");
        });
    };
    view! {
        <ConfirmDialog open title="Delete this deployment?" name=Signal::derive(move || name.get()) action="Delete the deployment" on_confirm=confirm busy=busy>
            <p>{move || format!("Its address /serve/{}/invocations stops answering at once; its revisions, counts and logs go. The model and its versions stay.", name.get())}</p>
        </ConfirmDialog>
    }
}
