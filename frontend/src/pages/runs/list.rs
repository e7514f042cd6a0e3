//! All runs: filter, experiments, status, columns, saved views; one table however many; a choice to compare or delete.

use super::{
    columns::{ColumnPicker, Columns},
    filter::FilterBox,
    table::{Chosen, RunsTable, choose_all},
    views::{OpenView, Views},
    windows::{Windows, windows},
};
use crate::{
    api::{self, seg},
    app::go,
    format::{number, plural},
    live::remote,
    pages::parts::{DeleteExperiment, DeleteRuns, Listing, counted, query},
    reactive::memo,
    ui::{
        Button, Chips, EmptyState, ErrorState, Icon, LinkButton, Look, PageHead, Show, Skeleton, Tone, act,
        list::Chip,
        url::{Param, param},
    },
};
use drydock_wire::{
    ErrorCode,
    events::Topic,
    tracking::{Experiment, SaveView, SavedView},
};
use leptos::prelude::*;

/// Runs that one comparison takes.
const MOST_COMPARED: u64 = 500;
/// Ids that an address carries itself.
const IN_ADDRESS: usize = 20;

/// What the address says about the list.
#[derive(Clone, Copy)]
pub struct Filters {
    pub search: Param,
    pub status: Param,
    /// Ids with commas.
    pub experiment: Param,
    pub sort: Param,
}

impl Filters {
    fn of_status(&self, status: &str) -> String {
        let pairs =
            [("search", self.search.get()), ("experiment", self.experiment.get()), ("status", status.to_owned())];
        query("/runs", &pairs)
    }

    /// What chooses the runs, as both the server and the page of a comparison have it.
    pub fn chosen_query(&self) -> String {
        query(
            "",
            &[("search", self.search.get()), ("experiment", self.experiment.get()), ("status", self.status.get())],
        )
    }

    fn any(&self) -> bool {
        !(self.search.is("") && self.status.is("") && self.experiment.is(""))
    }

    fn clear(&self) {
        [self.search, self.status, self.experiment].iter().for_each(Param::clear);
    }
}

#[component]
pub fn RunsPage() -> impl IntoView {
    let view = param("view", "");
    move || if view.is("") { view! { <List/> }.into_any() } else { view! { <OpenView view/> }.into_any() }
}

#[component]
fn List() -> impl IntoView {
    let filters = Filters {
        search: param("search", ""),
        status: param("status", ""),
        experiment: param("experiment", ""),
        sort: param("sort", "-started_at"),
    };
    let columns = Columns::new(param("columns", ""), filters.experiment);
    let path = memo(move || {
        let base = filters.of_status(&filters.status.get());
        let rest =
            query("", &[("sort", filters.sort.get())]).replacen('?', if base.contains('?') { "&" } else { "?" }, 1);
        let join = if base.contains('?') || !rest.is_empty() { "&" } else { "?" };
        format!("{base}{rest}{join}columns={}", seg(&columns.asked()))
    });
    let rows = windows(path);
    let chosen = RwSignal::new(Chosen::default());
    Effect::new(move |before: Option<String>| {
        // what is chosen is about what was listed
        let now = filters.chosen_query();
        if before.is_some_and(|b| b != now) {
            chosen.set(Chosen::default());
        }
        now
    });
    let chips = counted(chips(), Topic::Runs, move |status| {
        let path = filters.of_status(status);
        format!("{path}{}limit=1&columns=", if path.contains('?') { '&' } else { '?' })
    });
    let filter_error = Signal::derive(move || rows.error.get());
    view! {
        <section class="page fill">
            <PageHead title="Runs" sub=|| "What was trained, with what, and how well.">
                <Views/>
                <ColumnPicker columns/>
                <DeleteRuns runs=Signal::derive(move || listed(chosen, rows)) done=move |_| chosen.set(Chosen::default())/>
                <CompareButton chosen filters rows/>
            </PageHead>
            <div class="toolbar">
                <FilterBox param=filters.search experiment=filters.experiment keys=columns.keys error=filter_error/>
                <ExperimentFilter filters/>
                <DeleteExperiment id=Signal::derive(move || filters.experiment.get()) done=move |()| filters.clear()/>
                <Chips param=filters.status label="Status" chips/>
            </div>
            <Body filters rows columns chosen path/>
        </section>
    }
}

/// Ids of what is chosen, where all of them are known.
fn listed(chosen: RwSignal<Chosen>, rows: Windows) -> Vec<String> {
    let total = rows.total.get().unwrap_or(0);
    chosen.with(|c| match c.all && (c.ids.len() as u64) < total {
        true => vec![],
        false => c.ids.iter().cloned().collect(),
    })
}

#[component]
fn Body(
    filters: Filters,
    rows: Windows,
    columns: Columns,
    chosen: RwSignal<Chosen>,
    path: Memo<String>,
) -> impl IntoView {
    let there = memo(move || rows.total.get().map(|t| t > 0));
    let failed =
        memo(move || rows.error.get().filter(|e| there.get().is_none() && e.code != ErrorCode::InvalidRequest));
    view! {
        {move || match (there.get(), failed.get()) {
            (_, Some(error)) => view! { <ErrorState error retry=move |()| rows.again()/> }.into_any(),
            (None, None) if rows.error.with(Option::is_some) => view! { <p class="dim">"Mend the filter to see runs."</p> }.into_any(),
            (None, None) => view! { <Skeleton lines=12/> }.into_any(),
            (Some(false), _) => view! { <Nothing filters/> }.into_any(),
            (Some(true), _) => view! {
                <RunsTable rows sort=filters.sort columns chosen path/>
                <Foot rows chosen filters path/>
            }.into_any(),
        }}
    }
}

