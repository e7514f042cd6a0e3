//! `GET /ca.pem`: the certificate of the box's own authority, for clients that are to trust it. Public on purpose: whoever fetches it
//! compares its fingerprint with the one that the dashboard shows.

use actix_web::{HttpResponse, http::header, web};

use crate::{
    app::App,
    error::{Error, Result},
};

pub fn configure(config: &mut web::ServiceConfig) {
    config.route("/ca.pem", web::get().to(authority));
}

async fn authority(app: web::Data<App>) -> Result<HttpResponse> {
    let pem = tokio::fs::read(app.data_dir.join("tls/ca.pem")).await;
    let pem = pem.map_err(|_| Error::not_found("This box speaks plain HTTP here and has no authority of its own."))?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/x-pem-file"))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .body(pem))
}
