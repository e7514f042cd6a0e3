//! `GET /api/v1/events`: hints for the dashboard, as server-sent events. Bursts are gathered for a moment, so that a
//! training loop that logs a thousand metrics a second costs a browser four messages.

use std::time::Duration;

use actix_web::{HttpResponse, get, web};
use bytes::Bytes;
use drydock_wire::events::{Event, Topic};
use futures_util::stream;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use crate::{
    accounts::{Principal, action, authorize, projects},
    app::App,
    error::{Error, Result},
};

const GATHER: Duration = Duration::from_millis(250);
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const ALL: [Topic; 14] = [
    Topic::Runs,
    Topic::Models,
    Topic::Datasets,
    Topic::Images,
    Topic::Jobs,
    Topic::Deployments,
    Topic::Overview,
    Topic::Demo,
    Topic::Traces,
    Topic::Queue,
    Topic::Devices,
    Topic::Builds,
    Topic::Packages,
    Topic::Pipelines,
];

#[utoipa::path(tag = "events", responses((status = 200, description = "text/event-stream of Event", body = Event)))]
#[get("/events")]
pub async fn events(app: web::Data<App>, who: Principal) -> Result<HttpResponse> {
    authorize(&who, action::View, &who.project)?;
    let receiver = app.events.subscribe();
    let body = stream::unfold((receiver, true), move |(mut receiver, first)| {
        let (app, who) = (app.clone(), who.clone());
        async move {
            if first {
                return Some((Ok::<_, Error>(Bytes::from_static(b": hello\n\n")), (receiver, false)));
            }
            let text = tokio::select! {
                text = next_message(&mut receiver, &app, &who) => text?,
                () = tokio::time::sleep(KEEP_ALIVE) => ": still here\n\n".to_owned(),
                () = app.background.stopped() => return None,
            };
            Some((Ok(Bytes::from(text)), (receiver, false)))
        }
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("x-accel-buffering", "no"))
        .streaming(Box::pin(body)))
}

/// Waits for a first event, gathers what follows it, drops repetitions. Nothing more for somebody who is not there any more.
async fn next_message(receiver: &mut Receiver<Event>, app: &App, who: &Principal) -> Option<String> {
    let mut gathered = Vec::new();
    take(&mut gathered, receiver.recv().await)?;
    let deadline = tokio::time::Instant::now() + GATHER;
    while let Ok(next) = tokio::time::timeout_at(deadline, receiver.recv()).await {
        take(&mut gathered, next)?;
    }
    // a name may be of a project that is not there for them, now
    let asker = who.clone();
    let now = app.db.glance(move |conn| projects::renewed(conn, &asker)).await.ok().flatten()?;
    if !now.reach.sees_all() {
        gathered.iter_mut().for_each(|event| event.id = None);
        let mut seen: Vec<Event> = vec![];
        gathered.retain(|event| {
            !seen.contains(event) && {
                seen.push(event.clone());
                true
            }
        });
    }
    let lines = gathered.iter().filter_map(|event| serde_json::to_string(event).ok());
    Some(lines.map(|json| format!("data: {json}\n\n")).collect())
}

fn take(gathered: &mut Vec<Event>, next: std::result::Result<Event, RecvError>) -> Option<()> {
    match next {
        Ok(event) if gathered.contains(&event) => {}
        Ok(event) => gathered.push(event),
        // Fell behind: look at everything again.
        Err(RecvError::Lagged(_)) => *gathered = ALL.map(|topic| Event { topic, id: None }).to_vec(),
        Err(RecvError::Closed) => return None,
    }
    Some(())
}
