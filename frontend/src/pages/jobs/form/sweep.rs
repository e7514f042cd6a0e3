//! Parameters of a job, and the values they take in a sweep: every combination of lists, or draws from distributions.

use super::state::Form;
use crate::{
    format::{number, plural},
    ui::{Field, Icon, SelectField, Show},
};
use drydock_wire::{
    jobs::SubmitJob,
    sweeps::{Distribution, Goal, RandomSearch, SubmitSweep},
};
use leptos::prelude::*;
use std::collections::BTreeMap;

/// The server's limit of a sweep's jobs.
const MOST: u64 = 1_000;

/// How a row of the form varies, as the select has it; empty: it does not.
const KINDS: [(&str, &str); 4] = [
    ("choice", "one of"),
    ("uniform", "from … to"),
    ("log_uniform", "from … to, logarithmic"),
    ("integer", "whole from … to"),
];

/// A parameter.
#[derive(Clone, Copy, PartialEq)]
pub struct Param {
    id: u32,
    name: RwSignal<String>,
    /// Its value; in a grid and for `choice` several, separated by commas.
    value: RwSignal<String>,
    kind: RwSignal<String>,
    low: RwSignal<String>,
    high: RwSignal<String>,
}

#[derive(Clone, Copy)]
pub struct Params {
    rows: RwSignal<Vec<Param>>,
    next: StoredValue<u32>,
    owner: StoredValue<Owner>,
}

/// Words between commas.
fn listed(text: &str) -> Vec<String> {
    text.split(',').map(|v| v.trim().to_owned()).filter(|v| !v.is_empty()).collect()
}

fn check_name(name: &str) -> Result<(), String> {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    match name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit()) {
        true => Ok(()),
        false => {
            Err(format!("'{name}' is no name of a parameter: letters, digits and underscores, no digit at the start."))
        }
    }
}

impl Param {
    fn distribution(&self) -> Result<Distribution, String> {
        let name = self.name.get();
        let kind = self.kind.get();
        if kind == "choice" {
            return match listed(&self.value.get()) {
                list if list.is_empty() => Err(format!("Give {name} values to choose from, separated by commas.")),
                list => Ok(Distribution::Choice(list)),
            };
        }
        let (low, high) = (self.low.get(), self.high.get());
        let order = || format!("{name}: the first bound has to be below the second.");
        if kind == "integer" {
            let read = |text: &str| text.trim().parse::<i64>().map_err(|_| format!("{name} needs two whole numbers."));
            let (low, high) = (read(&low)?, read(&high)?);
            return if low < high { Ok(Distribution::Integer([low, high])) } else { Err(order()) };
        }
        let read = |text: &str| {
            text.trim().parse::<f64>().map_err(|_| format!("{name} needs two numbers, such as 1e-4 and 0.1."))
        };
        let (low, high) = (read(&low)?, read(&high)?);
        match kind.as_str() {
            _ if low >= high => Err(order()),
            "log_uniform" if low <= 0.0 => Err(format!("{name}: on a logarithmic scale both bounds are above 0.")),
            "log_uniform" => Ok(Distribution::LogUniform([low, high])),
            _ => Ok(Distribution::Uniform([low, high])),
        }
    }
}

impl Params {
    pub fn new() -> Self {
        let owner = StoredValue::new(Owner::current().unwrap_or_default());
        Self { rows: RwSignal::new(vec![]), next: StoredValue::new(0), owner }
    }

    fn row(&self, name: &str, value: &str, kind: &str, (low, high): (String, String)) -> Param {
        let id = self.next.get_value();
        self.next.set_value(id + 1);
        let text = |t: &str| RwSignal::new(t.to_owned());
        let make =
            || Param { id, name: text(name), value: text(value), kind: text(kind), low: text(&low), high: text(&high) };
        self.owner.with_value(|owner| owner.with(make))
    }

    fn add(&self) {
        let row = self.row("", "", "choice", Default::default());
        self.rows.update(|rows| rows.push(row));
    }

    pub fn load(&self, job: &SubmitJob, sweep: Option<&SubmitSweep>) {
        let nothing = || (String::new(), String::new());
        let mut rows: Vec<Param> = job.params.iter().map(|(k, v)| self.row(k, v, "choice", nothing())).collect();
        if let Some(sweep) = sweep {
            rows.extend(sweep.grid.iter().map(|(k, v)| self.row(k, &v.join(", "), "choice", nothing())));
            for (name, from) in sweep.random.iter().flat_map(|r| &r.params) {
                rows.push(match from {
                    Distribution::Choice(list) => self.row(name, &list.join(", "), "choice", nothing()),
                    Distribution::Uniform([a, b]) => self.row(name, "", "uniform", (a.to_string(), b.to_string())),
                    Distribution::LogUniform([a, b]) => {
                        self.row(name, "", "log_uniform", (a.to_string(), b.to_string()))
                    }
                    Distribution::Integer([a, b]) => self.row(name, "", "integer", (a.to_string(), b.to_string())),
                });
            }
        }
        self.rows.set(rows);
    }

