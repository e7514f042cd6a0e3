//! What was begun in this browser and not ended, kept over a reload.

use super::{Goal, Item, LIVE};
use crate::{
    api::{self, seg},
    ui::theme::{store, stored},
};
use leptos::task::spawn_local;

const REMEMBERED: &str = "drydock.uploads";

/// An upload that a reload may break off.
#[derive(Clone, PartialEq, Debug)]
pub struct Unfinished {
    pub upload: String,
    pub goal: Goal,
    pub name: String,
}

/// What was begun in this browser and is not through, but for what is on its way now.
pub fn broken_off(goal: &Goal) -> Vec<Unfinished> {
    let under_way: Vec<String> = LIVE.with_borrow(|map| map.values().filter_map(|live| live.upload.clone()).collect());
    let mut all = remembered();
    all.retain(|one| one.goal == *goal && !under_way.contains(&one.upload));
    all
}

/// Gives those up: what has arrived goes.
pub fn give_up_all(list: &[Unfinished]) {
    for one in list {
        give_up(&one.goal, &one.upload);
    }
}

pub fn give_up(goal: &Goal, upload: &str) {
    note_over(upload);
    let to = format!("{}/{}", goal.uploads(), seg(upload));
    spawn_local(async move { drop(api::delete(&to).await) });
}

fn remembered() -> Vec<Unfinished> {
    let text = stored(REMEMBERED).unwrap_or_default();
    let one = |line: &str| {
        let mut parts = line.splitn(3, '\t').map(str::to_owned);
        Some(Unfinished { upload: parts.next()?, goal: Goal::of(&parts.next()?), name: parts.next()? })
    };
    text.lines().filter_map(one).collect()
}

fn remember(list: &[Unfinished]) {
    let line = |one: &Unfinished| format!("{}\t{}\t{}", one.upload, one.goal.word(), one.name);
    let lines: Vec<String> = list.iter().map(line).collect();
    store(REMEMBERED, &lines.join("\n"));
}

pub fn note_begun(item: &Item, upload: &str) {
    let mut list = remembered();
    if list.iter().all(|one| one.upload != upload) {
        list.push(Unfinished {
            upload: upload.to_owned(),
            goal: item.goal.clone(),
            name: item.name.replace(['\n', '\r'], " "),
        });
        remember(&list);
    }
}

pub fn note_over(upload: &str) {
    let mut list = remembered();
    list.retain(|one| one.upload != upload);
    remember(&list);
}
