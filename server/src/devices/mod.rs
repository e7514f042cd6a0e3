//! GPUs of the box: what they are, who holds them, and what is done when one fails.
//!
//! Always holds: a lease belongs to one generation of one workload; a whole GPU has one lease, the shares of a GPU never exceed its
//! memory. A GPU that failed is given to nobody, and whoever had it is stopped with the cause, in one transaction. A driver that hangs
//! holds up nothing: rows follow what was read last. Never here: who gets a GPU next; that is `scheduling`'s.

mod leases;
mod routes;
mod rules;
mod store;
mod view;
mod watcher;

use drydock_wire::{
    devices::{ChangeGpu, Devices, QuarantineGpu},
    events::Topic,
};
use serde_json::json;

pub use leases::{GpuRoom, Held, Lease, end_leases, lease, leases, room};
pub use routes::configure;
pub use view::{ask_who_holds, holder};

use crate::{
    accounts::{
        self, Authorized, action,
        projects::{self, Kind},
    },
    app::App,
    db::Conn,
    error::{Error, Result},
    workloads,
};
use store::{Event, Frees, State};

/// Name of the watcher on the status page, and of its waker.
pub const WATCHER: &str = "device-watcher";

/// Background parts of features above that look again when a GPU can be had, or no longer.
const OWNERS: [&str; 2] = ["job-keeper", "job-scheduler"];

/// The longest reason of a quarantine.
const LONGEST_REASON: usize = 500;

/// Starts the watcher.
pub async fn start(app: &App) -> Result<()> {
    app.background.spawn(watcher::DeviceWatcher::new(app.clone()));
    Ok(())
}

/// The machine, its GPUs, who holds them and what happened to them.
pub async fn devices(app: &App, auth: &Authorized<action::View>) -> Result<Devices> {
    let mut found = view::devices(app).await?;
    let who = auth.principal().clone();
    if who.reach.sees_all() {
        return Ok(found);
    }
    let leases = |found: &Devices| -> Vec<(String, String)> {
        let all = found.gpus.iter().flat_map(|gpu| &gpu.leases);
        all.map(|lease| (lease.kind.clone(), lease.holder.clone())).collect()
    };
    let asked = leases(&found);
    let seen = move |conn: &mut Conn| {
        let kind = |word: &str| if word == "job" { Kind::Job } else { Kind::Deployment };
        asked.iter().map(|(word, id)| projects::sees(conn, &who, kind(word), id)).collect::<Result<Vec<bool>>>()
    };
    let seen = app.db.read(seen).await?;
    for (lease, seen) in found.gpus.iter_mut().flat_map(|gpu| &mut gpu.leases).zip(seen) {
        if !seen {
            (lease.holder, lease.name) = (String::new(), "of another project".into());
        }
    }
    Ok(found)
}

/// What a GPU is called, for figures that are kept by its id alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuName {
    pub uuid: String,
    /// The driver's number, of an instance that of its GPU.
    pub number: u32,
    /// The model, or the instance's profile.
    pub name: String,
    pub is_instance: bool,
}

/// All GPUs that the box knows, also ones that are missing now.
pub fn names(conn: &mut Conn) -> Result<Vec<GpuName>> {
    let name = |row: store::GpuRow| GpuName {
        is_instance: row.parent_uuid.is_some(),
        uuid: row.uuid,
        number: row.number,
        name: row.name,
    };
    Ok(store::all(conn)?.into_iter().map(name).collect())
}

/// Gives a GPU to nobody until an admin frees it; what runs on it goes on to its end, or is stopped now.
///
/// # Errors
/// `NotFound`; `Invalid` without a reason.
pub async fn quarantine(
    app: &App,
    auth: &Authorized<action::Administer>,
    uuid: &str,
    wish: QuarantineGpu,
) -> Result<()> {
    let reason = wish.reason.trim().to_owned();
    if reason.is_empty() || reason.chars().count() > LONGEST_REASON {
        return Err(Error::invalid(format!(
            "Say why, in 1 to {LONGEST_REASON} letters: it is shown to those who wait."
        )));
    }
    let (who, uuid) = (auth.principal().clone(), uuid.to_owned());
    app.db
        .write(move |conn| {
            store::require(conn, &uuid)?;
            let words = format!("Taken out by {}: {reason}", who.username);
            store::set_state(conn, &uuid, State::Quarantined, Some(&words), Some(Frees::Hand))?;
            store::tell(conn, &Event::now(&uuid, "quarantined", &words))?;
            if wish.stop {
                let gpu = store::require(conn, &uuid)?;
                watcher::take_out(conn, &gpu, &words, Frees::Hand)?;
            }
            let detail = json!({ "reason": reason, "stop": wish.stop });
            accounts::audit(conn, &who, "gpu.quarantine", &format!("gpu/{uuid}"), detail)
        })
        .await?;
    changed(app);
    workloads::wake(app);
    Ok(())
}

/// Ends a quarantine.
///
/// # Errors
/// `NotFound`; `Conflict` for a GPU that is not there: it comes back by itself.
pub async fn free(app: &App, auth: &Authorized<action::Administer>, uuid: &str) -> Result<()> {
    let (who, uuid) = (auth.principal().clone(), uuid.to_owned());
    app.db
        .write(move |conn| {
            let gpu = store::require(conn, &uuid)?;
            match gpu.state {
                State::Usable => return Ok(()),
                State::Missing => {
                    let text = format!("{} is not in the machine; it is usable again once it is seen.", gpu.called());
                    return Err(Error::conflict(text));
                }
                State::Quarantined => {}
            }
            store::set_state(conn, &uuid, State::Usable, None, None)?;
            store::tell(conn, &Event::now(&uuid, "freed", format!("Freed by {}.", who.username)))?;
            accounts::audit(conn, &who, "gpu.free", &format!("gpu/{uuid}"), json!({ "was": gpu.reason }))
        })
        .await?;
    changed(app);
    Ok(())
}

/// Says whether a GPU may be given by shares of its memory. Leases that are there stay.
///
/// # Errors
/// `NotFound`.
pub async fn change(app: &App, auth: &Authorized<action::Administer>, uuid: &str, wish: ChangeGpu) -> Result<()> {
    let (who, uuid) = (auth.principal().clone(), uuid.to_owned());
    app.db
        .write(move |conn| {
            let gpu = store::require(conn, &uuid)?;
            if gpu.sharable == wish.sharable {
                return Ok(());
            }
            store::set_sharable(conn, &uuid, wish.sharable)?;
            let words = if wish.sharable { "May be shared" } else { "Is given as a whole only" };
            store::tell(conn, &Event::now(&uuid, "sharing", format!("{words}, says {}.", who.username)))?;
            accounts::audit(conn, &who, "gpu.change", &format!("gpu/{uuid}"), json!({ "sharable": wish.sharable }))
        })
        .await?;
    changed(app);
    Ok(())
}

/// Whoever waits for a GPU looks again, and whoever looks at the page sees it.
fn changed(app: &App) {
    OWNERS.into_iter().for_each(|name| app.background.waker(name).wake());
    app.events.publish(Topic::Devices, None);
}
