//! `mlflow-artifacts/artifacts/…` (the proxy), `artifacts/list` and `/get-artifact`.

use std::collections::HashMap;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderValue},
    web,
};
use serde_json::json;

use super::{Answer, Args, Failure, Who, ok, view};
use crate::{
    accounts::{Authorized, action},
    app::App,
    download::{self as sending, Wanted},
    error::{Error, Result},
    percent,
    tracking::{self, Artifact, rules},
};

pub fn configure(cfg: &mut web::ServiceConfig, prefix: &str) {
    cfg.service(web::resource(format!("{prefix}/mlflow/artifacts/list")).route(web::get().to(list_of_run)));
    cfg.service(web::resource(format!("{prefix}/mlflow/upload-artifact")).route(web::post().to(upload_to_run)));
    cfg.service(web::resource(format!("{prefix}/mlflow-artifacts/artifacts")).route(web::get().to(list)));
    cfg.service(
        web::resource(format!("{prefix}/mlflow-artifacts/artifacts/{{path:.*}}"))
            .route(web::get().to(download))
            .route(web::head().to(download))
            .route(web::put().to(upload))
            .route(web::delete().to(delete)),
    );
}

async fn upload(app: web::Data<App>, who: Who, path: web::Path<String>, body: web::Payload) -> Answer {
    tracking::put_artifact(&app, &who.develop()?, &path, body).await?;
    Ok(HttpResponse::Ok().finish())
}

/// What MLflow's web page may put: notes and small pictures.
const PAGE_UPLOAD_BYTES: usize = 10 << 20;

/// `upload-artifact?run_uuid=&path=`, a small file that MLflow's web page puts beside a run.
async fn upload_to_run(
    app: web::Data<App>,
    who: Who,
    query: web::Query<HashMap<String, String>>,
    body: web::Payload,
) -> Answer {
    let auth = who.develop()?;
    let given = |name: &str| {
        let value = query.get(name).filter(|value| !value.is_empty()).cloned();
        value.ok_or_else(|| Error::invalid(format!("Request must specify {name}.")))
    };
    let (run_id, path) = (given("run_uuid")?, given("path")?);
    rules::artifact_path(&path)?;
    let body = body
        .to_bytes_limited(PAGE_UPLOAD_BYTES)
        .await
        .map_err(|_| Error::invalid("Artifact size is too large. Max size is 10MB."))?
        .map_err(|cause| Error::invalid(format!("The upload broke off: {cause}")))?;
    if body.is_empty() {
        return Err(Error::invalid("Request must specify data.").into());
    }
    let run = tracking::run(&app, &who.view()?, run_id).await?;
    let root = rules::artifact_key(&run.info.artifact_uri)
        .ok_or_else(|| Error::refused("The artifacts of this run are not kept by Drydock."))?;
    let body = futures_util::stream::iter([Ok::<_, std::convert::Infallible>(body)]);
    tracking::put_artifact(&app, &auth, &format!("{root}/{path}"), body).await?;
    Ok(HttpResponse::Ok().finish())
}

async fn download(app: web::Data<App>, who: Who, path: web::Path<String>, request: HttpRequest) -> Answer {
    let file = tracking::find_artifact(&app, &who.view()?, &path).await?;
    Ok(send_artifact(&app, &request, &file).await?)
}

async fn delete(app: web::Data<App>, who: Who, path: web::Path<String>) -> Answer {
    tracking::delete_artifacts(&app, &who.erase()?, &path).await.map_err(Failure::plain)?;
    ok(json!({}))
}

async fn list(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let path = args.text("path")?.unwrap_or_default();
    let entries = tracking::list_artifacts(&app, &who.view()?, &path).await?;
    ok(view::page("files", view::entries(&entries, "").into(), None))
}

async fn list_of_run(app: web::Data<App>, who: Who, args: Args) -> Answer {
    ok(of_folder(&app, &who.view()?, &args).await?)
}

/// `{"root_uri", "files"}` of the run and folder that `artifacts/list` was asked for.
pub async fn of_folder(app: &App, auth: &Authorized<action::View>, args: &Args) -> Result<serde_json::Value> {
    let folder = checked_folder(args.text("path")?)?;
    let run = tracking::run(app, auth, args.run_id()?).await?;
    listing(app, auth, &run.info.artifact_uri, &folder).await
}

/// A folder below a root, without a slash at its end; empty for the root itself.
pub fn checked_folder(path: Option<String>) -> Result<String> {
    let folder = path.unwrap_or_default().trim_end_matches('/').to_owned();
    if !folder.is_empty() {
        rules::artifact_path(&folder)?;
    }
    Ok(folder)
}

