//! What an import or export came to: a table of counts, and each thing that was refused with its reason.

use std::{
    fmt::Write as _,
    io::Write,
    time::{Duration, Instant},
};

use drydock_wire::import::ImportOutcome;

use super::source::Unread;

/// Kinds of things, as the table names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Experiments,
    Runs,
    Params,
    Points,
    Tags,
    Artifacts,
    LoggedModels,
    Models,
    Versions,
    Aliases,
    Traces,
    Spans,
    Assessments,
}

const KINDS: [(Kind, &str); 13] = [
    (Kind::Experiments, "experiments"),
    (Kind::Runs, "runs"),
    (Kind::Params, "params"),
    (Kind::Points, "metric points"),
    (Kind::Tags, "tags"),
    (Kind::Artifacts, "artifacts"),
    (Kind::LoggedModels, "logged models"),
    (Kind::Models, "registered models"),
    (Kind::Versions, "versions"),
    (Kind::Aliases, "aliases"),
    (Kind::Traces, "traces"),
    (Kind::Spans, "spans"),
    (Kind::Assessments, "assessments"),
];

/// Between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tally {
    found: u64,
    done: u64,
    updated: u64,
    already: u64,
    refused: u64,
}

/// The counts.
pub struct Report {
    tallies: [Tally; KINDS.len()],
    /// Bytes that were moved, and those that were there.
    bytes: (u64, u64),
    /// Tags that were edited on the box and were not overwritten.
    left_alone: u64,
    /// Renames and the like: nothing is wrong, but the person should know.
    notes: Vec<String>,
    refusals: Vec<String>,
    told_at: Instant,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            tallies: Default::default(),
            bytes: (0, 0),
            left_alone: 0,
            notes: Vec::new(),
            refusals: Vec::new(),
            told_at: Instant::now(),
        }
    }
}

impl Report {
    fn tally(&mut self, kind: Kind) -> &mut Tally {
        let at = KINDS.iter().position(|(one, _)| *one == kind).unwrap_or(0);
        &mut self.tallies[at]
    }

    /// So many things of a kind ended so.
    pub fn count(&mut self, kind: Kind, outcome: ImportOutcome, number: usize) {
        let number = number as u64;
        let tally = self.tally(kind);
        tally.found += number;
        match outcome {
            ImportOutcome::Imported => tally.done += number,
            ImportOutcome::Updated => tally.updated += number,
            ImportOutcome::Already | ImportOutcome::Same => tally.already += number,
        }
    }

    /// A file's bytes.
    pub fn file(&mut self, outcome: ImportOutcome, bytes: u64) {
        self.count(Kind::Artifacts, outcome, 1);
        match outcome {
            ImportOutcome::Already | ImportOutcome::Same => self.bytes.1 += bytes,
            _ => self.bytes.0 += bytes,
        }
    }

    /// So many tags were edited here, and stay.
    pub fn left_alone(&mut self, tags: u64) {
        self.left_alone += tags;
    }

    /// One thing that is left out, and why.
    pub fn refuse(&mut self, kind: Kind, what: &str, why: &str) {
        let tally = self.tally(kind);
        tally.found += 1;
        tally.refused += 1;
        self.refusals.push(format!("{what}: {why}"));
    }

