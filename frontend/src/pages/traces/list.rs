//! All traces: search in words or in MLflow's filter language, filters, sort.

use super::micros;
use crate::{
    api::seg,
    live::remote,
    pages::parts::{Listing, PAGE_SIZE, counted, query},
    ui::{
        Button, Chips, Column, EmptyState, Icon, LinkButton, Loaded, Look, PageHead, Pager, Pill, SearchBox, Show,
        Status, Table, TimeAgo, Tone,
        list::Chip,
        url::{Param, param},
    },
};
use drydock_wire::{events::Topic, traces::TraceSummary, tracking::Experiment};
use leptos::prelude::*;

/// Filters to start from.
const EXAMPLES: [(&str, &str); 7] = [
    ("Slower than two seconds", "execution_time > 2000"),
    ("With a failed span", "span.status = 'ERROR'"),
    ("That used a tool", "span.type = 'TOOL'"),
    ("That mention a word anywhere", "trace.text ILIKE '%refund%'"),
    ("Judged bad by somebody", "feedback.correctness = 'no'"),
    ("Of one application", "tags.`service.name` = 'chatbot'"),
    ("Of one session", "metadata.`mlflow.trace.session` = 'session-1'"),
];

/// What the address says about the list.
#[derive(Clone, Copy)]
struct Filters {
    search: Param,
    status: Param,
    experiment: Param,
    run: Param,
    sort: Param,
    page: Param,
}

impl Filters {
    fn pairs(&self, status: &str) -> Vec<(&'static str, String)> {
        vec![
            ("search", self.search.get()),
            ("experiment", self.experiment.get()),
            ("run", self.run.get()),
            ("status", status.to_owned()),
        ]
    }

    fn path(&self) -> String {
        let mut pairs = self.pairs(&self.status.get());
        pairs.extend([("sort", self.sort.get()), ("page", self.page.get()), ("limit", PAGE_SIZE.to_string())]);
        query("/traces", &pairs)
    }

    fn any(&self) -> bool {
        [self.search, self.status, self.experiment, self.run].iter().any(|param| !param.is(""))
    }

    fn clear(&self) {
        [self.search, self.status, self.experiment, self.run, self.page].iter().for_each(Param::clear);
    }
}

#[component]
pub fn TracesPage() -> impl IntoView {
    let filters = Filters {
        search: param("search", ""),
        status: param("status", ""),
        experiment: param("experiment", ""),
        run: param("run", ""),
        sort: param("sort", "-started_at"),
        page: param("page", ""),
    };
    let page = remote::<Listing<TraceSummary>>(move || Some(filters.path()), &[Topic::Traces]);
    let chips = counted(chips(), Topic::Traces, move |status| {
        let mut pairs = filters.pairs(status);
        pairs.push(("limit", "1".to_owned()));
        query("/traces", &pairs)
    });
    view! {
        <section class="page">
            <PageHead title="Traces" sub=|| "What LLM applications did for each request, step by step."/>
            <div class="toolbar traces-bar">
                <SearchBox param=filters.search label="Search traces, or filter: status = 'ERROR'" resets=filters.page/>
                <FilterHelp filters/>
                <ExperimentFilter filters/>
                <Chips param=filters.status label="Status" chips resets=filters.page/>
                <RunFilter filters/>
            </div>
            <Loaded remote=page lines=12 let:list>
                {
                    let rows = Signal::derive(move || list.with(|l| l.items().to_vec()));
                    let total = Signal::derive(move || list.with(Listing::total));
                    view! {
                        <Show when=move || rows.with(|r| !r.is_empty()) fallback=move || view! { <Nothing filters/> }>
                            <Table id="traces" label="Traces" rows columns=Signal::derive(columns) key=|t| t.id.clone()
                                href=|t| format!("/traces/{}", seg(&t.id)) sort=filters.sort/>
                            <Pager param=filters.page total shown=Signal::derive(move || rows.with(Vec::len))
                                next=Signal::derive(move || list.with(Listing::next)) noun="trace"/>
                        </Show>
                    }
                }
            </Loaded>
        </section>
    }
}

fn chips() -> Vec<Chip> {
    let chip = |value, label, tone| Chip { value, label, tone, count: None };
    vec![
        chip("", "All", None),
        chip("ok", "OK", Some(Tone::Good)),
        chip("error", "Error", Some(Tone::Bad)),
        chip("in_progress", "In progress", Some(Tone::Info)),
    ]
}

