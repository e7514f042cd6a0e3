//! Processor time of replicas, from Docker's counters. Docker takes up to a second for a look, so looks are tasks beside the pass.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use drydock_appliance::containers::Usage;

use crate::app::App;
use crate::serving::replicas::store::ReplicaRow;
use crate::workloads;

/// Looks at a replica are this far apart.
const EVERY: Duration = Duration::from_secs(5);

/// What is known of replicas' processor time.
pub struct Cpu {
    app: App,
    known: Arc<Mutex<HashMap<String, Known>>>,
}

#[derive(Default)]
struct Known {
    looked_at: Option<Instant>,
    container: Option<String>,
    last: Option<Usage>,
    /// In cores, between the last two looks.
    used: Option<f64>,
}

impl Cpu {
    pub fn new(app: App) -> Self {
        Self { app, known: Arc::default() }
    }

    /// Begins with a look at those of which the last one is old; forgets others.
    pub fn look<'a>(&self, replicas: impl Iterator<Item = &'a ReplicaRow>) {
        let now = Instant::now();
        let ids: Vec<&str> = replicas.map(|row| row.id.as_str()).collect();
        let mut known = lock(&self.known);
        known.retain(|id, _| ids.contains(&id.as_str()));
        for id in ids {
            let one = known.entry(id.to_owned()).or_default();
            if one.looked_at.is_none_or(|at| now.saturating_duration_since(at) >= EVERY) {
                one.looked_at = Some(now);
                tokio::spawn(look_at(self.app.clone(), self.known.clone(), id.to_owned()));
            }
        }
    }

    /// Of the cores that these replicas asked for together; nothing while it is not known of any.
    pub fn percent(&self, replicas: &[ReplicaRow], cores: f64) -> Option<f64> {
        let known = lock(&self.known);
        let used: Vec<f64> = replicas.iter().filter_map(|row| known.get(&row.id)?.used).collect();
        (!used.is_empty()).then(|| used.iter().sum::<f64>() / (used.len() as f64 * cores) * 100.0)
    }
}

async fn look_at(app: App, known: Arc<Mutex<HashMap<String, Known>>>, id: String) {
    let replica = id.clone();
    let observed = app.db.read(move |conn| workloads::observed(conn, &replica)).await.ok().flatten();
    let container = observed.and_then(|observed| observed.container_id);
    let usage = match &container {
        Some(container) => app.engine.usage(container).await.ok().flatten(),
        None => None,
    };
    let mut known = lock(&known);
    let Some(one) = known.get_mut(&id) else { return };
    let is_same = one.container == container;
    one.used = one.last.filter(|_| is_same).zip(usage).and_then(|(before, after)| cores(&before, &after));
    (one.container, one.last) = (container, usage);
}

fn cores(before: &Usage, after: &Usage) -> Option<f64> {
    let passed = u64::try_from(after.at_ns - before.at_ns).ok().filter(|passed| *passed > 0)?;
    Some(after.cpu_ns.checked_sub(before.cpu_ns)? as f64 / passed as f64)
}

fn lock(of: &Mutex<HashMap<String, Known>>) -> MutexGuard<'_, HashMap<String, Known>> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_counts_make_a_rate() {
        let at = |at_ns, cpu_ns| Usage { at_ns, cpu_ns, ..Usage::default() };
        assert_eq!(cores(&at(1_000, 500), &at(3_000, 1_500)), Some(0.5));
        assert_eq!(cores(&at(1_000, 500), &at(1_000, 600)), None);
        assert_eq!(cores(&at(1_000, 500), &at(2_000, 400)), None, "another container");
    }
}