/// How many there are, where one is, what is chosen.
#[component]
fn Foot(rows: Windows, chosen: RwSignal<Chosen>, filters: Filters, path: Memo<String>) -> impl IntoView {
    let total = move || rows.total.get().unwrap_or(0);
    let place = move || {
        let (from, to) = rows.sight.get();
        let to = (to as u64).min(total());
        format!("{}–{} of {}", number(from as u64 + 1), number(to), plural(total(), "run"))
    };
    let count = move || chosen.with(|c| if c.all { total() } else { c.ids.len() as u64 });
    view! {
        <div class="pager">
            <span class="dim" role="status" data-testid="place">{place}</span>
            <Show when=move || chosen.with(|c| !c.is_empty())>
                <b class="tabular" data-testid="chosen">{move || format!("{} chosen", number(count()))}</b>
                <Show when=move || count() < total()>
                    <Button small=true look=Look::Quiet on_press=move |_| choose_all(chosen, path)>
                        {move || format!("Choose all {} that match", number(total()))}
                    </Button>
                </Show>
                <Button small=true look=Look::Quiet on_press=move |_| chosen.set(Chosen::default())>"Clear choice"</Button>
            </Show>
            <Show when=move || filters.any()>
                <Button small=true look=Look::Quiet on_press=move |_| filters.clear()>"Clear filters"</Button>
            </Show>
        </div>
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
fn CompareButton(chosen: RwSignal<Chosen>, filters: Filters, rows: Windows) -> impl IntoView {
    let busy = RwSignal::new(false);
    let count = move || chosen.with(|c| if c.all { rows.total.get().unwrap_or(0) } else { c.ids.len() as u64 });
    let why_not = Signal::derive(move || match count() {
        0 | 1 => Some("Choose two or more runs in the table.".to_owned()),
        n if n > MOST_COMPARED => Some(format!("At most {MOST_COMPARED} runs can be compared at once; filter first.")),
        _ => None,
    });
    let compare = move |_| {
        let now = chosen.get_untracked();
        if now.all {
            let query = untrack(|| filters.chosen_query());
            return go(&format!("/compare{}", if query.is_empty() { "?all=1".to_owned() } else { query }));
        }
        let mut ids: Vec<String> = now.ids.into_iter().collect();
        ids.sort();
        let list = ids.iter().map(|id| seg(id)).collect::<Vec<_>>().join(",");
        if ids.len() <= IN_ADDRESS {
            return go(&format!("/compare?ids={list}"));
        }
        // too many for an address: the server keeps them under a short id
        let wish = SaveView { kind: "compare".to_owned(), name: String::new(), query: format!("ids={list}") };
        act(
            busy,
            "The comparison was not kept",
            async move { api::post::<_, SavedView>("/views", &wish).await },
            |view| {
                go(&format!("/compare?set={}", view.id));
            },
        );
    };
    view! {
        <Button look=Look::Primary icon="git-compare" why_not busy=busy on_press=compare>
            {move || match count() { 0 => "Compare".to_owned(), n => format!("Compare {}", number(n)) }}
        </Button>
    }
}

/// One or several experiments.
#[component]
fn ExperimentFilter(filters: Filters) -> impl IntoView {
    let experiments = remote::<Listing<Experiment>>(|| Some("/experiments".to_owned()), &[Topic::Runs]);
    let all = move || experiments.data.with(|e| e.as_ref().map(|e| e.items().to_vec()).unwrap_or_default());
    let wanted = RwSignal::new(String::new());
    let now =
        move || filters.experiment.get().split(',').filter(|t| !t.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let label = move || {
        let now = now();
        match now.as_slice() {
            [] => "All experiments".to_owned(),
            [one] => all().into_iter().find(|e| e.id == *one).map_or("1 experiment".to_owned(), |e| e.name),
            several => plural(several.len() as u64, "experiment"),
        }
    };
    let toggle = move |id: &str, on: bool| {
        let mut ids = untrack(now);
        ids.retain(|other| other != id);
        if on {
            ids.push(id.to_owned());
        }
        filters.experiment.set(&ids.join(","));
    };
    let shown = move || {
        let text = wanted.get().to_lowercase();
        all().into_iter().filter(|e| e.name.to_lowercase().contains(&text)).collect::<Vec<_>>()
    };
    view! {
        <details class="menu experiments">
            <summary class="btn" aria-label=move || format!("Experiments: {}", label())><Icon name="flask-conical"/><span>{label}</span><Icon name="chevron-down"/></summary>
            <div class="menu-list" role="group" aria-label="Experiments">
                <label class="search small"><Icon name="search"/><span class="sr">"Search experiments"</span>
                    <input type="search" placeholder="Search experiments" bind:value=wanted spellcheck="false" autocomplete="off"/></label>
                {move || shown().into_iter().map(|e| {
                    let (id, own) = (e.id.clone(), e.id.clone());
                    view! {
                        <label class="check">
                            <input type="checkbox" prop:checked=move || now().contains(&own)
                                on:change:target=move |ev| toggle(&id, ev.target().checked())/>
                            <span>{e.name}</span><small class="dim">{number(e.run_count)}</small>
                        </label>
                    }
                }).collect_view()}
            </div>
        </details>
    }
}

#[component]
fn Nothing(filters: Filters) -> impl IntoView {
    let origin = window().location().origin().unwrap_or_default();
    move || {
        if filters.any() {
            return view! {
                <EmptyState icon="filter" title="No run matches" text="Clear the filters, or look for something else.">
                    <Button on_press=move |_| filters.clear()>"Clear filters"</Button>
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
