//! A column as the tests want it: numbers in order, or words with their counts.

use std::collections::BTreeMap;

use super::numbers;

/// The cells of a column as they come.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// One per row; NaN is a missing one, and infinite ones are left out, too.
    Numbers(Vec<f64>),
    /// Words, booleans and the like: how often there is each, and rows without one.
    Words { counts: BTreeMap<String, u64>, missing: u64 },
    /// Not to be compared, and why in words for a person.
    Unfit(String),
}

impl Values {
    /// What has to be gone through.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Words { counts, .. } => counts.len(),
            Self::Unfit(_) => 0,
        }
    }
}

/// A column of the window that is looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowColumn {
    pub name: String,
    pub values: Values,
}

impl WindowColumn {
    pub(super) fn to_sorted(&self) -> ReferenceColumn {
        ReferenceColumn::build(&self.name, &self.values)
    }
}

/// A column that was prepared once: comparing with it reads its cells in order and nothing else.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferenceColumn {
    pub(super) name: String,
    pub(super) missing: u64,
    pub(super) content: Content,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    /// Finite, ascending.
    Numbers(Vec<f64>),
    /// By word; no count is 0.
    Words(Vec<(String, u64)>),
    Unfit(String),
}

impl ReferenceColumn {
    pub fn build(name: &str, values: &Values) -> Self {
        let (content, missing) = match values {
            Values::Numbers(cells) => {
                let sorted = numbers::sorted(cells);
                let missing = (cells.len() - sorted.len()) as u64;
                (Content::Numbers(sorted), missing)
            }
            Values::Words { counts, missing } => {
                let there = counts.iter().filter(|(_, count)| **count > 0);
                (Content::Words(there.map(|(word, count)| (word.clone(), *count)).collect()), *missing)
            }
            Values::Unfit(reason) => (Content::Unfit(reason.clone()), 0),
        };
        Self { name: name.to_owned(), missing, content }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same under another name.
    pub fn renamed(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
    }

    /// Values that are there.
    pub fn count(&self) -> u64 {
        match &self.content {
            Content::Numbers(sorted) => sorted.len() as u64,
            Content::Words(counts) => counts.iter().map(|(_, count)| count).sum(),
            Content::Unfit(_) => 0,
        }
    }

    pub(super) fn cells(&self) -> usize {
        match &self.content {
            Content::Numbers(sorted) => sorted.len(),
            Content::Words(counts) => counts.len(),
            Content::Unfit(_) => 0,
        }
    }
}
