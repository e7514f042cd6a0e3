//! What people, judges and programs said about a trace.

use super::json::Json;
use crate::ui::Show;
use crate::ui::{Icon, Pill, Status, TimeAgo, Tone, url::Param};
use drydock_wire::traces::TraceAssessment;
use leptos::prelude::*;

#[component]
pub fn Judgements(#[prop(into)] all: Signal<Vec<TraceAssessment>>, chosen: Param) -> impl IntoView {
    view! {
        <Show when=move || all.with(|a| !a.is_empty()) fallback=|| view! {
            <p class="dim none">"Nobody judged this trace yet. "<code>"mlflow.log_feedback"</code>" and "<code>"mlflow.log_expectation"</code>" write here."</p>
        }>
            <ul class="judgements">{move || all.get().into_iter().map(|a| line(a, chosen)).collect_view()}</ul>
        </Show>
    }
}

fn line(judgement: TraceAssessment, chosen: Param) -> impl IntoView {
    let (icon, who) = match judgement.source_kind.as_str() {
        "human" => ("user", "a person"),
        "llm_judge" => ("bot", "an LLM judge"),
        "code" => ("code", "a program"),
        _ => ("circle", "somebody"),
    };
    let source = judgement.source.clone().filter(|s| s != "default").unwrap_or_else(|| who.to_owned());
    let kind = match judgement.kind.as_str() {
        "expectation" => "expected",
        "issue" => "issue",
        _ => "",
    };
    let span = judgement.span_id.clone();
    view! {
        <li class:overridden=!judgement.valid>
            <span class="who" title=who><Icon name=icon/></span>
            <div>
                <div class="judgement-head">
                    <b>{judgement.name.clone()}</b>
                    {(!kind.is_empty()).then(|| view! { <span class="tag">{kind}</span> })}
                    {verdict(&judgement)}
                    {(!judgement.valid).then(|| view! { <span class="dim">"replaced by a newer one"</span> })}
                    <span class="dim push">{source}" · "<TimeAgo at=judgement.created_at/></span>
                </div>
                {judgement.rationale.clone().map(|text| view! { <p class="wrap">{text}</p> })}
                {span.map(|id| view! {
                    <button type="button" class="btn small quiet" on:click=move |_| chosen.set(&id)><Icon name="arrow-up-right"/>"Show the span"</button>
                })}
            </div>
        </li>
    }
}

/// The value: yes and no as what they mean, anything else as it is.
fn verdict(judgement: &TraceAssessment) -> AnyView {
    if let Some(error) = &judgement.error {
        return view! { <Pill status=Status::new(Tone::Warn, "could not judge")/><span class="dim">{error.clone()}</span> }.into_any();
    }
    let value = Json::read(&judgement.value);
    let feedback = judgement.kind == "feedback";
    match value.short().to_lowercase().as_str() {
        "yes" | "true" if feedback => view! { <Pill status=Status::new(Tone::Good, &value.short())/> }.into_any(),
        "no" | "false" if feedback => view! { <Pill status=Status::new(Tone::Bad, &value.short())/> }.into_any(),
        _ => view! { <span class="mono wrap">{value.short()}</span> }.into_any(),
    }
}
