//! Uploads to buckets: three files at a time, in parts, each with its progress. They go on while the person looks at other pages.
//!
//! A cut connection is waited for. What a reload broke off is remembered by name: picking the same file again goes on with what
//! has arrived, since the server keeps the parts.

use super::path;
use crate::{
    api::{self, ApiError, seg},
    ui::theme::{store, stored},
};
use drydock_wire::storage::{BeginUpload, ObjectSummary, ObjectUpload, UploadedPart};
use js_sys::Promise;
use leptos::{prelude::*, task::spawn_local};
use std::{cell::RefCell, collections::HashMap};
use wasm_bindgen_futures::JsFuture;
use web_sys::{File, XmlHttpRequest};

const AT_ONCE: usize = 3;
/// Up to this a file goes in one piece: sending it again costs little.
const ONE_PIECE_BYTES: u64 = 8 << 20;
const LONGEST_WAIT_MS: i32 = 30_000;
const REMEMBERED: &str = "drydock.uploads";

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
    pub bucket: String,
    pub key: String,
    pub size_bytes: u64,
    pub state: ArcRwSignal<State>,
    pub sent_bytes: ArcRwSignal<u64>,
    /// Bytes per second, smoothed.
    pub speed: ArcRwSignal<f64>,
}

/// What belongs to an item and cannot be shared between threads, which there are none of.
struct Live {
    file: File,
    request: Option<XmlHttpRequest>,
    upload: Option<String>,
    /// When the speed was last taken, and what had been sent then.
    sample: (f64, u64),
}

thread_local! {
    static ITEMS: ArcRwSignal<Vec<Item>> = ArcRwSignal::new(vec![]);
    static LANDED: ArcRwSignal<u64> = ArcRwSignal::new(0);
    static LIVE: RefCell<HashMap<u32, Live>> = RefCell::new(HashMap::new());
}

/// All items since the last "clear".
pub fn items() -> ArcRwSignal<Vec<Item>> {
    ITEMS.with(Clone::clone)
}

/// Grows with each object that an upload made.
pub fn landed() -> ArcRwSignal<u64> {
    LANDED.with(Clone::clone)
}

