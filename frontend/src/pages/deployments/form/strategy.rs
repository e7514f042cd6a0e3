//! How a new revision takes over from the live one: the strategy, its steps and its limits.

use super::{
    Text, Tick, all_good, check_above_zero, check_count, check_percent, check_whole,
    limits::{Limits, LimitsForm},
    options, read, text, words,
};
use crate::ui::{Field, Icon, SelectField, Show};
use drydock_wire::serving::{
    Ab, Assign, AssignCookie, AssignHeader, BlueGreen, Canary, CanaryStep, ExperimentEnd, ReleasePlan, Shadow, Then,
};
use leptos::prelude::*;

const STRATEGIES: [(&str, &str); 6] = [
    ("rolling", "Rolling"),
    ("recreate", "Stop the old one first (recreate)"),
    ("blue_green", "Blue-green"),
    ("canary", "Canary"),
    ("ab", "A/B test"),
    ("shadow", "Shadow"),
];
const MINUTE_S: u64 = 60;

#[derive(Clone, Copy)]
pub struct StrategyForm {
    kind: Text,
    steps: RwSignal<Vec<StepForm>>,
    /// Signals of steps that are added later live as long as the form.
    owner: StoredValue<Owner>,
    automatic: RwSignal<bool>,
    limited: RwSignal<bool>,
    limits: LimitsForm,
    /// Minutes.
    promote_after: Text,
    /// Minutes.
    keep_old: Text,
    /// Percent of callers or of copies.
    share: Text,
    assign: Text,
    assign_name: Text,
    after: Text,
    then: Text,
    tolerance: Text,
    ignore: Text,
}

#[derive(Clone, Copy, PartialEq)]
struct StepForm {
    weight: Text,
    hold: Text,
}

fn step(weight: u32, hold_s: u64) -> StepForm {
    StepForm { weight: text(weight), hold: text(hold_s) }
}

impl StrategyForm {
    pub fn new() -> Self {
        Self {
            kind: text("rolling"),
            steps: RwSignal::new([5, 25, 50].map(|weight| step(weight, MINUTE_S)).to_vec()),
            owner: StoredValue::new(Owner::current().unwrap_or_default()),
            automatic: RwSignal::new(true),
            limited: RwSignal::new(true),
            limits: LimitsForm::new(),
            promote_after: text(""),
            keep_old: text(10),
            share: text(50),
            assign: text("caller"),
            assign_name: text(""),
            after: text(""),
            then: text("wait"),
            tolerance: text("0.000001"),
            ignore: text(Shadow::default().ignore.join(", ")),
        }
    }

    /// The old one is to end first.
    pub fn recreate(&self) {
        self.kind.set("recreate".to_owned());
    }

    /// The outer absence: a field is wrong; the inner: rolling.
    pub fn read(&self) -> Option<Option<ReleasePlan>> {
        if !all_good(&[(self.keep_old, check_count), (self.promote_after, check_whole), (self.after, check_whole)]) {
            return None;
        }
        let keep_old_s = read::<u64>(self.keep_old)? * MINUTE_S;
        let plan = match self.kind.get_untracked().as_str() {
            "blue_green" => {
                let auto_promote_after_s = read::<u64>(self.promote_after).map(|m| m * MINUTE_S);
                ReleasePlan::BlueGreen(BlueGreen { auto_promote_after_s, keep_old_s })
            }
            "canary" => {
                let (steps, analysis) = (self.read_steps()?, self.limits.read()?);
                ReleasePlan::Canary(Canary { steps, analysis, automatic: self.automatic.get_untracked(), keep_old_s })
            }
            "ab" => ReleasePlan::Ab(self.read_test(keep_old_s)?),
            "shadow" => ReleasePlan::Shadow(self.read_shadow(keep_old_s)?),
            "recreate" => ReleasePlan::Recreate,
            _ => return Some(None),
        };
        Some(Some(plan))
    }

    fn read_steps(&self) -> Option<Vec<CanaryStep>> {
        if untrack(|| self.wrong_steps()).is_some() {
            return None;
        }
        let one = |s: &StepForm| Some(CanaryStep { weight: read(s.weight)?, hold_s: read(s.hold)? });
        self.steps.with_untracked(|all| all.iter().map(one).collect())
    }

