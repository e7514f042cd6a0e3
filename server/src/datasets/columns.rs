//! What the columns of a version's tables hold, for somebody who compares them: all rows, or as many as fit, drawn by chance.
//!
//! Memory is bounded by cells, not by rows: numbers are kept one by one, words as counts. The draw is the same each time, so that
//! equal tables have equal columns.

use std::collections::{BTreeMap, HashMap};

use drydock_wire::datasets::{ColumnKind, ColumnProfile, DatasetFile, FileProfile};
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::manifest::Manifest;
use super::table::{self, Source, Stop};
use super::{store, tasks, versions};
use crate::accounts::{Authorized, action};
use crate::app::App;
use crate::error::{Error, Result};

/// Numbers of a table that are kept.
const CELLS: u64 = 10_000_000;
const ROWS: u64 = 1_000_000;
/// Columns with more different words are keys or texts.
const WORDS: u64 = 10_000;
/// Longer words are told apart by their beginning and their length.
const WORD_BYTES: usize = 200;
/// Larger tables take longer to read than somebody waits.
const TABLE_BYTES: u64 = 2 << 30;
const SEED: u64 = 6;

/// A version's tables as they were profiled.
pub struct Tables {
    pub version: i64,
    pub parent: Option<i64>,
    pub profiles: Vec<FileProfile>,
    manifest: Manifest,
}

/// The cells of a column.
#[derive(Debug, PartialEq)]
pub enum Cells {
    /// One per drawn row; NaN where there is none.
    Numbers(Vec<f64>),
    Words {
        counts: BTreeMap<String, u64>,
        missing: u64,
    },
    /// Nothing that can be compared, and why.
    Unfit(&'static str),
}

/// Columns of the drawn rows, by name.
#[derive(Debug, PartialEq)]
pub struct Drawn {
    pub rows: u64,
    pub columns: Vec<(String, Cells)>,
}

/// The tables of a version.
///
/// # Errors
/// `unavailable` while they are still being profiled.
pub async fn tables(app: &App, _auth: &Authorized<action::View>, name: &str, version: &str) -> Result<Tables> {
    let (dataset, row, manifest) = versions::open(app, name, version).await?;
    let (number, parent) = (row.version, row.parent);
    let profiles = app.db.read(move |conn| Ok(store::analysis(conn, &dataset, number)?.profiles)).await?;
    let profiles = profiles.ok_or_else(|| {
        Error::unavailable(format!("Version {number} of {name} is still being profiled; ask again in a moment."))
    })?;
    Ok(Tables { version: number, parent, profiles, manifest })
}

/// The columns of one of the tables; in words why it cannot be read, where that is the table's own fault.
pub async fn draw(app: &App, of: &Tables, profile: &FileProfile) -> Result<std::result::Result<Drawn, String>> {
    let gone = || Error::not_found(format!("Version {} has no file {:?}.", of.version, profile.path));
    let file: DatasetFile = of.manifest.find(&profile.path).await?.ok_or_else(gone)?.into_file();
    if file.size_bytes > TABLE_BYTES {
        return Ok(Err(format!("It is larger than {} GiB and is not read for a comparison.", TABLE_BYTES >> 30)));
    }
    let laid = tasks::lay_out(app, vec![file.clone()]).await?;
    let profile = profile.clone();
    tasks::read_for_comparison(laid, move |laid| match laid.open(&file).and_then(|source| read(&profile, source)) {
        Ok(drawn) => Ok(Ok(drawn)),
        Err(Stop::Malformed(words)) => Ok(Err(words)),
        Err(Stop::Io(error)) => Err(error),
    })
    .await
}

fn read(profile: &FileProfile, source: Source) -> std::result::Result<Drawn, Stop> {
    let mut columns: Vec<Column> =
        profile.columns.iter().map(|column| Column::new(column, profile.row_count)).collect();
    let numbers = columns.iter().filter(|column| matches!(column, Column::Numbers { .. })).count().max(1) as u64;
    let mut draw = Draw::new(profile.row_count, (CELLS / numbers).min(ROWS));
    let mut rows = table::open(&profile.path, source)?;
    while let Some(row) = rows.next_row()? {
        if !draw.takes_next() {
            continue;
        }
        for (place, column) in columns.iter_mut().enumerate() {
            column.add(row.cell(place).text);
        }
    }
    let names = profile.columns.iter().map(|column| column.name.clone());
    Ok(Drawn { rows: draw.taken, columns: names.zip(columns.into_iter().map(Column::finish)).collect() })
}

/// So many of so many rows, each as likely as the other (Knuth's selection sampling).
struct Draw {
    left: u64,
    wanted: u64,
    taken: u64,
    random: StdRng,
}

impl Draw {
    fn new(rows: u64, most: u64) -> Self {
        Self { left: rows, wanted: rows.min(most), taken: 0, random: StdRng::seed_from_u64(SEED) }
    }

