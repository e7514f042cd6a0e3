//! What several areas' pages share and no other part needs: addresses of lists, counts for chips, logs, uploads, small drawings.

mod bars;
mod command;
mod discard;
mod drift;
mod fold;
mod folders;
mod lineage;
mod log;
mod log_search;
mod pairs;
mod resources;
mod tail;
mod upload;
mod values;

pub use bars::Bars;
pub use command::{Command, SaveText};
pub use discard::{DeleteExperiment, DeleteLoggedModel, DeleteRuns, DiscardDialog, End, holder_text};
pub use drift::{drift_columns, drift_verdict, side_by_side};
pub use fold::Fold;
pub use folders::FolderPath;
pub use lineage::LineageView;
pub use log::{LogView, clock, full_time, marked};
pub use log_search::LogSearch;
pub use pairs::{Pair, Pairs, read_pairs};
pub use resources::{ResourceFields, ResourceForm, describe};
pub use upload::{DropZone, Interrupted, UploadList, Uploads};
pub use values::{PairTable, When, metric_text, short_id};

use crate::{
    api::seg,
    live::{Remote, remote},
    reactive::memo,
    session::may,
    ui::list::Chip,
};
use drydock_wire::{Page, accounts::Role, events::Topic};
use leptos::prelude::*;
use serde::Deserialize;

/// Whether the person may change things. A role does not change while a page stands.
pub fn is_engineer() -> bool {
    untrack(|| may(Role::Engineer))
}

/// How many rows a page of a list has.
pub const PAGE_SIZE: u64 = 50;

/// `path?key=value&…` without the pairs whose value is empty.
pub fn query(path: &str, pairs: &[(&str, String)]) -> String {
    let mut out = path.to_owned();
    for (i, (key, value)) in pairs.iter().filter(|(_, v)| !v.is_empty()).enumerate() {
        out.push(if i == 0 { '?' } else { '&' });
        out.push_str(key);
        out.push('=');
        out.push_str(&seg(value));
    }
    out
}

/// A list, whether the server sends it in pages or whole.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Listing<T> {
    Page(Page<T>),
    Whole(Vec<T>),
}

impl<T: Clone> Listing<T> {
    pub fn items(&self) -> &[T] {
        match self {
            Self::Page(page) => &page.items,
            Self::Whole(items) => items,
        }
    }

    pub fn total(&self) -> u64 {
        match self {
            Self::Page(page) => page.total,
            Self::Whole(items) => items.len() as u64,
        }
    }

    pub fn next(&self) -> Option<String> {
        match self {
            Self::Page(page) => page.next.clone(),
            Self::Whole(_) => None,
        }
    }
}

/// How many there are, of any page of a list.
#[derive(Clone, PartialEq, Deserialize)]
struct Total {
    total: u64,
}

/// Gives each chip the number of things under its filter. `path` gets the chip's value.
pub fn counted(
    chips: Vec<Chip>,
    topic: Topic,
    path: impl Fn(&str) -> String + Clone + Send + Sync + 'static,
) -> Signal<Vec<Chip>> {
    let totals: Vec<Remote<Total>> = chips
        .iter()
        .map(|chip| {
            let (path, value) = (path.clone(), chip.value);
            remote(move || Some(path(value)), &[topic])
        })
        .collect();
    memo(move || {
        let with_count = |(chip, total): (&Chip, &Remote<Total>)| Chip {
            count: total.data.with(|t| t.as_ref().map(|t| t.total)),
            ..chip.clone()
        };
        chips.iter().zip(&totals).map(with_count).collect()
    })
    .into()
}
