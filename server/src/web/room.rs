//! Below the disk's floor, requests that add something are refused before they begin; what reads, frees or lets people in
//! goes on.

use actix_web::{
    Error as ActixError,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::Method,
    middleware::Next,
    web,
};

use crate::app::App;

/// The middleware of the web face.
pub async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, ActixError> {
    if adds(request.method(), request.path())
        && let Some(app) = request.app_data::<web::Data<App>>()
    {
        app.objects.room().check()?;
    }
    next.call(request).await
}

/// Under these, changes are small and help to get room, or to find out who may.
const SMALL: [&str; 11] = [
    "/serve/",
    // the registry looks at the room itself and answers in its own form
    "/v2/",
    "/api/v1/login",
    "/api/v1/logout",
    "/api/v1/setup",
    "/api/v1/me/",
    "/api/v1/people",
    "/api/v1/tokens",
    "/api/v1/trash",
    "/api/v1/store",
    "/api/v1/repository/retention",
];

/// A last part of the path that begins so asks or frees: `search-runs`, `get-history-bulk`, `delete-traces`.
const READS_OR_FREES: [&str; 15] = [
    "search",
    "get",
    "batchget",
    "batch-get",
    "delete",
    "purge",
    "cancel",
    "stop",
    "preview",
    "graphql",
    "abort",
    "diff",
    "query",
    "predict",
    // of a deployment: a few bytes, and a bad release is not to stay for them
    "rollback",
];

/// Whether the request adds something that is kept.
fn adds(method: &Method, path: &str) -> bool {
    if !matches!(*method, Method::POST | Method::PUT | Method::PATCH) {
        return false;
    }
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or("").to_ascii_lowercase();
    let asks = *method == Method::POST && READS_OR_FREES.iter().any(|word| last.starts_with(word));
    // A bucket's settings (its quota, what expires): `PUT /api/v1/buckets/{bucket}`.
    let settings = *method == Method::PUT
        && path.strip_prefix("/api/v1/buckets/").is_some_and(|bucket| !bucket.is_empty() && !bucket.contains('/'));
    !(asks || settings || SMALL.iter().any(|prefix| path.starts_with(prefix)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reads_frees_or_lets_in_goes_on_and_the_rest_does_not() {
        let goes_on = [
            (Method::GET, "/api/2.0/mlflow-artifacts/artifacts/x"),
            (Method::DELETE, "/api/v1/datasets/wine"),
            (Method::POST, "/api/v1/login"),
            (Method::POST, "/api/2.0/mlflow/runs/search"),
            (Method::POST, "/api/2.0/mlflow/runs/delete"),
            (Method::POST, "/api/3.0/mlflow/traces/delete-traces"),
            (Method::POST, "/api/3.0/mlflow/traces/batchGet"),
            (Method::POST, "/graphql"),
            (Method::POST, "/serve/iris/invocations"),
            (Method::POST, "/api/v1/trash/purge"),
            (Method::POST, "/api/v1/buckets/data/objects/delete"),
            (Method::PUT, "/api/v1/buckets/data"),
            (Method::POST, "/api/v1/jobs/1/cancel"),
            (Method::POST, "/api/v1/deployments/iris/rollback"),
        ];
        for (method, path) in goes_on {
            assert!(!adds(&method, path), "{method} {path}");
        }
        let refused = [
            (Method::POST, "/api/2.0/mlflow/runs/create"),
            (Method::POST, "/api/2.0/mlflow/runs/log-batch"),
            (Method::PUT, "/api/2.0/mlflow-artifacts/artifacts/0/r/artifacts/search"),
            (Method::PUT, "/api/v1/uploads"),
            (Method::POST, "/v1/traces"),
            (Method::POST, "/api/v1/datasets/search/versions"),
            (Method::POST, "/api/v1/jobs"),
            (Method::POST, "/api/v1/buckets"),
            (Method::PUT, "/api/v1/buckets/data/object/content"),
            (Method::PATCH, "/api/2.0/mlflow/registered-models/update"),
        ];
        for (method, path) in refused {
            assert!(adds(&method, path), "{method} {path}");
        }
    }
}
