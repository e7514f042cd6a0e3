//! A task that waits for a person's word: the question, who may answer, the answer.

use crate::{
    api::{self, seg},
    live::hint,
    ui::{Button, Icon, Look, Show, TimeAgo, Tone, act, dialog::fresh_id, toast},
};
use drydock_wire::{
    events::Topic,
    pipelines::{AnswerApproval, ApprovalState, PipelineRunDetail, TaskRun, TaskState},
};
use leptos::prelude::*;

/// Who may answer, in words.
fn who(a: &ApprovalState) -> String {
    let people =
        if a.people.is_empty() { format!("whoever has the role {}", a.role.as_str()) } else { a.people.join(", ") };
    let not = if a.four_eyes { ", but not the person in whose name the run goes" } else { "" };
    format!("{people}{not}")
}

#[component]
pub fn Approval(run_id: String, task: TaskRun) -> impl IntoView {
    let Some(approval) = task.approval.clone() else { return ().into_any() };
    if let Some(answer) = approval.answer.clone() {
        let (tone, icon, words) =
            if answer.approved { ("good", "circle-check", "approved") } else { ("bad", "circle-x", "declined") };
        let comment = (!answer.comment.is_empty()).then(|| format!(": {}", answer.comment));
        return view! {
            <p class=format!("callout {tone}")><Icon name=icon/><span><b>{approval.text}</b>" "{answer.by}" "{words}" "<TimeAgo at=answer.at/>{comment}</span></p>
        }
        .into_any();
    }
    let waits = task.state == TaskState::WaitsForPerson;
    let may = approval.may_answer && waits;
    let said = who(&approval);
    let ask = StoredValue::new((run_id, task.task, task.item));
    view! {
        <div class="approval callout warn">
            <Icon name="user"/>
            <div class="stack">
                <b>{approval.text}</b>
                <p>{if may { format!("You may answer; so may {said}.") } else { format!("May answer: {said}.") }}</p>
                <Show when=move || may><Answer ask/></Show>
            </div>
        </div>
    }
    .into_any()
}

#[component]
fn Answer(ask: StoredValue<(String, String, Option<i64>)>) -> impl IntoView {
    let (busy, comment) = (RwSignal::new(false), RwSignal::new(String::new()));
    // several questions may stand on a page
    let id = fresh_id("comment");
    let answer = move |approve: bool| {
        let (run, task, item) = ask.get_value();
        let path = format!("/pipeline-runs/{}/approvals", seg(&run));
        let wish = AnswerApproval { task, item, approve, comment: comment.get_untracked() };
        let call = async move { api::post::<_, PipelineRunDetail>(&path, &wish).await };
        act(busy, "The answer was not taken", call, move |_| {
            hint(Topic::Pipelines);
            toast(Tone::Good, if approve { "Approved" } else { "Declined" }, "The run goes on with your answer.");
        });
    };
    view! {
        <div class="field">
            <label for=id.clone()>"Comment"</label>
            <textarea id=id rows="2" bind:value=comment></textarea>
            <p class="note">"Kept with the answer."</p>
        </div>
        <div class="actions">
            <Button look=Look::Danger icon="x" busy on_press=move |_| answer(false)>"Decline"</Button>
            <Button look=Look::Primary icon="check" busy on_press=move |_| answer(true)>"Approve"</Button>
        </div>
    }
}
