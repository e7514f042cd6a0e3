//! `/pypi/`: what pip, uv and twine speak. Read by anybody on the containers' listener, elsewhere by who may look.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use sha2::{Digest, Sha256};

use super::{
    multipart::Multipart,
    names,
    simple::{self, Form},
    store,
    uploading::Added,
};
use crate::{
    accounts::{
        self, Accounts, Principal, action, authorize,
        projects::{self as places, Kind},
    },
    app::App,
    db::Conn,
    download,
    error::{Error, Result},
};

/// Who may read the index on a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Containers of the box, without a name.
    Anybody,
    /// Who has a session, a token or a password.
    Named,
}

/// Mounts `/pypi/…`.
pub fn configure_index(config: &mut web::ServiceConfig, readers: Readers) {
    let get = || web::route().guard(actix_web::guard::Any(actix_web::guard::Get()).or(actix_web::guard::Head()));
    config.service(
        web::scope("/pypi")
            .app_data(web::Data::new(readers))
            .route("/simple", get().to(to_slash))
            .route("/simple/", get().to(projects))
            .route("/simple/{name}", get().to(to_slash))
            .route("/simple/{name}/", get().to(project))
            .route("/files/{digest}/{filename}", get().to(file))
            .route("/legacy/", web::post().to(upload))
            .default_service(web::route().to(unknown)),
    );
}

async fn unknown() -> Result<HttpResponse> {
    Err(Error::not_found("The package index is at /pypi/simple/, uploads by twine go to /pypi/legacy/."))
}

/// Who reads. A container without a name reads what is open to everybody on the box; one with its token, what its job may.
async fn reader(readers: Readers, accounts: &Accounts, app: &App, request: &HttpRequest) -> Result<Principal> {
    let is_named = request.headers().contains_key(header::AUTHORIZATION) || readers == Readers::Named;
    let who =
        if is_named { accounts::identify(accounts, request).await? } else { app.db.glance(places::nobody).await? };
    authorize(&who, action::View, &who.project)?;
    Ok(who)
}

/// To the same address with the name as it is written, and a slash.
fn moved(to: &str) -> HttpResponse {
    HttpResponse::MovedPermanently().insert_header((header::LOCATION, to)).finish()
}

async fn to_slash(name: Option<web::Path<String>>) -> HttpResponse {
    match name {
        Some(name) if names::is_name(&name) => moved(&format!("/pypi/simple/{}/", names::normalized(&name))),
        _ => moved("/pypi/simple/"),
    }
}

async fn projects(
    app: web::Data<App>,
    accounts: web::Data<Accounts>,
    readers: web::Data<Readers>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let scope = reader(**readers, &accounts, &app, &request).await?.reach.scope();
    let Some(form) = Form::wanted(text(&request, header::ACCEPT)) else { return Ok(not_acceptable()) };
    let names = app.db.read(move |conn| store::names(conn, &scope)).await?;
    Ok(page(&request, form, simple::projects(&names, form)))
}

async fn project(
    app: web::Data<App>,
    accounts: web::Data<Accounts>,
    readers: web::Data<Readers>,
    request: HttpRequest,
    name: web::Path<String>,
) -> Result<HttpResponse> {
    let who = reader(**readers, &accounts, &app, &request).await?;
    let Some(form) = Form::wanted(text(&request, header::ACCEPT)) else { return Ok(not_acceptable()) };
    let normalized = names::normalized(&name);
    if normalized != *name && names::is_name(&name) {
        return Ok(moved(&format!("/pypi/simple/{normalized}/")));
    }
    let wanted = normalized.clone();
    let files = app
        .db
        .read(move |conn| {
            if !places::sees(conn, &who, Kind::Package, &wanted)? {
                return Err(store::absent(&wanted));
            }
            let package = store::require(conn, &wanted)?;
            store::files(conn, package.id)
        })
        .await?;
    Ok(page(&request, form, simple::project(&normalized, &files, form)))
}

fn text(request: &HttpRequest, name: header::HeaderName) -> Option<&str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