    /// Names that were asked for and are not there.
    pub fn absent<'n>(&mut self, kind: Kind, word: &str, wanted: &[String], there: impl Iterator<Item = &'n str>) {
        let there: std::collections::HashSet<&str> = there.collect();
        for name in wanted.iter().filter(|name| !there.contains(name.as_str())) {
            self.refuse(kind, &format!("{word} {name}"), "there is none of this name");
        }
    }

    /// Parts that could not be read.
    pub fn unread(&mut self, kind: Kind, parts: Vec<Unread>) {
        for part in parts {
            self.refuse(kind, &part.what, &part.why);
        }
    }

    /// What was left out before and still is: of no thing that is counted now.
    pub fn remind(&mut self, text: String) {
        self.refusals.push(text);
    }

    pub fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    /// Whether nothing was left out.
    pub fn is_whole(&self) -> bool {
        self.refusals.is_empty()
    }

    /// A line on standard error now and then, for whoever waits.
    pub fn progress(&mut self, text: &str) {
        if self.told_at.elapsed() >= PROGRESS {
            self.told_at = Instant::now();
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// The table. `verb` is what was done: "imported"; `ended` says that nothing broke it off.
    pub fn table(&self, verb: &str, ended: bool) -> String {
        let mut text =
            format!("{:<18}{:>10}{verb:>12}{:>10}{:>10}{:>10}\n", "", "found", "updated", "already", "refused");
        for ((_, name), tally) in KINDS.iter().zip(&self.tallies).filter(|(_, tally)| tally.found > 0) {
            let Tally { found, done, updated, already, refused } = tally;
            let _ = writeln!(text, "{name:<18}{found:>10}{done:>12}{updated:>10}{already:>10}{refused:>10}");
        }
        let (moved, there) = self.bytes;
        let _ = writeln!(text, "artifact bytes: {moved} {verb}, {there} were there already");
        if self.left_alone > 0 {
            let _ = writeln!(text, "tags left alone, since they were edited here: {}", self.left_alone);
        }
        for note in &self.notes {
            let _ = writeln!(text, "note: {note}");
        }
        for refusal in &self.refusals {
            let _ = writeln!(text, "refused: {refusal}");
        }
        let found = self.tallies.iter().any(|tally| tally.found > 0);
        let changed = self.tallies.iter().any(|tally| tally.done + tally.updated > 0);
        if ended && !found {
            text.push_str("Nothing was found there.\n");
        } else if ended && !changed && self.is_whole() {
            text.push_str("Nothing was left to do: all of it was there already.\n");
        }
        if !self.is_whole() {
            let _ = writeln!(
                text,
                "Partial: {} left out, each named above. The same command again tries them once more.",
                self.refusals.len()
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_counts_and_names_what_was_left_out() {
        let mut report = Report::default();
        report.count(Kind::Runs, ImportOutcome::Imported, 3);
        report.count(Kind::Runs, ImportOutcome::Already, 2);
        report.file(ImportOutcome::Imported, 10);
        report.left_alone(4);
        report.refuse(Kind::Runs, "run x", "no meta.yaml");
        let text = report.table("imported", true);
        assert!(text.contains("runs                       6           3         0         2         1"), "{text}");
        assert!(
            text.contains("artifact bytes: 10 imported") && text.contains("refused: run x: no meta.yaml"),
            "{text}"
        );
        assert!(text.contains("edited here: 4\n"), "{text}");
        assert!(!report.is_whole() && !text.contains("Nothing was left to do"));
    }

    #[test]
    fn what_was_left_out_before_is_said_again() {
        let mut report = Report::default();
        report.count(Kind::Runs, ImportOutcome::Already, 2);
        report.remind("run x, a/b: a is a file".into());
        let text = report.table("exported", true);
        assert!(!report.is_whole() && !text.contains("Nothing was left to do"), "{text}");
        assert!(text.contains("refused: run x, a/b: a is a file\nPartial: 1 left out"), "{text}");
    }

    #[test]
    fn an_import_of_nothing_new_says_so() {
        let mut report = Report::default();
        report.count(Kind::Runs, ImportOutcome::Already, 2);
        assert!(report.table("imported", true).contains("Nothing was left to do"));
    }

    #[test]
    fn one_that_broke_off_or_left_things_out_does_not_say_that_nothing_was_left() {
        let mut report = Report::default();
        assert!(!report.table("imported", false).contains("Nothing"));
        assert!(report.table("imported", true).contains("Nothing was found there"));
        report.count(Kind::Runs, ImportOutcome::Already, 2);
        assert!(!report.table("imported", false).contains("Nothing"));
        report.refuse(Kind::Runs, "run x", "no meta.yaml");
        assert!(!report.table("imported", true).contains("Nothing"));
    }
}
