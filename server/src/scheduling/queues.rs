//! The queues as admins set them, and where a job that waits is among them.

use std::collections::HashMap;

use drydock_wire::{
    Page,
    accounts::Role,
    events::Topic,
    queues::{BoxUse, Caps, DEFAULT_QUEUE, Queue, QueuePerson, QueueSettings},
    validate,
};
use serde_json::json;

use super::{
    Board, board,
    load::{self, BoxRoom, Loaded},
    rules::{Amounts, Capacity},
    share::{largest_gpu, share, to_wire, total},
    store,
};
use crate::{
    accounts::{self, Authorized, Principal, action},
    app::App,
    clock,
    db::Conn,
    error::{Error, Result},
};

const MINUTE_S: u64 = 60;
const YEAR_S: u64 = 366 * 24 * 3600;
const MOST_PRIORITY: i32 = 1000;
/// Below this, what somebody used has faded.
const FORGOTTEN_HOURS: f64 = 0.001;

/// Every queue, by name, with what it uses.
pub async fn list(app: &App, _auth: &Authorized<action::View>) -> Result<Page<Queue>> {
    let items = seen(app).await?;
    Ok(Page { total: items.len() as u64, items, next: None })
}

/// One queue.
///
/// # Errors
/// `not_found`.
pub async fn get(app: &App, _auth: &Authorized<action::View>, name: &str) -> Result<Queue> {
    one(app, name).await
}

/// Makes the queue of that name or changes it.
///
/// # Errors
/// `invalid` with the setting that cannot be.
pub async fn put(
    app: &App,
    auth: &Authorized<action::Administer>,
    name: &str,
    settings: QueueSettings,
) -> Result<Queue> {
    validate::slug(name).map_err(|text| Error::invalid(format!("name: {text}")))?;
    check(&settings)?;
    let (who, queue) = (auth.principal().clone(), name.to_owned());
    let change = move |conn: &mut Conn| {
        store::put(conn, &queue, &settings, clock::now_ms())?;
        accounts::audit(conn, &who, "queue.set", &format!("queue/{queue}"), json!(settings))
    };
    app.db.write(change).await?;
    changed(app);
    one(app, name).await
}

/// Pauses a queue, or lets it go on.
///
/// # Errors
/// `not_found`.
pub async fn pause(app: &App, auth: &Authorized<action::Administer>, name: &str, paused: bool) -> Result<Queue> {
    let (who, queue) = (auth.principal().clone(), name.to_owned());
    let change = move |conn: &mut Conn| {
        let mut found = require(conn, &queue)?;
        found.settings.paused = paused;
        store::put(conn, &queue, &found.settings, clock::now_ms())?;
        let verb = if paused { "queue.pause" } else { "queue.resume" };
        accounts::audit(conn, &who, verb, &format!("queue/{queue}"), json!({}))
    };
    app.db.write(change).await?;
    changed(app);
    one(app, name).await
}

/// Deletes a queue. Jobs that ended in it count to the queue that every box has.
///
/// # Errors
/// `conflict` while jobs are in it, and for the queue that every box has.
pub async fn delete(app: &App, auth: &Authorized<action::Administer>, name: &str) -> Result<()> {
    let (who, queue) = (auth.principal().clone(), name.to_owned());
    let change = move |conn: &mut Conn| {
        let found = require(conn, &queue)?;
        if queue == DEFAULT_QUEUE {
            return Err(Error::conflict("Every box keeps the queue default: jobs that name no queue wait in it."));
        }
        let jobs = store::unfinished_in(conn, &found.id)?;
        if jobs > 0 {
            let text = format!("{jobs} jobs are in the queue {queue}: move or cancel them first.");
            return Err(Error::conflict(text));
        }
        store::delete(conn, &found.id, DEFAULT_QUEUE)?;
        accounts::audit(conn, &who, "queue.delete", &format!("queue/{queue}"), json!({}))
    };
    app.db.write(change).await?;
    changed(app);
    Ok(())
}

/// Where a job is to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Priority(i32),
    Queue(String),
}

/// Moves a job that has not ended, within the caller's transaction; who does so wakes the scheduler afterwards.
///
/// # Errors
/// `forbidden` for whoever is neither its owner nor an admin; `invalid` for a queue that is not there or a priority above its highest;
/// `conflict` for a job that has ended, and for a change of queue once it has started.
pub fn move_on(conn: &mut Conn, who: &Principal, id: &str, to: &Place) -> Result<()> {
    let job = store::place_of(conn, id)?.ok_or_else(|| Error::not_found(format!("There is no job {id}.")))?;
    if who.role < Role::Admin && job.person_id != who.person_id {
        return Err(Error::forbidden("Only its owner and admins move a job."));
    }
    if !store::UNFINISHED.contains(&job.state.as_str()) {
        return Err(Error::conflict(format!("The job has already ended: {}.", job.state)));
    }
    let from = job.queue_id.as_deref().unwrap_or(DEFAULT_QUEUE);
    let all = store::all(conn)?;
    let wanted = match to {
        Place::Priority(_) => all.iter().find(|queue| queue.id == from),
        Place::Queue(name) => all.iter().find(|queue| &queue.name == name),
    };
    let Some(queue) = wanted else {
        let known: Vec<&str> = all.iter().map(|queue| queue.name.as_str()).collect();
        return Err(Error::invalid(format!("queue: there is no such queue; there are {}.", known.join(", "))));
    };
    let highest = queue.settings.highest_priority;
    let priority = match to {
        Place::Priority(priority) => *priority,
        // what was more urgent there is as urgent as it may be here
        Place::Queue(_) => job.priority.min(highest),
    };
    if priority > highest || priority < -MOST_PRIORITY {
        let text = format!("priority: use -{MOST_PRIORITY} to {highest}, the highest of the queue {}.", queue.name);
        return Err(Error::invalid(text));
    }
    if queue.id != from && job.state != "queued" {
        return Err(Error::conflict("The job has started: it stays in its queue."));
    }
    store::move_job(conn, id, &queue.id, priority)?;
    let told = json!({ "name": job.name, "queue": queue.name, "priority": priority });
    accounts::audit(conn, who, "job.move", &format!("job/{id}"), told)
}

