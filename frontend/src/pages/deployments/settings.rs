//! How callers of a deployment are treated, changed at once and without a new revision.

use super::{
    deploy::version_options,
    form::behaviour::{SettingsFields, SettingsForm},
};
use crate::{
    api::{self, seg},
    live::remote,
    reactive::memo,
    session::may,
    ui::{Button, Card, Icon, Look, SelectField, Show, Tone, act, field::focus_wrong, toast},
};
use drydock_wire::{
    accounts::Role,
    events::Topic,
    registry::ModelDetail,
    serving::{DeploymentDetail, PutDeployment, ServingSettings},
};
use leptos::prelude::*;

#[component]
pub fn SettingsPanel(deployment: Signal<DeploymentDetail>) -> impl IntoView {
    // anew when somebody changed them, and not with each figure of the page
    let kept = memo(move || deployment.with(|d| (d.settings.clone(), d.alias.clone())));
    move || {
        let (settings, alias) = kept.get();
        view! { <SettingsOf deployment settings alias/> }
    }
}

#[component]
fn SettingsOf(deployment: Signal<DeploymentDetail>, settings: ServingSettings, alias: Option<String>) -> impl IntoView {
    let form = SettingsForm::new(&settings);
    let followed = RwSignal::new(alias.filter(|_| settings.follow).unwrap_or_default());
    let model = memo(move || deployment.with(|d| d.summary.model.clone()));
    let detail = remote::<ModelDetail>(
        move || Some(model.get()).filter(|m| !m.is_empty()).map(|m| format!("/models/{}", seg(&m))),
        &[Topic::Models],
    );
    let aliases = Signal::derive(move || {
        let version = deployment.with(|d| d.summary.version);
        let mut all = vec![(String::new(), format!("None: it stays at version {version}"))];
        detail.data.with(|d| all.extend(d.iter().flat_map(version_options).filter(|(v, _)| v.starts_with('@'))));
        let now = followed.get_untracked();
        if !all.iter().any(|(v, _)| *v == now) {
            all.push((now.clone(), now.trim_start_matches('@').to_owned()));
        }
        all
    });
    let (busy, tried) = (RwSignal::new(false), RwSignal::new(false));
    let save = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        tried.set(true);
        let alias = followed.get_untracked();
        let Some(settings) = form.read(!alias.is_empty()) else { return focus_wrong() };
        let Some((path, body)) = deployment.with_untracked(|d| put_of(d, settings, alias)) else { return };
        act(
            busy,
            "The settings were not changed",
            async move { api::put::<_, DeploymentDetail>(&path, &body).await },
            |_| toast(Tone::Good, "Settings saved", "They take effect at once."),
        );
    };
    view! {
        <form novalidate on:submit=save class="settings-form">
          <fieldset class="bare" disabled=move || !may(Role::Engineer)>
            <Show when=move || !may(Role::Engineer)>
                <p class="callout info"><Icon name="info"/><span>"You see what is set. Engineers and administrators may change it."</span></p>
            </Show>
            <Show when=move || model.with(|m| !m.is_empty())>
                <Card title="Version">
                    <SelectField id="follow" label="Alias that it follows" value=followed options=aliases
                        hint="When the alias moves, the new version comes in by itself, by the same kind of release."/>
                </Card>
            </Show>
            <SettingsFields form tried unfolded=true/>
            <Show when=move || may(Role::Engineer)>
                <div class="actions"><Button look=Look::Primary icon="save" submit=true busy>"Save settings"</Button></div>
            </Show>
          </fieldset>
        </form>
    }
}

/// What runs stays as it is.
fn put_of(d: &DeploymentDetail, settings: ServingSettings, alias: String) -> Option<(String, PutDeployment)> {
    let goal = super::goal(d)?;
    let number = if goal.model.is_empty() { String::new() } else { goal.version.to_string() };
    let body = PutDeployment {
        model: goal.model.clone(),
        version: if alias.is_empty() { number } else { alias },
        // absent: as before. Said again, an image that was built anew under its name would become a new revision.
        served_by: None,
        settings: Some(settings),
        resources: goal.resources.clone(),
        release: None,
    };
    Some((format!("/deployments/{}", seg(&d.summary.name)), body))
}
