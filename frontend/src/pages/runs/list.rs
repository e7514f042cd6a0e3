//! All runs: search, filters, sort, columns, and a choice to compare.

use super::table::RunsTable;
use crate::{
    api::seg,
    live::remote,
    pages::parts::{Listing, PAGE_SIZE, counted, query},
    ui::{
        Button, Chips, EmptyState, LinkButton, Loaded, Look, PageHead, Pager, SearchBox, Tone,
        list::Chip,
        url::{Param, param},
    },
};
use drydock_wire::{
    events::Topic,
    tracking::{Experiment, RunSummary},
};
use leptos::prelude::*;

/// More lines than this cannot be told apart.
const MOST_COMPARED: usize = 20;

/// What the address says about the list.
#[derive(Clone, Copy)]
struct Filters {
    search: Param,
    status: Param,
    experiment: Param,
    sort: Param,
    page: Param,
}

impl Filters {
    fn path(&self) -> String {
        let pairs = [("sort", self.sort.get()), ("page", self.page.get()), ("limit", PAGE_SIZE.to_string())];
        let rest = query("", &pairs).replacen('?', "&", 1);
        let path = self.of_status(&self.status.get());
        if path.contains('?') { format!("{path}{rest}") } else { format!("{path}?{}", &rest[1..]) }
    }

    fn of_status(&self, status: &str) -> String {
        let pairs =
            [("search", self.search.get()), ("experiment", self.experiment.get()), ("status", status.to_owned())];
        query("/runs", &pairs)
    }

    fn any(&self) -> bool {
        !(self.search.is("") && self.status.is("") && self.experiment.is(""))
    }

    fn clear(&self) {
        [self.search, self.status, self.experiment, self.page].iter().for_each(Param::clear);
    }
}

#[component]
pub fn RunsPage() -> impl IntoView {
    let filters = Filters {
        search: param("search", ""),
        status: param("status", ""),
        experiment: param("experiment", ""),
        sort: param("sort", "-started_at"),
        page: param("page", ""),
    };
    let columns = param("columns", "");
    let page = remote::<Listing<RunSummary>>(move || Some(filters.path()), &[Topic::Runs]);
    let chosen = RwSignal::new(Vec::<String>::new());
    let chips = counted(chips(), Topic::Runs, move |status| {
        let path = filters.of_status(status);
        format!("{path}{}limit=1", if path.contains('?') { '&' } else { '?' })
    });
    let cleared = StoredValue::new(0u32);
    view! {
        <section class="page">
            <PageHead title="Runs" sub=|| "What was trained, with what, and how well.">
                <CompareButton chosen/>
            </PageHead>
            <div class="toolbar">
                <SearchBox param=filters.search label="Search runs" resets=filters.page/>
                <ExperimentFilter filters/>
                <Chips param=filters.status label="Status" chips resets=filters.page/>
            </div>
            <Loaded remote=page lines=12 let:list>
                {
                    let rows = Signal::derive(move || list.with(|l| l.items().to_vec()));
                    let total = Signal::derive(move || list.with(Listing::total));
                    view! {
                        <Show when=move || rows.with(|r| !r.is_empty()) fallback=move || view! { <Nothing filters cleared/> }>
                            <RunsTable rows sort=filters.sort columns chosen/>
                            <Pager param=filters.page total shown=Signal::derive(move || rows.with(Vec::len))
                                next=Signal::derive(move || list.with(Listing::next)) noun="run"/>
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
        chip("running", "Running", Some(Tone::Info)),
        chip("finished", "Finished", Some(Tone::Good)),
        chip("failed", "Failed", Some(Tone::Bad)),
        chip("killed", "Stopped", Some(Tone::Neutral)),
    ]
}

#[component]
fn CompareButton(chosen: RwSignal<Vec<String>>) -> impl IntoView {
    let why_not = Signal::derive(move || match chosen.with(Vec::len) {
        0 | 1 => Some("Choose two or more runs in the table.".to_owned()),
        n if n > MOST_COMPARED => Some(format!("At most {MOST_COMPARED} runs can be compared at once.")),
        _ => None,
    });
    let compare = move |_| {
        let ids = chosen.with_untracked(|c| c.iter().map(|id| seg(id)).collect::<Vec<_>>().join(","));
        crate::app::go(&format!("/compare?ids={ids}"));
    };
    view! {
        <Show when=move || chosen.with(|c| !c.is_empty())>
            <Button look=Look::Quiet on_press=move |_| chosen.set(vec![])>"Clear choice"</Button>
        </Show>
        <Button look=Look::Primary icon="git-compare" why_not on_press=compare>
            {move || match chosen.with(Vec::len) { 0 => "Compare".to_owned(), n => format!("Compare {n}") }}
        </Button>
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
                    view! { <option value=e.id selected=chosen>{format!("{} ({})", e.name, e.run_count)}</option> }
                }).collect_view()}
            </select>
        </label>
    }
}

#[component]
fn Nothing(filters: Filters, cleared: StoredValue<u32>) -> impl IntoView {
    let origin = window().location().origin().unwrap_or_default();
    move || {
        if filters.any() {
            let clear = move |_| {
                cleared.update_value(|c| *c += 1);
                filters.clear();
            };
            return view! {
                <EmptyState icon="filter" title="No run matches" text="Clear the filters, or search for something else.">
                    <Button on_press=clear>"Clear filters"</Button>
                </EmptyState>
            }
            .into_any();
        }
        let snippet = format!(
            "import mlflow\nmlflow.set_tracking_uri(\"{origin}\")\nwith mlflow.start_run():\n    mlflow.log_metric(\"accuracy\", 0.93)"
        );
        view! {
            <EmptyState icon="activity" title="No runs yet" text="A job that uses mlflow logs its runs here by itself. From elsewhere, point mlflow at this server:">
                <div class="snippet"><pre tabindex="0">{snippet}</pre></div>
                <LinkButton href="/jobs/new" look=Look::Primary icon="play">"Submit a job"</LinkButton>
                <LinkButton href="/settings?tab=tokens" icon="key-round">"Make a token"</LinkButton>
                <LinkButton href="/settings?tab=moving" icon="download">"Bring runs from another MLflow"</LinkButton>
            </EmptyState>
        }
        .into_any()
    }
}
