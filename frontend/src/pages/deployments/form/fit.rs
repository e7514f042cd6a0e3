//! Whether what the form asks for fits on the box: asked before it is sent.

use super::strategy::StrategyForm;
use crate::{
    api::{self, ApiError},
    reactive::effect,
    ui::{Button, Icon, Show},
};
use drydock_wire::serving::{DeploymentDetail, Fit, FitVerdict, FitWhen, PutDeployment, ReleasePlan};
use leptos::prelude::*;

/// The last answer that kept the form from being sent.
pub type Told = RwSignal<Option<Fit>>;

/// Deploys it where it fits; else what the box says, once: what merely waits is sent when it is asked for again.
pub async fn deploy(path: &str, body: &PutDeployment, told: Option<Fit>) -> Result<Option<Fit>, ApiError> {
    let fit: Fit = api::post(&format!("{path}/fit"), body).await?;
    let is_swapped = body.release == Some(ReleasePlan::Recreate);
    let goes = match fit.verdict {
        FitVerdict::Beside => true,
        FitVerdict::Waits => told.is_some_and(|before| before.verdict == FitVerdict::Waits),
        FitVerdict::After => is_swapped,
        FitVerdict::Never => false,
    };
    if !goes {
        return Ok(Some(fit));
    }
    api::put::<_, DeploymentDetail>(path, body).await.map(|_| None)
}

/// The answer, with the way out where there is one.
#[component]
pub fn FitAnswer(told: Told, strategy: StrategyForm) -> impl IntoView {
    let tone = move || match told.with(|fit| fit.as_ref().map(|fit| fit.verdict)) {
        Some(FitVerdict::Never) => "callout bad",
        _ => "callout warn",
    };
    let words = move || told.with(|fit| fit.as_ref().map(said).unwrap_or_default());
    // it comes at the end of a long form
    effect(move || {
        if told.with(Option::is_some) {
            request_animation_frame(|| {
                if let Some(answer) = document().get_element_by_id("deploy-fit") {
                    answer.scroll_into_view_with_bool(true);
                }
            });
        }
    });
    let may_swap = move || told.with(|fit| fit.as_ref().is_some_and(can_swap));
    view! {
        <Show when=move || told.with(Option::is_some)>
            <div class=tone role="alert" id="deploy-fit"><Icon name="triangle-alert"/><span>{words}</span></div>
            <Show when=may_swap>
                <Button small=true icon="refresh-cw" on_press=move |_| {
                    strategy.recreate();
                    told.set(None);
                }>"Stop the old one first (recreate)"</Button>
            </Show>
        </Show>
    }
}

fn said(fit: &Fit) -> String {
    match fit.verdict {
        FitVerdict::Waits => format!("{} Press again to wait.", fit.words),
        FitVerdict::Never => format!("{} {}", fit.words, fit.way_out.clone().unwrap_or_default()),
        FitVerdict::After | FitVerdict::Beside => fit.words.clone(),
    }
}

fn can_swap(fit: &Fit) -> bool {
    let helps = fit.verdict == FitVerdict::After || fit.verdict == FitVerdict::Waits && fit.after == FitWhen::Now;
    helps && fit.replaces.is_some()
}
