//! What a request asks for, as its first line and its heads say.

use actix_web::HttpRequest;
use drydock_wire::serving::Protocol;

/// The path that the model server is asked for: its own, but for an alias of MLflow's.
pub fn path_of_model(request: &HttpRequest, protocol: Protocol) -> String {
    let path = path_after_deployment(request);
    match path.strip_prefix("/predict").filter(|_| protocol == Protocol::Mlflow) {
        Some(rest) if rest.is_empty() || rest.starts_with('?') => format!("/invocations{rest}"),
        _ => path.to_owned(),
    }
}

/// What follows `/serve/{deployment}`, as the caller wrote it, query included.
pub fn path_after_deployment(request: &HttpRequest) -> &str {
    let whole = request.uri().path_and_query().map_or("/", |it| it.as_str());
    let rest = whole.trim_start_matches('/').split_once('/').map_or("", |(_serve, rest)| rest);
    rest.find('/').map_or("/", |slash| &rest[slash..])
}

pub fn content_length(request: &HttpRequest) -> Option<u64> {
    request.headers().get(actix_web::http::header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
