//! Rows of GPUs and of what happened to them.

use diesel::prelude::*;

use crate::{
    clock,
    db::{
        Conn,
        schema::devices::{gpu_events, gpus},
    },
    error::{Error, Result},
};

/// Events of a GPU that are kept.
const KEPT_EVENTS: i64 = 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Usable,
    Quarantined,
    Missing,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            State::Usable => "usable",
            State::Quarantined => "quarantined",
            State::Missing => "missing",
        }
    }

    fn parse(word: &str) -> Result<State> {
        [State::Usable, State::Quarantined, State::Missing]
            .into_iter()
            .find(|state| state.as_str() == word)
            .ok_or_else(|| Error::internal(anyhow::anyhow!("a GPU in the state {word:?}")))
    }
}

/// What ends a quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Frees {
    /// Half a minute of good readings with nobody on it.
    Quiet,
    /// The same after a restart of the box, or an admin.
    Boot,
    /// An admin.
    Hand,
}

impl Frees {
    pub fn as_str(self) -> &'static str {
        match self {
            Frees::Quiet => "quiet",
            Frees::Boot => "boot",
            Frees::Hand => "hand",
        }
    }

    /// An unknown word is a newer version's: an admin decides.
    fn parse(word: &str) -> Frees {
        [Frees::Quiet, Frees::Boot].into_iter().find(|frees| frees.as_str() == word).unwrap_or(Frees::Hand)
    }
}

/// A GPU or a MIG instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuRow {
    pub uuid: String,
    pub parent_uuid: Option<String>,
    pub name: String,
    pub number: u32,
    pub memory_bytes: u64,
    pub foreign_bytes: u64,
    pub is_divided: bool,
    pub sharable: bool,
    pub state: State,
    pub reason: Option<String>,
    pub state_since: i64,
    pub frees: Option<Frees>,
    pub boot_id: Option<String>,
    pub frees_itself_at: Option<i64>,
}

impl GpuRow {
    /// Memory that can be promised to somebody, leases not taken off.
    pub fn promisable(&self) -> u64 {
        self.memory_bytes.saturating_sub(self.foreign_bytes)
    }

    /// What it is called in sentences.
    pub fn called(&self) -> String {
        match self.parent_uuid {
            Some(_) => format!("The MIG instance {} of GPU {}", self.name, self.number),
            None => format!("GPU {} ({})", self.number, self.name),
        }
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = gpus)]
struct Row {
    uuid: String,
    parent_uuid: Option<String>,
    name: String,
    number: i64,
    memory_bytes: i64,
    foreign_bytes: i64,
    is_divided: bool,
    sharable: bool,
    state: String,
    reason: Option<String>,
    state_since: i64,
    frees: Option<String>,
    boot_id: Option<String>,
    frees_itself_at: Option<i64>,
}

impl Row {
    fn into_gpu(self) -> Result<GpuRow> {
        Ok(GpuRow {
            state: State::parse(&self.state)?,
            frees: self.frees.as_deref().map(Frees::parse),
            number: u32::try_from(self.number).unwrap_or(u32::MAX),
            memory_bytes: unsigned(self.memory_bytes),
            foreign_bytes: unsigned(self.foreign_bytes),
            uuid: self.uuid,
            parent_uuid: self.parent_uuid,
            name: self.name,
            is_divided: self.is_divided,
            sharable: self.sharable,
            reason: self.reason,
            state_since: self.state_since,
            boot_id: self.boot_id,
            frees_itself_at: self.frees_itself_at,
        })
    }
}

/// Amounts in SQLite are signed.
pub fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

pub fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// All GPUs by number, a GPU before its instances.
pub fn all(conn: &mut Conn) -> Result<Vec<GpuRow>> {
    let rows: Vec<Row> = gpus::table
        .order((gpus::number, gpus::parent_uuid.is_not_null(), gpus::uuid))
        .select(Row::as_select())
        .load(conn)
        .map_err(Error::internal)?;
    rows.into_iter().map(Row::into_gpu).collect()
}

/// # Errors
/// `NotFound` with the way to the list.
pub fn require(conn: &mut Conn, uuid: &str) -> Result<GpuRow> {
    let row: Option<Row> =
        gpus::table.find(uuid).select(Row::as_select()).first(conn).optional().map_err(Error::internal)?;
    row.ok_or_else(|| Error::not_found(format!("There is no GPU {uuid}; GET /api/v1/devices lists them.")))?.into_gpu()
}

/// What a reading says about a GPU that its row has to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub uuid: String,
    pub parent_uuid: Option<String>,
    pub name: String,
    pub number: u32,
    pub memory_bytes: u64,
    pub is_divided: bool,
}