/// `{"root_uri", "files"}` of a folder below an artifact URI; places that are not ours look empty.
pub async fn listing(
    app: &App,
    auth: &Authorized<action::View>,
    root_uri: &str,
    folder: &str,
) -> Result<serde_json::Value> {
    let entries = match rules::artifact_key(root_uri) {
        Some(root) if folder.is_empty() => tracking::list_artifacts(app, auth, &root).await?,
        Some(root) => tracking::list_artifacts(app, auth, &format!("{root}/{folder}")).await?,
        None => Vec::new(),
    };
    let mut found = view::page("files", view::entries(&entries, folder).into(), None);
    found["root_uri"] = json!(root_uri);
    Ok(found)
}

/// `/get-artifact?run_uuid=&path=`, which MLflow's web page downloads with.
pub async fn of_run(app: web::Data<App>, who: Who, args: Args, request: HttpRequest) -> Answer {
    let auth = who.view()?;
    let path = args.required("path")?;
    rules::artifact_path(&path)?;
    let run = tracking::run(&app, &auth, args.run_id()?).await?;
    let root = rules::artifact_key(&run.info.artifact_uri)
        .ok_or_else(|| Error::not_found("The artifacts of this run are not kept by Drydock."))?;
    let file = tracking::find_artifact(&app, &auth, &format!("{root}/{path}")).await?;
    Ok(send_artifact(&app, &request, &file).await?)
}

/// The file's bytes, or the asked range of them, as an attachment that no browser interprets.
pub async fn send_artifact(app: &App, request: &HttpRequest, file: &Artifact) -> Result<HttpResponse> {
    let size = u64::try_from(file.size_bytes).unwrap_or(0);
    let etag = format!("\"{}\"", file.digest);
    let range = match sending::wanted(request.headers(), &etag, size) {
        Wanted::Unchanged => return Ok(sending::unchanged(etag)),
        Wanted::Beyond => return Ok(sending::beyond(size)),
        Wanted::Whole => None,
        Wanted::Part(from, to) => Some((from, to)),
    };
    let (_, body) = app.objects.stream(&file.digest, range).await?;
    let mut response = match range {
        Some(_) => HttpResponse::PartialContent(),
        None => HttpResponse::Ok(),
    };
    let name = file.key.rsplit('/').next().unwrap_or("download");
    response
        .insert_header((header::CONTENT_TYPE, mime_of(name)))
        .insert_header((header::CONTENT_DISPOSITION, disposition(name)))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "sandbox"))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header((header::ETAG, etag));
    let (from, to) = range.unwrap_or((0, size));
    if range.is_some() {
        response.insert_header((header::CONTENT_RANGE, sending::content_range(from, to, size)));
    }
    Ok(response.body(actix_web::body::SizedStream::new(to - from, body)))
}

const TEXT_SUFFIXES: [&str; 26] = [
    "txt",
    "log",
    "err",
    "cfg",
    "conf",
    "cnf",
    "cf",
    "ini",
    "properties",
    "prop",
    "hocon",
    "toml",
    "yaml",
    "yml",
    "xml",
    "json",
    "js",
    "py",
    "py3",
    "csv",
    "tsv",
    "md",
    "rst",
    "sh",
    "MLmodel",
    "MLproject",
];

/// As MLflow guesses: anything one could read is plain text.
fn mime_of(name: &str) -> String {
    let suffix = name.rsplit('.').next().unwrap_or(name);
    if TEXT_SUFFIXES.contains(&suffix) {
        return "text/plain".into();
    }
    mime_guess::from_path(name).first_raw().unwrap_or("application/octet-stream").to_owned()
}

fn disposition(name: &str) -> HeaderValue {
    let plain = name.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | ';'));
    let text = if plain {
        format!("attachment; filename={name}")
    } else {
        let encoded = percent::encoded(name, "");
        let ascii: String =
            name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')).collect();
        let ascii = if ascii.is_empty() { "download" } else { &ascii };
        format!("attachment; filename={ascii}; filename*=UTF-8''{encoded}")
    };
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("attachment"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_reach_the_header_safely() {
        assert_eq!(disposition("x.txt"), "attachment; filename=x.txt");
        assert_eq!(disposition("é\".txt"), "attachment; filename=.txt; filename*=UTF-8''%C3%A9%22.txt");
        assert_eq!(mime_of("MLmodel"), "text/plain");
        assert_eq!(mime_of("a.png"), "image/png");
        assert_eq!(mime_of("model.skops"), "application/octet-stream");
    }
}
