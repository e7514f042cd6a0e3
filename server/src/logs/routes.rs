//! HTTP of the logs, under `/api/v1/logs`.

use actix_web::{HttpRequest, HttpResponse, get, http::header, web};
use drydock_wire::{
    ErrorBody,
    logs::{LogAnswer, LogContext, LogHistogram, LogKind, LogLevel, LogState},
};
use serde::Deserialize;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    Logs,
    answers::{self, Form},
    index::{Question, Sight},
    rules::query,
    sight, tail,
};
use crate::{
    accounts::{Principal, action, authorize},
    app::App,
    download,
    error::{Error, Result},
    workloads::logs::{event_stream, last_event_id},
};

/// Mounts the routes under `/api/v1`.
pub fn configure(config: &mut ServiceConfig<'_>) {
    config.service(search).service(histogram).service(context).service(stream).service(file).service(state);
}

/// What is looked for.
#[derive(Debug, Clone, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Words, "phrases", `field:value`, `level:>=warn`, `OR`, `-not`; everything if empty.
    #[serde(default)]
    q: String,
    /// Milliseconds since 1970, the first of them.
    from: Option<i64>,
    /// The one to end before.
    to: Option<i64>,
    /// `job`, `deployment`, `build`, `drydock`; several with commas.
    kind: Option<String>,
    /// `error`, `>=warn`; several with commas.
    level: Option<String>,
    /// Id of a job, a deployment or a build.
    owner: Option<String>,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct AskedPage {
    /// 1 to 1,000 lines; 100 if not said.
    limit: Option<usize>,
    /// `next` of the page before.
    before: Option<String>,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct AskedBuckets {
    /// 1 to 500; 60 if not said.
    buckets: Option<usize>,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct AskedContext {
    /// The line's.
    id: u64,
    /// So many lines before it, at most 500; 20 if not said.
    before: Option<usize>,
    /// And after it.
    after: Option<usize>,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct AskedTail {
    /// Id of the line to go on after; from now on if not said. `Last-Event-ID` goes before it.
    after: Option<u64>,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct AskedFile {
    /// `text` or `jsonl`; `text` if not said.
    format: Option<String>,
}

impl Asked {
    fn question(self, sight: Sight) -> Result<Question> {
        let query = query::parse(&self.q)
            .map_err(|problem| Error::invalid(format!("q, character {}: {}.", problem.at, problem.why)))?;
        if self.from.zip(self.to).is_some_and(|(from, to)| from >= to) {
            return Err(Error::invalid("from: it must be before to."));
        }
        let kind = |word: &str| {
            let help = || Error::invalid(format!("kind: '{word}' is none; job, deployment, build or drydock are."));
            LogKind::parse(word).ok_or_else(help)
        };
        let level = |word: &str| -> Result<Vec<LogLevel>> {
            query::levels(word).ok_or_else(|| Error::invalid(format!("level: {}.", query::level_help(word))))
        };
        let levels: Vec<Vec<LogLevel>> = listed(&self.level).map(level).collect::<Result<_>>()?;
        Ok(Question {
            sight,
            query,
            kinds: listed(&self.kind).map(kind).collect::<Result<_>>()?,
            levels: levels.concat(),
            owner: self.owner.filter(|owner| !owner.is_empty()),
            from: self.from,
            to: self.to,
        })
    }
}

fn listed(text: &Option<String>) -> impl Iterator<Item = &str> {
    text.as_deref().unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty())
}

/// Lines of all logs that match, newest first.
#[utoipa::path(tag = "logs", params(Asked, AskedPage),
    responses((status = 200, body = LogAnswer), (status = 400, body = ErrorBody)))]
#[get("/logs")]
async fn search(
    logs: web::Data<Logs>,
    who: Principal,
    asked: web::Query<Asked>,
    page: web::Query<AskedPage>,
) -> Result<web::Json<LogAnswer>> {
    let question = asked.into_inner().question(sight(&who)?)?;
    let before = page.before.as_deref().filter(|before| !before.is_empty()).map(str::parse).transpose();
    let before = before.map_err(|_| Error::invalid("before: it is the 'next' of another page."))?;
    Ok(web::Json(answers::search(&logs, question, before, page.limit.unwrap_or(100)).await?))
}

/// How many lines match, over time.
#[utoipa::path(tag = "logs", params(Asked, AskedBuckets),
    responses((status = 200, body = LogHistogram), (status = 400, body = ErrorBody)))]
#[get("/logs/histogram")]
async fn histogram(
    logs: web::Data<Logs>,
    who: Principal,
    asked: web::Query<Asked>,
    buckets: web::Query<AskedBuckets>,
) -> Result<web::Json<LogHistogram>> {
    let question = asked.into_inner().question(sight(&who)?)?;
    Ok(web::Json(answers::histogram(&logs, question, buckets.buckets.unwrap_or(60)).await?))
}

/// What stands around a line in its own log.
#[utoipa::path(tag = "logs", params(AskedContext),
    responses((status = 200, body = LogContext), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)))]
#[get("/logs/context")]
async fn context(
    logs: web::Data<Logs>,
    who: Principal,
    asked: web::Query<AskedContext>,
) -> Result<web::Json<LogContext>> {
    let (before, after) = (asked.before.unwrap_or(20), asked.after.unwrap_or(20));
    Ok(web::Json(answers::around(&logs, sight(&who)?, asked.id, before, after).await?))
}

/// Lines that match as they are written, as server-sent events (`line`). `Last-Event-ID` resumes.
#[utoipa::path(tag = "logs", params(Asked, AskedTail),
    responses((status = 200, content_type = "text/event-stream"), (status = 400, body = ErrorBody)))]
#[get("/logs/tail")]
async fn stream(
    app: web::Data<App>,
    logs: web::Data<Logs>,
    who: Principal,
    asked: web::Query<Asked>,
    of: web::Query<AskedTail>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let question = asked.into_inner().question(sight(&who)?)?;
    let after = last_event_id(&request).or(of.after);
    Ok(event_stream(tail::start(&app, &logs, &who, question, after)))
}

/// All lines that match, oldest first, as a file; at most a million.
#[utoipa::path(tag = "logs", params(Asked, AskedFile),
    responses((status = 200, content_type = "text/plain"), (status = 400, body = ErrorBody)))]
#[get("/logs/download")]
async fn file(
    logs: web::Data<Logs>,
    who: Principal,
    asked: web::Query<Asked>,
    of: web::Query<AskedFile>,
) -> Result<HttpResponse> {
    let question = asked.into_inner().question(sight(&who)?)?;
    let (form, kind, name) = match of.format.as_deref() {
        None | Some("" | "text") => (Form::Text, "text/plain; charset=utf-8", "logs.txt"),
        Some("jsonl") => (Form::Json, "application/x-ndjson", "logs.jsonl"),
        Some(other) => return Err(Error::invalid(format!("format: '{other}' is none; text and jsonl are."))),
    };
    Ok(HttpResponse::Ok()
        .content_type(kind)
        .insert_header((header::CONTENT_DISPOSITION, download::disposition(name)))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .streaming(answers::download(&logs, question, form)))
}

/// What is kept of the logs, and for how long.
#[utoipa::path(tag = "logs", responses((status = 200, body = LogState)))]
#[get("/logs/state")]
async fn state(logs: web::Data<Logs>, who: Principal) -> Result<web::Json<LogState>> {
    let auth = authorize(&who, action::View, &who.project)?;
    Ok(web::Json(super::state(&logs, &auth).await?))
}
