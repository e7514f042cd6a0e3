//! MLflow's own web page in front of Drydock: its files from the wheel, everything else from the server, with a token added. What
//! the server refused is noted, so that a test can say which calls of the page are not answered.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, dev::ServerHandle, http::StatusCode, web};
use anyhow::Result;

use crate::{Api, clients};

/// Bodies of the page are small; artifacts go down, not up.
const BODY_LIMIT_BYTES: usize = 16 << 20;

/// The page at an address of its own; it ends when this is dropped.
pub struct MlflowPage {
    pub url: String,
    refused: Arc<Mutex<Vec<String>>>,
    handle: ServerHandle,
}

struct Behind {
    files: PathBuf,
    server: String,
    token: String,
    http: reqwest::Client,
    refused: Arc<Mutex<Vec<String>>>,
}

impl MlflowPage {
    /// Serves the page of the newest client's wheel in front of the caller's server, as that caller.
    pub fn start(api: &Api) -> Result<Self> {
        let refused = Arc::new(Mutex::new(Vec::new()));
        let behind = web::Data::new(Behind {
            files: clients::package("mlflow")?.join("server/js/build"),
            server: api.url().trim_end_matches('/').to_owned(),
            token: api.token().to_owned(),
            http: reqwest::Client::builder().no_proxy().build()?,
            refused: Arc::clone(&refused),
        });
        let server = HttpServer::new(move || {
            App::new()
                .app_data(behind.clone())
                .app_data(web::PayloadConfig::new(BODY_LIMIT_BYTES))
                .default_service(web::route().to(answer))
        })
        .workers(1)
        .disable_signals()
        .bind("127.0.0.1:0")?;
        let url = format!("http://{}", server.addrs()[0]);
        let running = server.run();
        let handle = running.handle();
        tokio::spawn(running);
        Ok(Self { url, refused, handle })
    }

    /// Calls that were answered with 400 and above so far, `404 GET /path`, each once.
    pub fn refused(&self) -> Vec<String> {
        let mut all = self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone();
        all.sort();
        all.dedup();
        all
    }
}

impl Drop for MlflowPage {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

async fn answer(behind: web::Data<Behind>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let file = match request.path() {
        "/" => Some(behind.files.join("index.html")),
        path => path.strip_prefix("/static-files/").map(|rest| behind.files.join(rest)),
    };
    match file {
        Some(file) => match tokio::fs::read(&file).await {
            Ok(bytes) => HttpResponse::Ok().content_type(kind_of(&file.to_string_lossy())).body(bytes),
            Err(_) => HttpResponse::NotFound().finish(),
        },
        None => forwarded(&behind, &request, body).await.unwrap_or_else(|_| HttpResponse::BadGateway().finish()),
    }
}

async fn forwarded(behind: &Behind, request: &HttpRequest, body: web::Bytes) -> Result<HttpResponse> {
    let method = reqwest::Method::from_bytes(request.method().as_str().as_bytes())?;
    let mut sent = behind.http.request(method, format!("{}{}", behind.server, request.uri()));
    if let Some(kind) = request.headers().get("content-type") {
        sent = sent.header("content-type", kind.to_str()?);
    }
    let came = sent.bearer_auth(&behind.token).body(body.to_vec()).send().await?;
    let status = came.status().as_u16();
    if status >= 400 {
        let call = format!("{status} {} {}", request.method(), request.path());
        behind.refused.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }
    let mut response = HttpResponse::build(StatusCode::from_u16(status)?);
    if let Some(kind) = came.headers().get("content-type") {
        response.content_type(kind.to_str()?);
    }
    Ok(response.body(came.bytes().await?))
}

fn kind_of(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript",
        Some("css") => "text/css",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}
