//! What was deleted lately: who did it, how long it stays, restoring it, and for admins freeing the disk now.

use crate::{
    api,
    app::app,
    format::{bytes, plural},
    live::remote,
    pages::parts::{DiscardDialog, End, PAGE_SIZE, counted, holder_text, is_engineer, query},
    session::may,
    ui::{
        Button, Chips, EmptyState, Icon, Loaded, Look, PageHead, Pager, SearchBox, Show, TimeAgo, Tone, act,
        list::Chip,
        toast,
        url::{Param, param},
    },
};
use drydock_wire::{
    Page,
    accounts::Role,
    events::Topic,
    trash::{TRASH_DAYS, TrashDone, TrashItem, TrashKind, TrashSelection},
};
use leptos::prelude::*;

const DAY_MS: i64 = 86_400_000;

/// What the rows and the head do together.
#[derive(Clone, Copy)]
struct Choice {
    chosen: RwSignal<Vec<TrashItem>>,
    purging: RwSignal<bool>,
    /// What the dialog is about.
    what: RwSignal<TrashSelection>,
    busy: RwSignal<bool>,
}

impl Choice {
    fn restore(self, items: Vec<TrashItem>) {
        let what = selection(&items);
        let call = async move { api::post::<_, TrashDone>("/trash/restore", &what).await };
        act(self.busy, "Nothing was restored", call, move |done: TrashDone| {
            let count = done.runs + done.experiments + done.logged_models;
            toast(Tone::Good, &format!("{} restored", plural(count, "thing")), "");
            self.chosen.set(vec![]);
        });
    }

    fn purge(self, what: TrashSelection) {
        self.what.set(what);
        self.purging.set(true);
    }
}

fn selection(items: &[TrashItem]) -> TrashSelection {
    let ids = |kind| items.iter().filter(|i| i.kind == kind).map(|i| i.id.clone()).collect();
    TrashSelection {
        runs: ids(TrashKind::Run),
        experiments: ids(TrashKind::Experiment),
        logged_models: ids(TrashKind::LoggedModel),
        with_models: true,
        everything: false,
    }
}

#[component]
pub fn TrashPage() -> impl IntoView {
    let (kind, search, page) = (param("kind", ""), param("search", ""), param("page", ""));
    let choice = Choice {
        chosen: RwSignal::new(vec![]),
        purging: RwSignal::new(false),
        what: RwSignal::new(TrashSelection::default()),
        busy: RwSignal::new(false),
    };
    let of_kind = move |kind: &str| query("/trash", &[("kind", kind.to_owned()), ("search", search.get())]);
    let list = remote::<Page<TrashItem>>(
        move || {
            let pairs = [
                ("kind", kind.get()),
                ("search", search.get()),
                ("page", page.get()),
                ("limit", PAGE_SIZE.to_string()),
            ];
            Some(query("/trash", &pairs))
        },
        &[Topic::Runs],
    );
    let chips = counted(chips(), Topic::Runs, move |kind| {
        let path = of_kind(kind);
        format!("{path}{}limit=1", if path.contains('?') { '&' } else { '?' })
    });
    let admin = untrack(|| may(Role::Admin));
    let sub = || {
        format!(
            "Deleted things stay {TRASH_DAYS} days. Only then, or when an admin frees them, does the disk get its bytes back."
        )
    };
    view! {
        <section class="page">
            <PageHead title="Trash" sub=sub><HeadActions choice admin/></PageHead>
            <div class="toolbar">
                <SearchBox param=search label="Search the trash" resets=page/>
                <Chips param=kind label="Kind" chips resets=page/>
            </div>
            <Loaded remote=list lines=8 let:items>
                <Show when=move || items.with(|l| !l.items.is_empty()) fallback=move || view! { <Nothing kind search/> }>
                    <Rows items choice admin/>
                    <Pager param=page total=Signal::derive(move || items.with(|l| l.total)) shown=Signal::derive(move || items.with(|l| l.items.len()))
                        next=Signal::derive(move || items.with(|l| l.next.clone())) noun="entry"/>
                </Show>
            </Loaded>
            <DiscardDialog open=choice.purging what=choice.what end=End::Purge done=move |_| choice.chosen.set(vec![])/>
        </section>
    }
}

fn chips() -> Vec<Chip> {
    let chip = |value, label| Chip { value, label, tone: None, count: None };
    vec![chip("", "All"), chip("run", "Runs"), chip("experiment", "Experiments"), chip("logged_model", "Models")]
}

