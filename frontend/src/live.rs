//! What the page shows stays true: one event stream with hints, and remote values that are asked again on a hint.
//!
//! A hint never carries data. Old data stays in sight while new data is on its way, so nothing jumps.

use crate::{
    api::{self, ApiError},
    app::app,
    json,
    reactive::effect,
};
use drydock_wire::{
    ErrorCode,
    events::{Event, Topic},
};
use leptos::{prelude::*, task::spawn_local};
use serde::de::DeserializeOwned;
use std::{
    cell::{Cell, RefCell},
    sync::Arc,
    time::Duration,
};
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{EventSource, MessageEvent};

/// At most one request for the same thing in this time, however many hints come.
const QUIET_MS: f64 = 250.0;
const RECONNECT: Duration = Duration::from_secs(3);
const RETRY: Duration = Duration::from_secs(5);

pub const TOPICS: [Topic; 14] = [
    Topic::Runs,
    Topic::Models,
    Topic::Datasets,
    Topic::Jobs,
    Topic::Deployments,
    Topic::Overview,
    Topic::Demo,
    Topic::Traces,
    Topic::Images,
    Topic::Queue,
    Topic::Devices,
    Topic::Builds,
    Topic::Packages,
    Topic::Pipelines,
];

struct Connection {
    source: EventSource,
    _message: Closure<dyn Fn(MessageEvent)>,
    _open: Closure<dyn Fn()>,
    _error: Closure<dyn Fn()>,
}

thread_local! {
    static CONNECTION: RefCell<Option<Connection>> = const { RefCell::new(None) };
    /// Somebody is logged in: the stream is open whenever the page is in sight.
    static WANTED: Cell<bool> = const { Cell::new(false) };
    /// The page was out of sight: what it shows may be old.
    static STALE: Cell<bool> = const { Cell::new(false) };
    static IN_SIGHT: ArcRwSignal<bool> = ArcRwSignal::new(true);
}

/// Whether the page is in sight. Streams are closed while it is not: over HTTP/1.1 a browser opens six connections to one
/// host, and pages in other tabs, or kept for the Back button, would hold them all.
pub fn in_sight() -> ArcRwSignal<bool> {
    IN_SIGHT.with(Clone::clone)
}

/// Listens once, at the start, for the page coming into sight and going out of it.
pub fn watch_sight() {
    let change = Closure::<dyn Fn()>::new(|| {
        let hidden = document().hidden();
        IN_SIGHT.with(|in_sight| in_sight.set(!hidden));
        if hidden {
            STALE.set(true);
            close();
        } else if WANTED.get() {
            start();
        }
    });
    let _ = document().add_event_listener_with_callback("visibilitychange", change.as_ref().unchecked_ref());
    change.forget();
}

/// A number that grows whenever something of that topic changed.
pub fn use_live(topic: Topic) -> Signal<u64> {
    app().hints[place(topic)].into()
}

/// Asks again for what shows that topic, without waiting for the server's hint.
pub fn hint(topic: Topic) {
    app().hints[place(topic)].update(|n| *n += 1);
}

fn place(topic: Topic) -> usize {
    match topic {
        Topic::Runs => 0,
        Topic::Models => 1,
        Topic::Datasets => 2,
        Topic::Jobs => 3,
        Topic::Deployments => 4,
        Topic::Overview => 5,
        Topic::Demo => 6,
        Topic::Traces => 7,
        Topic::Images => 8,
        Topic::Queue => 9,
        Topic::Devices => 10,
        Topic::Builds => 11,
        Topic::Packages => 12,
        Topic::Pipelines => 13,
    }
}

/// Opens the event stream, unless it is open.
pub fn start() {
    WANTED.set(true);
    if document().hidden() || CONNECTION.with_borrow(Option::is_some) {
        return;
    }
    let Ok(source) = EventSource::new("/api/v1/events") else { return };
    let message = Closure::<dyn Fn(MessageEvent)>::new(|e: MessageEvent| {
        let event = e.data().as_string().and_then(|text| json::from_str::<Event>(&text).ok());
        if let Some(event) = event {
            hint(event.topic);
        }
    });
    let open = Closure::<dyn Fn()>::new(|| {
        // what changed while the stream was away is unknown: ask for everything in sight again
        if STALE.take() || !app().connected.get_untracked() {
            app().connected.set(true);
            app().hints.iter().for_each(|hint| hint.update(|n| *n += 1));
        }
    });
    let error = Closure::<dyn Fn()>::new(|| {
        app().connected.set(false);
        let closed =
            CONNECTION.with_borrow(|c| c.as_ref().is_some_and(|c| c.source.ready_state() == EventSource::CLOSED));
        if closed {
            set_timeout(reconnect, RECONNECT);
        }
    });
    for name in ["message", "change", "hint"] {
        let _ = source.add_event_listener_with_callback(name, message.as_ref().unchecked_ref());
    }
    source.set_onopen(Some(open.as_ref().unchecked_ref()));
    source.set_onerror(Some(error.as_ref().unchecked_ref()));
    CONNECTION.set(Some(Connection { source, _message: message, _open: open, _error: error }));
}

/// Closes the event stream.
pub fn stop() {
    WANTED.set(false);
    close();
}

fn close() {
    if let Some(connection) = CONNECTION.take() {
        connection.source.close();
    }
}

