//! Columns of the runs table: which, in what order, how wide. The address has them, and this browser remembers the last choice.

use crate::{
    format,
    live::remote,
    pages::parts::{metric_text, query, short_id},
    reactive::memo,
    ui::{Dialog, Icon, Pill, Status, TimeAgo, theme, url::Param},
};
use drydock_wire::tracking::{RunKeys, RunSummary};
use leptos::prelude::*;

const REMEMBERED: &str = "drydock.columns.runs";
/// Metric columns that are shown when nobody chose.
const AUTOMATIC: usize = 3;
/// Offered at once; the rest is found by searching.
const OFFERED: usize = 200;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    Status,
    Experiment,
    User,
    Started,
    Ended,
    Duration,
    Id,
    Metric(String),
    Param(String),
    Tag(String),
}

/// A column with its width in pixels, if somebody dragged it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Column {
    pub what: What,
    pub width: Option<u32>,
}

const ATTRIBUTES: [(&str, &str, What); 7] = [
    ("status", "Status", What::Status),
    ("experiment", "Experiment", What::Experiment),
    ("user", "User", What::User),
    ("started_at", "Started", What::Started),
    ("ended_at", "Ended", What::Ended),
    ("duration", "Duration", What::Duration),
    ("id", "Run id", What::Id),
];

impl What {
    fn parse(word: &str) -> Option<Self> {
        if let Some((_, _, what)) = ATTRIBUTES.iter().find(|a| a.0 == word) {
            return Some(what.clone());
        }
        let (kind, key) = word.split_once('.')?;
        match kind {
            "metrics" => Some(Self::Metric(key.to_owned())),
            "params" => Some(Self::Param(key.to_owned())),
            "tags" => Some(Self::Tag(key.to_owned())),
            _ => None,
        }
    }

    /// As the address and the server have it.
    pub fn word(&self) -> String {
        match self {
            Self::Metric(key) => format!("metrics.{key}"),
            Self::Param(key) => format!("params.{key}"),
            Self::Tag(key) => format!("tags.{key}"),
            own => ATTRIBUTES.iter().find(|a| a.2 == *own).map_or(String::new(), |a| a.0.to_owned()),
        }
    }

    pub fn label(&self) -> String {
        match self {
            Self::Metric(key) | Self::Param(key) | Self::Tag(key) => key.clone(),
            own => ATTRIBUTES.iter().find(|a| a.2 == *own).map_or(String::new(), |a| a.1.to_owned()),
        }
    }

    /// As the server's `sort`; nothing where it does not sort by that.
    pub fn sort(&self) -> Option<String> {
        match self {
            Self::Experiment | Self::Duration | Self::Id => None,
            other => Some(other.word()),
        }
    }

    pub fn is_logged(&self) -> bool {
        matches!(self, Self::Metric(_) | Self::Param(_) | Self::Tag(_))
    }

    /// Figures and times, aligned right; the first press sorts them downwards.
    pub fn is_figure(&self) -> bool {
        matches!(self, Self::Metric(_) | Self::Duration | Self::Started | Self::Ended)
    }

    pub fn default_width(&self) -> u32 {
        match self {
            Self::Status => 108,
            Self::Experiment => 134,
            Self::Started | Self::Ended => 112,
            Self::Duration => 98,
            Self::User | Self::Id => 96,
            Self::Metric(_) | Self::Param(_) | Self::Tag(_) => 116,
        }
    }