fn not_acceptable() -> HttpResponse {
    HttpResponse::NotAcceptable().insert_header((header::VARY, "accept")).body(
        "The index answers as application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html or text/html.",
    )
}

fn page(request: &HttpRequest, form: Form, body: String) -> HttpResponse {
    let etag = format!("\"{}\"", hex::encode(&Sha256::digest(&body)[..16]));
    let mut response = match download::wanted(request.headers(), &etag, 0) {
        download::Wanted::Unchanged => download::unchanged(etag),
        _ => HttpResponse::Ok().content_type(form.content_type()).insert_header((header::ETAG, etag)).body(body),
    };
    let headers = response.headers_mut();
    headers.insert(header::VARY, header::HeaderValue::from_static("accept, authorization, cookie"));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("private, no-cache"));
    response
}

async fn file(
    app: web::Data<App>,
    accounts: web::Data<Accounts>,
    readers: web::Data<Readers>,
    request: HttpRequest,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse> {
    let who = reader(**readers, &accounts, &app, &request).await?;
    let (digest, asked) = path.into_inner();
    let wheel = asked.strip_suffix(".metadata").unwrap_or(&asked).to_owned();
    let is_metadata = wheel != asked;
    let find = move |conn: &mut Conn| {
        let Some(file) = store::file(conn, &wheel)? else { return Ok(None) };
        let package = names::parse_wheel(&wheel)?.name;
        Ok(places::sees(conn, &who, Kind::Package, &package)?.then_some(file))
    };
    let found = app.db.glance(find).await?.filter(|file| file.digest == digest);
    let found = found.ok_or_else(|| Error::not_found(format!("The index has no file {asked} of these bytes.")))?;
    let content = if is_metadata { found.metadata } else { found.digest };
    let size = match is_metadata {
        false => u64::try_from(found.size_bytes).unwrap_or(0),
        true => app.objects.stream(&content, Some((0, 0))).await?.0,
    };
    let kind = if is_metadata { "text/plain; charset=utf-8" } else { "application/octet-stream" };
    let told = download::File { path: &asked, content_type: kind, etag: format!("\"{content}\""), size_bytes: size };
    let open = async |from, to| Ok(app.objects.stream(&content, Some((from, to))).await?.1);
    let mut response = download::answer(&request, told, open).await?;
    if response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED {
        let for_good = header::HeaderValue::from_static("private, max-age=31536000, immutable");
        response.headers_mut().insert(header::CACHE_CONTROL, for_good);
    }
    Ok(response)
}

/// As twine and `uv publish` send it.
async fn upload(
    app: web::Data<App>,
    accounts: web::Data<Accounts>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse> {
    let who = accounts::identify(&accounts, &request).await?;
    let auth = authorize(&who, action::Push, &who.project)?;
    let content_type = text(&request, header::CONTENT_TYPE).unwrap_or_default().to_owned();
    let mut form = Multipart::new(&content_type, payload)?;
    let (mut expected, mut added): (Option<String>, Option<Added>) = (None, None);
    while let Some(part) = form.next().await? {
        match (part.name.as_str(), part.filename) {
            (":action", _) => {
                let action = form.text().await?;
                if action != "file_upload" {
                    return Err(Error::invalid(format!(
                        ":action: {action:?} is not known; the index takes file_upload."
                    )));
                }
            }
            ("sha256_digest", _) => expected = Some(form.text().await?),
            ("content", Some(filename)) => {
                added = Some(super::add(&app, &auth, &filename, form.stream(), expected.as_deref()).await?);
            }
            _ => {}
        }
    }
    match added {
        Some(added) if expected.is_none_or(|expected| expected.eq_ignore_ascii_case(&added.file.sha256)) => {
            Ok(HttpResponse::Ok().finish())
        }
        Some(added) => Err(Error::invalid(format!(
            "{} has other bytes than its sha256_digest says; delete it and upload it again.",
            added.file.filename
        ))),
        None => Err(Error::invalid("The form has no file: its part is called content.")),
    }
}
