//! What is asked for, in the address.

use crate::{
    pages::parts::query,
    ui::url::{Param, param},
};
use leptos::prelude::*;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// The filters of the page. Cheap to copy.
#[derive(Clone, Copy)]
pub struct Asked {
    pub q: Param,
    pub level: Param,
    pub kind: Param,
    /// Id of one job, deployment or build.
    pub owner: Param,
    /// A span up to now; empty for all that is kept.
    pub span: Param,
    /// Instants that were brushed, in milliseconds; they go before the span.
    pub from: Param,
    pub to: Param,
    /// Counts wishes to ask again.
    again: RwSignal<u64>,
}

impl Asked {
    pub fn of_address() -> Self {
        Self {
            q: param("q", ""),
            level: param("level", ""),
            kind: param("kind", ""),
            owner: param("owner", ""),
            span: param("span", "24h"),
            from: param("from", ""),
            to: param("to", ""),
            again: RwSignal::new(0),
        }
    }

    /// Asks again, up to the present instant.
    pub fn again(&self) {
        self.again.update(|n| *n += 1);
    }

    /// Another span; what was brushed is over.
    pub fn choose(&self, span: &str) {
        self.whole();
        self.span.set(span);
    }

    /// A part of the time.
    pub fn brush(&self, from: i64, to: i64) {
        self.from.push(&from.to_string());
        self.to.set(&to.to_string());
    }

    pub fn whole(&self) {
        self.from.clear();
        self.to.clear();
    }

    pub fn is_brushed(&self) -> bool {
        !self.from.is("")
    }

    /// Adds a part to the question.
    pub fn narrow(&self, part: &str) {
        let q = self.q.get_untracked();
        self.q.push(format!("{q} {part}").trim());
    }

    /// The address of a call with this question; reads all of it, so that who draws from it draws anew.
    pub fn path(&self, call: &str, more: &[(&str, String)]) -> String {
        self.again.track();
        let span = span_ms(&self.span.get()).map(|ms| (now_ms() - ms).to_string()).unwrap_or_default();
        let from = if self.is_brushed() { self.from.get() } else { span };
        let mut pairs = self.filters();
        pairs.extend([("from", from), ("to", self.to.get())]);
        pairs.extend(more.iter().cloned());
        query(call, &pairs)
    }

    /// The question without its time.
    pub fn filters(&self) -> Vec<(&'static str, String)> {
        vec![("q", self.q.get()), ("level", self.level.get()), ("kind", self.kind.get()), ("owner", self.owner.get())]
    }
}

fn span_ms(span: &str) -> Option<i64> {
    let (number, unit) = span.split_at(span.len().checked_sub(1)?);
    let unit = match unit {
        "m" => MINUTE_MS,
        "h" => HOUR_MS,
        "d" => 24 * HOUR_MS,
        _ => return None,
    };
    Some(number.parse::<i64>().ok()? * unit)
}

fn now_ms() -> i64 {
    js_sys::Date::now() as i64
}
