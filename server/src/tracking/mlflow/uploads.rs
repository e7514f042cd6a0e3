//! `mpu/create|complete|abort`: a large artifact in parts. The parts go to an address of ours, with the authorization that
//! the client itself sent; it is told to send it again, since it sends parts with nothing but what the answer says.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde_json::{Value, json};

use super::{
    Answer, Args, Who,
    args::{int_of, missing, text_of},
    ok,
};
use crate::{
    app::App,
    error::{Error, Result},
    tracking::{self, rules, uploads},
};

pub fn configure(cfg: &mut web::ServiceConfig, prefix: &str) {
    let path = |rest: &str| format!("{prefix}/mlflow-artifacts/mpu/{rest}");
    cfg.service(web::resource(path("part/{upload}/{number}")).route(web::put().to(part)));
    for (verb, route) in
        [("create", web::post().to(create)), ("complete", web::post().to(complete)), ("abort", web::post().to(abort))]
    {
        cfg.service(web::resource(path(&format!("{verb}/{{path:.*}}"))).route(route));
    }
}

/// The artifact's key: the file's name below the folder in the path. Clients send the name as they have it on their disk.
fn key(folder: &str, args: &Args) -> Result<String> {
    let local = args.required("path")?;
    let name = local.rsplit(['/', '\\']).next().unwrap_or_default();
    let key = if folder.is_empty() { name.to_owned() } else { format!("{}/{name}", folder.trim_end_matches('/')) };
    rules::artifact_path(&key).map(str::to_owned)
}

async fn create(app: web::Data<App>, who: Who, folder: web::Path<String>, args: Args, request: HttpRequest) -> Answer {
    let auth = who.develop()?;
    if !folder.is_empty() {
        rules::artifact_path(folder.trim_end_matches('/'))?;
    }
    let (key, count) = (key(&folder, &args)?, args.int("num_parts")?.unwrap_or(1).max(1));
    if count > uploads::MAX_PARTS {
        let text = format!("An upload has at most {} parts; send larger ones.", uploads::MAX_PARTS);
        return Err(Error::invalid(text).into());
    }
    let upload = tracking::begin_upload(&app, &auth, &key).await?;
    let (here, headers) = (origin(&request), own_authorization(&request));
    let credentials: Vec<Value> = (1..=count)
        .map(|number| {
            json!({
                "url": format!("{here}/api/2.0/mlflow-artifacts/mpu/part/{upload}/{number}"),
                "part_number": number,
                "headers": headers,
            })
        })
        .collect();
    ok(json!({"upload_id": upload, "credentials": credentials}))
}

/// Where the client reached us, as it wrote it.
pub fn origin(request: &HttpRequest) -> String {
    let info = request.connection_info();
    format!("{}://{}", info.scheme(), info.host())
}

/// The request's own authorization, to be sent again.
pub fn own_authorization(request: &HttpRequest) -> Value {
    match request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()) {
        Some(value) => json!({"Authorization": value}),
        None => json!({}),
    }
}

async fn part(app: web::Data<App>, who: Who, place: web::Path<(String, i64)>, body: web::Payload) -> Answer {
    let (upload, number) = place.into_inner();
    let tag = tracking::put_part(&app, &who.develop()?, &upload, number, body).await?;
    Ok(HttpResponse::Ok().insert_header((header::ETAG, format!("\"{tag}\""))).finish())
}

async fn complete(app: web::Data<App>, who: Who, folder: web::Path<String>, args: Args) -> Answer {
    let (auth, key, upload) = (who.develop()?, key(&folder, &args)?, args.required("upload_id")?);
    let parts = args.list("parts")?.iter().map(part_of).collect::<Result<Vec<_>>>()?;
    if parts.is_empty() {
        return Err(missing("parts").into());
    }
    // On its own task: a client that gives up waiting must not stop it half-way.
    let app = app.into_inner();
    let work = async move { tracking::complete_upload(&app, &auth, &upload, &key, parts).await };
    actix_web::rt::spawn(work).await.map_err(Error::internal)??;
    ok(json!({}))
}

fn part_of(item: &Value) -> Result<(i64, String)> {
    let number = int_of(item.get("part_number"), "parts.part_number")?.ok_or_else(|| missing("parts.part_number"))?;
    let tag = text_of(item.get("etag"), "parts.etag")?.ok_or_else(|| missing("parts.etag"))?;
    Ok((number, tag))
}

async fn abort(app: web::Data<App>, who: Who, _folder: web::Path<String>, args: Args) -> Answer {
    let (auth, _) = (who.develop()?, args.required("path")?);
    tracking::abort_upload(&app, &auth, &args.required("upload_id")?).await?;
    ok(json!({}))
}
