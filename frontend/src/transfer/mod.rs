//! Uploads: three files at a time, in parts, each with its progress. They go on while the person looks at other pages.
//!
//! A cut connection is waited for. What a reload broke off is remembered by name: picking the same file again goes on with what
//! has arrived, since the server keeps the parts. Objects of buckets and the files of a form go the same way.

mod memory;
pub mod pick;
mod sending;
pub mod tray;

pub use memory::{broken_off, give_up_all};

use crate::api::seg;
use leptos::prelude::*;
use std::{cell::RefCell, collections::HashMap};
use web_sys::{File, XmlHttpRequest};

const AT_ONCE: usize = 3;

/// What becomes of a file.
#[derive(Clone, PartialEq, Debug)]
pub enum Goal {
    /// An object of this bucket; the file's name is its key.
    Object(String),
    /// Content that a form refers to when it is sent off. The form's word has a `/`, which no bucket's name has.
    Content(String),
    /// A wheel of the package index.
    Wheel,
}

/// The word that stands for the package index where a browser remembers goals.
const WHEEL: &str = "/packages";

impl Goal {
    /// Of what `word` gave.
    fn of(word: &str) -> Self {
        match word {
            WHEEL => Self::Wheel,
            form if form.contains('/') => Self::Content(form.to_owned()),
            bucket => Self::Object(bucket.to_owned()),
        }
    }

    fn word(&self) -> &str {
        match self {
            Self::Object(bucket) => bucket,
            Self::Content(form) => form,
            Self::Wheel => WHEEL,
        }
    }

    /// Where uploads in parts begin.
    fn uploads(&self) -> String {
        match self {
            Self::Object(bucket) => format!("/buckets/{}/uploads", seg(bucket)),
            Self::Content(_) | Self::Wheel => "/uploads".to_owned(),
        }
    }

    /// Whether a file may go in parts: the package index looks into a wheel as it comes.
    fn takes_parts(&self) -> bool {
        !matches!(self, Self::Wheel)
    }

    /// Where a file goes in one piece.
    fn whole(&self, name: &str, content_type: &str) -> String {
        match self {
            Self::Object(bucket) => {
                let kind = if content_type.is_empty() {
                    String::new()
                } else {
                    format!("&content_type={}", seg(content_type))
                };
                format!("/buckets/{}/object?key={}{kind}", seg(bucket), seg(name))
            }
            Self::Content(_) => "/uploads".to_owned(),
            Self::Wheel => format!("/packages/{}", seg(name)),
        }
    }
}

#[derive(Clone, PartialEq)]
pub enum State {
    Waiting,
    Sending,
    /// The box does not answer; it is asked again by itself.
    Offline,
    Paused,
    Done,
    Failed(String),
}

impl State {
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Done | Self::Failed(_))
    }
}

/// A file on its way.
#[derive(Clone)]
pub struct Item {
    pub id: u32,
    pub goal: Goal,
    /// Its key, or its path within what was chosen.
    pub name: String,
    /// The path that a form gives it in the end: as it came, unless the person changes it.
    pub path: ArcRwSignal<String>,
    pub size_bytes: u64,
    pub state: ArcRwSignal<State>,
    pub sent_bytes: ArcRwSignal<u64>,
    /// Bytes per second, smoothed.
    pub speed: ArcRwSignal<f64>,
    /// SHA-256 of what arrived, of a form's file.
    pub digest: ArcRwSignal<String>,
}

/// What belongs to an item and cannot be shared between threads, which there are none of.
struct Live {
    file: File,
    request: Option<XmlHttpRequest>,
    upload: Option<String>,
    /// Who sends it. Whoever was paused may still wait for an answer when the next one is at work: it finds itself replaced.
    turn: u32,
    /// When the speed was last taken, and what had been sent then.
    sample: (f64, u64),
}

thread_local! {
    static ITEMS: ArcRwSignal<Vec<Item>> = ArcRwSignal::new(vec![]);
    static LANDED: ArcRwSignal<u64> = ArcRwSignal::new(0);
    static SHOWN: ArcRwSignal<Vec<String>> = ArcRwSignal::new(vec![]);
    static LIVE: RefCell<HashMap<u32, Live>> = RefCell::new(HashMap::new());
}

