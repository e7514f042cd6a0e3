//! Looks at the containers. Docker's list says how far each is; only one that got further since the last look is looked at closely.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use drydock_appliance::containers::{EngineError, Seen};

use crate::app::App;

/// Every container is looked at closely this often: somebody may have restarted one by hand.
const CLOSELY: Duration = Duration::from_secs(10);

pub(super) struct Looks {
    app: App,
    last: Mutex<Option<(Instant, HashMap<String, Seen>)>>,
}

impl Looks {
    pub fn new(app: App) -> Self {
        Self { app, last: Mutex::default() }
    }

    /// All containers of this instance, as they are now.
    pub async fn look(&self) -> Result<Vec<Seen>, EngineError> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (since, known) = match last {
            Some((at, known)) if at.elapsed() < CLOSELY => (at, known),
            _ => (Instant::now(), HashMap::new()),
        };
        // after a failure everything is looked at anew
        let seen = self.app.engine.list_since(&self.app.instance, &known).await?;
        let known = seen.iter().map(|one| (one.id.clone(), one.clone())).collect();
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((since, known));
        Ok(seen)
    }
}