    pub fn cell(&self, run: &RunSummary) -> AnyView {
        let absent = || view! { <span class="dim">"–"</span> }.into_any();
        let text = |found: Option<&String>| found.map_or_else(absent, |t| t.clone().into_any());
        match self {
            Self::Status => view! { <Pill status=Status::run(&run.status)/> }.into_any(),
            Self::Experiment => run.experiment_name.clone().into_any(),
            Self::User => run.user.clone().into_any(),
            Self::Started => view! { <TimeAgo at=run.started_at/> }.into_any(),
            Self::Ended => run.ended_at.map_or_else(absent, |at| view! { <TimeAgo at/> }.into_any()),
            Self::Duration => duration(run).into_any(),
            Self::Id => view! { <code>{short_id(&run.id)}</code> }.into_any(),
            Self::Metric(key) => {
                run.metrics.iter().find(|m| m.key == *key).map_or_else(absent, |m| metric_text(m).into_any())
            }
            Self::Param(key) => text(run.params.iter().find(|p| p.key == *key).map(|p| &p.value)),
            Self::Tag(key) => text(run.tags.iter().find(|p| p.key == *key).map(|p| &p.value)),
        }
    }
}

/// How long the run took, or takes so far.
pub fn duration(run: &RunSummary) -> String {
    let end = run.ended_at.unwrap_or_else(|| crate::app::app().now.get());
    format::duration((end - run.started_at).max(0) as u64)
}

/// Columns as the address has them: `status,metrics.acc~140`.
pub fn parse(text: &str) -> Vec<Column> {
    let one = |word: &str| {
        let (word, width) = word.split_once('~').map_or((word, None), |(w, px)| (w, px.parse().ok()));
        What::parse(word).map(|what| Column { what, width })
    };
    text.split(',').filter_map(one).collect()
}

fn text_of(columns: &[Column]) -> String {
    let one = |c: &Column| match c.width {
        Some(px) => format!("{}~{px}", c.what.word()),
        None => c.what.word(),
    };
    columns.iter().map(one).collect::<Vec<_>>().join(",")
}

/// The choice of columns, and what there is to choose from.
#[derive(Clone, Copy)]
pub struct Columns {
    param: Param,
    pub shown: Memo<Vec<Column>>,
    pub keys: RwSignal<Option<RunKeys>>,
}

impl Columns {
    pub fn new(param: Param, experiment: Param) -> Self {
        let keys = remote::<RunKeys>(move || Some(query("/run-keys", &[("experiment", experiment.get())])), &[]);
        if param.is("")
            && let Some(last) = theme::stored(REMEMBERED).filter(|t| !t.is_empty())
        {
            param.set(&last);
        }
        let keys = keys.data;
        let shown = memo(move || match param.get().as_str() {
            "" => automatic(keys.get().as_ref(), experiment.get().is_empty()),
            text => parse(text),
        });
        Self { param, shown, keys }
    }

    pub fn set(&self, columns: &[Column]) {
        let text = text_of(columns);
        theme::store(REMEMBERED, &text);
        self.param.set(&text);
    }

    fn forget(&self) {
        theme::store(REMEMBERED, "");
        self.param.clear();
    }

    pub fn change(&self, with: impl FnOnce(&mut Vec<Column>)) {
        let mut now = self.shown.get_untracked();
        with(&mut now);
        self.set(&now);
    }

    /// The server's `columns`: what of a run's values comes along. Reactive.
    pub fn asked(&self) -> String {
        self.shown
            .with(|s| s.iter().filter(|c| c.what.is_logged()).map(|c| c.what.word()).collect::<Vec<_>>().join(","))
    }
}

fn automatic(keys: Option<&RunKeys>, several_experiments: bool) -> Vec<Column> {
    let mut all = vec![What::Status];
    if several_experiments {
        all.push(What::Experiment);
    }
    if let Some(keys) = keys {
        let mut metrics: Vec<_> = keys.metrics.iter().filter(|m| !m.key.starts_with("system/")).collect();
        // figures on data the model did not see say more
        metrics.sort_by_key(|m| (std::cmp::Reverse(m.runs), !held_out(&m.key)));
        all.extend(metrics.into_iter().take(AUTOMATIC).map(|m| What::Metric(m.key.clone())));
    }
    all.extend([What::Started, What::Duration, What::User]);
    all.into_iter().map(|what| Column { what, width: None }).collect()
}

fn held_out(key: &str) -> bool {
    let key = key.to_lowercase();
    ["val", "test", "eval", "holdout", "held_out"].iter().any(|word| key.contains(word))
}

