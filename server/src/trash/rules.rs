//! Words and counts of the trash. Pure.

use std::collections::BTreeSet;

use drydock_wire::trash::{TrashDone, TrashKind};

use super::{
    Wish,
    store::{Chosen, Thing},
};
use crate::error::{Error, Result};

/// A request names at most so many things: a list of them has to fit into one statement and one answer.
pub const MOST: usize = 20_000;

pub fn count(things: &[Thing], kind: TrashKind) -> u64 {
    things.iter().filter(|thing| thing.kind == kind).count() as u64
}

/// A choice that found nothing is a mistake of the asker; an empty trash is not.
pub fn not_nothing(wish: &Wish, things: &[Thing]) -> Result<()> {
    match wish {
        Wish::These(chosen) if chosen.is_empty() => {
            Err(Error::invalid("Name the runs, experiments or logged models that this is about."))
        }
        Wish::These(_) if things.is_empty() => Err(Error::not_found("None of these is on the box any more.")),
        _ => Ok(()),
    }
}

/// What the person chose, without what goes along.
pub fn named<'a>(wish: &Wish, things: &'a [Thing]) -> Vec<&'a Thing> {
    let Wish::These(chosen) = wish else { return things.iter().collect() };
    things
        .iter()
        .filter(|thing| match thing.kind {
            TrashKind::Run => chosen.runs.contains(&thing.id),
            TrashKind::LoggedModel => chosen.logged_models.contains(&thing.id),
            TrashKind::Experiment => true,
        })
        .collect()
}

/// What has to be typed: the name of a single thing, else how many of what.
pub fn confirmation(wish: &Wish, things: &[Thing]) -> String {
    if *wish == Wish::Everything {
        return "empty the trash".into();
    }
    let named = named(wish, things);
    if let [one] = named.as_slice() {
        return one.name.clone();
    }
    let all_of = |kind| named.iter().all(|thing| thing.kind == kind);
    let word = if all_of(TrashKind::Run) {
        "runs"
    } else if all_of(TrashKind::Experiment) {
        "experiments"
    } else if all_of(TrashKind::LoggedModel) {
        "models"
    } else {
        "things"
    };
    format!("{} {word}", named.len())
}

/// The audit trail's word.
pub fn verb(kind: TrashKind, deleted: bool) -> &'static str {
    match (kind, deleted) {
        (TrashKind::Run, true) => "run.delete",
        (TrashKind::Run, false) => "run.restore",
        (TrashKind::Experiment, true) => "experiment.delete",
        (TrashKind::Experiment, false) => "experiment.restore",
        (TrashKind::LoggedModel, true) => "logged_model.delete",
        (TrashKind::LoggedModel, false) => "logged_model.restore",
    }
}

/// The count of that kind.
pub fn tally(done: &mut TrashDone, kind: TrashKind) -> &mut u64 {
    match kind {
        TrashKind::Run => &mut done.runs,
        TrashKind::Experiment => &mut done.experiments,
        TrashKind::LoggedModel => &mut done.logged_models,
    }
}

/// Why a purge left it.
pub fn kept_because(thing: &Thing, versions: &BTreeSet<(String, i64)>) -> String {
    let names: Vec<String> = versions.iter().map(|(model, version)| format!("{model} version {version}")).collect();
    format!("{} stays: {} was made from it. Delete the version first.", thing.name, names.join(", "))
}

/// One entry of the list as a choice, with what went along.
pub fn only(kind: TrashKind, id: &str) -> Chosen {
    let mut chosen = Chosen { with_models: true, ..Chosen::default() };
    match kind {
        TrashKind::Run => chosen.runs.push(id.to_owned()),
        TrashKind::LoggedModel => chosen.logged_models.push(id.to_owned()),
        TrashKind::Experiment => chosen.experiments.extend(id.parse::<i64>()),
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thing(kind: TrashKind, id: &str) -> Thing {
        Thing {
            kind,
            row: 1,
            id: id.into(),
            name: format!("name of {id}"),
            experiment: 0,
            deleted_at: None,
            running: false,
            source_run: None,
            root: None,
        }
    }

    #[test]
    fn one_thing_is_confirmed_by_its_name_and_many_by_their_number() {
        let both = [thing(TrashKind::Run, "a"), thing(TrashKind::Run, "b"), thing(TrashKind::LoggedModel, "m")];
        let wish = |runs: &[&str]| {
            let runs = runs.iter().map(|id| (*id).to_owned()).collect();
            Wish::These(Chosen { runs, with_models: true, ..Chosen::default() })
        };
        assert_eq!(confirmation(&wish(&["a"]), &both[..1]), "name of a");
        assert_eq!(confirmation(&wish(&["a", "b"]), &both), "2 runs");
        assert_eq!(confirmation(&Wish::Everything, &both), "empty the trash");
    }

    #[test]
    fn a_choice_of_nothing_is_refused() {
        assert!(not_nothing(&Wish::These(Chosen::default()), &[]).is_err());
        assert!(not_nothing(&Wish::Everything, &[]).is_ok());
    }
}