    fn named(&self) -> Vec<(String, Param)> {
        let named = |p: Param| (p.name.get().trim().to_owned(), p);
        self.rows.get().into_iter().map(named).filter(|(name, _)| !name.is_empty()).collect()
    }

    /// Whether this row varies in a sweep: one value is one value.
    fn varies(p: Param, random: bool) -> bool {
        let several = || listed(&p.value.get()).len() > 1;
        if random { p.kind.get() != "choice" || several() } else { several() }
    }

    /// The values that are the same in every job.
    pub fn fixed(&self, sweep: bool) -> BTreeMap<String, String> {
        let keeps = |p: &Param| !sweep || (p.kind.get() == "choice" && !Self::varies(*p, false));
        let all = self.named().into_iter().filter(|(_, p)| keeps(p));
        all.map(|(name, p)| (name, p.value.get().trim().to_owned())).collect()
    }

    /// The values that vary: as lists, or as distributions.
    pub fn spread(&self, random: bool, form: &SweepForm) -> (BTreeMap<String, Vec<String>>, Option<RandomSearch>) {
        let varying = self.named().into_iter().filter(|(_, p)| Self::varies(*p, random));
        if !random {
            return (varying.map(|(name, p)| (name, listed(&p.value.get()))).collect(), None);
        }
        let params = varying.filter_map(|(name, p)| Some((name, p.distribution().ok()?))).collect();
        let count = form.count.get().trim().parse().unwrap_or(10);
        (BTreeMap::new(), Some(RandomSearch { params, count, seed: form.seed.get().trim().parse().ok() }))
    }

    pub fn check(&self, mode: &str) -> Result<(), String> {
        let named = self.named();
        for (i, (name, p)) in named.iter().enumerate() {
            check_name(name)?;
            if named[..i].iter().any(|(other, _)| other == name) {
                return Err(format!("The parameter {name} is there twice."));
            }
            if mode == "random" && Self::varies(*p, true) {
                p.distribution()?;
            }
        }
        match mode {
            "" => Ok(()),
            mode if named.iter().any(|(_, p)| Self::varies(*p, mode == "random")) => Ok(()),
            _ => Err("A sweep varies one parameter at least: give one several values, separated by commas.".to_owned()),
        }
    }

    /// How many jobs the grid makes.
    fn combinations(&self) -> u64 {
        let counts = self.named().into_iter().map(|(_, p)| listed(&p.value.get()).len().max(1) as u64);
        counts.fold(1, u64::saturating_mul)
    }
}

/// What a sweep is, beside its parameters.
#[derive(Clone, Copy)]
pub struct SweepForm {
    /// Nothing, `grid` or `random`.
    pub mode: RwSignal<String>,
    pub count: RwSignal<String>,
    pub seed: RwSignal<String>,
    most: RwSignal<String>,
    metric: RwSignal<String>,
    goal: RwSignal<String>,
}

impl SweepForm {
    pub fn new() -> Self {
        let text = |t: &str| RwSignal::new(t.to_owned());
        Self {
            mode: text(""),
            count: text("10"),
            seed: text(""),
            most: text(""),
            metric: text(""),
            goal: text("maximize"),
        }
    }

    pub fn is_on(&self) -> bool {
        !self.mode.get().is_empty()
    }

    pub fn clear(&self) {
        self.mode.set(String::new());
    }

    pub fn load(&self, sweep: &SubmitSweep) {
        self.mode.set(if sweep.random.is_some() { "random" } else { "grid" }.to_owned());
        if let Some(random) = &sweep.random {
            self.count.set(random.count.to_string());
            self.seed.set(random.seed.map(|s| s.to_string()).unwrap_or_default());
        }
        self.most.set(if sweep.most_at_once == 0 { String::new() } else { sweep.most_at_once.to_string() });
        self.metric.set(sweep.metric.clone().unwrap_or_default());
        self.goal.set(if sweep.goal == Goal::Minimize { "minimize" } else { "maximize" }.to_owned());
    }

    /// Without name, job and parameters.
    pub fn read(&self) -> SubmitSweep {
        SubmitSweep {
            most_at_once: self.most.get().trim().parse().unwrap_or(0),
            metric: Some(self.metric.get().trim().to_owned()).filter(|m| !m.is_empty()),
            goal: if self.goal.get() == "minimize" { Goal::Minimize } else { Goal::Maximize },
            ..SubmitSweep::default()
        }
    }

    pub fn check(&self) -> Result<(), String> {
        if !self.is_on() {
            return Ok(());
        }
        check_most(&self.most.get())?;
        if self.mode.get() == "random" { Ok(check_count(&self.count.get())?) } else { Ok(()) }
    }
}

fn check_most(text: &str) -> Result<(), &'static str> {
    match text.trim() {
        "" => Ok(()),
        text => text.parse::<u32>().map(drop).map_err(|_| "A whole number, or nothing: as many as the queue lets."),
    }
}

fn check_count(text: &str) -> Result<(), &'static str> {
    match text.trim().parse::<u64>() {
        Ok(1..=MOST) => Ok(()),
        _ => Err("A whole number from 1 to 1,000."),
    }
}

