//! Rows of a list of any length, fetched in blocks where the person looks. Old rows stay in sight until new ones are there.

use crate::{
    api::{self, ApiError},
    live::use_live,
    reactive::effect,
};
use drydock_wire::{Page, events::Topic, tracking::RunSummary};
use leptos::{prelude::*, task::spawn_local};
use std::{collections::HashMap, sync::Arc, time::Duration};

/// Rows in one request.
pub const BLOCK: usize = 100;
/// While one scrolls, only where the scrolling rests is asked for.
const REST: Duration = Duration::from_millis(60);
/// Changes on the box show this late at most, however many there are.
const LIVE: Duration = Duration::from_millis(700);

type Blocks = HashMap<usize, Arc<Vec<Arc<RunSummary>>>>;

/// The list's rows as far as they are known.
#[derive(Clone, Copy)]
pub struct Windows {
    pub blocks: RwSignal<Blocks>,
    /// Absent until the first answer.
    pub total: RwSignal<Option<u64>>,
    pub error: RwSignal<Option<ApiError>>,
    /// Rows in sight: from, to.
    pub sight: RwSignal<(usize, usize)>,
    /// How many rows came in above what is in sight since the last look; the table scrolls by as many and sets it to zero.
    pub shift: RwSignal<isize>,
    state: StoredValue<State>,
    path: Memo<String>,
}

#[derive(Default)]
struct State {
    generation: u64,
    flying: Vec<usize>,
    timer: Option<TimeoutHandle>,
    live_waits: bool,
}

/// What a block is asked for.
#[derive(Clone, Copy, PartialEq)]
enum Why {
    /// It came into sight.
    Sight,
    /// Something changed on the box.
    Change,
    /// It is the first of another list.
    Another,
}

/// Rows of `GET path`, to which `offset` and `limit` are added.
pub fn windows(path: Memo<String>) -> Windows {
    let it = Windows {
        blocks: RwSignal::new(HashMap::new()),
        total: RwSignal::new(None),
        error: RwSignal::new(None),
        sight: RwSignal::new((0, 40)),
        shift: RwSignal::new(0),
        state: StoredValue::new(State::default()),
        path,
    };
    effect(move || {
        path.track();
        it.start();
    });
    effect(move || {
        it.sight.track();
        it.ask_soon();
    });
    let changed = use_live(Topic::Runs);
    Effect::new(move |before: Option<u64>| {
        let now = changed.get();
        if before.is_some_and(|before| before != now) {
            it.refresh_soon();
        }
        now
    });
    on_cleanup(move || {
        if let Some(Some(timer)) = it.state.try_update_value(|s| s.timer.take()) {
            timer.clear();
        }
    });
    it
}

impl Windows {
    pub fn row(&self, index: usize) -> Option<Arc<RunSummary>> {
        self.blocks.with(|b| b.get(&(index / BLOCK)).and_then(|rows| rows.get(index % BLOCK)).cloned())
    }

    /// Another list: all is asked for anew.
    fn start(self) {
        self.state.update_value(|s| {
            s.generation += 1;
            s.flying.clear();
        });
        self.fetch(0, Why::Another);
    }

    pub fn again(self) {
        self.error.set(None);
        self.start();
    }

    fn ask_soon(self) {
        let later = set_timeout_with_handle(move || self.ask(), REST);
        self.state.update_value(|s| {
            if let Some(old) = std::mem::replace(&mut s.timer, later.ok()) {
                old.clear();
            }
        });
    }

    /// Asks for the blocks in sight that are not known.
    fn ask(self) {
        let Some((from, to)) = self.sight.try_get_untracked() else { return };
        let Some(total) = self.total.get_untracked() else { return };
        let last = (total as usize).saturating_sub(1) / BLOCK;
        for block in from / BLOCK..=(to / BLOCK).min(last) {
            if !self.blocks.with_untracked(|b| b.contains_key(&block)) {
                self.fetch(block, Why::Sight);
            }
        }
    }

    fn refresh_soon(self) {
        if self.state.try_update_value(|s| std::mem::replace(&mut s.live_waits, true)) != Some(false) {
            return;
        }
        set_timeout(
            move || {
                if self.state.try_update_value(|s| s.live_waits = false).is_some() && !document().hidden() {
                    let (from, to) = self.sight.get_untracked();
                    for block in from / BLOCK..=to / BLOCK {
                        self.fetch(block, Why::Change);
                    }
                }
            },
            LIVE,
        );
    }

    fn fetch(self, block: usize, why: Why) {
        let count = why != Why::Sight;
        let asked = self.state.try_update_value(|s| {
            if s.flying.contains(&block) {
                return None;
            }
            s.flying.push(block);
            Some(s.generation)
        });
        let Some(Some(generation)) = asked else { return };
        let base = self.path.get_untracked();
        let join = if base.contains('?') { '&' } else { '?' };
        let path = format!("{base}{join}offset={}&limit={BLOCK}&count={count}", block * BLOCK);
        spawn_local(async move {
            let answer = api::get::<Page<RunSummary>>(&path).await;
            let current = self.state.try_update_value(|s| {
                if s.generation == generation {
                    s.flying.retain(|b| *b != block);
                }
                s.generation
            });
            if current != Some(generation) {
                return;
            }
            match answer {
                Ok(page) => self.landed(block, page, why),
                Err(error) => drop(self.error.try_set(Some(error))),
            }
        });
    }

    fn landed(self, block: usize, page: Page<RunSummary>, why: Why) {
        self.error.set(None);
        let rows: Vec<Arc<RunSummary>> = page.items.into_iter().map(Arc::new).collect();
        if why == Why::Another {
            self.blocks.set(HashMap::from([(block, Arc::new(rows))]));
            self.total.set(Some(page.total));
            return self.ask_soon();
        }
        let moved = if why == Why::Change { self.moved(block, &rows) } else { 0 };
        if why == Why::Change && self.total.get_untracked() != Some(page.total) {
            // rows came or went: blocks out of sight are not what they were
            let (from, to) = self.sight.get_untracked();
            let near = from / BLOCK..=to / BLOCK;
            self.blocks.update(|b| b.retain(|k, _| near.contains(k)));
            self.total.set(Some(page.total));
        }
        if !self.blocks.with_untracked(|b| b.get(&block).is_some_and(|old| **old == rows)) {
            self.blocks.update(|b| drop(b.insert(block, Arc::new(rows))));
        }
        if moved != 0 {
            self.shift.set(moved);
        }
        self.ask_soon();
    }

    /// By how many rows the first row in sight moved down.
    fn moved(self, block: usize, rows: &[Arc<RunSummary>]) -> isize {
        let (from, to) = self.sight.get_untracked();
        let first = from.max(block * BLOCK);
        (first..to.min((block + 1) * BLOCK))
            .find_map(|index| {
                let old = self.blocks.with_untracked(|b| b.get(&block)?.get(index % BLOCK).cloned())?;
                let now = rows.iter().position(|row| row.id == old.id)?;
                Some((block * BLOCK + now) as isize - index as isize)
            })
            .unwrap_or(0)
    }
}
