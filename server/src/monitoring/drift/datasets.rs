//! One version of a dataset against another: table by table, each read once and remembered as a profile.

use std::sync::{Arc, Mutex, PoisonError};

use drydock_wire::datasets::FileProfile;
use drydock_wire::drift::{DriftReport, TableDrift};

use super::{ReferenceColumn, ReferenceProfile, Settings, Values, compare_profiles};
use crate::accounts::{Authorized, action};
use crate::app::App;
use crate::datasets::columns::{self, Cells, Drawn, Tables};
use crate::error::{Error, Result};

/// Tables that are compared when none is named.
const TABLES: usize = 10;
/// Of profiles that are remembered.
const REMEMBERED_BYTES: usize = 64 << 20;

/// What is compared.
#[derive(Debug, Clone, Default)]
pub struct Question {
    pub dataset: String,
    /// Absent: the parent of `current`.
    pub reference: Option<String>,
    pub current: String,
    /// One table alone.
    pub file: Option<String>,
}

/// The tables that both versions have.
///
/// # Errors
/// `not_found` when a version or the named table is not there.
pub async fn drift(
    app: &App,
    auth: &Authorized<action::View>,
    of: Question,
    settings: Settings,
) -> Result<DriftReport> {
    let current = columns::tables(app, auth, &of.dataset, &of.current).await?;
    let parent = current.parent.map(|parent| parent.to_string());
    let reference = of.reference.or(parent).ok_or_else(|| {
        Error::not_found(format!("Version {} is the first; say what to compare it with.", current.version))
    })?;
    let reference = columns::tables(app, auth, &of.dataset, &reference).await?;
    let mut pairs = pairs(&reference, &current);
    if let Some(file) = &of.file {
        pairs.retain(|(_, after)| after.path == *file);
        if pairs.is_empty() {
            return Err(Error::not_found(format!(
                "Versions {} and {} have no table {file:?} in common.",
                reference.version, current.version
            )));
        }
    }
    let left_out = pairs.split_off(pairs.len().min(TABLES)).into_iter().map(|(_, after)| after.path.clone()).collect();
    let mut tables = vec![];
    for (before, after) in pairs {
        tables.push(table(app, (&reference, before), (&current, after), settings).await?);
    }
    let drifted = tables.iter().any(|table| table.drift.as_ref().is_some_and(|drift| drift.drifted));
    Ok(DriftReport { reference: reference.version, current: current.version, drifted, tables, left_out })
}

type Pair<'a> = (&'a FileProfile, &'a FileProfile);

/// By path, those that changed first; where each version has one table, these two, whatever they are called.
fn pairs<'a>(reference: &'a Tables, current: &'a Tables) -> Vec<Pair<'a>> {
    let partner = |after: &FileProfile| reference.profiles.iter().find(|before| before.path == after.path);
    let mut found: Vec<Pair<'_>> =
        current.profiles.iter().filter_map(|after| partner(after).map(|before| (before, after))).collect();
    if let ([before], [after], []) = (reference.profiles.as_slice(), current.profiles.as_slice(), found.as_slice()) {
        found.push((before, after));
    }
    found.sort_by_key(|(before, after)| before.digest == after.digest);
    found
}

async fn table(
    app: &App,
    (reference, before): (&Tables, &FileProfile),
    (current, after): (&Tables, &FileProfile),
    settings: Settings,
) -> Result<TableDrift> {
    let mut told = TableDrift {
        path: after.path.clone(),
        reference_path: before.path.clone(),
        reference_rows: before.row_count,
        current_rows: after.row_count,
        reference_drawn: 0,
        current_drawn: 0,
        drift: None,
        problem: None,
    };
    let (old, new) = (prepared(app, reference, before).await?, prepared(app, current, after).await?);
    match (old, new) {
        (Ok(old), Ok(new)) => {
            (told.reference_drawn, told.current_drawn) = (old.rows, new.rows);
            let compared = move || -> Result<_> {
                let read = |kept: &Kept| ReferenceProfile::decode(&kept.bytes).map_err(Error::internal);
                Ok(compare_profiles(&read(&old)?, &read(&new)?, &settings))
            };
            told.drift = Some(tokio::task::spawn_blocking(compared).await.map_err(Error::internal)??);
        }
        (Err(words), _) => told.problem = Some(format!("In version {}: {words}", reference.version)),
        (_, Err(words)) => told.problem = Some(format!("In version {}: {words}", current.version)),
    }
    Ok(told)
}

/// A table's columns, ready to be compared.
pub(super) struct Kept {
    name: String,
    rows: u64,
    /// A `ReferenceProfile`.
    pub(super) bytes: Vec<u8>,
}

/// What was prepared lately, newest last: content never changes, and other settings ask for the same tables again.
static PREPARED: Mutex<Vec<Arc<Kept>>> = Mutex::new(vec![]);

/// The table's columns; in words why they cannot be compared.
pub(super) async fn prepared(
    app: &App,
    of: &Tables,
    profile: &FileProfile,
) -> Result<std::result::Result<Arc<Kept>, String>> {
    if let Some(problem) = &profile.problem {
        return Ok(Err(problem.clone()));
    }
    // the ending says how the bytes are read
    let ending = profile.path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let name = format!("{} {ending}", profile.digest);
    if let Some(kept) = known(&name) {
        return Ok(Ok(kept));
    }
    let drawn = match columns::draw(app, of, profile).await? {
        Ok(drawn) => drawn,
        Err(words) => return Ok(Err(words)),
    };
    let made = tokio::task::spawn_blocking(move || prepare(name, drawn)).await.map_err(Error::internal)?;
    let kept = Arc::new(made.map_err(Error::internal)?);
    remember(&kept);
    Ok(Ok(kept))
}

fn prepare(name: String, drawn: Drawn) -> std::io::Result<Kept> {
    // one after the other, so that a column's cells are let go when they are in order
    let build = |(name, cells): (String, Cells)| {
        let values = match cells {
            Cells::Numbers(numbers) => Values::Numbers(numbers),
            Cells::Words { counts, missing } => Values::Words { counts, missing },
            Cells::Unfit(reason) => Values::Unfit(reason.to_owned()),
        };
        ReferenceColumn::build(&name, &values)
    };
    let profile = ReferenceProfile::new(drawn.columns.into_iter().map(build).collect());
    Ok(Kept { name, rows: drawn.rows, bytes: profile.encode()? })
}

fn known(name: &str) -> Option<Arc<Kept>> {
    let mut all = PREPARED.lock().unwrap_or_else(PoisonError::into_inner);
    let place = all.iter().position(|kept| kept.name == name)?;
    let kept = all.remove(place);
    all.push(kept.clone());
    Some(kept)
}

fn remember(kept: &Arc<Kept>) {
    let mut all = PREPARED.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|one| one.name != kept.name);
    all.push(kept.clone());
    while all.len() > 1 && all.iter().map(|one| one.bytes.len()).sum::<usize>() > REMEMBERED_BYTES {
        all.remove(0);
    }
}