/// The dialog that chooses and orders columns.
#[component]
pub fn ColumnPicker(columns: Columns) -> impl IntoView {
    let open = RwSignal::new(false);
    view! {
        <button type="button" class="btn" on:click=move |_| open.set(true)><Icon name="columns-3"/>"Columns"</button>
        <Dialog open title="Columns" wide=true><Choices columns open/></Dialog>
    }
}

#[component]
fn Choices(columns: Columns, open: RwSignal<bool>) -> impl IntoView {
    let wanted = RwSignal::new(String::new());
    let all = memo(move || {
        let mut all: Vec<(&'static str, What)> = ATTRIBUTES.iter().map(|(_, _, what)| ("Run", what.clone())).collect();
        columns.keys.with(|keys| {
            if let Some(k) = keys {
                all.extend(k.metrics.iter().map(|m| ("Metrics", What::Metric(m.key.clone()))));
                all.extend(k.params.iter().map(|m| ("Parameters", What::Param(m.key.clone()))));
                let tags = k.tags.iter().filter(|t| !t.key.starts_with("mlflow.log-model"));
                all.extend(tags.map(|m| ("Tags", What::Tag(m.key.clone()))));
            }
        });
        all
    });
    let toggle = move |what: What, on: bool| {
        columns.change(|list| {
            list.retain(|c| c.what != what);
            if on {
                list.push(Column { what, width: None });
            }
        });
    };
    let group = move |title: &'static str| {
        let text = wanted.get().to_lowercase();
        let fits = |(t, w): &&(&'static str, What)| *t == title && w.label().to_lowercase().contains(&text);
        let list: Vec<What> = all.with(|a| a.iter().filter(fits).map(|a| a.1.clone()).take(OFFERED).collect());
        (!list.is_empty()).then(|| view! {
            <b class="menu-title">{title}</b>
            {list.into_iter().map(|what| {
                let (label, shown) = (what.label(), what.clone());
                view! {
                    <label class="check">
                        <input type="checkbox" prop:checked=move || columns.shown.with(|l| l.iter().any(|c| c.what == shown))
                            on:change:target=move |e| toggle(what.clone(), e.target().checked())/>
                        <span>{label}</span>
                    </label>
                }
            }).collect_view()}
        })
    };
    let chosen = move || {
        let list = columns.shown.get();
        let last = list.len().saturating_sub(1);
        list.into_iter().enumerate().map(move |(i, c)| {
            let label = c.what.label();
            view! {
                <li>
                    <span>{label.clone()}</span>
                    <button type="button" class="icon-btn" disabled=i == 0 aria-label=format!("Move {label} up")
                        on:click=move |_| columns.change(|l| l.swap(i, i - 1))><Icon name="arrow-up"/></button>
                    <button type="button" class="icon-btn" disabled=i == last aria-label=format!("Move {label} down")
                        on:click=move |_| columns.change(|l| l.swap(i, i + 1))><Icon name="arrow-down"/></button>
                    <button type="button" class="icon-btn" aria-label=format!("Leave out {label}")
                        on:click=move |_| columns.change(|l| { l.remove(i); })><Icon name="x"/></button>
                </li>
            }
        }).collect_view()
    };
    view! {
        <div class="picker">
            <div>
                <label class="search small"><Icon name="search"/><span class="sr">"Search columns"</span>
                    <input type="search" placeholder="Search columns" bind:value=wanted spellcheck="false" autocomplete="off"/></label>
                <div class="picker-list" tabindex="0" role="group" aria-label="Columns there are">
                    {move || ["Run", "Metrics", "Parameters", "Tags"].map(group)}
                </div>
            </div>
            <div>
                <b class="menu-title">"Shown, from left to right"</b>
                <ol class="picker-list">{chosen}</ol>
            </div>
        </div>
        <div class="actions">
            <button type="button" class="btn quiet" on:click=move |_| columns.forget()>"Choose automatically"</button>
            <button type="button" class="btn primary" on:click=move |_| open.set(false)>"Done"</button>
        </div>
    }
}
