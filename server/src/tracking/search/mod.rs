//! The filter language of MLflow's searches: text → tokens → conditions → parameterised SQL.
//!
//! One parser for every kind of thing that can be searched; each kind brings its `Grammar`, which knows its names and what
//! may be compared with what. Always holds: a value or key from a filter reaches SQL as a bound parameter, never as text;
//! an error names the character it is about. Never here: running the SQL.

mod check;
mod lexer;
mod order;
mod parser;
pub mod sql;
mod traces;

pub use order::{Direction, OrderBy, parse_order_by};
pub use parser::{parse, parse_with};
pub use traces::{TRACES, parse_traces};

/// What kind of thing an identifier's prefix names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Entity {
    Attribute,
    Metric,
    Param,
    Tag,
    Dataset,
    /// Of traces.
    Metadata,
    Span,
    Feedback,
    Expectation,
    Issue,
}

impl Entity {
    /// The word of MLflow's messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Attribute => "attribute",
            Self::Metric => "metric",
            Self::Param => "parameter",
            Self::Tag => "tag",
            Self::Dataset => "dataset",
            Self::Metadata => "request_metadata",
            Self::Span => "span",
            Self::Feedback => "feedback",
            Self::Expectation => "expectation",
            Self::Issue => "issue",
        }
    }
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Like,
    Ilike,
    /// A regular expression; of traces alone.
    Rlike,
    In,
    NotIn,
    IsNull,
    IsNotNull,
}

impl Op {
    pub fn text(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::Like => "LIKE",
            Self::Ilike => "ILIKE",
            Self::Rlike => "RLIKE",
            Self::In => "IN",
            Self::NotIn => "NOT IN",
            Self::IsNull => "IS NULL",
            Self::IsNotNull => "IS NOT NULL",
        }
    }

    /// Whether numbers can be compared with it.
    pub fn is_numeric(self) -> bool {
        matches!(self, Self::Eq | Self::Ne | Self::Lt | Self::Le | Self::Gt | Self::Ge)
    }

    pub fn is_null_test(self) -> bool {
        matches!(self, Self::IsNull | Self::IsNotNull)
    }

    fn is_list(self) -> bool {
        matches!(self, Self::In | Self::NotIn)
    }

    fn is_text(self) -> bool {
        matches!(self, Self::Eq | Self::Ne | Self::Like | Self::Ilike)
    }
}

/// The right side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    Text(String),
    Integer(i64),
    Float(f64),
    List(Vec<String>),
    /// Of IS NULL and IS NOT NULL.
    Nothing,
}

/// One condition; a filter is the conjunction of its conditions.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    pub entity: Entity,
    pub key: String,
    pub op: Op,
    pub value: Operand,
    /// Character (from 1) where the condition starts in the filter.
    pub at: usize,
}

/// What a kind of thing allows in its filters and orders.
#[derive(Debug, Clone, Copy)]
pub struct Grammar {
    /// Prefixes that may be written before a key.
    pub entities: &'static [Entity],
    pub text_attributes: &'static [&'static str],
    pub numeric_attributes: &'static [&'static str],
    /// Attributes that take a list with IN.
    pub list_attributes: &'static [&'static str],
    pub order_attributes: &'static [&'static str],
    /// Entities that take IS NULL.
    pub nullable: &'static [Entity],
    /// Prefixes of its own, in place of the usual ones.
    pub prefixes: &'static [(&'static str, Entity)],
    /// Whether texts can be compared with RLIKE.
    pub regexes: bool,
}

/// Filters of `runs/search`.
pub const RUNS: Grammar = Grammar {
    entities: &[Entity::Attribute, Entity::Metric, Entity::Param, Entity::Tag, Entity::Dataset],
    text_attributes: &["run_id", "run_name", "status", "artifact_uri", "user_id", "run name", "Run name", "Run Name"],
    numeric_attributes: &["start_time", "end_time", "created", "Created"],
    list_attributes: &["run_id"],
    order_attributes: &[
        "run_id",
        "run_name",
        "status",
        "artifact_uri",
        "user_id",
        "start_time",
        "end_time",
        "created",
        "Created",
    ],
    nullable: &[Entity::Tag, Entity::Param],
    prefixes: &[],
    regexes: false,
};

