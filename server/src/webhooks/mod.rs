//! Webhooks: who is told over HTTP of what happens in the registry, in MLflow's forms; and the log of what was told.
//!
//! Always holds: a message is written in the transaction of what it tells, so it exists exactly if that happened; it is sent
//! at least once, under one id, until it is delivered or given up; secrets are sealed with the box key and never told; a
//! connection goes to an address that was checked (`address`). Never here: what an event means (`registry` tells it).

mod address;
mod courier;
pub mod mlflow;
mod routes;
mod rules;
mod store;
mod tasks;
#[cfg(test)]
mod tests;

use drydock_wire::{
    Page,
    webhooks::{CreateWebhook, Delivery, DeliveryDetail, DeliveryState, UpdateWebhook, Webhook},
};
use serde_json::{Value, json};

pub use courier::{Courier, Outcome};
pub use routes::configure;

use crate::{
    accounts::{
        Authorized, DEFAULT_PROJECT, action, audit,
        projects::{self, Kind, Subject},
    },
    app::App,
    clock,
    db::Conn,
    error::{Error, Result},
};
use courier::Message;
use store::{DeliveryRow, WebhookRow};

/// Name of the background part, and of its waker.
pub const SENDER: &str = "webhook-sender";

const MAX_SECRET_CHARS: usize = 1000;
const MAX_DESCRIPTION_CHARS: usize = 1000;

/// Not for a job's token: it must not make the box talk to others.
type Manage = Authorized<action::Deploy>;

/// The part that sends, for `start` and for handlers.
///
/// # Errors
/// `invalid` when the settings name a file of certificates that cannot be used.
pub fn courier(app: &App) -> Result<Courier> {
    Courier::new(app.config.webhooks.clone())
}

/// Starts the background part.
pub fn start(app: &App, courier: &Courier) {
    app.background.spawn(tasks::Sender::new(app.clone(), courier.clone()));
}

/// Has what is due sent now. Call it after a write that told something.
pub fn wake(app: &App) {
    app.background.waker(SENDER).wake();
}

/// Tells the webhooks that listen. Call it in the same `write` closure as what happened; `event` reads
/// `model_version.created`, `data` is MLflow's payload of it.
pub fn tell(conn: &mut Conn, event: &str, data: &Value) -> Result<()> {
    let project = project_of(conn, data)?;
    let listeners = store::listeners(conn, &project, event)?;
    if listeners.is_empty() {
        return Ok(());
    }
    let now = clock::now_ms();
    let body = rules::body(event, data, now)?;
    for webhook in listeners {
        store::insert_delivery(conn, &DeliveryRow::new(&webhook, event, body.clone(), now))?;
    }
    Ok(())
}

/// The project of what an event is about: its model, or its deployment.
fn project_of(conn: &mut Conn, data: &Value) -> Result<String> {
    for (field, kind) in [("name", Kind::Model), ("deployment", Kind::Deployment)] {
        if let Some(name) = data[field].as_str()
            && let Some(project) = projects::subjects::project_of(conn, &Subject::new(kind, name))?
        {
            return Ok(project);
        }
    }
    Ok(DEFAULT_PROJECT.to_owned())
}

/// Tells one webhook of the project by its name, whatever it listens to otherwise; id of the message. Call it in the same `write` closure as what happened.
///
/// # Errors
/// `not_found` when there is no active webhook of that name.
pub fn tell_one(conn: &mut Conn, project: &str, name: &str, event: &str, data: &Value) -> Result<(String, String)> {
    let webhook = store::active_named(conn, project, name)?
        .ok_or_else(|| Error::not_found(format!("There is no webhook '{name}' that is switched on.")))?;
    let now = clock::now_ms();
    let row = DeliveryRow::new(&webhook, event, rules::body(event, data, now)?, now);
    store::insert_delivery(conn, &row)?;
    Ok((webhook, row.id))
}

fn known(conn: &mut Conn, id: &str) -> Result<WebhookRow> {
    store::find(conn, id)?.ok_or_else(|| Error::not_found(format!("Webhook with ID {id} not found.")))
}

fn view(conn: &mut Conn, row: WebhookRow) -> Result<Webhook> {
    let events = store::events_of(conn, &row.id)?;
    let (last, waiting) = store::newest(conn, &row.id)?;
    Ok(Webhook {
        events,
        active: row.status == store::ACTIVE,
        signed: row.sealed_secret.is_some(),
        id: row.id,
        name: row.name,
        url: row.url,
        description: row.description,
        created_at: row.created_at,
        created_by: row.created_by,
        updated_at: row.updated_at,
        last: last.map(|row| row.view().delivery),
        waiting: u64::try_from(waiting).unwrap_or(0),
    })
}

