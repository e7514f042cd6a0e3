//! Answers with one file of a version.

use actix_web::{HttpRequest, HttpResponse};
use drydock_wire::datasets::DatasetFile;

use crate::{
    app::App,
    download::{self, File},
    error::Result,
};

pub async fn answer(app: &App, request: &HttpRequest, file: &DatasetFile) -> Result<HttpResponse> {
    let asked = File {
        path: &file.path,
        content_type: "application/octet-stream",
        etag: format!("\"{}\"", file.digest),
        size_bytes: file.size_bytes,
    };
    download::answer(request, asked, async |from, to| {
        app.objects.stream(&file.digest, Some((from, to))).await.map(|(_, body)| body)
    })
    .await
}
