//! What moves between this box and other places.
//!
//! So far the history of an MLflow: `mlflow` takes it in and gives it out. Signed bundles across the air gap come here, too.

pub mod mlflow;
