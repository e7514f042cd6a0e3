//! Rows of webhooks, their events and messages. Each function composes in the caller's transaction; none decides anything.

use diesel::{
    prelude::*,
    sql_types::{BigInt, Nullable, Text},
};
use drydock_wire::webhooks::{Delivery, DeliveryDetail, DeliveryState};

use super::courier::Outcome;
use crate::{
    accounts::Scope,
    db::{
        Conn,
        schema::webhooks::{webhook_deliveries as deliveries, webhook_events as events, webhooks},
    },
    error::{Error, Result},
};

pub const ACTIVE: &str = "ACTIVE";
pub const DISABLED: &str = "DISABLED";

#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = webhooks, treat_none_as_null = true)]
pub struct WebhookRow {
    pub id: String,
    pub name: String,
    pub url: String,
    pub description: String,
    pub status: String,
    pub sealed_secret: Option<String>,
    pub created_at: i64,
    pub created_by: String,
    pub updated_at: i64,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = deliveries)]
pub struct DeliveryRow {
    pub id: String,
    pub webhook: String,
    pub event: String,
    pub body: String,
    pub is_test: bool,
    pub state: String,
    pub created_at: i64,
    pub attempts: i64,
    pub due_at: i64,
    pub tried_at: Option<i64>,
    pub took_ms: Option<i64>,
    pub answer_status: Option<i64>,
    pub answer_body: Option<String>,
    pub error: Option<String>,
}

/// The word in the database.
pub fn state_word(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Due => "due",
        DeliveryState::Delivered => "delivered",
        DeliveryState::Failed => "failed",
    }
}

impl DeliveryRow {
    /// A message that nobody has sent yet.
    pub fn new(webhook: &str, event: &str, body: String, at: i64) -> Self {
        Self {
            id: uuid::Uuid::new_v4().to_string(),
            webhook: webhook.to_owned(),
            event: event.to_owned(),
            body,
            is_test: false,
            state: state_word(DeliveryState::Due).into(),
            created_at: at,
            attempts: 0,
            due_at: at,
            tried_at: None,
            took_ms: None,
            answer_status: None,
            answer_body: None,
            error: None,
        }
    }

    pub fn view(self) -> DeliveryDetail {
        let state = match self.state.as_str() {
            "due" => DeliveryState::Due,
            "delivered" => DeliveryState::Delivered,
            _ => DeliveryState::Failed,
        };
        let delivery = Delivery {
            id: self.id,
            event: self.event,
            is_test: self.is_test,
            state,
            created_at: self.created_at,
            attempts: u64::try_from(self.attempts).unwrap_or(0),
            due_at: (state == DeliveryState::Due).then_some(self.due_at),
            tried_at: self.tried_at,
            took_ms: self.took_ms.and_then(|ms| u64::try_from(ms).ok()),
            answer_status: self.answer_status.and_then(|status| u16::try_from(status).ok()),
            error: self.error,
        };
        DeliveryDetail { delivery, body: self.body, answer_body: self.answer_body }
    }
}

pub fn insert(conn: &mut Conn, project: &str, row: &WebhookRow, subscribed: &[&str]) -> Result<()> {
    diesel::insert_into(webhooks::table)
        .values((row, webhooks::project_id.eq(project)))
        .execute(conn)
        .map_err(Error::internal)?;
    subscribe(conn, &row.id, subscribed)
}

/// Replaces what the webhook is told.
pub fn subscribe(conn: &mut Conn, id: &str, subscribed: &[&str]) -> Result<()> {
    diesel::delete(events::table.filter(events::webhook.eq(id))).execute(conn).map_err(Error::internal)?;
    for (place, event) in (0_i64..).zip(subscribed) {
        let row = (events::webhook.eq(id), events::event.eq(*event), events::place.eq(place));
        diesel::insert_into(events::table).values(row).execute(conn).map_err(Error::internal)?;
    }
    Ok(())
}

pub fn update(conn: &mut Conn, row: &WebhookRow) -> Result<()> {
    diesel::update(webhooks::table.find(&row.id)).set(row).execute(conn).map(drop).map_err(Error::internal)
}

/// Removes the webhook with its messages.
pub fn delete(conn: &mut Conn, id: &str) -> Result<()> {
    diesel::delete(webhooks::table.find(id)).execute(conn).map(drop).map_err(Error::internal)
}

