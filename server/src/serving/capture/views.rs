//! What was captured, as people see it: rows newest first, files, and how right the answers were.

use std::sync::Arc;

use drydock_wire::Page;
use drydock_wire::serving::{CaptureState, CapturedFile, CapturedPage, CapturedRow, QualityReport};
use serde_json::Value;

use super::collector::Collector;
use super::quality::{self, Pair};
use super::rows::Captured;
use super::store::{self, FileRow};
use super::{bucket_of, files};
use crate::app::App;
use crate::clock;
use crate::error::{Error, Result};
use crate::percent;
use crate::serving::store::{self as deployments, DeploymentRow};

/// Files that a page looks into at most.
const FILES_A_PAGE: i64 = 40;
const FILES_LISTED: usize = 1_000;
/// Of the newest feedback in the time that is asked for.
const PAIRS: i64 = 200_000;
const WINDOWS: i64 = 24;
const HOUR_MS: i64 = 3_600_000;

/// Which rows are wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub status: Option<Status>,
    pub revision: Option<i64>,
    pub limit: usize,
    pub before: Option<Place>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Is(u16),
    Class(u16),
    Error,
}

impl Status {
    pub fn parse(text: &str) -> Result<Self> {
        let class =
            text.strip_suffix("xx").and_then(|digit| digit.parse::<u16>().ok()).filter(|class| (1..=5).contains(class));
        match (text, class, text.parse()) {
            ("error", ..) => Ok(Self::Error),
            (_, Some(class), _) => Ok(Self::Class(class)),
            (_, _, Ok(number)) => Ok(Self::Is(number)),
            _ => Err(Error::invalid("status is a number as 200, a class as 2xx, or error.")),
        }
    }

    fn takes(self, status: Option<u16>) -> bool {
        match self {
            Self::Is(number) => status == Some(number),
            Self::Class(class) => status.is_some_and(|status| status / 100 == class),
            Self::Error => status.is_none_or(|status| status >= 400),
        }
    }
}

/// The last row of a page: where the next one goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file that it is in, or the newest one when it was in none.
    file: i64,
    in_file: bool,
    /// Absent: the file's end.
    row: Option<(String, u32)>,
}

impl Place {
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || Error::invalid("before is the 'next' of the page before.");
        let mut parts = text.splitn(4, ':');
        let (kind, file) = (parts.next().unwrap_or_default(), parts.next().and_then(|file| file.parse().ok()));
        let row = match (parts.next(), parts.next()) {
            (None, None) => None,
            (Some(row), Some(id)) => Some((id.to_owned(), row.parse().map_err(|_| wrong())?)),
            _ => return Err(wrong()),
        };
        match (kind, file) {
            ("f" | "b", Some(file)) => Ok(Self { file, in_file: kind == "f", row }),
            _ => Err(wrong()),
        }
    }

    fn text(&self) -> String {
        let kind = if self.in_file { "f" } else { "b" };
        match &self.row {
            Some((id, row)) => format!("{kind}:{}:{row}:{id}", self.file),
            None => format!("{kind}:{}", self.file),
        }
    }
}

/// Collects a page out of requests that come newest first.
struct Collecting {
    wanted: Wanted,
    /// Rows up to this one were on pages before.
    skip: Option<(String, u32)>,
    rows: Vec<CapturedRow>,
}

impl Collecting {
    /// Whether the page is full.
    fn take(&mut self, request: &Captured) -> bool {
        let mut rows: Vec<CapturedRow> = request.view().collect();
        rows.reverse();
        for row in rows {
            if let Some((id, number)) = &self.skip {
                if row.request_id == *id && row.row == *number {
                    self.skip = None;
                }
                continue;
            }
            let fits = self.wanted.status.is_none_or(|status| status.takes(row.status))
                && self.wanted.revision.is_none_or(|revision| row.revision == revision);
            if fits {
                self.rows.push(row);
                if self.rows.len() >= self.wanted.limit {
                    return true;
                }
            }
        }
        false
    }

    fn last(&self) -> Option<(String, u32)> {
        self.rows.last().map(|row| (row.request_id.clone(), row.row))
    }
}

/// A page of what was captured.
pub async fn rows(
    app: &App,
    collector: &Collector,
    deployment: &DeploymentRow,
    wanted: Wanted,
) -> Result<CapturedPage> {
    collector.settled().await;
    let waiting = collector.waiting_of(&deployment.id);
    let state = state(app, collector, deployment).await?;
    let id = deployment.id.clone();
    let before = wanted.before.clone();
    let newest = app.db.read(move |conn| store::newest_file(conn, &id)).await?;
    let skip = before.as_ref().and_then(|place| place.row.clone());
    let mut page = Collecting { wanted, skip, rows: vec![] };
    let in_file = before.as_ref().is_some_and(|place| place.in_file);
    if !in_file {
        for request in waiting.iter().rev() {
            if page.take(request) {
                let file = before.as_ref().map_or(newest, |place| place.file);
                let next = Place { file, in_file: false, row: page.last() };
                return Ok(CapturedPage { rows: page.rows, next: Some(next.text()), state });
            }
        }
    }
    let from = before.as_ref().filter(|place| place.in_file).map_or(newest, |place| place.file);
    let id = deployment.id.clone();
    let files = app.db.read(move |conn| store::files_up_to(conn, &id, from, FILES_A_PAGE)).await?;
    let more = files.len() as i64 == FILES_A_PAGE;
    let last = files.last().map(|file| file.id);
    for file in files {
        // what was in no file when the page before was made is in a newer one than there was then
        if before.as_ref().is_some_and(|place| file.id < place.file || (!place.in_file && file.id <= place.file)) {
            page.skip = None;
        }
        for request in files::read(app, &file).await?.unwrap_or_default().iter().rev() {
            if page.take(request) {
                let next = Place { file: file.id, in_file: true, row: page.last() };
                return Ok(CapturedPage { rows: page.rows, next: Some(next.text()), state });
            }
        }
    }
    let next = last.filter(|_| more).map(|last| Place { file: last - 1, in_file: true, row: None }.text());
    Ok(CapturedPage { rows: page.rows, next, state })
}

