//! The dialog that deploys a model, or rolls a deployment to another version.

use super::form::{
    behaviour::{SettingsFields, SettingsForm},
    fit::{self, FitAnswer, Told},
    runtime::{ExtraFields, RuntimeFields, RuntimeForm},
    strategy::{StrategyFields, StrategyForm},
};
use crate::{
    api::seg,
    app::go,
    live::{Remote, remote},
    pages::parts::{Listing, ResourceFields, ResourceForm},
    reactive::{effect, memo},
    ui::{Button, Dialog, Field, Icon, Look, SelectField, Show, Tone, act, field::focus_wrong, toast},
};
use drydock_wire::{
    events::Topic,
    jobs::Resources,
    registry::{ModelDetail, ModelSummary},
    serving::{DeploymentDetail, DeploymentSummary, PutDeployment, ServedBy, ServingSettings},
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
    pub served_by: ServedBy,
    pub settings: ServingSettings,
}

impl Wish {
    /// The deployment as it is.
    pub fn of(deployment: &DeploymentDetail) -> Self {
        let goal = super::goal(deployment);
        let followed = deployment.alias.clone().filter(|_| deployment.settings.follow);
        Self {
            name: deployment.summary.name.clone(),
            model: deployment.summary.model.clone(),
            version: followed.unwrap_or_else(|| deployment.summary.version.to_string()),
            fixed: true,
            resources: goal.map(|r| r.resources.clone()),
            served_by: goal.map(|r| r.served_by.clone()).unwrap_or_default(),
            settings: deployment.settings.clone(),
        }
    }
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

/// The fields, and what the dialog began with.
#[derive(Clone, Copy)]
struct Form {
    wish: StoredValue<Wish>,
    model: RwSignal<String>,
    version: RwSignal<String>,
    name: RwSignal<String>,
    follow: RwSignal<bool>,
    resources: ResourceForm,
    runtime: RuntimeForm,
    settings: SettingsForm,
    strategy: StrategyForm,
}

impl Form {
    fn new(wish: Wish) -> Self {
        let name = if wish.name.is_empty() { name_of(&wish.model) } else { wish.name.clone() };
        Self {
            model: RwSignal::new(wish.model.clone()),
            version: RwSignal::new(wish.version.clone()),
            name: RwSignal::new(name),
            follow: RwSignal::new(wish.settings.follow),
            resources: ResourceForm::new(&wish.resources.clone().unwrap_or_default()),
            runtime: RuntimeForm::new(&wish.served_by),
            settings: SettingsForm::new(&wish.settings),
            strategy: StrategyForm::new(),
            wish: StoredValue::new(wish),
        }
    }

    fn is_alias(&self) -> bool {
        self.version.with(|v| v.starts_with('@'))
    }