pub fn find(conn: &mut Conn, id: &str) -> Result<Option<WebhookRow>> {
    webhooks::table.find(id).select(WebhookRow::as_select()).first(conn).optional().map_err(Error::internal)
}

/// What the webhook is told, in the order that was asked for.
pub fn events_of(conn: &mut Conn, id: &str) -> Result<Vec<String>> {
    let query = events::table.filter(events::webhook.eq(id)).order(events::place).select(events::event);
    query.load(conn).map_err(Error::internal)
}

/// Newest first; offset and size.
pub fn page(conn: &mut Conn, scope: &Scope, window: (i64, i64)) -> Result<Vec<WebhookRow>> {
    webhooks::table
        .filter(diesel::dsl::sql::<diesel::sql_types::Bool>(&scope.sql("project_id")))
        .order((webhooks::created_at.desc(), webhooks::id.desc()))
        .offset(window.0)
        .limit(window.1)
        .select(WebhookRow::as_select())
        .load(conn)
        .map_err(Error::internal)
}

/// Active webhooks of the project that are told of the event.
pub fn listeners(conn: &mut Conn, project: &str, event: &str) -> Result<Vec<String>> {
    events::table
        .inner_join(webhooks::table)
        .filter(events::event.eq(event))
        .filter(webhooks::project_id.eq(project))
        .filter(webhooks::status.eq(ACTIVE))
        .select(webhooks::id)
        .load(conn)
        .map_err(Error::internal)
}

/// Id of the oldest active webhook of that name; names need not be unique.
pub fn active_named(conn: &mut Conn, project: &str, name: &str) -> Result<Option<String>> {
    webhooks::table
        .filter(webhooks::name.eq(name))
        .filter(webhooks::project_id.eq(project))
        .filter(webhooks::status.eq(ACTIVE))
        .order(webhooks::created_at)
        .select(webhooks::id)
        .first(conn)
        .optional()
        .map_err(Error::internal)
}

pub fn insert_delivery(conn: &mut Conn, row: &DeliveryRow) -> Result<()> {
    diesel::insert_into(deliveries::table).values(row).execute(conn).map(drop).map_err(Error::internal)
}

/// A message whose time has come, with where it goes.
#[derive(Debug, Clone, QueryableByName)]
pub struct Due {
    #[diesel(sql_type = Text)]
    pub id: String,
    #[diesel(sql_type = Text)]
    pub webhook: String,
    #[diesel(sql_type = Text)]
    pub body: String,
    #[diesel(sql_type = BigInt)]
    pub attempts: i64,
    #[diesel(sql_type = Text)]
    pub url: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub sealed_secret: Option<String>,
}

/// Messages that are due, the oldest first, of each webhook at most `each`, so that a slow receiver keeps no other waiting.
pub fn due(conn: &mut Conn, now: i64, each: i64, most: i64) -> Result<Vec<Due>> {
    diesel::sql_query(
        "SELECT d.id, d.webhook, d.body, d.attempts, w.url, w.sealed_secret FROM (
           SELECT *, row_number() OVER (PARTITION BY webhook ORDER BY due_at, id) AS place
           FROM webhook_deliveries WHERE state = 'due' AND due_at <= ?) d
         JOIN webhooks w ON w.id = d.webhook WHERE d.place <= ? ORDER BY d.due_at LIMIT ?",
    )
    .bind::<BigInt, _>(now)
    .bind::<BigInt, _>(each)
    .bind::<BigInt, _>(most)
    .load(conn)
    .map_err(Error::internal)
}

/// Whether the message still waits for the attempt that it was read for: meanwhile another may have ended.
pub fn still_waits(conn: &mut Conn, due: &Due) -> Result<bool> {
    let same = deliveries::table
        .find(&due.id)
        .filter(deliveries::state.eq("due"))
        .filter(deliveries::attempts.eq(due.attempts));
    diesel::select(diesel::dsl::exists(same)).get_result(conn).map_err(Error::internal)
}