#[component]
fn HeadActions(choice: Choice, admin: bool) -> impl IntoView {
    let any = move || choice.chosen.with(|c| !c.is_empty());
    let number = move || choice.chosen.with(Vec::len);
    view! {
        <Show when=move || any() && is_engineer()>
            <Button look=Look::Primary icon="rotate-ccw" busy=choice.busy on_press=move |_| choice.restore(choice.chosen.get_untracked())>
                {move || format!("Restore {}", number())}
            </Button>
        </Show>
        <Show when=move || any() && admin>
            <Button look=Look::Danger icon="trash-2" on_press=move |_| choice.purge(selection(&choice.chosen.get_untracked()))>
                {move || format!("Free {} now", number())}
            </Button>
        </Show>
        <Show when=move || admin && !any()>
            <Button look=Look::Danger icon="trash-2"
                on_press=move |_| choice.purge(TrashSelection { everything: true, ..Default::default() })>"Empty the trash"</Button>
        </Show>
    }
}

#[component]
fn Nothing(kind: Param, search: Param) -> impl IntoView {
    move || {
        if kind.is("") && search.is("") {
            return view! {
                <EmptyState icon="trash-2" title="The trash is empty"
                    text="Deleted runs, experiments and models wait here before the disk is freed."/>
            }
            .into_any();
        }
        let clear = move |_| {
            kind.clear();
            search.clear();
        };
        view! {
            <EmptyState icon="filter" title="Nothing in the trash matches" text="Clear the filters, or search for something else.">
                <Button on_press=clear>"Clear filters"</Button>
            </EmptyState>
        }
        .into_any()
    }
}

#[component]
fn Rows(items: Signal<Page<TrashItem>>, choice: Choice, admin: bool) -> impl IntoView {
    let engineer = is_engineer();
    view! {
        <div class="pane" tabindex="0" role="region" aria-label="Trash"><table class="grid">
            <thead><tr>
                {engineer.then(|| view! { <th scope="col"><span class="sr">"Choose"</span></th> })}
                <th scope="col">"Name"</th><th scope="col" class="wide-only">"Kind"</th>
                <th scope="col" class="num">"Size"</th><th scope="col" class="num wide-only">"Frees"</th>
                <th scope="col" class="wide-only">"Deleted"</th><th scope="col">"Stays"</th>
                <th scope="col"><span class="sr">"Actions"</span></th>
            </tr></thead>
            <tbody>{move || items.get().items.into_iter().map(|item| line(item, choice, engineer, admin)).collect_view()}</tbody>
        </table></div>
    }
}

fn line(item: TrashItem, choice: Choice, engineer: bool, admin: bool) -> impl IntoView {
    let (key, this) = (item.id.clone(), StoredValue::new(item.clone()));
    let is_chosen = move || choice.chosen.with(|c| c.iter().any(|i| i.id == key));
    let toggle = move |on: bool| {
        choice.chosen.update(|c| {
            c.retain(|i| i.id != this.with_value(|t| t.id.clone()));
            if on {
                c.push(this.get_value());
            }
        });
    };
    let label = format!("Choose {}", item.name);
    let ends_at = item.ends_at;
    let left = move || match (ends_at - app().now.get() + DAY_MS - 1) / DAY_MS {
        days if days <= 0 => "goes today".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    };
    let stays = if item.held_by.is_empty() {
        view! { <span>{left}</span> }.into_any()
    } else {
        let why = item.held_by.iter().map(holder_text).collect::<Vec<_>>().join("; ");
        view! { <span class="tag" title=format!("Kept while this version exists: {why}")><Icon name="lock"/>{format!("kept for {why}")}</span> }.into_any()
    };
    let by = item.deleted_by.clone().map(|who| format!(" by {who}"));
    view! {
        <tr>
            {engineer.then(|| view! {
                <td><input type="checkbox" aria-label=label prop:checked=is_chosen on:change:target=move |e| toggle(e.target().checked())/></td>
            })}
            <td><b class="name">{item.name.clone()}</b>{place(&item)}</td>
            <td class="wide-only">{kind_word(item.kind)}</td>
            <td class="num">{bytes(item.bytes)}</td>
            <td class="num wide-only">{bytes(item.freed_bytes)}</td>
            <td class="wide-only"><TimeAgo at=item.deleted_at/>{by}</td>
            <td>{stays}</td>
            <td class="num"><div class="trash-actions">
                {engineer.then(|| view! { <Button small=true on_press=move |_| choice.restore(vec![this.get_value()])>"Restore"</Button> })}
                {admin.then(|| view! {
                    <Button small=true look=Look::Danger on_press=move |_| choice.purge(selection(&[this.get_value()]))>"Free now"</Button>
                })}
            </div></td>
        </tr>
    }
}

fn kind_word(kind: TrashKind) -> &'static str {
    match kind {
        TrashKind::Experiment => "Experiment",
        TrashKind::Run => "Run",
        TrashKind::LoggedModel => "Logged model",
    }
}

/// Where it was: the experiment of a run, the runs of an experiment.
fn place(item: &TrashItem) -> impl IntoView + use<> {
    let text = match &item.experiment {
        Some(experiment) => format!("in {experiment}"),
        None => format!("with {}", plural(item.runs, "run")),
    };
    view! { <div class="dim">{text}</div> }
}
