//! `/healthz`: the process answers. `/readyz`: everything it needs answers, too; if not, what is missing and that it goes
//! on by itself. Both without authentication, so neither says more than yes or no.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Serialize;

use crate::app::App;
use crate::objects::engine::EngineState;

/// Asking more often than this gets the answer of before.
const REMEMBERED: Duration = Duration::from_secs(1);

#[derive(Clone, Serialize)]
struct Readiness {
    ready: bool,
    checks: Vec<Check>,
}

#[derive(Clone, Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
}

/// The process answers.
pub async fn alive() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n")
}

/// 200 when the database and Docker answer, else 503; the body says which does not.
pub async fn ready(app: web::Data<App>) -> HttpResponse {
    let readiness = remembered(&app).await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    HttpResponse::build(status).json(readiness)
}

async fn remembered(app: &App) -> Readiness {
    static LAST: LazyLock<Mutex<Option<(Instant, Readiness)>>> = LazyLock::new(Mutex::default);
    let last = LAST.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some((at, readiness)) = last
        && at.elapsed() < REMEMBERED
    {
        return readiness;
    }
    let readiness = look(app).await;
    *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), readiness.clone()));
    readiness
}

async fn look(app: &App) -> Readiness {
    let (database, docker) = tokio::join!(app.db.read(crate::objects::store::totals), app.engine.version());
    let content = match app.objects.engine_state() {
        EngineState::Disk { .. } => true,
        EngineState::S3(s3) => s3.problem.is_none(),
    };
    let checks = vec![
        check("database", database.is_ok(), "The database does not answer; the log says why."),
        check("docker", docker.is_ok(), "Docker does not answer: jobs and deployments wait and go on when it is back."),
        check(
            "content",
            content,
            "The S3 cluster with large content cannot be used: uploads wait and go on when it is back.",
        ),
    ];
    Readiness { ready: checks.iter().all(|check| check.ok), checks }
}

fn check(name: &'static str, ok: bool, otherwise: &'static str) -> Check {
    Check { name, ok, message: (!ok).then_some(otherwise) }
}