fn columns() -> Vec<Column<TraceSummary>> {
    let dash = || view! { <span class="dim">"–"</span> }.into_any();
    let words = |text: &Option<String>| {
        let text = text.clone().unwrap_or_default();
        view! { <span class="clip-line dim" title=text.clone()>{text.clone()}</span> }.into_any()
    };
    vec![
        Column::<TraceSummary>::new("name", "Trace", |t| {
            let href = format!("/traces/{}", seg(&t.id));
            view! { <a class="row-link name" href=href>{t.name.clone()}</a> }.into_any()
        })
        .fixed()
        .sorts_there(),
        Column::<TraceSummary>::new("status", "Status", |t| {
            view! { <Pill status=Status::trace(&t.status)/> }.into_any()
        })
        .sorts_there(),
        Column::<TraceSummary>::new("words", "Request and response", move |t| {
            view! { {words(&t.request)}{words(&t.response)} }.into_any()
        })
        .wide_only(),
        Column::<TraceSummary>::new("place", "Experiment and run", |t| {
            let run = t.runs.first().map(|run| {
                let name = run.name.clone().unwrap_or_else(|| run.id.chars().take(8).collect());
                view! { <a class="clip-line" href=format!("/runs/{}", seg(&run.id))>{name}</a> }
            });
            view! { <span class="clip-line dim">{t.experiment_name.clone()}</span>{run} }.into_any()
        })
        .wide_only(),
        Column::<TraceSummary>::new("tokens", "Tokens", move |t| {
            t.tokens.map_or_else(dash, |n| crate::format::number(n).into_any())
        })
        .right()
        .wide_only(),
        Column::<TraceSummary>::new("duration", "Duration", move |t| {
            t.duration_ms.map_or_else(dash, |ms| micros(ms * 1000).into_any())
        })
        .right()
        .sorts_there(),
        Column::<TraceSummary>::new("started_at", "Started", |t| view! { <TimeAgo at=t.started_at/> }.into_any())
            .right()
            .wide_only()
            .sorts_there(),
    ]
}

/// What can be asked for, as filters to choose.
#[component]
fn FilterHelp(filters: Filters) -> impl IntoView {
    let choose = move |filter: &'static str| {
        filters.page.clear();
        filters.search.set(filter);
    };
    view! {
        <details class="menu filter-help">
            <summary class="icon-btn" aria-label="What can be filtered" title="What can be filtered"><Icon name="info"/></summary>
            <div class="menu-list" role="group" aria-label="Example filters">
                <b class="menu-title">"Words, or MLflow's filter language"</b>
                {EXAMPLES.map(|(what, filter)| view! {
                    <button type="button" on:click=move |_| choose(filter)><span>{what}</span><code>{filter}</code></button>
                }).collect_view()}
                <p class="dim">"Also name, timestamp, metadata, expectation, span.attributes; with =, !=, <, >, LIKE, ILIKE, RLIKE, IN and AND."</p>
            </div>
        </details>
    }
}

#[component]
fn ExperimentFilter(filters: Filters) -> impl IntoView {
    let experiments = remote::<Listing<Experiment>>(|| Some("/experiments".to_owned()), &[Topic::Runs]);
    let options = move || experiments.data.with(|e| e.as_ref().map(|e| e.items().to_vec()).unwrap_or_default());
    view! {
        <label class="pick"><span class="sr">"Experiment"</span>
            <select prop:value=move || { options(); filters.experiment.get() }
                on:change:target=move |e| { filters.page.clear(); filters.experiment.set(&e.target().value()) }>
                <option value="">"All experiments"</option>
                {move || options().into_iter().map(|e| {
                    let chosen = filters.experiment.get_untracked() == e.id;
                    view! { <option value=e.id selected=chosen>{e.name}</option> }
                }).collect_view()}
            </select>
        </label>
    }
}

/// The run that the list is narrowed to; one comes here from the run's page.
#[component]
fn RunFilter(filters: Filters) -> impl IntoView {
    view! {
        <Show when=move || !filters.run.is("")>
            <button type="button" class="chip" aria-label="Show traces of all runs" on:click=move |_| { filters.page.clear(); filters.run.clear() }>
                {move || format!("Run {}", filters.run.get().chars().take(8).collect::<String>())}<Icon name="x"/>
            </button>
        </Show>
    }
}

#[component]
fn Nothing(filters: Filters) -> impl IntoView {
    let origin = StoredValue::new(window().location().origin().unwrap_or_default());
    move || {
        if filters.any() {
            return view! {
                <EmptyState icon="filter" title="No trace matches" text="Clear the filters, or search for something else.">
                    <Button on_press=move |_| filters.clear()>"Clear filters"</Button>
                </EmptyState>
            }
            .into_any();
        }
        let origin = origin.get_value();
        let python = format!(
            "import mlflow\nmlflow.set_tracking_uri(\"{origin}\")\nmlflow.set_experiment(\"my-app\")\n\n@mlflow.trace\ndef answer(question):\n    return \"42\"\n\nanswer(\"What is six times seven?\")"
        );
        let otlp = format!(
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT={origin}/v1/traces\nOTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf\nOTEL_EXPORTER_OTLP_TRACES_HEADERS=\"x-mlflow-experiment-id=0,authorization=Bearer%20TOKEN\""
        );
        view! {
            <EmptyState icon="git-branch" title="No traces yet" text="An application that uses MLflow's tracing or autologging sends them here:">
                <div class="snippet"><pre tabindex="0">{python}</pre></div>
                <p>"Any OpenTelemetry program does, too, with these variables:"</p>
                <div class="snippet"><pre tabindex="0">{otlp}</pre></div>
                <LinkButton href="/settings?tab=tokens" look=Look::Primary icon="key-round">"Make a token"</LinkButton>
            </EmptyState>
        }
        .into_any()
    }
}