/// The browser gave up on the stream: find out whether the session still stands, then open it again.
fn reconnect() {
    close();
    if !WANTED.get() || document().hidden() {
        return;
    }
    spawn_local(async {
        match api::get::<drydock_wire::accounts::Me>("/me").await {
            Ok(_) => start(),
            Err(e) if e.code == ErrorCode::Unauthenticated => {}
            Err(_) => set_timeout(reconnect, RECONNECT),
        }
    });
}

/// Something the server has: absent until it first came, then kept until something newer comes.
pub struct Remote<T: Send + Sync + 'static> {
    pub data: RwSignal<Option<T>>,
    /// The last request failed so; older data may still be there.
    pub error: RwSignal<Option<ApiError>>,
    nudge: RwSignal<u64>,
}

impl<T: Send + Sync + 'static> Clone for Remote<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T: Send + Sync + 'static> Copy for Remote<T> {}

impl<T: Send + Sync + 'static> Remote<T> {
    /// Asks again; what is shown stays until the answer comes.
    pub fn refetch(&self) {
        nudge(self.nudge);
    }

    /// Asks again every so often, for values that change without a hint.
    pub fn every(self, period: Duration) -> Self {
        nudge_every(self.nudge, period);
        self
    }
}

fn nudge(it: RwSignal<u64>) {
    let _ = it.try_update(|n| *n += 1);
}

fn nudge_every(it: RwSignal<u64>, period: Duration) {
    let ask = move || {
        // nobody looks at a hidden tab
        if !document().hidden() {
            nudge(it);
        }
    };
    if let Ok(handle) = set_interval_with_handle(ask, period) {
        on_cleanup(move || handle.clear());
    }
}

#[derive(Default)]
struct Flight {
    generation: u64,
    path: String,
    started_at: f64,
    flying: bool,
    again: bool,
}

/// What asks for a value, whatever its type: the dashboard has fifty of them, and each would bring all of this along.
#[derive(Clone, Copy)]
struct Asker {
    error: RwSignal<Option<ApiError>>,
    nudge: RwSignal<u64>,
    flight: StoredValue<Flight>,
    take: StoredValue<Take>,
}

/// Reads an answer's body into the value; without a body there is no value any more.
type Take = Arc<dyn Fn(Option<&str>) -> Result<(), ApiError> + Send + Sync>;

/// `GET`s `path()` now, whenever it changes, and on each hint of `topics`. `None`: nothing to ask for yet.
/// Another query keeps the old data in sight; another thing (the part before `?`) does not.
pub fn remote<T>(path: impl Fn() -> Option<String> + Send + Sync + 'static, topics: &[Topic]) -> Remote<T>
where
    T: DeserializeOwned + PartialEq + Send + Sync + 'static,
{
    let data = RwSignal::new(None::<T>);
    let take = move |body: Option<&str>| {
        let value = body.map(api::read::<T>).transpose()?;
        if data.try_with_untracked(|old| *old != value) == Some(true) {
            let _ = data.try_set(value);
        }
        Ok(())
    };
    let (error, nudge) = asker(Box::new(path), topics, Arc::new(take));
    Remote { data, error, nudge }
}

fn asker(
    path: Box<dyn Fn() -> Option<String>>,
    topics: &[Topic],
    take: Take,
) -> (RwSignal<Option<ApiError>>, RwSignal<u64>) {
    let it = Asker {
        error: RwSignal::new(None),
        nudge: RwSignal::new(0),
        flight: StoredValue::new(Flight::default()),
        take: StoredValue::new(take),
    };
    let live: Vec<_> = topics.iter().map(|topic| use_live(*topic)).collect();
    effect(move || {
        it.nudge.track();
        live.iter().for_each(Track::track);
        if let Some(path) = path() {
            ask(it, path);
        }
    });
    (it.error, it.nudge)
}

impl Asker {
    fn take(&self, body: Option<&str>) -> Result<(), ApiError> {
        self.take.try_get_value().map_or(Ok(()), |take| take(body))
    }
}

fn ask(it: Asker, path: String) {
    let now = js_sys::Date::now();
    let generation = it.flight.try_update_value(|f| {
        if f.path == path && f.flying {
            f.again = true;
            return None;
        }
        if f.path == path && now - f.started_at < QUIET_MS {
            f.flying = true;
            f.again = true;
            return Some((f.generation, true));
        }
        if f.path.split('?').next() != path.split('?').next() && !f.path.is_empty() {
            let _ = it.take(None);
            it.error.set(None);
        }
        f.generation += 1;
        f.path.clone_from(&path);
        f.started_at = now;
        f.flying = true;
        f.again = false;
        Some((f.generation, false))
    });
    let Some(Some((generation, wait))) = generation else { return };
    if wait {
        set_timeout(move || landed(it, generation), Duration::from_millis(QUIET_MS as u64));
        return;
    }
    spawn_local(async move {
        let answer = api::get_text(&path).await;
        if it.flight.try_with_value(|f| f.generation) != Some(generation) {
            return;
        }
        match answer.and_then(|body| it.take(Some(&body))) {
            Ok(()) => drop(it.error.try_set(None)),
            Err(error) => {
                if error.code.retryable() {
                    set_timeout(move || nudge(it.nudge), RETRY);
                }
                let _ = it.error.try_set(Some(error));
            }
        }
        landed(it, generation);
    });
}

/// The request is over, or the quiet time is: ask again if a hint came meanwhile.
fn landed(it: Asker, generation: u64) {
    let again = it.flight.try_update_value(|f| {
        if f.generation != generation {
            return false;
        }
        f.flying = false;
        std::mem::take(&mut f.again)
    });
    if again == Some(true) {
        nudge(it.nudge);
    }
}
