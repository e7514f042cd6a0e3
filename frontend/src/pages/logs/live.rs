//! Lines as they are written: above the others while they are followed, kept back while that is paused.

use super::Asked;
use crate::{json, pages::parts::query, reactive::effect};
use drydock_wire::logs::LogEntry;
use leptos::prelude::*;
use std::{cell::RefCell, rc::Rc};
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{EventSource, MessageEvent};

/// Lines that came live and are kept in the page.
const KEEP: usize = 1_000;

/// The live tail of the page. Cheap to copy.
#[derive(Clone, Copy)]
pub struct Live {
    pub on: RwSignal<bool>,
    pub paused: RwSignal<bool>,
    /// Newest first.
    pub lines: RwSignal<Vec<LogEntry>>,
    /// Came while it was paused; newest first.
    pub waiting: RwSignal<Vec<LogEntry>>,
    /// The newest line that was there before.
    after: RwSignal<Option<u64>>,
    connection: StoredValue<Option<Connection>, LocalStorage>,
}

struct Connection {
    source: EventSource,
    _line: Closure<dyn Fn(MessageEvent)>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.source.close();
    }
}

impl Live {
    pub fn new(asked: Asked) -> Self {
        let live = Self {
            on: RwSignal::new(false),
            paused: RwSignal::new(false),
            lines: RwSignal::new(vec![]),
            waiting: RwSignal::new(vec![]),
            after: RwSignal::new(None),
            connection: StoredValue::new_local(None),
        };
        let in_sight = crate::live::in_sight();
        effect(move || {
            let mut pairs = asked.filters();
            let after = live.after.get();
            // after a pause out of sight it goes on where it was
            let newest = live.lines.with_untracked(|lines| lines.iter().map(|line| line.id).max());
            pairs.push(("after", newest.max(after).map(|id| id.to_string()).unwrap_or_default()));
            live.connection.set_value(None);
            if live.on.get() && in_sight.get() {
                live.connect(&query("/api/v1/logs/tail", &pairs));
            }
        });
        on_cleanup(move || drop(live.connection.try_update_value(Option::take)));
        live
    }

    /// What was asked for has been answered anew: what comes follows that line.
    pub fn start_after(&self, id: Option<u64>) {
        self.lines.set(vec![]);
        self.waiting.set(vec![]);
        self.after.set(id);
    }

    pub fn has(&self, id: u64) -> bool {
        self.lines.with(|lines| lines.iter().any(|line| line.id == id))
    }

    pub fn pause(&self, paused: bool) {
        self.paused.set(paused);
        if !paused {
            let waiting = self.waiting.get_untracked();
            self.waiting.set(vec![]);
            self.show(waiting);
        }
    }

    /// Puts lines, newest first, above the others.
    fn show(&self, mut new: Vec<LogEntry>) {
        self.lines.update(|lines| {
            new.append(lines);
            new.truncate(KEEP);
            *lines = new;
        });
    }

    fn connect(self, path: &str) {
        let Ok(source) = EventSource::new(path) else { return };
        let buffer: Rc<RefCell<Vec<LogEntry>>> = Rc::default();
        let line = Closure::<dyn Fn(MessageEvent)>::new(move |e: MessageEvent| {
            let Some(line) = e.data().as_string().and_then(|t| json::from_str::<LogEntry>(&t).ok()) else { return };
            let first = buffer.borrow().is_empty();
            buffer.borrow_mut().push(line);
            // lines come in bursts: the page changes once per frame
            if first {
                let buffer = buffer.clone();
                request_animation_frame(move || self.take(buffer.take()));
            }
        });
        let _ = source.add_event_listener_with_callback("line", line.as_ref().unchecked_ref());
        self.connection.set_value(Some(Connection { source, _line: line }));
    }

    fn take(self, mut new: Vec<LogEntry>) {
        new.reverse();
        match self.paused.try_get_untracked() {
            Some(true) => self.waiting.update(|waiting| {
                new.append(waiting);
                new.truncate(KEEP);
                *waiting = new;
            }),
            Some(false) => self.show(new),
            None => {}
        }
    }
}