/// Queues files; each with its key in the bucket.
pub fn add(bucket: &str, files: Vec<(String, File)>) {
    let all = items();
    let mut next = all.with_untracked(|all| all.last().map_or(1, |item| item.id + 1));
    let new: Vec<Item> = files
        .into_iter()
        .map(|(key, file)| {
            let item = Item {
                id: next,
                bucket: bucket.to_owned(),
                key,
                size_bytes: file.size() as u64,
                state: ArcRwSignal::new(State::Waiting),
                sent_bytes: ArcRwSignal::new(0),
                speed: ArcRwSignal::new(0.0),
            };
            next += 1;
            let live = Live { file, request: None, upload: None, sample: (0.0, 0) };
            LIVE.with_borrow_mut(|map| map.insert(item.id, live));
            item
        })
        .collect();
    // the same key again means that the older one is not wanted any more, unless it is through
    let replaced: Vec<Item> = all.with_untracked(|all| {
        let again = |old: &&Item| new.iter().any(|item| item.bucket == old.bucket && item.key == old.key);
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
    let request = LIVE.with_borrow_mut(|map| map.get_mut(&item.id).and_then(|live| live.request.take()));
    if let Some(request) = request {
        let _ = request.abort();
    }
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
        note_over(&upload);
        give_up(&item.bucket, &upload);
    }
    pump();
}

/// Takes all out that are through.
pub fn clear_done() {
    items().update(|all| all.retain(|item| item.state.get_untracked() != State::Done));
}

fn pump() {
    let all = items().get_untracked();
    let busy = |item: &&Item| matches!(item.state.get_untracked(), State::Sending | State::Offline);
    let free = AT_ONCE.saturating_sub(all.iter().filter(busy).count());
    let waiting = all.into_iter().filter(|item| item.state.get_untracked() == State::Waiting);
    for item in waiting.take(free) {
        item.state.set(State::Sending);
        spawn_local(run(item));
    }
}

/// Whether it is to go on: not paused, not taken out.
fn wanted(item: &Item) -> bool {
    let there = LIVE.with_borrow(|map| map.contains_key(&item.id));
    there && matches!(item.state.get_untracked(), State::Sending | State::Offline)
}

async fn run(item: Item) {
    let mut wait_ms = 1000;
    loop {
        let before = item.sent_bytes.get_untracked();
        let outcome = send(&item).await;
        if !wanted(&item) {
            break;
        }
        match outcome {
            Ok(()) => {
                item.sent_bytes.set(item.size_bytes);
                item.state.set(State::Done);
                forget(item.id);
                landed().update(|n| *n += 1);
                break;
            }
            Err(error) if error.code.retryable() => {
                if item.sent_bytes.get_untracked() > before {
                    wait_ms = 1000;
                }
                item.state.set(State::Offline);
                sleep(wait_ms).await;
                if !wanted(&item) {
                    break;
                }
                wait_ms = (wait_ms * 2).min(LONGEST_WAIT_MS);
                item.state.set(State::Sending);
            }
            Err(error) => {
                item.state.set(State::Failed(error.message));
                break;
            }
        }
    }
    item.speed.set(0.0);
    pump();
}

async fn send(item: &Item) -> Result<(), ApiError> {
    let Some(file) = LIVE.with_borrow(|map| map.get(&item.id).map(|live| live.file.clone())) else { return Ok(()) };
    if item.size_bytes <= ONE_PIECE_BYTES {
        let kind = match file.type_() {
            kind if kind.is_empty() => kind,
            kind => format!("&content_type={}", seg(&kind)),
        };
        let to = path(&item.bucket, &format!("/object?key={}{kind}", seg(&item.key)));
        piece::<ObjectSummary>(item, &to, &file, 0).await?;
        return Ok(());
    }
    let wish = BeginUpload {
        key: item.key.clone(),
        size_bytes: item.size_bytes,
        content_type: Some(file.type_()).filter(|kind| !kind.is_empty()),
        modified_at: Some(file.last_modified() as i64),
    };
    let upload = api::post::<_, ObjectUpload>(&path(&item.bucket, "/uploads"), &wish).await?;
    touch(item.id, |live| live.upload = Some(upload.id.clone()));
    note_begun(item, &upload.id);
    let mut sent: u64 = upload.parts.iter().map(|part| part.size_bytes).sum();
    item.sent_bytes.set(sent);
    let here = path(&item.bucket, &format!("/uploads/{}", seg(&upload.id)));
    for number in 1..=u32::try_from(item.size_bytes.div_ceil(upload.part_bytes)).unwrap_or(u32::MAX) {
        if upload.parts.iter().any(|part| part.number == number) {
            continue;
        }
        let from = u64::from(number - 1) * upload.part_bytes;
        let to = (from + upload.part_bytes).min(item.size_bytes);
        let slice = file.slice_with_f64_and_f64(from as f64, to as f64).map_err(|_| ApiError::unreadable_file())?;
        piece::<UploadedPart>(item, &format!("{here}/parts/{number}"), &slice, sent).await?;
        sent += to - from;
        item.sent_bytes.set(sent);
        if !wanted(item) {
            return Ok(());
        }
    }
    api::post_empty::<ObjectSummary>(&format!("{here}/complete")).await?;
    note_over(&upload.id);
    Ok(())
}

/// Sends one body; `before` is what was sent of the file before it.
async fn piece<T: serde::de::DeserializeOwned>(
    item: &Item,
    to: &str,
    body: &web_sys::Blob,
    before: u64,
) -> Result<T, ApiError> {
    let (id, progressing) = (item.id, item.clone());
    let started = move |request: &XmlHttpRequest| {
        touch(id, |live| live.request = Some(request.clone()));
    };
    let progress = move |sent: f64, _: f64| measure(&progressing, before + sent as u64);
    let answer = api::upload_started::<T>(to, body, progress, started).await;
    touch(id, |live| live.request = None);
    answer
}

fn measure(item: &Item, sent: u64) {
    item.sent_bytes.set(sent.min(item.size_bytes));
    let now = js_sys::Date::now();
    let speed = LIVE.with_borrow_mut(|map| {
        let live = map.get_mut(&item.id)?;
        let (at, then) = live.sample;
        if at == 0.0 || sent < then {
            live.sample = (now, sent);
            return None;
        }
        if now - at < 500.0 {
            return None;
        }
        live.sample = (now, sent);
        Some((sent - then) as f64 * 1000.0 / (now - at))
    });
    if let Some(speed) = speed {
        item.speed.update(|old| *old = if *old == 0.0 { speed } else { *old * 0.6 + speed * 0.4 });
    }
}

async fn sleep(ms: i32) {
    let promise = Promise::new(&mut |resolve, _| {
        let _ = window().set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, ms);
    });
    let _ = JsFuture::from(promise).await;
}

/// An upload that a reload may break off.
#[derive(Clone, PartialEq, Debug)]
pub struct Unfinished {
    pub upload: String,
    pub bucket: String,
    pub key: String,
}

/// What was begun in this browser and is not through, but for what is on its way now.
pub fn broken_off(bucket: &str) -> Vec<Unfinished> {
    let under_way: Vec<String> = LIVE.with_borrow(|map| map.values().filter_map(|live| live.upload.clone()).collect());
    let mut all = remembered();
    all.retain(|one| one.bucket == bucket && !under_way.contains(&one.upload));
    all
}

/// Gives those up: what has arrived goes.
pub fn give_up_all(list: &[Unfinished]) {
    for one in list {
        note_over(&one.upload);
        give_up(&one.bucket, &one.upload);
    }
}

fn give_up(bucket: &str, upload: &str) {
    let to = path(bucket, &format!("/uploads/{}", seg(upload)));
    spawn_local(async move { drop(api::delete(&to).await) });
}

fn remembered() -> Vec<Unfinished> {
    let text = stored(REMEMBERED).unwrap_or_default();
    let one = |line: &str| {
        let mut parts = line.splitn(3, '\t').map(str::to_owned);
        Some(Unfinished { upload: parts.next()?, bucket: parts.next()?, key: parts.next()? })
    };
    text.lines().filter_map(one).collect()
}

fn remember(list: &[Unfinished]) {
    let lines: Vec<String> = list.iter().map(|one| format!("{}\t{}\t{}", one.upload, one.bucket, one.key)).collect();
    store(REMEMBERED, &lines.join("\n"));
}

fn note_begun(item: &Item, upload: &str) {
    let mut list = remembered();
    if list.iter().all(|one| one.upload != upload) {
        list.push(Unfinished {
            upload: upload.to_owned(),
            bucket: item.bucket.clone(),
            key: item.key.replace(['\n', '\r'], " "),
        });
        remember(&list);
    }
}

fn note_over(upload: &str) {
    let mut list = remembered();
    list.retain(|one| one.upload != upload);
    remember(&list);
}
