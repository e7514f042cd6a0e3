//! The dialog that deploys a model, or rolls a deployment to another version.

use crate::{
    api::{self, seg},
    app::go,
    live::remote,
    pages::parts::{Listing, ResourceFields, ResourceForm},
    reactive::{effect, memo},
    ui::{Button, Dialog, Field, Look, SelectField, Show, Tone, act, toast},
};
use drydock_wire::{
    events::Topic,
    jobs::Resources,
    registry::{ModelDetail, ModelSummary},
    serving::{BlueGreen, DeploymentDetail, DeploymentSummary, KEEP_OLD_S, PutDeployment, ReleasePlan},
    validate,
};
use leptos::prelude::*;

/// What the dialog starts with. Empty texts: nothing chosen yet.
#[derive(Clone, PartialEq, Default)]
pub struct Wish {
    pub name: String,
    pub model: String,
    /// A number or `@alias`.
    pub version: String,
    /// The deployment exists: its name stays.
    pub fixed: bool,
    pub resources: Option<Resources>,
}

#[component]
pub fn DeployDialog(open: RwSignal<bool>, wish: RwSignal<Wish>) -> impl IntoView {
    let title = Signal::derive(move || {
        wish.with(|w| if w.fixed { format!("Roll {} to another version", w.name) } else { "Deploy a model".to_owned() })
    });
    view! { <Dialog open title wide=true><DeployForm open wish=wish.get_untracked()/></Dialog> }
}

fn check_name(text: &str) -> Result<(), &'static str> {
    if text.is_empty() { Err("Give the deployment a name; it is part of its address.") } else { validate::slug(text) }
}

/// A name that is allowed, made of the model's.
fn name_of(model: &str) -> String {
    let folded: String =
        model.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    folded.trim_matches('-').chars().take(63).collect()
}

#[component]
fn DeployForm(open: RwSignal<bool>, wish: Wish) -> impl IntoView {
    let models = remote::<Listing<ModelSummary>>(|| Some("/models".to_owned()), &[Topic::Models]);
    let others = remote::<Listing<DeploymentSummary>>(|| Some("/deployments".to_owned()), &[Topic::Deployments]);
    let model = RwSignal::new(wish.model.clone());
    let version = RwSignal::new(wish.version.clone());
    let start = if wish.name.is_empty() { name_of(&wish.model) } else { wish.name.clone() };
    let name = RwSignal::new(start);
    let resources = StoredValue::new(ResourceForm::new(&wish.resources.clone().unwrap_or_default()));
    let detail = remote::<ModelDetail>(
        move || Some(model.get()).filter(|m| !m.is_empty()).map(|m| format!("/models/{}", seg(&m))),
        &[Topic::Models],
    );
    let versions = memo(move || detail.data.with(|d| d.as_ref().map(version_options).unwrap_or_default()));
    choose_first(models, model, name, wish.fixed);
    effect(move || {
        let known = versions.get();
        if !known.is_empty() && !known.iter().any(|(v, _)| version.with_untracked(|now| v == now)) {
            version.set(known[0].0.clone());
        }
    });
    let (busy, tried) = (RwSignal::new(false), RwSignal::new(false));
    let strategy = RwSignal::new("rolling".to_owned());
    let fixed = wish.fixed;
    let taken =
        move || others.data.with(|l| l.as_ref().is_some_and(|l| l.items().iter().any(|d| d.name == name.get())));
    let rolls = move || fixed || taken();
    let why_not = Signal::derive(move || {
        if models.data.with(|m| m.as_ref().is_some_and(|m| m.total() == 0)) {
            return Some("There is no registered model yet.".to_owned());
        }
        (model.with(String::is_empty) || version.with(String::is_empty))
            .then(|| "Choose a model and a version.".to_owned())
    });
    let submit = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        tried.set(true);
        let (Some(resources), Ok(())) = (resources.get_value().read(), check_name(&name.get_untracked())) else {
            return;
        };
        if untrack(|| why_not.get()).is_some() {
            return;
        }
        let release = untrack(rolls).then(|| plan_of(&strategy.get_untracked())).flatten();
        let (model, version) = (model.get_untracked(), version.get_untracked());
        let body = PutDeployment { model, version, resources, release, ..PutDeployment::default() };
        let to = format!("/deployments/{}", seg(&name.get_untracked()));
        let path = to.clone();
        let done = if untrack(rolls) { "The new version is starting" } else { "The deployment is starting" };
        act(
            busy,
            "It was not deployed",
            async move { api::put::<_, DeploymentDetail>(&path, &body).await },
            move |_| {
                open.set(false);
                toast(Tone::Good, done, "It answers as soon as its health check passes.");
                go(&to);
            },
        );
    };
    let model_options = Signal::derive(move || {
        let mut all: Vec<(String, String)> = models.data.with(|l| {
            l.iter()
                .flat_map(|l| l.items())
                .filter(|m| m.version_count > 0)
                .map(|m| (m.name.clone(), m.name.clone()))
                .collect()
        });
        let now = model.get_untracked();
        if !now.is_empty() && !all.iter().any(|(v, _)| *v == now) {
            all.insert(0, (now.clone(), now));
        }
        all
    });
    view! {
        <form novalidate on:submit=submit>
            <div class="cols">
                <SelectField id="deploy-model" label="Model" value=model options=model_options disabled=fixed/>
                <SelectField id="deploy-version" label="Version" value=version options=Signal::derive(move || versions.get())
                    hint="An alias is kept as the number it means now."/>
            </div>
            <Field id="deploy-name" label="Name" value=name check=check_name tried=tried mono=true disabled=fixed
                hint="Part of the address: /serve/NAME/invocations"/>
            <ResourceFields form=resources.get_value() tried=tried.into()/>
            <Show when=move || rolls()>
                <SelectField id="deploy-strategy" label="How it takes over" value=strategy options=strategies()/>
                <p class="callout info" role="status"><crate::ui::Icon name="info"/><span>{move || explained(&strategy.get(), &name.get())}</span></p>
            </Show>
            <div class="actions">
                <Button on_press=move |_| open.set(false)>"Cancel"</Button>
                <Button look=Look::Primary icon="rocket" submit=true busy why_not>{move || if rolls() { "Roll over" } else { "Deploy" }}</Button>
            </div>
        </form>
    }
}

