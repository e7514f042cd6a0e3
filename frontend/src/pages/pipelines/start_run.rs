//! The dialog that starts a run: its parameters with their defaults.

use super::{
    parameters::{ParameterFields, Parameters},
    run_href,
};
use crate::{
    api::{self, seg},
    app::go,
    ui::{Button, Dialog, Look, Tone, act, toast},
};
use drydock_wire::pipelines::{PipelineDetail, PipelineRunDetail, StartRun};
use leptos::prelude::*;
use std::collections::BTreeMap;

#[component]
pub fn StartDialog(open: RwSignal<bool>, pipeline: Signal<PipelineDetail>) -> impl IntoView {
    view! { <Dialog open title="Start a run"><Fields open pipeline/></Dialog> }
}

#[component]
fn Fields(open: RwSignal<bool>, pipeline: Signal<PipelineDetail>) -> impl IntoView {
    let busy = RwSignal::new(false);
    let start = pipeline.get_untracked();
    let parameters = Parameters::new(&start, &BTreeMap::new());
    let missing = Signal::derive(move || parameters.missing());
    let submit = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        if untrack(|| missing.get()).is_some() {
            return;
        }
        let path = format!("/pipelines/{}/runs", seg(&start.summary.name));
        let parameters = parameters.given();
        let wish = StartRun { parameters, version: (start.version != start.summary.version).then_some(start.version) };
        let call = async move { api::post::<_, PipelineRunDetail>(&path, &wish).await };
        act(busy, "The run was not started", call, move |made| {
            open.set(false);
            toast(
                Tone::Good,
                &format!("Run {} is started", made.run.number),
                made.run.reason.as_deref().unwrap_or_default(),
            );
            go(&run_href(&made.run));
        });
    };
    view! {
        <form novalidate on:submit=submit>
            {parameters.is_empty().then(|| view! { <p class="soft">"This pipeline has no parameters."</p> })}
            <ParameterFields parameters/>
            <div class="actions">
                <Button on_press=move |_| open.set(false)>"Cancel"</Button>
                <Button look=Look::Primary icon="play" submit=true busy=busy why_not=missing>"Start the run"</Button>
            </div>
        </form>
    }
}
