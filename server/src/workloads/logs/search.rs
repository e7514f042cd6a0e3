//! Looks through a log on the server.

use std::time::Duration;

use drydock_wire::logs::LogHits;
use regex::{Regex, RegexBuilder};
use tokio::time::Instant;

use super::lines::{self, Lines, Span};
use crate::{
    app::App,
    error::{Error, Result},
};

const MOST_HITS: usize = 1_000;
const LONGEST: usize = 1_000;
/// One answer takes no longer; it says where to go on.
const LONGEST_LOOK: Duration = Duration::from_secs(2);
/// A pattern may not become a larger program than this.
const PATTERN_BYTES: usize = 1 << 20;

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Query {
    pub text: String,
    /// `text` is a regular expression rather than a part of a line.
    pub regex: bool,
    /// Large and small letters differ.
    pub case: bool,
    pub span: Span,
    pub limit: usize,
}

impl Query {
    fn pattern(&self) -> Result<Regex> {
        if self.text.is_empty() || self.text.len() > LONGEST {
            return Err(Error::invalid(format!("q: say what to look for, in at most {LONGEST} bytes.")));
        }
        let pattern = if self.regex { self.text.clone() } else { regex::escape(&self.text) };
        RegexBuilder::new(&pattern)
            .case_insensitive(!self.case)
            .size_limit(PATTERN_BYTES)
            .build()
            .map_err(|error| Error::invalid(format!("q is no regular expression that can be used: {error}")))
    }
}

/// The lines that match, in their order.
///
/// # Errors
/// `invalid` for a pattern that is none.
pub async fn search(app: &App, workload: &str, generation: i64, query: Query) -> Result<LogHits> {
    let pattern = query.pattern()?;
    let limit = query.limit.clamp(1, MOST_HITS);
    let (total, _) = lines::extent(app, workload, generation).await?;
    let mut found = LogHits { hits: vec![], next: None, total };
    let mut lines = Lines::open(app, workload, generation, query.span.from).await?;
    let began = Instant::now();
    loop {
        let batch = lines.batch().await?;
        let Some(last) = batch.last().map(|last| last.seq) else { return Ok(found) };
        for it in batch {
            if query.span.to.is_some_and(|to| it.seq >= to) {
                return Ok(found);
            }
            if found.hits.len() == limit {
                found.next = Some(it.seq);
                return Ok(found);
            }
            if pattern.is_match(&it.line.text) {
                found.hits.push(it.line.into_wire(it.seq));
            }
        }
        if began.elapsed() > LONGEST_LOOK {
            found.next = Some(last + 1);
            return Ok(found);
        }
    }
}
