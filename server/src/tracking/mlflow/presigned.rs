//! `…/presigned/…` and `presigned-…-url`: where a client may fetch an artifact itself. Drydock's own artifacts are fetched
//! from Drydock, so the one is answered with our address and the others as MLflow answers them for artifacts behind its proxy.

use actix_web::{HttpRequest, web};
use serde_json::json;

use super::{
    Answer, Args, Who, ok,
    uploads::{origin, own_authorization},
};
use crate::{
    app::App,
    error::{Error, Result},
    percent,
    tracking::{self, rules},
};

const LONGEST_S: i64 = 604_800;
const USUAL_S: i64 = 900;

pub fn configure(cfg: &mut web::ServiceConfig, prefix: &str) {
    let path = |rest: &str| format!("{prefix}/mlflow/artifacts/presigned-{rest}-url");
    cfg.service(web::resource(path("upload")).route(web::post().to(upload)));
    cfg.service(web::resource(path("download")).route(web::post().to(download)));
    let direct = format!("{prefix}/mlflow-artifacts/presigned/{{path:.*}}");
    cfg.service(web::resource(direct).route(web::get().to(address)));
}

/// The artifact's own address, which takes ranges, with the authorization to send there.
async fn address(app: web::Data<App>, who: Who, path: web::Path<String>, request: HttpRequest) -> Answer {
    let file = tracking::find_artifact(&app, &who.view()?, &path).await?;
    let encoded = percent::encoded(&file.key, "/");
    ok(json!({
        "url": format!("{}/api/2.0/mlflow-artifacts/artifacts/{encoded}", origin(&request)),
        "headers": own_authorization(&request),
        "file_size": file.size_bytes,
    }))
}

async fn upload(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let auth = who.view()?;
    let (run, model) = (args.filled("run_id")?, args.filled("model_id")?);
    let path = args.required("path")?;
    args.int("expiration")?;
    let uri = match (run, model) {
        (Some(run), None) => {
            rules::artifact_path(&path)?;
            tracking::run(&app, &auth, run).await?.info.artifact_uri
        }
        (None, Some(model)) => {
            rules::artifact_path(&path)?;
            tracking::logged_model(&app, &auth, model, false).await?.artifact_uri
        }
        _ => return Err(Error::invalid("Exactly one of run_id and model_id must be provided.").into()),
    };
    let scheme = scheme_of(&uri);
    Err(Error::invalid(format!(
        "Presigned upload is not supported for proxied artifact storage (artifact URI scheme: {scheme}). This endpoint \
         requires a direct cloud storage artifact URI."
    ))
    .into())
}

async fn download(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let (auth, run_id, path) = (who.view()?, args.required("run_id")?, args.required("path")?);
    let expiration = args.int("expiration")?.unwrap_or(USUAL_S);
    rules::artifact_path(&path)?;
    check_expiration(expiration)?;
    let run = tracking::run(&app, &auth, run_id).await?;
    let scheme = scheme_of(&run.info.artifact_uri);
    Err(Error::invalid(format!(
        "Presigned download is not supported for runs with proxied artifact storage (artifact URI scheme: {scheme}). This \
         endpoint requires a run with a direct cloud storage artifact URI."
    ))
    .into())
}

fn check_expiration(seconds: i64) -> Result<()> {
    if (1..=LONGEST_S).contains(&seconds) {
        return Ok(());
    }
    Err(Error::invalid(format!("expiration must be between 1 and {LONGEST_S} seconds (got {seconds}).")))
}

fn scheme_of(uri: &str) -> &str {
    uri.split_once(':').map_or("", |(scheme, _)| scheme)
}
