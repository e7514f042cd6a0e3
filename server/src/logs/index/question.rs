//! From what a person asks, and may see, to a query of the index.

use std::ops::Bound;

use drydock_wire::logs::{LogKind, LogLevel};
use tantivy::{
    Term,
    query::{
        AllQuery, BooleanQuery, EmptyQuery, InvertedIndexRangeQuery, Occur, PhraseQuery, Query as Wanted, TermQuery,
    },
    schema::{Field, IndexRecordOption},
};

use super::fields::{self, Fields};
use crate::logs::rules::query::{Query, Text};

/// What somebody may see.
#[derive(Debug, Clone, PartialEq)]
pub struct Sight {
    /// Drydock's own lines.
    pub own: bool,
    /// Of these projects; none stands for all.
    pub projects: Option<Vec<String>>,
}

/// A question, with all that bounds it.
#[derive(Debug, Clone)]
pub struct Question {
    pub sight: Sight,
    pub query: Query,
    pub kinds: Vec<LogKind>,
    pub levels: Vec<LogLevel>,
    /// Id of a job, a deployment or a build.
    pub owner: Option<String>,
    /// Milliseconds, the first of them.
    pub from: Option<i64>,
    /// The one to end before.
    pub to: Option<i64>,
}

type Boxed = Box<dyn Wanted>;

impl Question {
    /// All but the bounds of time.
    pub fn wanted(&self, fields: &Fields) -> Boxed {
        let mut parts: Vec<(Occur, Boxed)> = vec![];
        if let Some(projects) = &self.sight.projects {
            parts.push((Occur::Must, any(projects.iter().map(|project| exact(fields.project, project)))));
        }
        if !self.sight.own {
            parts.push((Occur::MustNot, exact(fields.kind, LogKind::Drydock.as_str())));
        }
        if !self.kinds.is_empty() {
            parts.push((Occur::Must, any(self.kinds.iter().map(|kind| exact(fields.kind, kind.as_str())))));
        }
        if !self.levels.is_empty() {
            parts.push((Occur::Must, levels(fields, &self.levels)));
        }
        if let Some(owner) = &self.owner {
            parts.push((Occur::Must, exact(fields.owner, owner)));
        }
        match &self.query {
            Query::All => {}
            Query::And(all) => parts.extend(all.iter().map(|part| clause(part, fields))),
            other => parts.push(clause(other, fields)),
        }
        all(parts)
    }
}

/// A bound on the keys, from the first to before the second.
pub fn between(field: Field, from: u64, to: u64) -> Boxed {
    Box::new(tantivy::query::RangeQuery::new(
        Bound::Included(Term::from_field_u64(field, from)),
        Bound::Excluded(Term::from_field_u64(field, to)),
    ))
}

/// All of these; where each only excludes, everything else.
pub fn all(mut parts: Vec<(Occur, Boxed)>) -> Boxed {
    if parts.iter().all(|(occur, _)| *occur == Occur::MustNot) {
        if parts.is_empty() {
            return Box::new(AllQuery);
        }
        parts.push((Occur::Must, Box::new(AllQuery)));
    }
    Box::new(BooleanQuery::new(parts))
}

pub fn exact(field: Field, text: &str) -> Boxed {
    Box::new(TermQuery::new(Term::from_field_text(field, text), IndexRecordOption::Basic))
}

fn any(parts: impl Iterator<Item = Boxed>) -> Boxed {
    let mut parts: Vec<Boxed> = parts.collect();
    match parts.len() {
        0 => Box::new(EmptyQuery),
        1 => parts.remove(0),
        _ => Box::new(BooleanQuery::union(parts)),
    }
}

fn clause(query: &Query, fields: &Fields) -> (Occur, Boxed) {
    match query {
        Query::Not(inner) => (Occur::MustNot, wanted(inner, fields)),
        other => (Occur::Must, wanted(other, fields)),
    }
}

fn wanted(query: &Query, fields: &Fields) -> Boxed {
    match query {
        Query::All => Box::new(AllQuery),
        Query::Phrase(words) => phrase(fields.message, words),
        Query::Beginning(beginning) => begins(fields.message, beginning),
        Query::Levels(wanted) => levels(fields, wanted),
        Query::Kind(kind) => exact(fields.kind, kind.as_str()),
        Query::Owner(kind, owner) => all(vec![
            (Occur::Must, exact(fields.kind, kind.as_str())),
            (Occur::Must, any([exact(fields.owner, owner), exact(fields.name, &owner.to_lowercase())].into_iter())),
        ]),
        Query::Stream(stream) => exact(fields.stream, &stream.to_lowercase()),
        Query::Project(project) => exact(fields.project, project),
        Query::Label { key, value: Text::Is(value) } => exact(fields.label, &fields::label(key, value)),
        Query::Label { key, value: Text::Begins(value) } => begins(fields.label, &fields::label(key, value)),
        Query::Not(_) => all(vec![clause(query, fields)]),
        Query::And(parts) => all(parts.iter().map(|part| clause(part, fields)).collect()),
        Query::Or(parts) => any(parts.iter().map(|part| wanted(part, fields))),
    }
}

fn phrase(field: Field, words: &[String]) -> Boxed {
    match words {
        [word] => exact(field, word),
        words => Box::new(PhraseQuery::new(words.iter().map(|word| Term::from_field_text(field, word)).collect())),
    }
}

fn begins(field: Field, beginning: &str) -> Boxed {
    let last = format!("{beginning}{}", char::MAX);
    Box::new(InvertedIndexRangeQuery::new(
        Bound::Included(Term::from_field_text(field, beginning)),
        Bound::Included(Term::from_field_text(field, &last)),
    ))
}

fn levels(fields: &Fields, wanted: &[LogLevel]) -> Boxed {
    let one = |level: &LogLevel| -> Boxed {
        let term = Term::from_field_u64(fields.level, *level as u64 + 1);
        Box::new(TermQuery::new(term, IndexRecordOption::Basic))
    };
    any(wanted.iter().map(one))
}
