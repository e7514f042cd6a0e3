//! What requests ask of a log, the same for whatever keeps one.

use serde::Deserialize;

use super::{Query, Span};

/// Lines by their numbers.
#[derive(Debug, Clone, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AskedSpan {
    /// Number of the first line; 0 if not said.
    pub from: Option<u64>,
    /// Number of the line to end before.
    pub to: Option<u64>,
}

/// A page of lines.
#[derive(Debug, Clone, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AskedPage {
    /// Number of the first line; 0 if not said.
    pub from: Option<u64>,
    /// 1 to 5,000 lines; 1,000 if not said.
    pub limit: Option<usize>,
}

/// A search.
#[derive(Debug, Clone, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AskedSearch {
    /// A part of a line, or with `regex` a regular expression.
    pub q: String,
    #[serde(default)]
    pub regex: bool,
    /// Large and small letters differ.
    #[serde(default)]
    pub case: bool,
    /// Number of the first line that is looked at; 0 if not said.
    pub from: Option<u64>,
    /// Number of the line to end before.
    pub to: Option<u64>,
    /// 1 to 1,000 lines; 200 if not said.
    pub limit: Option<usize>,
}

impl AskedSpan {
    pub fn span(&self) -> Span {
        Span { from: self.from.unwrap_or(0), to: self.to }
    }
}

impl AskedPage {
    pub fn from(&self) -> u64 {
        self.from.unwrap_or(0)
    }

    pub fn limit(&self) -> usize {
        self.limit.unwrap_or(1_000)
    }
}

impl AskedSearch {
    pub fn query(self) -> Query {
        let span = Span { from: self.from.unwrap_or(0), to: self.to };
        Query { text: self.q, regex: self.regex, case: self.case, span, limit: self.limit.unwrap_or(200) }
    }
}