/// Filters of `experiments/search`.
pub const EXPERIMENTS: Grammar = Grammar {
    entities: &[Entity::Attribute, Entity::Tag],
    text_attributes: &["name", "experiment_id"],
    numeric_attributes: &["creation_time", "last_update_time"],
    list_attributes: &["experiment_id"],
    order_attributes: &["name", "experiment_id", "creation_time", "last_update_time"],
    nullable: &[Entity::Tag],
    prefixes: &[],
    regexes: false,
};

/// Filters of `logged-models/search`.
pub const LOGGED_MODELS: Grammar = Grammar {
    entities: &[Entity::Attribute, Entity::Metric, Entity::Param, Entity::Tag],
    text_attributes: &[
        "name",
        "model_id",
        "model_type",
        "status",
        "source_run_id",
        "artifact_location",
        "experiment_id",
    ],
    numeric_attributes: &[
        "creation_time",
        "creation_timestamp",
        "creation_timestamp_ms",
        "last_updated_timestamp",
        "last_updated_timestamp_ms",
    ],
    list_attributes: &["name", "model_id", "model_type", "source_run_id"],
    order_attributes: &[],
    nullable: &[],
    prefixes: &[],
    regexes: false,
};

/// Filters of `registered-models/search`.
pub const REGISTERED_MODELS: Grammar = Grammar {
    entities: &[Entity::Attribute, Entity::Tag],
    text_attributes: &["name"],
    numeric_attributes: &[],
    list_attributes: &["name"],
    order_attributes: &["name", "timestamp", "creation_timestamp", "last_updated_timestamp"],
    nullable: &[],
    prefixes: &[],
    regexes: false,
};

/// Filters of `model-versions/search`.
pub const MODEL_VERSIONS: Grammar = Grammar {
    entities: &[Entity::Attribute, Entity::Tag],
    text_attributes: &["name", "run_id", "source_path"],
    numeric_attributes: &["version_number"],
    list_attributes: &["name", "run_id"],
    order_attributes: &["name", "version_number", "creation_timestamp", "last_updated_timestamp"],
    nullable: &[],
    prefixes: &[],
    regexes: false,
};

/// Where the next page starts, as MLflow encodes it: base64 of `{"offset": n}`.
pub fn page_token(offset: i64) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(format!("{{\"offset\": {offset}}}"))
}

/// The offset of a page token; 0 for none.
///
/// # Errors
/// `invalid` with MLflow's text when the token is none of ours.
pub fn page_offset(token: Option<&str>) -> crate::error::Result<i64> {
    use base64::Engine;
    let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(0) };
    let invalid = |what: &str| crate::error::Error::invalid(format!("Invalid page token, {what}"));
    let bytes = base64::engine::general_purpose::STANDARD.decode(token).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let value: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|_| invalid(&format!("decoded value=b'{text}'")))?;
    let offset = value.get("offset").and_then(serde_json::Value::as_i64).filter(|offset| *offset > 0);
    offset.ok_or_else(|| invalid(&format!("parsed value={text}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn page_tokens_come_back_as_they_went() {
        assert_eq!(page_token(1), "eyJvZmZzZXQiOiAxfQ==");
        assert_eq!(page_offset(Some(&page_token(250))).unwrap(), 250);
        assert_eq!(page_offset(None).unwrap(), 0);
        for bad in ["!!", "e30=", "eyJvZmZzZXQiOiAtMX0="] {
            assert!(page_offset(Some(bad)).unwrap_err().message.starts_with("Invalid page token"), "{bad}");
        }
    }
}
