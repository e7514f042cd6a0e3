//! The lines of a log in the page's memory, and the stream that brings them.
//!
//! The browser reconnects by itself and asks for what comes after the last line; a line seen before is not taken again.

use crate::{json, reactive::effect};
use drydock_wire::jobs::LogLine;
use leptos::prelude::*;
use std::{cell::RefCell, collections::VecDeque, rc::Rc, time::Duration};
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{EventSource, MessageEvent};

/// Lines kept in the page; the download has all.
pub const KEEP: usize = 50_000;
const RECONNECT: Duration = Duration::from_secs(3);

/// How the stream stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Connecting,
    Open,
    /// Broke; it is tried again.
    Broken,
    /// No more will come.
    Ended,
}

/// Lines and how they come.
#[derive(Clone, Copy)]
pub struct Tail {
    pub lines: RwSignal<VecDeque<LogLine>>,
    /// Lines that were dropped from memory, or never sent.
    pub dropped: RwSignal<u64>,
    pub phase: RwSignal<Phase>,
    last_seq: StoredValue<Option<u64>>,
    connection: StoredValue<Option<Connection>, LocalStorage>,
    /// Counts addresses, so that a timer of the one before does nothing.
    generation: StoredValue<u32>,
}

struct Connection {
    source: EventSource,
    _handlers: [Closure<dyn Fn(MessageEvent)>; 2],
    _state: [Closure<dyn Fn()>; 2],
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.source.set_onerror(None);
        self.source.set_onopen(None);
        self.source.close();
    }
}

impl Tail {
    /// Follows `path()` (under `/api/v1`), anew whenever it changes, until the part that made it goes away.
    pub fn new(path: Signal<String>) -> Self {
        let tail = Self {
            lines: RwSignal::new(VecDeque::new()),
            dropped: RwSignal::new(0),
            phase: RwSignal::new(Phase::Connecting),
            last_seq: StoredValue::new(None),
            connection: StoredValue::new_local(None),
            generation: StoredValue::new(0),
        };
        effect(move || {
            let path = path.get();
            tail.lines.set(VecDeque::new());
            tail.dropped.set(0);
            tail.last_seq.set_value(None);
            tail.generation.update_value(|g| *g += 1);
            tail.connect(path);
        });
        let in_sight = crate::live::in_sight();
        Effect::new(move |was: Option<bool>| {
            let now = in_sight.get();
            let goes_on = tail.phase.get_untracked() != Phase::Ended;
            if was == Some(true) && !now && goes_on {
                tail.connection.set_value(None);
            } else if was == Some(false) && now && goes_on {
                tail.connect(path.get_untracked());
            }
            now
        });
        on_cleanup(move || drop(tail.connection.try_update_value(Option::take)));
        tail
    }

    fn connect(self, path: String) {
        self.connection.set_value(None);
        self.phase.set(Phase::Connecting);
        let Ok(source) = EventSource::new(&format!("/api/v1{path}")) else {
            self.phase.set(Phase::Broken);
            return;
        };
        let buffer: Rc<RefCell<Vec<LogLine>>> = Rc::default();
        let line = Closure::<dyn Fn(MessageEvent)>::new(move |e: MessageEvent| {
            let Some(line) = e.data().as_string().and_then(|t| json::from_str::<LogLine>(&t).ok()) else {
                return;
            };
            let first = buffer.borrow().is_empty();
            buffer.borrow_mut().push(line);
            // lines come in bursts: the page changes once per frame
            if first {
                let buffer = buffer.clone();
                request_animation_frame(move || self.take(buffer.take()));
            }
        });
        let end = Closure::<dyn Fn(MessageEvent)>::new(move |_: MessageEvent| {
            let _ = self.phase.try_set(Phase::Ended);
            let _ = self.connection.try_with_value(|c| c.as_ref().map(|c| c.source.close()));
        });
        let open = Closure::<dyn Fn()>::new(move || {
            let _ = self.phase.try_set(Phase::Open);
        });
        let generation = self.generation.get_value();
        let broken = Closure::<dyn Fn()>::new(move || {
            if self.phase.try_get_untracked() == Some(Phase::Ended) {
                return;
            }
            let _ = self.phase.try_set(Phase::Broken);
            let gave_up = self
                .connection
                .try_with_value(|c| c.as_ref().is_some_and(|c| c.source.ready_state() == EventSource::CLOSED));
            if gave_up == Some(true) {
                let path = path.clone();
                set_timeout(move || self.again(generation, path), RECONNECT);
            }
        });
        let _ = source.add_event_listener_with_callback("line", line.as_ref().unchecked_ref());
        let _ = source.add_event_listener_with_callback("end", end.as_ref().unchecked_ref());
        source.set_onopen(Some(open.as_ref().unchecked_ref()));
        source.set_onerror(Some(broken.as_ref().unchecked_ref()));
        self.connection.set_value(Some(Connection { source, _handlers: [line, end], _state: [open, broken] }));
    }

    fn again(self, generation: u32, path: String) {
        if self.generation.try_get_value() == Some(generation) && self.phase.get_untracked() != Phase::Ended {
            self.connect(path);
        }
    }

    fn take(self, new: Vec<LogLine>) {
        let Some(last) = self.last_seq.try_get_value() else { return };
        let fresh: Vec<LogLine> = new.into_iter().filter(|l| last.is_none_or(|last| l.seq > last)).map(plain).collect();
        let Some(newest) = fresh.last().map(|l| l.seq) else { return };
        self.last_seq.set_value(Some(newest));
        let mut gone = 0;
        self.lines.update(|lines| {
            lines.extend(fresh);
            gone = lines.len().saturating_sub(KEEP);
            lines.drain(..gone);
        });
        if gone > 0 {
            self.dropped.update(|d| *d += gone as u64);
        }
    }
}

/// Without terminal colours, and of a line that was redrawn in place (a progress bar) what stood there last.
pub(super) fn plain(mut line: LogLine) -> LogLine {
    if line.text.contains('\r') {
        let text = line.text.trim_end_matches('\r');
        line.text = text.rsplit('\r').next().unwrap_or_default().to_owned();
    }
    if line.text.contains('\u{1b}') {
        line.text = without_escapes(&line.text);
    }
    line
}

fn without_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\u{1b}' {
            out.push(c);
        } else if chars.next_if_eq(&'[').is_some() {
            // a sequence ends with its first letter
            while chars.next().is_some_and(|c| !c.is_ascii_alphabetic()) {}
        }
    }
    out
}
