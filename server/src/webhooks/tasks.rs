//! The sender: what is due is sent, what failed is due again later or given up. All it knows is in the rows, so a server
//! that starts again goes on where it was; a message that was on its way then is sent again under the same id.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use drydock_wire::webhooks::DeliveryState;
use futures_util::{FutureExt, future::BoxFuture};

use super::{
    SENDER,
    courier::{Courier, Message},
    rules,
    store::{self, Due},
};
use crate::{app::App, background::Task, clock, error::Result};

/// Messages on their way to one receiver, and to all.
const EACH: i64 = 4;
const MOST: i64 = 32;
/// The log goes back so far; it is shortened once an hour.
const KEPT_MS: i64 = 30 * 86_400_000;
const SHORTEN_EVERY_MS: i64 = 3_600_000;
const LONGEST_REST: Duration = Duration::from_secs(30);

/// Sends what is due.
pub struct Sender {
    app: App,
    courier: Courier,
    on_their_way: Arc<Mutex<HashSet<String>>>,
    /// When the next message is due; i64::MAX: none waits.
    next_due: AtomicI64,
    shortened_at: AtomicI64,
}

impl Task for Sender {
    fn name(&self) -> &'static str {
        SENDER
    }

    fn period(&self) -> Duration {
        let until = self.next_due.load(Ordering::Relaxed).saturating_sub(clock::now_ms());
        Duration::from_millis(u64::try_from(until).unwrap_or(0).max(50)).min(LONGEST_REST)
    }

    fn run(&self) -> BoxFuture<'_, Result<()>> {
        self.pass().boxed()
    }
}

impl Sender {
    pub fn new(app: App, courier: Courier) -> Self {
        Self {
            app,
            courier,
            on_their_way: Arc::default(),
            next_due: AtomicI64::new(i64::MAX),
            shortened_at: AtomicI64::new(0),
        }
    }

    async fn pass(&self) -> Result<()> {
        let now = clock::now_ms();
        let (due, next) =
            self.app.db.read(move |conn| Ok((store::due(conn, now, EACH, MOST)?, store::next_due(conn, now)?))).await?;
        self.next_due.store(next.unwrap_or(i64::MAX), Ordering::Relaxed);
        for message in due {
            let is_new = self.on_their_way.lock().unwrap_or_else(PoisonError::into_inner).insert(message.id.clone());
            if is_new {
                self.start(message);
            }
        }
        self.forget_old(now).await
    }

    async fn forget_old(&self, now: i64) -> Result<()> {
        if (now - self.shortened_at.load(Ordering::Relaxed)).abs() < SHORTEN_EVERY_MS {
            return Ok(());
        }
        self.shortened_at.store(now, Ordering::Relaxed);
        self.app.db.write(move |conn| store::forget(conn, now - KEPT_MS)).await
    }

    fn start(&self, due: Due) {
        let (app, courier, on_their_way) = (self.app.clone(), self.courier.clone(), self.on_their_way.clone());
        tokio::spawn(async move {
            let (id, webhook) = (due.id.clone(), due.webhook.clone());
            if let Err(error) = deliver(&app, &courier, due).await {
                // The row is as it was: the next pass sends it again.
                tracing::warn!(
                    delivery.id = id,
                    webhook.id = webhook,
                    "the outcome of webhook delivery {id} was not kept: {error}"
                );
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
            on_their_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
            super::wake(&app);
        });
    }
}

async fn deliver(app: &App, courier: &Courier, due: Due) -> Result<()> {
    // The pass may have read the row just before an attempt ended, and found the message on no way just after.
    let (due, waits) = app.db.read(move |conn| store::still_waits(conn, &due).map(|waits| (due, waits))).await?;
    if !waits {
        return Ok(());
    }
    let secret = due.sealed_secret.as_deref().map(|sealed| app.box_key.open(sealed)).transpose()?;
    let message = Message { id: due.id.clone(), url: due.url, body: due.body, secret };
    let outcome = courier.send(&message).await;
    let now = clock::now_ms();
    let wait = outcome.may_recover.then(|| rules::wait_ms(due.attempts + 1, outcome.retry_after_s)).flatten();
    let (state, due_at) = match (&outcome.error, wait) {
        (None, _) => (DeliveryState::Delivered, now),
        (Some(_), Some(wait)) => (DeliveryState::Due, now + wait),
        (Some(_), None) => (DeliveryState::Failed, now),
    };
    app.db.write(move |conn| store::note(conn, &due.id, &outcome, state, (now, due_at))).await
}
