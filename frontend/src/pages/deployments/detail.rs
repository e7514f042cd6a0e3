//! One deployment.

use super::{
    captured::CapturedPanel,
    deploy::{DeployDialog, Wish},
    drift::DriftPanel,
    playground::Playground,
    quality::QualityPanel,
    release::ReleasePanel,
    replicas::Replicas,
    revisions::Revisions,
    settings::SettingsPanel,
    tokens::TokensPanel,
    traffic::{Charts, Figures},
};
use crate::{
    api::{self, seg},
    app::{ago, go},
    live::remote,
    pages::parts::LogView,
    reactive::memo,
    session::may,
    ui::{
        Button, ConfirmDialog, CopyButton, EmptyState, Icon, LinkButton, Loaded, Look, PageHead, Pill, Show, Tabs,
        Tone, act, toast, url::param,
    },
};
use drydock_wire::{
    ErrorCode,
    accounts::Role,
    events::Topic,
    serving::{DeploymentDetail, DeploymentState, Protocol},
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
    // deleted, in another tab perhaps: what it was is of no use any more
    let gone = memo(move || deployment.error.with(|e| e.as_ref().is_some_and(|e| e.code == ErrorCode::NotFound)));
    view! {
        <section class="page">
            <Show when=move || !gone.get() fallback=move || view! { <Gone name/> }>
                <Loaded remote=deployment lines=10 let:deployment><Detail deployment/></Loaded>
            </Show>
        </section>
    }
}

#[component]
fn Gone(name: Memo<String>) -> impl IntoView {
    view! {
        <PageHead title=Signal::derive(move || name.get())/>
        {move || view! {
            <EmptyState icon="rocket" title=format!("There is no deployment {}", name.get())
                text="It was deleted, or there never was one of this name. The models are still there.">
                <LinkButton href="/deployments" icon="rocket">"All deployments"</LinkButton>
                <LinkButton href="/models" icon="box">"Go to the models"</LinkButton>
            </EmptyState>
        }}
    }
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
        wish.set(deployment.with_untracked(Wish::of));
        rolling.set(true);
    };
    let counts_tokens = memo(move || deployment.with(|d| d.tokens.is_some() || super::protocol(d) == Protocol::Openai));
    let model = move || deployment.with(|d| (d.summary.model.clone(), d.summary.version, d.summary.updated_at));
    let follows = memo(move || deployment.with(|d| d.alias.clone().filter(|_| d.settings.follow)));
    let sub = move || {
        let (model, version, at) = model();
        let href = format!("/models/{}?version={version}", seg(&model));
        let lineage = format!("/lineage/deployment/{}", seg(&name.get()));
        let follows = follows.get().map(|alias| format!(", follows {alias}"));
        let what = (!model.is_empty())
            .then(|| view! { <a href=href>{format!("{model} version {version}")}</a>{follows}" · " });
        view! { {what}{format!("updated {} · ", ago(at))}<a href=lineage>"Where it comes from"</a> }
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
        {move || view! { <Tabs param=tab label="Parts of the deployment" tabs=tabs(counts_tokens.get())/> }}
        <div role="tabpanel" class="panel">
            {move || match tab.get().as_str() {
                "predict" => view! { <Playground deployment/> }.into_any(),
                "captured" => view! { <CapturedPanel deployment/> }.into_any(),
                "quality" => view! { <QualityPanel name/> }.into_any(),
                "drift" => view! { <DriftPanel deployment/> }.into_any(),
                "tokens" => view! { <TokensPanel deployment/> }.into_any(),
                "settings" => view! { <SettingsPanel deployment/> }.into_any(),
                "release" => view! { <ReleasePanel deployment/> }.into_any(),
                "revisions" => view! { <Revisions deployment/> }.into_any(),
                "log" => view! { <LogView path=Signal::derive(move || format!("/deployments/{}/log", seg(&name.get())))
                    file=Signal::derive(move || format!("{}.log", name.get()))
                    everywhere=Signal::derive(move || format!("/logs?span=&q={}", seg(&format!("deployment:\"{}\"", name.get()))))/> }.into_any(),
                _ => view! { <Figures deployment/><Replicas deployment/><Charts deployment/> }.into_any(),
            }}
        </div>
        <DeployDialog open=rolling wish/>
        <DeleteDialog open=deleting name/>
    }
}

fn tabs(counts_tokens: bool) -> Vec<(&'static str, String)> {
    let all = [
        ("overview", "Traffic"),
        ("tokens", "Tokens"),
        ("predict", "Try it"),
        ("release", "Release"),
        ("captured", "Captured"),
        ("quality", "Quality"),
        ("drift", "Drift"),
        ("revisions", "Revisions"),
        ("settings", "Settings"),
        ("log", "Log"),
    ];
    let shown = |(key, _): &(&str, &str)| *key != "tokens" || counts_tokens;
    all.into_iter().filter(shown).map(|(key, words)| (key, words.to_owned())).collect()
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
        let path = deployment.with(|d| match super::protocol(d) {
            Protocol::Openai => format!("/serve/{}/v1/chat/completions", d.summary.name),
            Protocol::Plain => format!("/serve/{}/", d.summary.name),
            Protocol::Mlflow | Protocol::OpenInference => d.summary.endpoint.clone(),
        });
        format!("{origin}{path}")
    });
    let any = move || deployment.with(|d| super::protocol(d) == Protocol::Plain);
    view! { <div class="secret endpoint"><span class="dim">{move || if any() { "Any" } else { "POST" }}</span><code>{move || address.get()}</code><CopyButton text=address what="Copy the address"/></div> }
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