fn changed(app: &App) {
    super::wake(app);
    app.events.publish(Topic::Queue, None);
}

fn require(conn: &mut Conn, name: &str) -> Result<store::QueueRecord> {
    store::find(conn, name)?.ok_or_else(|| Error::not_found(format!("There is no queue {name}.")))
}

fn check(settings: &QueueSettings) -> Result<()> {
    let within = |name: &str, value: u64, least: u64, most: u64| {
        let good = (least..=most).contains(&value);
        good.then_some(()).ok_or_else(|| Error::invalid(format!("{name}: use {least} to {most}.")))
    };
    within("weight", u64::from(settings.weight), 1, 1000)?;
    within("patience_s", settings.patience_s, MINUTE_S, YEAR_S)?;
    within("longest_s", settings.longest_s, MINUTE_S, YEAR_S)?;
    if !(0..=MOST_PRIORITY).contains(&settings.highest_priority) {
        return Err(Error::invalid(format!("highest_priority: use 0 to {MOST_PRIORITY}.")));
    }
    for (name, Caps { cpus, gpus, .. }) in [("caps", settings.caps), ("person_caps", settings.person_caps)] {
        for (part, value) in [("cpus", cpus), ("gpus", gpus)] {
            if value.is_some_and(|value| !value.is_finite() || !(0.0..=1e6).contains(&value)) {
                return Err(Error::invalid(format!("{name}.{part}: use a number of 0 or more.")));
            }
        }
    }
    Ok(())
}

async fn one(app: &App, name: &str) -> Result<Queue> {
    let found = seen(app).await?.into_iter().find(|queue| queue.name == name);
    found.ok_or_else(|| Error::not_found(format!("There is no queue {name}.")))
}

/// Fresh rows over the room of the last decision.
async fn seen(app: &App) -> Result<Vec<Queue>> {
    let nothing = Capacity { cpus_milli: 0, memory: 0, disk: 0, gpus: vec![] };
    let last = app.memory.of::<Board>().last();
    let room =
        last.map_or(BoxRoom { capacity: nothing, gpu_uuids: vec![] }, |last: std::sync::Arc<board::Last>| last.room());
    let now = clock::now_ms();
    app.db
        .read(move |conn| {
            let loaded = load::load(conn, room, &load::Known::default(), now)?;
            let names = store::usernames(conn)?;
            Ok(summaries(&loaded, &names))
        })
        .await
}

/// Use and waiting of one queue, or of one person in it.
#[derive(Default, Clone)]
struct Sum {
    waiting: u64,
    running: u64,
    used: Amounts,
}

fn summaries(loaded: &Loaded, names: &HashMap<String, String>) -> Vec<Queue> {
    let rows = &loaded.rows;
    let mut sums: HashMap<(usize, u32), Sum> = HashMap::new();
    for job in &rows.waiting {
        sums.entry((job.queue, job.person)).or_default().waiting += 1;
    }
    for job in &rows.running {
        let sum = sums.entry((job.queue, job.person)).or_default();
        sum.running += 1;
        let amounts = job.ask.amounts(largest_gpu(&rows.capacity));
        sum.used.iter_mut().zip(amounts).for_each(|(used, more)| *used += more);
    }
    for (at, queue) in rows.queues.iter().enumerate() {
        for (person, past) in &queue.persons_past {
            if *past >= FORGOTTEN_HOURS {
                sums.entry((at, *person)).or_default();
            }
        }
    }
    (0..rows.queues.len()).map(|at| summary(loaded, names, &sums, at)).collect()
}

fn summary(loaded: &Loaded, names: &HashMap<String, String>, sums: &HashMap<(usize, u32), Sum>, at: usize) -> Queue {
    let (rows, record) = (&loaded.rows, &loaded.queues[at]);
    let all = total(&rows.capacity);
    let mut whole = Sum::default();
    let mut people = vec![];
    for ((_, person), sum) in sums.iter().filter(|((queue, _), _)| *queue == at) {
        (whole.waiting, whole.running) = (whole.waiting + sum.waiting, whole.running + sum.running);
        whole.used.iter_mut().zip(sum.used).for_each(|(used, more)| *used += more);
        let id = &loaded.people[*person as usize];
        people.push(QueuePerson {
            username: names.get(id).unwrap_or(id).clone(),
            waiting: sum.waiting,
            using: to_wire(&sum.used),
            share: share(&sum.used, &all) + rows.queues[at].persons_past.get(person).copied().unwrap_or(0.0),
            turn_at: rows.started.get(&(at, *person)).copied(),
        });
    }
    people.sort_by(|a, b| a.username.cmp(&b.username));
    let using: BoxUse = to_wire(&whole.used);
    Queue {
        name: record.name.clone(),
        settings: record.settings.clone(),
        waiting: whole.waiting,
        running: whole.running,
        using,
        share: share(&whole.used, &all) + rows.queues[at].past,
        people,
        created_at: record.created_at,
        updated_at: record.updated_at,
    }
}
