//! Looks at the containers. Docker's list says how far each is; only one that got further since the last look, or of which Docker told
//! something, is looked at closely: the list may lag behind what was told.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use drydock_appliance::containers::{EngineError, Seen};

use crate::app::App;

/// Every container is looked at closely this often: somebody may have restarted one by hand.
const CLOSELY: Duration = Duration::from_secs(10);

/// Containers of which Docker told something since the last look.
pub type Touched = Arc<Mutex<HashSet<String>>>;

pub(super) struct Looks {
    app: App,
    touched: Touched,
    last: Mutex<Option<(Instant, HashMap<String, Seen>)>>,
}

impl Looks {
    pub fn new(app: App, touched: Touched) -> Self {
        Self { app, touched, last: Mutex::default() }
    }

    /// The containers of this instance, as they are now, without those of the workloads to `leave`.
    pub async fn look(&self, leave: &BTreeSet<String>) -> Result<Vec<Seen>, EngineError> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).take();
        let touched = std::mem::take(&mut *self.touched.lock().unwrap_or_else(PoisonError::into_inner));
        let (since, mut known) = match last {
            Some((at, known)) if at.elapsed() < CLOSELY => (at, known),
            _ => (Instant::now(), HashMap::new()),
        };
        known.retain(|id, _| !touched.contains(id));
        // after a failure everything is looked at anew
        let seen = self.app.engine.list_since(&self.app.instance, &known, leave).await?;
        let known = seen.iter().map(|one| (one.id.clone(), one.clone())).collect();
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((since, known));
        Ok(seen)
    }
}
