//! From memory into the file, and out of it what is too old.
//!
//! Each minute a row of the journal; each hour that is over its chunks, some series at a time; then what is too old goes. A step that
//! fails, or a kill between two, leaves what the next pass does again with the same result: chunks are merged by instant.

use std::time::{Duration, Instant};

use super::belief::believed;
use super::file::{self, Entry};
use super::point::{Point, Resolution};
use super::{Store, lock};
use crate::error::Result;

/// So often samples go into the journal.
const NOTE_MS: i64 = 60_000;
/// An hour's samples wait this long for late ones.
const LATE_MS: i64 = 15_000;
/// Series whose chunks are written in one transaction.
const TOGETHER: usize = 100;
/// Between two looks at what is too old.
const PRUNE: Duration = Duration::from_secs(3_600);

pub fn keep(store: &Store, now: i64) -> Result<()> {
    let over = over(store, now);
    // a row that came after its hour's chunks would be read back at each start
    note(store, now, !over.is_empty())?;
    over.into_iter().try_for_each(|hour| seal(store, hour))?;
    let is_due = lock(&store.live).kept_at.is_none_or(|at| at.elapsed() >= PRUNE);
    if is_due { prune(store, now) } else { Ok(()) }
}

/// Appends what waits to the journal, with the names that are new.
fn note(store: &Store, now: i64, at_once: bool) -> Result<()> {
    let (entries, series, families) = {
        let mut live = lock(&store.live);
        // a clock that went back notes at once
        let is_early = !at_once && (0..NOTE_MS).contains(&(now - live.noted_at));
        if live.waiting.is_empty() || is_early {
            return Ok(());
        }
        live.noted_at = now;
        let new: Vec<_> =
            live.series.iter().filter(|(_, it)| !it.is_written).map(|(id, it)| (*id, it.identity.clone())).collect();
        let told =
            live.families.iter().filter(|(_, about)| !about.2).map(|(name, about)| (name.clone(), about.clone()));
        (live.waiting.clone(), new, told.collect::<Vec<_>>())
    };
    let mut hours: Vec<i64> = entries.iter().map(|entry| Resolution::Full.chunk(entry.at)).collect();
    hours.sort_unstable();
    hours.dedup();
    let mut writer = lock(&store.writer);
    file::whole(&mut writer, |conn| {
        series.iter().try_for_each(|(id, identity)| file::add_series(conn, *id, identity))?;
        families.iter().try_for_each(|(name, (kind, help, _))| file::put_family(conn, name, kind, help))?;
        for hour in &hours {
            let of_hour: Vec<Entry> =
                entries.iter().filter(|entry| Resolution::Full.chunk(entry.at) == *hour).copied().collect();
            file::note(conn, *hour, &of_hour)?;
        }
        Ok(())
    })?;
    let mut live = lock(&store.live);
    live.waiting.drain(..entries.len());
    series.iter().for_each(|(id, _)| {
        if let Some(it) = live.series.get_mut(id) {
            it.is_written = true
        }
    });
    families.iter().for_each(|(name, _)| {
        if let Some(about) = live.families.get_mut(name) {
            about.2 = true
        }
    });
    Ok(())
}

/// Hours with samples in memory that are over, or that the clock has left.
fn over(store: &Store, now: i64) -> Vec<i64> {
    let present = Resolution::Full.chunk(now - LATE_MS);
    let live = lock(&store.live);
    let mut hours: Vec<i64> = live.series.values().flat_map(|it| it.hours.keys().copied()).collect();
    hours.sort_unstable();
    hours.dedup();
    // the hour that began less than LATE_MS ago is not over either
    hours.retain(|hour| *hour != present && *hour != Resolution::Full.chunk(now));
    hours
}

/// Writes the chunks of one hour.
fn seal(store: &Store, hour: i64) -> Result<()> {
    let ids: Vec<i64> = {
        let live = lock(&store.live);
        live.series.iter().filter(|(_, it)| it.hours.contains_key(&hour)).map(|(id, _)| *id).collect()
    };
    for some in ids.chunks(TOGETHER) {
        let samples: Vec<(i64, bool, usize, Vec<Point>)> = {
            let live = lock(&store.live);
            let of = |id: &i64| {
                let series = live.series.get(id)?;
                let samples = series.hours.get(&hour)?;
                let points = super::point::merged(vec![], samples.points(hour));
                Some((*id, series.identity.is_counter, samples.len(), points))
            };
            some.iter().filter_map(of).collect()
        };
        let taken: Vec<(i64, usize)> = samples.iter().map(|(id, _, count, _)| (*id, *count)).collect();
        file::whole(&mut lock(&store.writer), |conn| {
            samples.into_iter().try_for_each(|(id, is_counter, _, points)| file::add_hour(conn, id, is_counter, points))
        })?;
        let mut live = lock(&store.live);
        taken.into_iter().for_each(|(id, count)| live.forget(id, hour, count));
    }
    file::forget_journal(&mut lock(&store.writer), hour)
}

fn prune(store: &Store, now: i64) -> Result<()> {
    let (before, elapsed) = {
        let mut live = lock(&store.live);
        let elapsed = live.kept_at.map_or(Duration::ZERO, |at| at.elapsed());
        live.kept_at = Some(Instant::now());
        (live.believed_at, i64::try_from(elapsed.as_millis()).unwrap_or(0))
    };
    let (at, agrees) = believed(before, now, elapsed);
    let mut writer = lock(&store.writer);
    file::set_state(&mut writer, "believed_at", at)?;
    if agrees {
        file::whole(&mut writer, |conn| file::prune(conn, at))?;
    }
    if file::fit(&mut writer, store.most_bytes)? {
        tracing::warn!("metrics.max_bytes is reached: the oldest minutes were deleted");
    }
    let empty = file::without_chunks(&mut writer)?;
    let bytes = file::used_bytes(&mut writer)?;
    let mut live = lock(&store.live);
    live.believed_at = Some(at);
    live.file_bytes = bytes;
    // one that is written but not in a chunk yet has its samples in memory
    let gone: Vec<i64> =
        empty.into_iter().filter(|id| live.series.get(id).is_some_and(|it| it.hours.is_empty())).collect();
    live.forget_series(&gone);
    drop(live);
    file::forget_series(&mut writer, &gone)
}