/// Words for the section's head: how many parameters, and what becomes of them.
pub fn summary(form: Form) -> String {
    let count = form.params.named().len() as u64;
    match form.sweep.mode.get().as_str() {
        "" if count == 0 => "none".to_owned(),
        "" => plural(count, "parameter"),
        "random" => format!("a sweep of {} drawn jobs", form.sweep.count.get()),
        _ => format!("a sweep of {}", plural(form.params.combinations(), "job")),
    }
}

#[component]
pub fn ParamsSection(form: Form, tried: RwSignal<bool>) -> impl IntoView {
    let (params, sweep) = (form.params, form.sweep);
    let mode = move |value: &'static str, text: &'static str| {
        view! {
            <button type="button" aria-pressed=move || (sweep.mode.get() == value).to_string()
                on:click=move |_| sweep.mode.set(value.to_owned())>{text}</button>
        }
    };
    let error = move || if tried.get() { params.check(&sweep.mode.get()).err() } else { None };
    view! {
        <div class="segments fit" role="group" aria-label="How often it runs">
            {mode("", "One job")}{mode("grid", "Every combination")}{mode("random", "Random draws")}
        </div>
        <div class="field" class:invalid=move || error().is_some()>
            <span class="label">"Parameters"</span>
            <ul class="env params">
                <For each=move || params.rows.get() key=|p| p.id let:p><Row p params sweep/></For>
            </ul>
            <button type="button" class="btn small" on:click=move |_| params.add()><Icon name="plus"/>"Add a parameter"</button>
            <p class="note" aria-live="polite">{move || error().unwrap_or_else(|| hint(&params, &sweep))}</p>
        </div>
        <Show when=move || sweep.is_on()><SweepFields sweep tried/></Show>
    }
}

fn hint(params: &Params, sweep: &SweepForm) -> String {
    let basic = "In the command {name} stands for the value; the program also finds it as DRYDOCK_PARAM_NAME, and its run shows it.";
    match sweep.mode.get().as_str() {
        "" => basic.to_owned(),
        "random" => format!("{basic} Parameters with one value are the same in every job."),
        _ => match params.combinations() {
            n if n > MOST => format!("These make {} jobs; 1,000 is the most.", number(n)),
            n => format!("Values are separated by commas: {}, one for each combination. {basic}", plural(n, "job")),
        },
    }
}

#[component]
fn Row(p: Param, params: Params, sweep: SweepForm) -> impl IntoView {
    let is_random = move || sweep.mode.get() == "random";
    let bounds = move || is_random() && p.kind.get() != "choice";
    let value_name =
        move || if sweep.is_on() { "Values of the parameter, separated by commas" } else { "Value of the parameter" };
    view! {
        <li>
            <input class="mono" aria-label="Name of the parameter" placeholder="lr" bind:value=p.name spellcheck="false" autocapitalize="off"/>
            <Show when=is_random>
                <select aria-label="How it is drawn" prop:value=move || p.kind.get() on:change:target=move |e| p.kind.set(e.target().value())>
                    {KINDS.map(|(value, text)| view! { <option value=value selected=p.kind.get_untracked() == value>{text}</option> }).collect_view()}
                </select>
            </Show>
            <Show when=move || !bounds()>
                <input class="mono" aria-label=value_name placeholder=move || if sweep.is_on() { "0.1, 0.01" } else { "0.1" }
                    bind:value=p.value spellcheck="false" autocapitalize="off"/>
            </Show>
            <Show when=bounds>
                <input class="mono short" aria-label="Lowest value" placeholder="1e-4" bind:value=p.low/>
                <span class="dim">"to"</span>
                <input class="mono short" aria-label="Highest value" placeholder="0.1" bind:value=p.high/>
            </Show>
            <button type="button" class="icon-btn" aria-label="Remove this parameter" title="Remove"
                on:click=move |_| params.rows.update(|rows| rows.retain(|r| r.id != p.id))><Icon name="x"/></button>
        </li>
    }
}

#[component]
fn SweepFields(sweep: SweepForm, tried: RwSignal<bool>) -> impl IntoView {
    let goals = vec![
        ("maximize".to_owned(), "the highest value".to_owned()),
        ("minimize".to_owned(), "the lowest value".to_owned()),
    ];
    view! {
        <div class="thirds">
            <Show when=move || sweep.mode.get() == "random">
                <Field id="sweep-count" label="Jobs" value=sweep.count check=check_count tried=tried hint="So many draws."/>
                <Field id="sweep-seed" label="Seed of the draws" value=sweep.seed check=super::state::check_seed tried=tried placeholder="drawn"/>
            </Show>
            <Field id="sweep-most" label="At once" value=sweep.most check=check_most tried=tried placeholder="no cap"
                hint="So many of them run at the same time."/>
        </div>
        <div class="thirds">
            <Field id="sweep-metric" label="Compare by the metric" value=sweep.metric placeholder="val_loss" mono=true
                hint="As the program logs it with mlflow."/>
            <SelectField id="sweep-goal" label="Best is" value=sweep.goal options=Signal::stored(goals)/>
        </div>
    }
}