    /// What is wrong with the steps.
    fn wrong_steps(&self) -> Option<&'static str> {
        let mut before = 0;
        for StepForm { weight, hold } in self.steps.get() {
            let share = weight.with(|t| t.trim().parse::<u32>().ok());
            match share {
                Some(n) if !(1..=99).contains(&n) => return Some("Each share is a percentage from 1 to 99."),
                None => return Some("Each share is a percentage from 1 to 99."),
                Some(n) if n <= before => return Some("Each step has more of the requests than the one before."),
                Some(n) => before = n,
            }
            if hold.with(|t| t.trim().parse::<u64>().is_err()) {
                return Some("How long a step takes is a whole number of seconds.");
            }
        }
        (before == 0).then_some("A canary has at least one step.")
    }

    fn read_test(&self, keep_old_s: u64) -> Option<Ab> {
        if !all_good(&[(self.share, check_share)]) {
            return None;
        }
        let name = self.assign_name.get_untracked().trim().to_owned();
        let assign = match self.assign.get_untracked().as_str() {
            "header" if name.is_empty() => return None,
            "header" => Assign::Header(AssignHeader { name }),
            "cookie" if name.is_empty() => Assign::Cookie(AssignCookie::default()),
            "cookie" => Assign::Cookie(AssignCookie { name }),
            "request" => Assign::Request,
            _ => Assign::Caller,
        };
        let analysis = if self.limited.get_untracked() { Some(self.limits.read()?) } else { None };
        Some(Ab { weight: read(self.share)?, assign, end: self.end(), analysis, keep_old_s })
    }

    fn read_shadow(&self, keep_old_s: u64) -> Option<Shadow> {
        if !all_good(&[(self.share, check_percent), (self.tolerance, check_above_zero)]) {
            return None;
        }
        Some(Shadow {
            percent: read(self.share)?,
            relative_tolerance: read(self.tolerance).unwrap_or(0.0),
            ignore: words(self.ignore),
            end: self.end(),
            keep_old_s,
            ..Shadow::default()
        })
    }

    fn end(&self) -> Option<ExperimentEnd> {
        let then = match self.then.get_untracked().as_str() {
            "promote" => Then::Promote,
            "take_back" => Then::TakeBack,
            _ => Then::Wait,
        };
        read(self.after).map(|after| ExperimentEnd { after_requests: Some(after), at: None, then })
    }

    fn explained(&self, name: &str) -> String {
        match self.kind.get().as_str() {
            "recreate" => format!(
                "{name} finishes its requests and ends, and the new version gets its GPU. Requests are held meanwhile; if the new one fails, the old one comes back."
            ),
            "blue_green" => format!(
                "{name} goes on answering with its present version. The new one is reached with the header X-Drydock-Revision until it is promoted."
            ),
            "canary" => format!(
                "The new version of {name} gets a growing share of the requests, and is taken out by itself when it breaks a limit."
            ),
            "ab" => format!(
                "A share of the callers of {name} gets the new version, each always the same one, until somebody decides. The page shows how both do, and how sure that is."
            ),
            "shadow" => format!(
                "{name} goes on answering with its present version. The new one gets copies of the requests; its answers are compared and thrown away."
            ),
            _ => format!(
                "{name} goes on answering with its present version until the new one is healthy; then requests move over without a failure."
            ),
        }
    }
}

fn check_share(text: &str) -> Result<(), &'static str> {
    match text.trim().parse::<u32>() {
        Ok(1..=99) => Ok(()),
        _ => Err("A whole percentage from 1 to 99."),
    }
}

#[component]
pub fn StrategyFields(form: StrategyForm, tried: RwSignal<bool>, name: Text) -> impl IntoView {
    let is = move |kind: &'static str| form.kind.with(|k| k == kind);
    view! {
        <SelectField id="deploy-strategy" label="How it takes over" value=form.kind options=options(&STRATEGIES)/>
        <p class="callout info" role="status"><Icon name="info"/><span>{move || form.explained(&name.get())}</span></p>
        <Show when=move || is("canary")>
            <Steps form tried/>
            <Limits form=form.limits tried name/>
            <Tick value=form.automatic label="Promote it by itself after the last step"/>
        </Show>
        <Show when=move || is("ab")><TestFields form tried name/></Show>
        <Show when=move || is("shadow")><ShadowFields form tried/></Show>
        <Show when=move || !is("rolling") && !is("recreate")>
            <div class="cols">
                <Show when=move || is("blue_green")>
                    <Field id="promote-after" label="Promote by itself after (minutes)" value=form.promote_after check=check_whole tried=tried placeholder="only by a person"/>
                </Show>
                <Field id="keep-old" label="Keep the replaced one for (minutes)" value=form.keep_old check=check_count tried=tried hint="So long one can switch back at once."/>
            </div>
        </Show>
    }
}

