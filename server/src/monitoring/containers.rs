//! What each container of a job or a deployment uses, as looked at last.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use drydock_appliance::containers::Usage;
use futures_util::{StreamExt, stream};

use super::exposition::{Exposition, Kind as Measured};
use crate::app::App;
use crate::error::Result;
use crate::overview;
use crate::workloads::{self, Kind};

/// Looks side by side, for where Docker has to be asked and takes its time.
const LOOKS_AT_ONCE: usize = 16;
/// Letters of a container's id, as Docker shows it.
const SHORT_ID: usize = 12;

/// One per server: `app.memory.of::<Containers>()`.
#[derive(Debug, Default)]
pub struct Containers {
    found: Mutex<Vec<Found>>,
    /// What owners are called; they keep their names.
    names: Mutex<BTreeMap<String, String>>,
}

#[derive(Debug, Clone)]
struct Found {
    kind: &'static str,
    name: String,
    owner: String,
    container: String,
    usage: Usage,
}

/// A container that runs.
struct Running {
    kind: Kind,
    owner: String,
    container: String,
}

/// Name, kind, help, and how to read it off.
type Measure = (&'static str, Measured, &'static str, fn(&Usage) -> f64);

const MEASURES: [Measure; 7] = [
    ("drydock_container_cpu_seconds_total", Measured::Counter, "Processor time of a container.", |it| {
        // to a thousandth: what is behind it only takes room
        (it.cpu_ns as f64 / 1e6).round() / 1e3
    }),
    ("drydock_container_memory_bytes", Measured::Gauge, "Memory of a container, without clean pages of files.", |it| {
        it.memory_bytes as f64
    }),
    ("drydock_container_processes", Measured::Gauge, "Processes of a container.", |it| it.processes as f64),
    ("drydock_container_disk_read_bytes_total", Measured::Counter, "Read from disks by a container.", |it| {
        it.disk_read_bytes as f64
    }),
    ("drydock_container_disk_written_bytes_total", Measured::Counter, "Written to disks by a container.", |it| {
        it.disk_written_bytes as f64
    }),
    ("drydock_container_network_received_bytes_total", Measured::Counter, "Received by a container.", |it| {
        it.net_in_bytes as f64
    }),
    ("drydock_container_network_sent_bytes_total", Measured::Counter, "Sent by a container.", |it| {
        it.net_out_bytes as f64
    }),
];

impl Containers {
    /// Looks at all that run. One that ends meanwhile is left out.
    pub async fn look(&self, app: &App) -> Result<()> {
        let running = app.db.read(running).await?;
        self.name(app, &running).await?;
        let look = |one: Running| {
            let engine = app.engine.clone();
            async move { (engine.usage(&one.container).await, one) }
        };
        let looks: Vec<_> = running.into_iter().map(look).collect();
        let mut looks = stream::iter(looks).buffered(LOOKS_AT_ONCE);
        let mut found = vec![];
        while let Some((usage, one)) = looks.next().await {
            let Ok(Some(usage)) = usage else { continue };
            let name = self.names.lock().unwrap_or_else(PoisonError::into_inner).get(&one.owner).cloned();
            found.push(Found {
                kind: match one.kind {
                    Kind::Job => "job",
                    Kind::Revision => "deployment",
                },
                name: name.unwrap_or_else(|| one.owner.clone()),
                owner: one.owner,
                container: one.container.chars().take(SHORT_ID).collect(),
                usage,
            });
        }
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = found;
        Ok(())
    }

    async fn name(&self, app: &App, running: &[Running]) -> Result<()> {
        let unknown: Vec<(Kind, String)> = {
            let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            names.retain(|owner, _| running.iter().any(|one| one.owner == *owner));
            let is_new = |one: &&Running| !names.contains_key(&one.owner);
            running.iter().filter(is_new).map(|one| (one.kind, one.owner.clone())).collect()
        };
        if unknown.is_empty() {
            return Ok(());
        }
        let named = app.db.read(move |conn| {
            let name = |(kind, owner): (Kind, String)| {
                let name = overview::name_of_owner(conn, kind, &owner)?;
                Ok(name.map(|name| (owner, name)))
            };
            unknown.into_iter().map(name).collect::<Result<Vec<_>>>()
        });
        let named = named.await?;
        self.names.lock().unwrap_or_else(PoisonError::into_inner).extend(named.into_iter().flatten());
        Ok(())
    }

    pub fn expose(&self, text: &mut Exposition) {
        let all = self.found.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (name, kind, help, read) in MEASURES {
            text.family(name, kind, help);
            for one in &all {
                let labels =
                    [("kind", one.kind), ("name", &one.name), ("owner", &one.owner), ("container", &one.container)];
                text.sample(name, &labels, read(&one.usage));
            }
        }
    }
}

fn running(conn: &mut crate::db::Conn) -> Result<Vec<Running>> {
    let mut found = vec![];
    for kind in [Kind::Job, Kind::Revision] {
        for (workload, observed) in workloads::running(conn, kind)? {
            let Some(container) = observed.container_id else { continue };
            found.push(Running { kind, owner: workload.owner, container });
        }
    }
    Ok(found)
}