    fn takes_next(&mut self) -> bool {
        let missing = self.wanted - self.taken;
        let takes = missing > 0 && (missing >= self.left || self.random.random_range(0..self.left) < missing);
        self.left = self.left.saturating_sub(1);
        self.taken += u64::from(takes);
        takes
    }
}

enum Column {
    Numbers(Vec<f64>),
    Words { counts: HashMap<Box<str>, u64>, missing: u64, is_boolean: bool },
    Unfit(&'static str),
}

impl Column {
    /// As Evidently sorts columns out: dates are not compared, and neither is text of which most is said once.
    fn new(profile: &ColumnProfile, rows: u64) -> Self {
        let cells = rows.saturating_sub(profile.null_count);
        let is_free = profile.distinct_count > WORDS || profile.distinct_count.saturating_mul(2) > cells;
        match profile.kind {
            ColumnKind::Timestamp => Self::Unfit("Dates and times go on by themselves and are not compared."),
            ColumnKind::Text if is_free => {
                Self::Unfit("Free text or a key: it has too many different words to be compared.")
            }
            ColumnKind::Integer | ColumnKind::Float => Self::Numbers(vec![]),
            ColumnKind::Text | ColumnKind::Boolean | ColumnKind::Empty => {
                let is_boolean = profile.kind == ColumnKind::Boolean;
                Self::Words { counts: HashMap::new(), missing: 0, is_boolean }
            }
        }
    }

    fn add(&mut self, cell: &str) {
        match self {
            Self::Numbers(cells) => cells.push(table::number(cell).unwrap_or(f64::NAN)),
            Self::Words { missing, .. } if table::is_empty(cell) => *missing += 1,
            Self::Words { counts, is_boolean, .. } => {
                let other;
                let word = match cell.trim() {
                    // `True` of pandas and `true` of Parquet are one
                    word if *is_boolean => {
                        other = word.to_ascii_lowercase();
                        other.as_str()
                    }
                    word if word.len() <= WORD_BYTES => word,
                    word => {
                        other = format!("{} ({} bytes)", table::excerpt(word), word.len());
                        other.as_str()
                    }
                };
                match counts.get_mut(word) {
                    Some(count) => *count += 1,
                    None => drop(counts.insert(word.into(), 1)),
                }
            }
            Self::Unfit(_) => {}
        }
    }

    fn finish(self) -> Cells {
        match self {
            Self::Numbers(cells) => Cells::Numbers(cells),
            Self::Words { counts, missing, .. } => {
                Cells::Words { counts: counts.into_iter().map(|(word, count)| (word.into(), count)).collect(), missing }
            }
            Self::Unfit(reason) => Cells::Unfit(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]
    use super::*;
    use crate::datasets::profile::profile;

    fn drawn(text: &str) -> Drawn {
        read(&profile("t.csv", "d", || Ok(Source::from(text))), Source::from(text)).unwrap()
    }

    #[test]
    fn numbers_words_and_the_rest_are_told_apart() {
        let text = "n,w,b,t,key,none\n1,a,True,2026-01-01,k1,\n,b,,2026-01-02,k2,\n2.5,a,false,2026-01-03,k3,\ninf,a,true,2026-01-04,k4,\n";
        let got = drawn(text);
        let names: Vec<&str> = got.columns.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!((got.rows, names), (4, vec!["n", "w", "b", "t", "key", "none"]));
        let Cells::Numbers(numbers) = &got.columns[0].1 else { panic!("{:?}", got.columns[0]) };
        assert_eq!((numbers[0], numbers[1].is_nan(), numbers[2], numbers[3].is_nan()), (1.0, true, 2.5, true));
        let words = |list: &[(&str, u64)], missing| {
            let counts = list.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect();
            Cells::Words { counts, missing }
        };
        assert_eq!(got.columns[1].1, words(&[("a", 3), ("b", 1)], 0));
        assert_eq!(got.columns[2].1, words(&[("false", 1), ("true", 2)], 1));
        assert!(matches!(got.columns[3].1, Cells::Unfit(_)) && matches!(got.columns[4].1, Cells::Unfit(_)));
        assert_eq!(got.columns[5].1, words(&[], 4));
    }

    #[test]
    fn of_too_many_rows_as_many_as_fit_are_drawn_evenly() {
        let mut draw = Draw::new(100_000, 1_000);
        let taken: Vec<usize> = (0..100_000).filter(|_| draw.takes_next()).collect();
        assert_eq!((taken.len(), draw.taken), (1_000, 1_000));
        let first_half = taken.iter().filter(|row| **row < 50_000).count();
        assert!((430..570).contains(&first_half), "{first_half}");
        let mut all = Draw::new(10, 1_000);
        assert_eq!((0..10).filter(|_| all.takes_next()).count(), 10);
        // a table that has more rows than its profile says
        assert!(!all.takes_next());
    }
}