/// When the next message after `now` is due.
pub fn next_due(conn: &mut Conn, now: i64) -> Result<Option<i64>> {
    deliveries::table
        .filter(deliveries::state.eq("due"))
        .filter(deliveries::due_at.gt(now))
        .select(diesel::dsl::min(deliveries::due_at))
        .first(conn)
        .map_err(Error::internal)
}

/// Writes down what came of an attempt, if the message still waits for it; the webhook may be gone.
pub fn note(conn: &mut Conn, id: &str, outcome: &Outcome, state: DeliveryState, times: (i64, i64)) -> Result<()> {
    let (tried_at, due_at) = times;
    diesel::update(deliveries::table.find(id).filter(deliveries::state.eq("due")))
        .set((
            deliveries::state.eq(state_word(state)),
            deliveries::attempts.eq(deliveries::attempts + 1),
            deliveries::tried_at.eq(tried_at),
            deliveries::due_at.eq(due_at),
            deliveries::took_ms.eq(outcome.took_ms),
            deliveries::answer_status.eq(outcome.status.map(i64::from)),
            deliveries::answer_body.eq(&outcome.answer),
            deliveries::error.eq(&outcome.error),
        ))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Gives up what waits for the webhook.
pub fn give_up(conn: &mut Conn, webhook: &str, why: &str) -> Result<()> {
    let waiting = deliveries::table.filter(deliveries::webhook.eq(webhook)).filter(deliveries::state.eq("due"));
    diesel::update(waiting)
        .set((deliveries::state.eq("failed"), deliveries::error.eq(why)))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Makes a message due again, with all its attempts before it. Whether there is such a message that is not due already.
pub fn send_again(conn: &mut Conn, webhook: &str, id: &str, now: i64) -> Result<bool> {
    let row = deliveries::table
        .filter(deliveries::id.eq(id))
        .filter(deliveries::webhook.eq(webhook))
        .filter(deliveries::state.ne("due"));
    let changed = diesel::update(row)
        .set((deliveries::state.eq("due"), deliveries::attempts.eq(0_i64), deliveries::due_at.eq(now)))
        .execute(conn)
        .map_err(Error::internal)?;
    Ok(changed > 0)
}

pub fn delivery(conn: &mut Conn, webhook: &str, id: &str) -> Result<Option<DeliveryRow>> {
    let query = deliveries::table.filter(deliveries::webhook.eq(webhook)).filter(deliveries::id.eq(id));
    query.select(DeliveryRow::as_select()).first(conn).optional().map_err(Error::internal)
}

/// A page of the log, newest first, and how many there are. `state` absent: all.
pub fn log(
    conn: &mut Conn,
    webhook: &str,
    state: Option<DeliveryState>,
    window: (i64, i64),
) -> Result<(Vec<DeliveryRow>, i64)> {
    let filtered = || {
        let mut query = deliveries::table.filter(deliveries::webhook.eq(webhook)).into_boxed();
        if let Some(state) = state {
            query = query.filter(deliveries::state.eq(state_word(state)));
        }
        query
    };
    let total = filtered().count().get_result(conn).map_err(Error::internal)?;
    let rows = filtered()
        .order((deliveries::created_at.desc(), deliveries::id.desc()))
        .offset(window.0)
        .limit(window.1)
        .select(DeliveryRow::as_select())
        .load(conn)
        .map_err(Error::internal)?;
    Ok((rows, total))
}

/// The newest message of the webhook, and how many wait.
pub fn newest(conn: &mut Conn, webhook: &str) -> Result<(Option<DeliveryRow>, i64)> {
    let row = deliveries::table
        .filter(deliveries::webhook.eq(webhook))
        .order((deliveries::created_at.desc(), deliveries::id.desc()))
        .select(DeliveryRow::as_select())
        .first(conn)
        .optional()
        .map_err(Error::internal)?;
    let waiting = deliveries::table
        .filter(deliveries::webhook.eq(webhook))
        .filter(deliveries::state.eq("due"))
        .count()
        .get_result(conn)
        .map_err(Error::internal)?;
    Ok((row, waiting))
}

/// Forgets what ended before that instant.
pub fn forget(conn: &mut Conn, before: i64) -> Result<()> {
    let old = deliveries::table.filter(deliveries::state.ne("due")).filter(deliveries::created_at.lt(before));
    diesel::delete(old).execute(conn).map(drop).map_err(Error::internal)
}