    /// What to ask for; absent while a field is wrong. `rolls`: the deployment exists.
    fn read(&self, rolls: bool) -> Option<PutDeployment> {
        let wish = self.wish.get_value();
        let follow = self.follow.get_untracked() && untrack(|| self.is_alias() && self.model.with(|m| !m.is_empty()));
        let served_by = self.runtime.read()?;
        // of a deployment that exists, what this form did not begin with stays as it is
        let settings = match (rolls, wish.fixed) {
            (false, _) => Some(self.settings.read(follow)?),
            (true, true) => Some(ServingSettings { follow, ..wish.settings.clone() }),
            (true, false) => None,
        };
        let model = self.model.get_untracked();
        // without a model there is none
        let version = if model.is_empty() { String::new() } else { self.version.get_untracked() };
        let keeps = rolls && !wish.fixed && served_by == ServedBy::default();
        Some(PutDeployment {
            model,
            version,
            served_by: (!keeps).then_some(served_by),
            settings,
            resources: self.resources.read()?,
            release: if rolls { self.strategy.read()? } else { None },
        })
    }
}

#[component]
fn DeployForm(open: RwSignal<bool>, wish: Wish) -> impl IntoView {
    let models = remote::<Listing<ModelSummary>>(|| Some("/models".to_owned()), &[Topic::Models]);
    let others = remote::<Listing<DeploymentSummary>>(|| Some("/deployments".to_owned()), &[Topic::Deployments]);
    let fixed = wish.fixed;
    let form = Form::new(wish);
    let (model, version, name) = (form.model, form.version, form.name);
    let detail = remote::<ModelDetail>(
        move || Some(model.get()).filter(|m| !m.is_empty()).map(|m| format!("/models/{}", seg(&m))),
        &[Topic::Models],
    );
    let versions = memo(move || detail.data.with(|d| d.as_ref().map(version_options).unwrap_or_default()));
    choose_first(models, model, name, fixed);
    effect(move || {
        let known = versions.get();
        if !known.is_empty() && !known.iter().any(|(v, _)| version.with_untracked(|now| v == now)) {
            version.set(known[0].0.clone());
        }
    });
    let (busy, tried, told) = (RwSignal::new(false), RwSignal::new(false), Told::new(None));
    let taken =
        move || others.data.with(|l| l.as_ref().is_some_and(|l| l.items().iter().any(|d| d.name == name.get())));
    let rolls = memo(move || fixed || taken());
    let why_not = why_not(form, models);
    let submit = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        tried.set(true);
        let good = check_name(&name.get_untracked()).ok().and_then(|()| form.read(rolls.get_untracked()));
        let Some(body) = good else { return focus_wrong() };
        if untrack(|| why_not.get()).is_some() {
            return;
        }
        let to = format!("/deployments/{}", seg(&name.get_untracked()));
        let path = to.clone();
        let done = if rolls.get_untracked() { "The new version is starting" } else { "The deployment is starting" };
        act(
            busy,
            "It was not deployed",
            async move { fit::deploy(&path, &body, told.get_untracked()).await },
            move |answer| {
                if answer.is_some() {
                    return told.set(answer);
                }
                open.set(false);
                toast(Tone::Good, done, "It answers as soon as its health check passes.");
                go(&to);
            },
        );
    };
    view! {
        <form novalidate on:submit=submit>
            <What form models versions/>
            <Field id="deploy-name" label="Name" value=name check=check_name tried=tried mono=true disabled=fixed
                hint="Part of the address: /serve/NAME/invocations"/>
            <Show when=move || !fixed && taken()>
                <p class="callout warn" role="status"><Icon name="triangle-alert"/><span>
                    {move || format!("{} exists: this brings it another version. For one beside it, choose another name.", name.get())}</span></p>
            </Show>
            <ResourceFields form=form.resources tried=tried.into()/>
            <Show when=move || rolls.get()><StrategyFields form=form.strategy tried name/></Show>
            <div class="folds">
                <RuntimeFields form=form.runtime tried/>
                <Show when=move || !rolls.get()><SettingsFields form=form.settings tried/></Show>
                <ExtraFields form=form.runtime tried/>
            </div>
            <Show when=move || fixed><p class="dim">"Replicas, limits, callers and capture stay as they are; they change under Settings, without a new revision."</p></Show>
            <FitAnswer told strategy=form.strategy/>
            <div class="actions">
                <Button on_press=move |_| open.set(false)>"Cancel"</Button>
                <Button look=Look::Primary icon="rocket" submit=true busy why_not>{move || if rolls.get() { "Roll over" } else { "Deploy" }}</Button>
            </div>
        </form>
    }
}

/// Model and version; an image may do without.
#[component]
fn What(form: Form, models: Remote<Listing<ModelSummary>>, versions: Memo<Vec<(String, String)>>) -> impl IntoView {
    let fixed = form.wish.with_value(|w| w.fixed);
    let model = form.model;
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
        if form.runtime.is_image() {
            all.push((String::new(), "None: the image brings all it needs".to_owned()));
        }
        all
    });
    view! {
        <div class="cols">
            <SelectField id="deploy-model" label="Model" value=model options=model_options disabled=fixed/>
            <Show when=move || model.with(|m| !m.is_empty())>
                <SelectField id="deploy-version" label="Version" value=form.version options=Signal::derive(move || versions.get())/>
            </Show>
        </div>
        <Show when=move || form.is_alias()>
            <super::form::Tick value=form.follow label="Follow this alias: when it moves, the new version comes in by itself"/>
        </Show>
    }
}

fn why_not(form: Form, models: Remote<Listing<ModelSummary>>) -> Signal<Option<String>> {
    Signal::derive(move || {
        let bare = form.model.with(String::is_empty);
        if bare && form.runtime.is_image() {
            return None;
        }
        if models.data.with(|m| m.as_ref().is_some_and(|m| m.total() == 0)) {
            return Some("There is no registered model yet. Choose an image below, or register one.".to_owned());
        }
        (bare || form.version.with(String::is_empty)).then(|| "Choose a model and a version.".to_owned())
    })
}

/// Aliases first, then the numbers, newest first.
pub fn version_options(model: &ModelDetail) -> Vec<(String, String)> {
    let alias =
        |a: &drydock_wire::registry::Alias| (format!("@{}", a.alias), format!("{} (version {})", a.alias, a.version));
    let ready = model.versions.iter().filter(|v| v.status == "ready");
    let numbers = ready.map(|v| (v.version.to_string(), format!("Version {}", v.version)));
    model.summary.aliases.iter().map(alias).chain(numbers).collect()
}

/// Chooses the first model where none was given, and a name after it while the name is nobody's choice.
fn choose_first(models: Remote<Listing<ModelSummary>>, model: RwSignal<String>, name: RwSignal<String>, fixed: bool) {
    let suggested = StoredValue::new(name.get_untracked());
    let chosen = StoredValue::new(fixed);
    effect(move || {
        let first = models
            .data
            .with(|l| l.iter().flat_map(|l| l.items()).find(|m| m.version_count > 0).map(|m| m.name.clone()));
        // once: afterwards no model may be somebody's choice
        if let (true, false, Some(first)) = (model.with_untracked(String::is_empty), chosen.get_value(), first) {
            chosen.set_value(true);
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