#[component]
fn Steps(form: StrategyForm, tried: RwSignal<bool>) -> impl IntoView {
    let add = move |_| {
        let last = form.steps.with_untracked(|s| s.last().and_then(|s| read::<u32>(s.weight))).unwrap_or(0);
        let next = (last + (100 - last.min(99)).div_ceil(2)).clamp(1, 99);
        form.owner.with_value(|o| o.with(|| form.steps.update(|s| s.push(step(next, MINUTE_S)))));
    };
    let wrong = move || if tried.get() { form.wrong_steps() } else { None };
    let row = move |(at, StepForm { weight, hold }): (usize, StepForm)| {
        view! {
            <li>
                <span class="dim tabular">{at + 1}"."</span>
                <input inputmode="numeric" aria-label=format!("Share of step {} in percent", at + 1) bind:value=weight/><span class="dim">"% for"</span>
                <input inputmode="numeric" aria-label=format!("Length of step {} in seconds", at + 1) bind:value=hold/><span class="dim">"s"</span>
                <button type="button" class="icon-btn" aria-label=format!("Remove step {}", at + 1)
                    on:click=move |_| form.steps.update(|s| { s.remove(at); })><Icon name="x"/></button>
            </li>
        }
    };
    view! {
        <div class="field" class:invalid=move || wrong().is_some()>
            <span class="label">"Steps"</span>
            <ul class="env step-rows" aria-label="Steps">{move || form.steps.get().into_iter().enumerate().map(row).collect_view()}</ul>
            <button type="button" class="btn small" on:click=add><Icon name="plus"/>"Add a step"</button>
            <p class="note" aria-live="polite">{move || wrong().unwrap_or("Then all requests.")}</p>
        </div>
    }
}

#[component]
fn TestFields(form: StrategyForm, tried: RwSignal<bool>, name: Text) -> impl IntoView {
    let ways = [
        ("caller", "The caller's name"),
        ("header", "A header's value"),
        ("cookie", "A cookie"),
        ("request", "Each request for itself"),
    ];
    view! {
        <div class="thirds even">
            <Field id="ab-share" label="To the new one (%)" value=form.share check=check_share tried=tried/>
            <SelectField id="ab-assign" label="Told apart by" value=form.assign options=options(&ways)/>
            <Show when=move || form.assign.with(|a| a == "header")>
                <Field id="ab-header" label="Header" value=form.assign_name check=check_header tried=tried mono=true placeholder="X-Customer"/>
            </Show>
            <Show when=move || form.assign.with(|a| a == "cookie")>
                <Field id="ab-cookie" label="Cookie" value=form.assign_name mono=true placeholder="drydock-variant"/>
            </Show>
        </div>
        <EndFields form tried/>
        <Tick value=form.limited label="Take it back by itself when it breaks a limit"/>
        <Show when=move || form.limited.get()><Limits form=form.limits tried name/></Show>
    }
}

fn check_header(text: &str) -> Result<(), &'static str> {
    let good =
        !text.trim().is_empty() && text.trim().chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    good.then_some(()).ok_or("The header's name, such as X-Customer.")
}

#[component]
fn ShadowFields(form: StrategyForm, tried: RwSignal<bool>) -> impl IntoView {
    view! {
        <div class="thirds even">
            <Field id="shadow-share" label="Copied (%)" value=form.share check=check_percent tried=tried/>
            <Field id="shadow-tolerance" label="Numbers are near within" value=form.tolerance check=check_above_zero tried=tried hint="As a share of the larger one."/>
            <Field id="shadow-ignore" label="Fields not compared" value=form.ignore mono=true placeholder="none"/>
        </div>
        <EndFields form tried/>
    }
}

#[component]
fn EndFields(form: StrategyForm, tried: RwSignal<bool>) -> impl IntoView {
    let then =
        [("wait", "Wait for a person"), ("promote", "Promote the new one"), ("take_back", "Take the new one back")];
    view! {
        <div class="thirds even">
            <Field id="end-after" label="Ends after requests" value=form.after check=check_whole tried=tried placeholder="when somebody decides"/>
            <Show when=move || form.after.with(|a| !a.trim().is_empty())>
                <SelectField id="end-then" label="And then" value=form.then options=options(&then)/>
            </Show>
        </div>
    }
}