/// All items since the last "clear".
pub fn items() -> ArcRwSignal<Vec<Item>> {
    ITEMS.with(Clone::clone)
}

/// Grows with each file that arrived.
pub fn landed() -> ArcRwSignal<u64> {
    LANDED.with(Clone::clone)
}

/// The forms on the page that show their files themselves, so that the tray need not.
pub fn shown_forms() -> ArcRwSignal<Vec<String>> {
    SHOWN.with(Clone::clone)
}

/// Queues files, each with its name.
pub fn add(goal: &Goal, files: Vec<(String, File)>) {
    tray::stand();
    let all = items();
    let mut next = all.with_untracked(|all| all.iter().map(|item| item.id + 1).max().unwrap_or(1));
    let new: Vec<Item> = files
        .into_iter()
        .map(|(name, file)| {
            let item = Item {
                id: next,
                goal: goal.clone(),
                path: ArcRwSignal::new(name.clone()),
                name,
                size_bytes: file.size() as u64,
                state: ArcRwSignal::new(State::Waiting),
                sent_bytes: ArcRwSignal::new(0),
                speed: ArcRwSignal::new(0.0),
                digest: ArcRwSignal::new(String::new()),
            };
            next += 1;
            let live = Live { file, request: None, upload: None, turn: 0, sample: (0.0, 0) };
            LIVE.with_borrow_mut(|map| map.insert(item.id, live));
            item
        })
        .collect();
    // the same name again means that the older one is not wanted any more, unless it is through
    let replaced: Vec<Item> = all.with_untracked(|all| {
        let again = |old: &&Item| new.iter().any(|item| item.goal == old.goal && item.name == old.name);
        all.iter().filter(again).cloned().collect()
    });
    replaced.iter().for_each(|item| forget(item.id));
    all.update(|all| {
        all.retain(|old| !replaced.iter().any(|item| item.id == old.id));
        all.extend(new);
    });
    pump();
}

fn touch(id: u32, change: impl FnOnce(&mut Live)) {
    LIVE.with_borrow_mut(|map| map.get_mut(&id).map(change));
}

fn forget(id: u32) {
    let gone = LIVE.with_borrow_mut(|map| map.remove(&id));
    if let Some(request) = gone.and_then(|live| live.request) {
        let _ = request.abort();
    }
}

/// Stops sending; what has arrived stays.
pub fn pause(item: &Item) {
    item.state.set(State::Paused);
    item.speed.set(0.0);
    let request = LIVE.with_borrow_mut(|map| map.get_mut(&item.id).and_then(|live| live.request.take()));
    if let Some(request) = request {
        let _ = request.abort();
    }
    pump();
}

/// Goes on, or tries again.
pub fn resume(item: &Item) {
    item.state.set(State::Waiting);
    pump();
}

/// Takes an item out; of an unfinished one what has arrived goes, too.
pub fn remove(item: &Item) {
    let upload = LIVE.with_borrow(|map| map.get(&item.id).and_then(|live| live.upload.clone()));
    forget(item.id);
    let unfinished = item.state.get_untracked() != State::Done;
    items().update(|all| all.retain(|other| other.id != item.id));
    if let Some(upload) = upload.filter(|_| unfinished) {
        memory::give_up(&item.goal, &upload);
    }
    pump();
}

/// Takes all out that are through.
pub fn clear_done() {
    items().update(|all| all.retain(|item| item.state.get_untracked() != State::Done));
}

/// Takes all out that are meant for this.
pub fn clear(goal: &Goal) {
    let gone = items().with_untracked(|all| all.iter().filter(|item| item.goal == *goal).cloned().collect::<Vec<_>>());
    gone.iter().for_each(remove);
}

fn pump() {
    let all = items().get_untracked();
    let busy = |item: &&Item| matches!(item.state.get_untracked(), State::Sending | State::Offline);
    let free = AT_ONCE.saturating_sub(all.iter().filter(busy).count());
    let waiting = all.into_iter().filter(|item| item.state.get_untracked() == State::Waiting);
    for item in waiting.take(free) {
        sending::start(item);
    }
}