fn check_texts(description: &str, secret: Option<&str>) -> Result<()> {
    if description.chars().count() > MAX_DESCRIPTION_CHARS {
        return Err(Error::invalid(format!("A webhook's description has at most {MAX_DESCRIPTION_CHARS} characters.")));
    }
    if secret.is_some_and(|secret| secret.chars().count() > MAX_SECRET_CHARS) {
        return Err(Error::invalid(format!("A webhook's secret has at most {MAX_SECRET_CHARS} characters.")));
    }
    Ok(())
}

fn status_word(active: bool) -> String {
    if active { store::ACTIVE } else { store::DISABLED }.to_owned()
}

/// A new webhook.
///
/// # Errors
/// `invalid` for a bad name, address or event, and for an address that is not public and not allowed.
pub async fn create(app: &App, courier: &Courier, auth: &Manage, wish: CreateWebhook) -> Result<Webhook> {
    rules::name(&wish.name)?;
    courier.check(&wish.url).await?;
    let events = rules::events(&wish.events)?;
    let secret = wish.secret.filter(|secret| !secret.is_empty());
    check_texts(&wish.description, secret.as_deref())?;
    let (who, now) = (auth.principal().clone(), clock::now_ms());
    let row = WebhookRow {
        id: uuid::Uuid::new_v4().to_string(),
        name: wish.name,
        url: wish.url,
        description: wish.description,
        status: status_word(wish.active.unwrap_or(true)),
        sealed_secret: secret.map(|secret| app.box_key.seal(&secret)).transpose()?,
        created_at: now,
        created_by: who.username.clone(),
        updated_at: now,
    };
    app.db
        .write(move |conn| {
            store::insert(conn, &who.project, &row, &events)?;
            audit(conn, &who, "webhook.create", &format!("webhook/{}", row.id), told(&row, &events))?;
            view(conn, row)
        })
        .await
}

/// What the audit trail says of a webhook: where to, not with what key. The path of an address may be a secret.
fn told(row: &WebhookRow, events: &[&str]) -> Value {
    let host = rules::url(&row.url).ok().and_then(|url| url.host_str().map(str::to_owned));
    json!({"name": row.name, "host": host, "events": events, "status": row.status, "signed": row.sealed_secret.is_some()})
}

/// Webhooks, newest first. `window` is offset and size; also whether there are more.
pub async fn list(app: &App, auth: &Manage, window: (i64, i64)) -> Result<(Vec<Webhook>, bool)> {
    let scope = auth.principal().reach.scope();
    app.db
        .read(move |conn| {
            let mut rows = store::page(conn, &scope, (window.0, window.1.saturating_add(1)))?;
            let size = usize::try_from(window.1).unwrap_or(0);
            let more = rows.len() > size;
            rows.truncate(size);
            let views = rows.into_iter().map(|row| view(conn, row)).collect::<Result<_>>()?;
            Ok((views, more))
        })
        .await
}

/// One webhook.
pub async fn get(app: &App, _auth: &Manage, id: &str) -> Result<Webhook> {
    let id = id.to_owned();
    app.db
        .read(move |conn| {
            let row = known(conn, &id)?;
            view(conn, row)
        })
        .await
}

/// Changes what the wish has. Switched off, what waits for it is given up.
pub async fn update(app: &App, courier: &Courier, auth: &Manage, id: &str, wish: UpdateWebhook) -> Result<Webhook> {
    get(app, auth, id).await?;
    if let Some(name) = &wish.name {
        rules::name(name)?;
    }
    if let Some(url) = &wish.url {
        courier.check(url).await?;
    }
    let events = wish.events.as_deref().map(rules::events).transpose()?;
    check_texts(wish.description.as_deref().unwrap_or(""), wish.secret.as_deref())?;
    let sealed = match &wish.secret {
        Some(secret) if !secret.is_empty() => Some(Some(app.box_key.seal(secret)?)),
        Some(_) => Some(None),
        None => None,
    };
    let (who, id) = (auth.principal().clone(), id.to_owned());
    app.db
        .write(move |conn| {
            let mut row = known(conn, &id)?;
            row.name = wish.name.unwrap_or(row.name);
            row.url = wish.url.unwrap_or(row.url);
            row.description = wish.description.unwrap_or(row.description);
            row.sealed_secret = sealed.unwrap_or(row.sealed_secret);
            row.status = wish.active.map_or(row.status, status_word);
            row.updated_at = clock::now_ms();
            store::update(conn, &row)?;
            if let Some(events) = &events {
                store::subscribe(conn, &id, events)?;
            }
            if row.status == store::DISABLED {
                store::give_up(conn, &id, "The webhook was switched off before this was delivered.")?;
            }
            let events = store::events_of(conn, &id)?;
            let events: Vec<&str> = events.iter().map(String::as_str).collect();
            audit(conn, &who, "webhook.update", &format!("webhook/{id}"), told(&row, &events))?;
            view(conn, row)
        })
        .await
}

