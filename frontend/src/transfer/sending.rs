//! One file on its way: in one piece where it is small, else part by part, again and again while the box does not answer.

use super::{Item, LIVE, State, forget, landed, memory, pump, touch};
use crate::api::{self, ApiError, seg};
use drydock_wire::storage::{BeginUpload, ObjectUpload, UploadedPart};
use js_sys::Promise;
use leptos::{prelude::*, task::spawn_local};
use serde::Deserialize;
use wasm_bindgen_futures::JsFuture;
use web_sys::XmlHttpRequest;

/// Up to this a file goes in one piece: sending it again costs little.
const ONE_PIECE_BYTES: u64 = 8 << 20;
const LONGEST_WAIT_MS: i32 = 30_000;

/// The end of an upload, of whichever goal: an object's answer has no digest.
#[derive(Deserialize)]
struct Arrived {
    #[serde(default)]
    digest: String,
}

/// Sends the item until it is there, or until it is paused, taken out or refused.
pub fn start(item: Item) {
    item.state.set(State::Sending);
    let turn = LIVE.with_borrow_mut(|map| {
        let live = map.get_mut(&item.id)?;
        live.turn += 1;
        Some(live.turn)
    });
    if let Some(turn) = turn {
        spawn_local(run(Sender { item, turn }));
    }
}

/// One at a time sends an item.
struct Sender {
    item: Item,
    turn: u32,
}

impl Sender {
    /// Whether it is still this one's turn: not paused, not taken out, not gone on with by another one since.
    fn is_wanted(&self) -> bool {
        let mine = LIVE.with_borrow(|map| map.get(&self.item.id).is_some_and(|live| live.turn == self.turn));
        mine && matches!(self.item.state.get_untracked(), State::Sending | State::Offline)
    }
}

async fn run(sender: Sender) {
    let item = &sender.item;
    let mut wait_ms = 1000;
    loop {
        let before = item.sent_bytes.get_untracked();
        let outcome = send(&sender).await;
        if !sender.is_wanted() {
            // whoever has its turn now sees to the rest
            return pump();
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
                if !sender.is_wanted() {
                    return pump();
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

async fn send(sender: &Sender) -> Result<(), ApiError> {
    let item = &sender.item;
    let Some(file) = LIVE.with_borrow(|map| map.get(&item.id).map(|live| live.file.clone())) else { return Ok(()) };
    if item.size_bytes <= ONE_PIECE_BYTES || !item.goal.takes_parts() {
        let arrived = piece::<Arrived>(sender, &item.goal.whole(&item.name, &file.type_()), &file, 0).await?;
        item.digest.set(arrived.digest);
        return Ok(());
    }
    let wish = BeginUpload {
        key: item.name.clone(),
        size_bytes: item.size_bytes,
        content_type: Some(file.type_()).filter(|kind| !kind.is_empty()),
        modified_at: Some(file.last_modified() as i64),
    };
    let upload = api::post::<_, ObjectUpload>(&item.goal.uploads(), &wish).await?;
    touch(item.id, |live| live.upload = Some(upload.id.clone()));
    memory::note_begun(item, &upload.id);
    let mut sent: u64 = upload.parts.iter().map(|part| part.size_bytes).sum();
    item.sent_bytes.set(sent);
    let here = format!("{}/{}", item.goal.uploads(), seg(&upload.id));
    for number in 1..=u32::try_from(item.size_bytes.div_ceil(upload.part_bytes)).unwrap_or(u32::MAX) {
        if upload.parts.iter().any(|part| part.number == number) {
            continue;
        }
        if !sender.is_wanted() {
            return Ok(());
        }
        let from = u64::from(number - 1) * upload.part_bytes;
        let to = (from + upload.part_bytes).min(item.size_bytes);
        let slice = file.slice_with_f64_and_f64(from as f64, to as f64).map_err(|_| ApiError::unreadable_file())?;
        piece::<UploadedPart>(sender, &format!("{here}/parts/{number}"), &slice, sent).await?;
        sent += to - from;
        item.sent_bytes.set(sent);
    }
    if !sender.is_wanted() {
        return Ok(());
    }
    let arrived = api::post_empty::<Arrived>(&format!("{here}/complete")).await?;
    item.digest.set(arrived.digest);
    memory::note_over(&upload.id);
    Ok(())
}

/// Sends one body; `before` is what was sent of the file before it.
async fn piece<T: serde::de::DeserializeOwned>(
    sender: &Sender,
    to: &str,
    body: &web_sys::Blob,
    before: u64,
) -> Result<T, ApiError> {
    let (id, turn, progressing) = (sender.item.id, sender.turn, sender.item.clone());
    let started = move |request: &XmlHttpRequest| {
        touch(id, |live| live.request = Some(request.clone()));
    };
    let progress = move |sent: f64, _: f64| measure(&progressing, before + sent as u64);
    let answer = api::upload_started::<T>(to, body, progress, started).await;
    touch(id, |live| {
        if live.turn == turn {
            live.request = None;
        }
    });
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