fn strategies() -> Signal<Vec<(String, String)>> {
    let all = [("rolling", "Rolling"), ("blue_green", "Blue-green"), ("canary", "Canary: 5 %, 25 %, 50 %")];
    Signal::stored(all.map(|(value, text)| (value.to_owned(), text.to_owned())).to_vec())
}

fn plan_of(strategy: &str) -> Option<ReleasePlan> {
    match strategy {
        "blue_green" => Some(ReleasePlan::BlueGreen(BlueGreen { auto_promote_after_s: None, keep_old_s: KEEP_OLD_S })),
        "canary" => Some(ReleasePlan::usual_canary()),
        _ => None,
    }
}

fn explained(strategy: &str, name: &str) -> String {
    match strategy {
        "blue_green" => format!(
            "{name} goes on answering with its present version. The new one is reached with the header X-Drydock-Revision until somebody promotes it under Release."
        ),
        "canary" => format!(
            "The new version of {name} gets 5 %, 25 % and 50 % of the requests, a minute each. If fewer than 99 % of its answers are good, it is taken out by itself."
        ),
        _ => format!(
            "{name} goes on answering with its present version until the new one is healthy; then requests move over without a failure."
        ),
    }
}

/// Aliases first, then the numbers, newest first.
fn version_options(model: &ModelDetail) -> Vec<(String, String)> {
    let alias =
        |a: &drydock_wire::registry::Alias| (format!("@{}", a.alias), format!("{} (version {})", a.alias, a.version));
    let ready = model.versions.iter().filter(|v| v.status == "ready");
    let numbers = ready.map(|v| (v.version.to_string(), format!("Version {}", v.version)));
    model.summary.aliases.iter().map(alias).chain(numbers).collect()
}

/// Chooses the first model where none was given, and a name after it while the name is nobody's choice.
fn choose_first(
    models: crate::live::Remote<Listing<ModelSummary>>,
    model: RwSignal<String>,
    name: RwSignal<String>,
    fixed: bool,
) {
    let suggested = StoredValue::new(name.get_untracked());
    effect(move || {
        let first = models
            .data
            .with(|l| l.iter().flat_map(|l| l.items()).find(|m| m.version_count > 0).map(|m| m.name.clone()));
        if let (true, Some(first)) = (model.with_untracked(String::is_empty), first) {
            model.set(first);
        }
    });
    effect(move || {
        let suggestion = name_of(&model.get());
        if !fixed && !suggestion.is_empty() && name.get_untracked() == suggested.get_value() {
            suggested.set_value(suggestion.clone());
            name.set(suggestion);
        }
    });
}
