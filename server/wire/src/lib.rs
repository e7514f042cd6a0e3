//! What travels between server, dashboard and CLI: requests, views, error codes and the validation both sides share.
//!
//! Only serde lives here: this crate compiles for the browser. Instants are `…_at`, milliseconds since the Unix epoch;
//! sizes are `…_bytes`, durations `…_ms` or `…_s`. A row of the database never appears here.

/// Gives wire types the derives they all share, and an OpenAPI schema where the server asks for one.
macro_rules! wire {
    ($($item:item)*) => {
        $(
            #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
            #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
            $item
        )*
    };
}

pub mod accounts;
pub mod builds;
pub mod datasets;
pub mod demo;
pub mod devices;
pub mod drift;
pub mod error;
pub mod events;
pub mod images;
pub mod import;
pub mod jobs;
pub mod lineage;
pub mod logs;
pub mod metrics;
pub mod overview;
pub mod packages;
pub mod pipelines;
pub mod projects;
pub mod queues;
pub mod registry;
pub mod samples;
pub mod secrets;
pub mod serving;
pub mod storage;
pub mod store;
pub mod sweeps;
pub mod traces;
pub mod tracking;
pub mod trash;
pub mod units;
pub mod validate;
pub mod webhooks;

pub use error::{ErrorBody, ErrorCode};

/// One page of a list. `next` is the `page` parameter of the following request; absent on the last page.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page<T> {
    pub items: Vec<T>,
    /// How many there are in all under the same filter.
    pub total: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

wire! {
    /// A key with its value, as tags and parameters have them.
    pub struct KeyValue {
        pub key: String,
        pub value: String,
    }
}