async fn state(app: &App, collector: &Collector, deployment: &DeploymentRow) -> Result<CaptureState> {
    let id = deployment.id.clone();
    let read = move |conn: &mut crate::db::Conn| Ok((store::totals(conn, &id)?, store::project_of(conn, &id)?));
    let ((files, rows, bytes), project) = app.db.read(read).await?;
    let unsigned = |count: i64| u64::try_from(count).unwrap_or_default();
    Ok(CaptureState {
        on: deployment.settings()?.capture.is_some(),
        bucket: bucket_of(&project),
        files: unsigned(files),
        rows: unsigned(rows),
        bytes: unsigned(bytes),
        waiting_rows: collector.waiting_of(&deployment.id).iter().map(|one: &Arc<Captured>| one.rows as u64).sum(),
        dropped: collector.dropped(&deployment.id),
        problem: collector.problem(&deployment.id),
    })
}

/// The files, newest first; at most a thousand.
pub async fn files(app: &App, deployment: &DeploymentRow) -> Result<Page<CapturedFile>> {
    let id = deployment.id.clone();
    let all = app.db.read(move |conn| store::files_up_to(conn, &id, i64::MAX, i64::MAX)).await?;
    let unsigned = |count: i64| u64::try_from(count).unwrap_or_default();
    let view = |file: &FileRow| CapturedFile {
        bucket: file.bucket.clone(),
        key: file.key.clone(),
        download: format!("/api/v1/buckets/{}/object/content?key={}", file.bucket, percent::encoded(&file.key, "/")),
        from_at: file.from_at,
        until_at: file.until_at,
        rows: unsigned(file.row_count),
        size_bytes: unsigned(file.size_bytes),
    };
    let items = all.iter().take(FILES_LISTED).map(view).collect();
    Ok(Page { items, total: all.len() as u64, next: None })
}

/// How right it was in the last hours.
pub async fn quality(app: &App, deployment: &DeploymentRow, hours: i64) -> Result<QualityReport> {
    let until = clock::now_ms();
    let from = until - hours * HOUR_MS;
    let row = deployment.clone();
    let read = move |conn: &mut crate::db::Conn| {
        let joined = store::joined(conn, &row.id, from, PAIRS)?;
        let minutes = deployments::kept_traffic(conn, &row, from)?.minutes;
        let waiting = store::count_feedback(conn, &row.id, store::WAITING)?;
        let refused = store::count_feedback(conn, &row.id, store::REFUSED)?;
        Ok((joined, minutes, waiting, refused, store::last_refusal(conn, &row.id)?))
    };
    let (joined, minutes, waiting, refused, refusal) = app.db.read(read).await?;
    let minutes = minutes.into_iter().collect();
    let value = |text: Option<&str>| serde_json::from_str(text.unwrap_or("null")).unwrap_or(Value::Null);
    let pairs: Vec<Pair> = joined
        .iter()
        .flat_map(|row| {
            let (at, of) = (row.predicted_at.unwrap_or_default(), row.revision.unwrap_or_default());
            let of = (of, row.model.as_deref().unwrap_or_default(), row.version.unwrap_or_default());
            Pair::of(at, of, &value(Some(&row.truth)), &value(row.predicted.as_deref()), row.score)
        })
        .collect();
    let task = quality::task(&pairs);
    let unsigned = |count: i64| u64::try_from(count).unwrap_or_default();
    Ok(QualityReport {
        task,
        all: quality::figures(task, pairs.iter()),
        windows: quality::windows(task, &pairs, &minutes, (from, until), WINDOWS),
        revisions: quality::revisions(task, &pairs),
        classes: quality::classes(task, &pairs),
        waiting: unsigned(waiting),
        refused: unsigned(refused),
        refusal,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        for place in [
            Place { file: 7, in_file: true, row: Some(("a.b-c_1".into(), 3)) },
            Place { file: 0, in_file: false, row: Some(("x".into(), 0)) },
            Place { file: 6, in_file: true, row: None },
        ] {
            assert_eq!(Place::parse(&place.text()).unwrap(), place);
        }
        for wrong in ["", "f", "f:x", "q:1", "f:1:2", "f:1:x:id"] {
            assert!(Place::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_status_is_a_number_a_class_or_an_error() {
        assert!(Status::parse("2xx").unwrap().takes(Some(204)) && !Status::parse("2xx").unwrap().takes(Some(404)));
        assert!(Status::parse("404").unwrap().takes(Some(404)));
        let error = Status::parse("error").unwrap();
        assert!(error.takes(None) && error.takes(Some(500)) && !error.takes(Some(200)));
        assert!(Status::parse("9xx").is_err() && Status::parse("good").is_err());
    }
}
