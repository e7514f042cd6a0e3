//! What a window is held against: columns of a dataset's version, or the window before.

use drydock_wire::serving::DriftReference;

use super::super::datasets::prepared;
use super::super::{ReferenceColumn, ReferenceProfile};
use super::columns::Gathered;
use super::store::{self, WindowRow};
use crate::accounts::{Principal, action, authorize};
use crate::app::App;
use crate::datasets::columns;
use crate::error::{Error, Result};
use crate::serving::capture::{self, Watched, rows::INPUT, rows::PREDICTION};

/// The columns, and what they are in words; or why there are none.
pub type Found = std::result::Result<(ReferenceProfile, String), String>;

/// The reference of a window that begins at `from` and has these columns.
pub async fn find(app: &App, of: &Watched, from: i64, min_rows: u64, current: &Gathered) -> Result<Found> {
    let wanted = of.watch.as_ref().and_then(|watch| watch.reference.as_ref());
    let Some(wanted) = wanted else { return before(app, of, from, min_rows).await };
    let (mut found, words) = match dataset(app, wanted, current).await? {
        Ok(found) => found,
        Err(words) => return Ok(Err(words)),
    };
    let has_predictions = found.iter().any(|column| column.name().starts_with(PREDICTION));
    if !has_predictions && let Ok((window, _)) = before(app, of, from, min_rows).await? {
        // the data know nothing of predictions: the window before does
        found.extend(window.columns().iter().filter(|column| column.name().starts_with(PREDICTION)).cloned());
        return Ok(Ok((ReferenceProfile::new(found), format!("{words}; predictions with the window before"))));
    }
    Ok(Ok((ReferenceProfile::new(found), words)))
}

/// The last window with enough rows.
async fn before(app: &App, of: &Watched, from: i64, min_rows: u64) -> Result<Found> {
    let (id, rows) = (of.deployment_id.clone(), i64::try_from(min_rows).unwrap_or(i64::MAX));
    let row: Option<WindowRow> = app.db.read(move |conn| store::before(conn, &id, from, rows)).await?;
    let Some(row) = row else {
        return Ok(Err("There is no window before it; the next one is compared with this one.".to_owned()));
    };
    let gathered = gather(app, &of.deployment_id, (row.from_at, row.until_at)).await?;
    if gathered.rows == 0 {
        return Ok(Err("What was captured in the window before is not kept any more.".to_owned()));
    }
    let words = format!("the window before, with {} rows", gathered.rows);
    Ok(Ok((ReferenceProfile::new(gathered.finish()), words)))
}

/// What was asked and answered well in that time.
pub async fn gather(app: &App, deployment_id: &str, span: (i64, i64)) -> Result<Gathered> {
    let mut gathered = Gathered::default();
    capture::each_between(app, deployment_id, span, |request| gathered.take(request)).await?;
    Ok(gathered)
}

async fn dataset(
    app: &App,
    wanted: &DriftReference,
    current: &Gathered,
) -> Result<std::result::Result<(Vec<ReferenceColumn>, String), String>> {
    let nobody = Principal { username: "drift-watcher".into(), ..Principal::console() };
    let auth = authorize(&nobody, action::View, &nobody.project)?;
    let version = wanted.version.map_or_else(|| "latest".to_owned(), |number| number.to_string());
    let tables = match columns::tables(app, &auth, &wanted.dataset, &version).await {
        Ok(tables) => tables,
        Err(error) if error.code.http_status() < 500 => return Ok(Err(error.message)),
        Err(error) => return Err(error),
    };
    let profile = match (&wanted.path, tables.profiles.as_slice()) {
        (Some(path), all) => all.iter().find(|profile| profile.path == *path),
        (None, [only]) => Some(only),
        (None, all) => {
            let paths: Vec<&str> = all.iter().map(|profile| profile.path.as_str()).take(10).collect();
            let words =
                format!("{} has {} tables ({}); say which by 'path'.", wanted.dataset, all.len(), paths.join(", "));
            return Ok(Err(words));
        }
    };
    let Some(profile) = profile else {
        return Ok(Err(format!("Version {} of {} has no such table.", tables.version, wanted.dataset)));
    };
    let words = format!("{} version {}, {}", wanted.dataset, tables.version, profile.path);
    let kept = match prepared(app, &tables, profile).await? {
        Ok(kept) => kept,
        Err(words) => return Ok(Err(words)),
    };
    let decoded = tokio::task::spawn_blocking(move || ReferenceProfile::decode(&kept.bytes)).await;
    let all = decoded.map_err(Error::internal)?.map_err(Error::internal)?;
    Ok(Ok((named(all.columns(), current), words)))
}

/// The data's columns under the names of the traffic. The one column that is no input is what is predicted, where the prediction is one
/// value; one of the prediction's own name always is.
fn named(all: &[ReferenceColumn], current: &Gathered) -> Vec<ReferenceColumn> {
    let (inputs, predictions) = (current.names(INPUT), current.names(PREDICTION));
    let others: Vec<&ReferenceColumn> = all.iter().filter(|column| !inputs.contains(&column.name())).collect();
    let mut named: Vec<ReferenceColumn> = all
        .iter()
        .filter(|column| inputs.contains(&column.name()))
        .map(|column| column.clone().renamed(&format!("{INPUT}{}", column.name())))
        .collect();
    for column in &others {
        let prediction = match (predictions.as_slice(), others.as_slice()) {
            (all, _) if all.contains(&column.name()) => Some(column.name()),
            ([only], [_]) => Some(*only),
            _ => None,
        };
        named.extend(prediction.map(|name| (*column).clone().renamed(&format!("{PREDICTION}{name}"))));
    }
    named
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::Values;
    use super::*;
    use crate::serving::capture::rows::Captured;

    fn traffic(columns: &[&str]) -> Gathered {
        let mut gathered = Gathered::default();
        let columns = columns.iter().map(|name| ((*name).to_owned(), vec![json!(1)])).collect();
        gathered.take(&Captured { status: Some(200), rows: 1, columns, ..Captured::default() });
        gathered
    }

    fn names(data: &[&str], current: &Gathered) -> Vec<String> {
        let columns: Vec<_> =
            data.iter().map(|name| ReferenceColumn::build(name, &Values::Numbers(vec![1.0]))).collect();
        named(&columns, current).iter().map(|column| column.name().to_owned()).collect()
    }

    #[test]
    fn the_one_column_that_is_no_input_is_what_is_predicted() {
        let unnamed = traffic(&["input.a", "input.b", "prediction.0"]);
        assert_eq!(names(&["a", "b", "quality"], &unnamed), ["input.a", "input.b", "prediction.0"]);
        assert_eq!(names(&["a", "b", "id", "quality"], &unnamed), ["input.a", "input.b"]);
        let by_name = traffic(&["input.a", "prediction.quality", "prediction.risk"]);
        assert_eq!(names(&["a", "id", "quality"], &by_name), ["input.a", "prediction.quality"]);
    }
}