/// Adds a GPU that was never seen, usable, or brings the facts of a known one up to date. Its state stays.
pub fn put(conn: &mut Conn, facts: &Facts) -> Result<()> {
    let values = (
        gpus::parent_uuid.eq(&facts.parent_uuid),
        gpus::name.eq(&facts.name),
        gpus::number.eq(i64::from(facts.number)),
        gpus::memory_bytes.eq(signed(facts.memory_bytes)),
        gpus::is_divided.eq(facts.is_divided),
    );
    diesel::insert_into(gpus::table)
        .values((
            gpus::uuid.eq(&facts.uuid),
            gpus::state.eq(State::Usable.as_str()),
            gpus::state_since.eq(clock::now_ms()),
            values,
        ))
        .on_conflict(gpus::uuid)
        .do_update()
        .set(values)
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Moves a GPU to another state.
pub fn set_state(conn: &mut Conn, uuid: &str, state: State, reason: Option<&str>, frees: Option<Frees>) -> Result<()> {
    diesel::update(gpus::table.find(uuid))
        .set((
            gpus::state.eq(state.as_str()),
            gpus::reason.eq(reason),
            gpus::state_since.eq(clock::now_ms()),
            gpus::frees.eq(frees.map(Frees::as_str)),
            gpus::boot_id.eq(frees.map(|_| boot_id())),
            gpus::frees_itself_at.eq(None::<i64>),
        ))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

pub fn set_frees_itself_at(conn: &mut Conn, uuid: &str, at: Option<i64>) -> Result<()> {
    let row = diesel::update(gpus::table.find(uuid)).set(gpus::frees_itself_at.eq(at));
    row.execute(conn).map(drop).map_err(Error::internal)
}

pub fn set_foreign(conn: &mut Conn, uuid: &str, bytes: u64) -> Result<()> {
    let row = diesel::update(gpus::table.find(uuid)).set(gpus::foreign_bytes.eq(signed(bytes)));
    row.execute(conn).map(drop).map_err(Error::internal)
}

pub fn set_sharable(conn: &mut Conn, uuid: &str, sharable: bool) -> Result<()> {
    let row = diesel::update(gpus::table.find(uuid)).set(gpus::sharable.eq(sharable));
    row.execute(conn).map(drop).map_err(Error::internal)
}

/// Id of this start of the kernel; empty where the kernel does not tell.
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Something that happened to a GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub gpu_uuid: String,
    pub at: i64,
    pub kind: String,
    pub code: Option<i64>,
    pub words: String,
    pub workload: Option<String>,
}

impl Event {
    /// Happening now.
    pub fn now(gpu_uuid: &str, kind: &str, words: impl Into<String>) -> Event {
        Event {
            gpu_uuid: gpu_uuid.to_owned(),
            at: clock::now_ms(),
            kind: kind.to_owned(),
            code: None,
            words: words.into(),
            workload: None,
        }
    }
}

/// Writes an event, and drops the oldest beyond what is kept.
pub fn tell(conn: &mut Conn, event: &Event) -> Result<()> {
    diesel::insert_into(gpu_events::table)
        .values((
            gpu_events::gpu_uuid.eq(&event.gpu_uuid),
            gpu_events::at.eq(event.at),
            gpu_events::kind.eq(&event.kind),
            gpu_events::code.eq(event.code),
            gpu_events::words.eq(&event.words),
            gpu_events::workload_id.eq(&event.workload),
        ))
        .execute(conn)
        .map_err(Error::internal)?;
    let oldest_kept: Option<i64> = gpu_events::table
        .filter(gpu_events::gpu_uuid.eq(&event.gpu_uuid))
        .order(gpu_events::id.desc())
        .offset(KEPT_EVENTS - 1)
        .select(gpu_events::id)
        .first(conn)
        .optional()
        .map_err(Error::internal)?;
    if let Some(id) = oldest_kept {
        let older = gpu_events::table.filter(gpu_events::gpu_uuid.eq(&event.gpu_uuid)).filter(gpu_events::id.lt(id));
        diesel::delete(older).execute(conn).map_err(Error::internal)?;
    }
    Ok(())
}

/// The newest events of all GPUs, newest first.
pub fn events(conn: &mut Conn, limit: i64) -> Result<Vec<Event>> {
    type Row = (String, i64, String, Option<i64>, String, Option<String>);
    let rows: Vec<Row> = gpu_events::table
        .order(gpu_events::id.desc())
        .limit(limit)
        .select((
            gpu_events::gpu_uuid,
            gpu_events::at,
            gpu_events::kind,
            gpu_events::code,
            gpu_events::words,
            gpu_events::workload_id,
        ))
        .load(conn)
        .map_err(Error::internal)?;
    let event = |(gpu_uuid, at, kind, code, words, workload)| Event { gpu_uuid, at, kind, code, words, workload };
    Ok(rows.into_iter().map(event).collect())
}

#[cfg(test)]
pub mod testing {
    //! GPUs in rows.
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// What a reading says about it.
    pub fn facts(uuid: &str, number: u32, gib: u64) -> Facts {
        Facts {
            uuid: uuid.into(),
            parent_uuid: None,
            name: "Fake GPU".into(),
            number,
            memory_bytes: gib << 30,
            is_divided: false,
        }
    }

    /// A usable GPU.
    pub fn gpu(conn: &mut Conn, uuid: &str, number: u32, gib: u64) {
        put(conn, &facts(uuid, number, gib)).unwrap();
    }

    pub fn quarantined(conn: &mut Conn, uuid: &str, reason: &str) {
        set_state(conn, uuid, State::Quarantined, Some(reason), Some(Frees::Boot)).unwrap();
    }
}