/// Removes the webhook, its log, and what waits for it.
pub async fn delete(app: &App, auth: &Manage, id: &str) -> Result<()> {
    let (who, id) = (auth.principal().clone(), id.to_owned());
    app.db
        .write(move |conn| {
            let row = known(conn, &id)?;
            store::delete(conn, &id)?;
            audit(conn, &who, "webhook.delete", &format!("webhook/{id}"), told(&row, &[]))
        })
        .await
}

/// Sends MLflow's example of the event, now and once, and puts it into the log. `event` absent: the webhook's first.
pub async fn test(
    app: &App,
    courier: &Courier,
    auth: &Manage,
    id: &str,
    event: Option<&'static str>,
) -> Result<(DeliveryDetail, Outcome)> {
    let wanted = id.to_owned();
    let read = move |conn: &mut Conn| Ok((known(conn, &wanted)?, store::events_of(conn, &wanted)?));
    let (row, events) = app.db.read(read).await?;
    let event = event.map_or_else(|| events.first().cloned().unwrap_or_default(), str::to_owned);
    let now = clock::now_ms();
    let mut delivery = DeliveryRow::new(&row.id, &event, rules::body(&event, &rules::example(&event), now)?, now);
    let secret = row.sealed_secret.as_deref().map(|sealed| app.box_key.open(sealed)).transpose()?;
    let message = Message { id: delivery.id.clone(), url: row.url, body: delivery.body.clone(), secret };
    let outcome = courier.send(&message).await;
    let state = if outcome.error.is_none() { DeliveryState::Delivered } else { DeliveryState::Failed };
    delivery.is_test = true;
    delivery.state = store::state_word(state).into();
    delivery.attempts = 1;
    delivery.tried_at = Some(clock::now_ms());
    delivery.took_ms = Some(outcome.took_ms);
    delivery.answer_status = outcome.status.map(i64::from);
    delivery.answer_body.clone_from(&outcome.answer);
    delivery.error.clone_from(&outcome.error);
    let (who, kept) = (auth.principal().clone(), delivery.clone());
    app.db
        .write(move |conn| {
            known(conn, &kept.webhook)?;
            store::insert_delivery(conn, &kept)?;
            let detail = json!({"event": kept.event, "state": kept.state});
            audit(conn, &who, "webhook.test", &format!("webhook/{}", kept.webhook), detail)
        })
        .await?;
    Ok((delivery.view(), outcome))
}

/// A page of a webhook's log, newest first.
pub async fn deliveries(
    app: &App,
    _auth: &Manage,
    id: &str,
    state: Option<DeliveryState>,
    window: (i64, i64),
) -> Result<Page<Delivery>> {
    let id = id.to_owned();
    app.db
        .read(move |conn| {
            known(conn, &id)?;
            let (rows, total) = store::log(conn, &id, state, window)?;
            let end = window.0 + i64::try_from(rows.len()).unwrap_or(0);
            let items = rows.into_iter().map(|row| row.view().delivery).collect();
            let next = (end < total).then(|| end.to_string());
            Ok(Page { items, total: u64::try_from(total).unwrap_or(0), next })
        })
        .await
}

/// A message with what was sent and answered.
pub async fn delivery(app: &App, _auth: &Manage, id: &str, delivery: &str) -> Result<DeliveryDetail> {
    let (id, delivery) = (id.to_owned(), delivery.to_owned());
    app.db.read(move |conn| logged(conn, &id, &delivery).map(DeliveryRow::view)).await
}

fn logged(conn: &mut Conn, id: &str, delivery: &str) -> Result<DeliveryRow> {
    known(conn, id)?;
    store::delivery(conn, id, delivery)?
        .ok_or_else(|| Error::not_found(format!("The log of this webhook has no message {delivery}.")))
}

/// Sends a message of the log once more, under its id.
///
/// # Errors
/// `conflict` while it waits to be sent anyway, and while the webhook is switched off.
pub async fn send_again(app: &App, auth: &Manage, id: &str, delivery: &str) -> Result<DeliveryDetail> {
    let (who, id, delivery) = (auth.principal().clone(), id.to_owned(), delivery.to_owned());
    let row = app
        .db
        .write(move |conn| {
            logged(conn, &id, &delivery)?;
            if known(conn, &id)?.status == store::DISABLED {
                return Err(Error::conflict("The webhook is switched off; switch it on first."));
            }
            if !store::send_again(conn, &id, &delivery, clock::now_ms())? {
                return Err(Error::conflict("This message waits to be sent already."));
            }
            audit(conn, &who, "webhook.send_again", &format!("webhook/{id}"), json!({"delivery": delivery}))?;
            logged(conn, &id, &delivery)
        })
        .await?;
    wake(app);
    Ok(row.view())
}
