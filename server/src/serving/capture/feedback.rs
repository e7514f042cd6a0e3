//! Truths and scores from outside, joined with the predictions that they are about.
//!
//! Always holds: of a list, all is kept or nothing; what cannot belong to its prediction is refused with the reason; what is of a
//! request that is not known (yet) waits a week.

use std::collections::{BTreeMap, HashMap, HashSet};

use drydock_wire::serving::{Feedback, FeedbackTaken};
use serde_json::{Value, json};

use super::collector::Collector;
use super::files;
use super::rows::Captured;
use super::store::{self, FeedbackRow, JOINED, REFUSED, WAITING};
use crate::app::App;
use crate::clock;
use crate::error::{Error, Result};

/// In one call.
const MOST: usize = 10_000;
const LONGEST_ID: usize = 128;
const TRUTH_BYTES: usize = 64 << 10;

/// Takes what somebody sent.
///
/// # Errors
/// `invalid` with the item that is wrong; nothing is kept then.
pub async fn take(
    app: &App,
    collector: &Collector,
    deployment_id: &str,
    sent: Vec<Feedback>,
    from: &str,
) -> Result<FeedbackTaken> {
    check(&sent)?;
    collector.settled().await;
    let ids: HashSet<String> = sent.iter().map(|one| one.request_id.clone()).collect();
    let (found, searched_to) = answers(app, collector, deployment_id, &ids, 0).await?;
    let (mut rows, mut taken) = (vec![], FeedbackTaken { joined: 0, waiting: 0 });
    for (place, one) in sent.iter().enumerate() {
        let waits = FeedbackRow {
            deployment_id: deployment_id.to_owned(),
            request_id: one.request_id.clone(),
            row: one.row.map_or(-1, i64::from),
            truth: one.truth.as_ref().unwrap_or(&Value::Null).to_string(),
            score: one.score,
            received_at: clock::now_ms(),
            received_from: from.to_owned(),
            state: WAITING.to_owned(),
            searched_to,
            predicted: None,
            predicted_at: None,
            revision: None,
            model: None,
            version: None,
            refusal: None,
        };
        match found.get(&one.request_id) {
            Some(answer) => {
                let joined = joined(&waits, answer).map_err(|words| {
                    Error::invalid(format!("Item {place} (request {}): {words} Nothing was kept.", one.request_id))
                })?;
                taken.joined += joined.len() as u64;
                rows.extend(joined);
            }
            None => {
                taken.waiting += 1;
                rows.push(waits);
            }
        }
    }
    app.db.write(move |conn| rows.iter().try_for_each(|row| store::put_feedback(conn, row))).await?;
    Ok(taken)
}

fn check(sent: &[Feedback]) -> Result<()> {
    if sent.is_empty() || sent.len() > MOST {
        return Err(Error::invalid(format!(
            "Send one feedback, or a list of 1 to {MOST}; this one has {}.",
            sent.len()
        )));
    }
    for (place, one) in sent.iter().enumerate() {
        let wrong = |words: &str| Err(Error::invalid(format!("Item {place}: {words} Nothing was kept.")));
        if one.request_id.is_empty() || one.request_id.len() > LONGEST_ID {
            return wrong("'request_id' is the X-Request-Id of the answer that it is about.");
        }
        if one.truth.as_ref().is_none_or(Value::is_null) && one.score.is_none() {
            return wrong("It has neither 'truth' nor 'score'.");
        }
        if one.score.is_some_and(|score| !score.is_finite()) {
            return wrong("'score' is a number.");
        }
        if one.truth.as_ref().is_some_and(|truth| truth.to_string().len() > TRUTH_BYTES) {
            return wrong("'truth' is larger than 64 KiB.");
        }
    }
    Ok(())
}

/// Joins what waits with the files that came since; called after one was written.
pub async fn join(app: &App, collector: &Collector, deployment_id: &str) -> Result<()> {
    loop {
        let id = deployment_id.to_owned();
        let waiting = app.db.read(move |conn| {
            let newest = store::newest_file(conn, &id)?;
            store::waiting(conn, &id, newest, MOST as i64)
        });
        let waiting = waiting.await?;
        if waiting.is_empty() {
            return Ok(());
        }
        let after = waiting.iter().map(|row| row.searched_to).min().unwrap_or(0);
        let ids: HashSet<String> = waiting.iter().map(|row| row.request_id.clone()).collect();
        let (found, searched_to) = answers(app, collector, deployment_id, &ids, after).await?;
        let keep = move |conn: &mut crate::db::Conn| {
            for row in &waiting {
                let Some(answer) = found.get(&row.request_id) else {
                    let searched_to = searched_to.max(row.searched_to);
                    store::put_feedback(conn, &FeedbackRow { searched_to, ..row.clone() })?;
                    continue;
                };
                match joined(row, answer) {
                    Ok(joined) => {
                        store::delete_feedback(conn, row)?;
                        joined.iter().try_for_each(|row| store::put_feedback(conn, row))?;
                    }
                    Err(words) => {
                        let refused = FeedbackRow { state: REFUSED.to_owned(), refusal: Some(words), ..row.clone() };
                        store::put_feedback(conn, &refused)?;
                    }
                }
            }
            Ok(())
        };
        app.db.write(keep).await?;
    }
}

/// The captured requests of these ids, in files after that one or in none yet; and the last file that was looked into.
async fn answers(
    app: &App,
    collector: &Collector,
    deployment_id: &str,
    ids: &HashSet<String>,
    after: i64,
) -> Result<(HashMap<String, Captured>, i64)> {
    // first what is in no file: what goes into one meanwhile is found there
    let waiting = collector.waiting_of(deployment_id);
    let mut found: HashMap<String, Captured> = waiting
        .iter()
        .filter(|one| ids.contains(&one.request_id))
        .map(|one| (one.request_id.clone(), (**one).clone()))
        .collect();
    let wanted: Vec<u32> = ids.iter().filter(|id| !found.contains_key(*id)).map(|id| files::hash(id)).collect();
    let id = deployment_id.to_owned();
    let look = move |conn: &mut crate::db::Conn| {
        let (mut keys, mut newest) = (vec![], after);
        store::each_index(conn, &id, after, |file, (bucket, key), index| {
            newest = file;
            if wanted.iter().any(|hash| files::may_have(index, *hash)) {
                keys.push((bucket.to_owned(), key.to_owned()));
            }
        })?;
        Ok((keys, newest))
    };
    let (keys, newest) = app.db.read(look).await?;
    for (bucket, key) in keys {
        let requests = files::read_key(app, &bucket, &key).await?.unwrap_or_default();
        let of_these = requests.into_iter().filter(|one| ids.contains(&one.request_id));
        found.extend(of_these.map(|one| (one.request_id.clone(), one)));
    }
    Ok((found, newest))
}

/// The rows that a feedback is about, with what was predicted for each.
///
/// # Errors
/// In words, where it cannot be about this request.
pub fn joined(sent: &FeedbackRow, answer: &Captured) -> std::result::Result<Vec<FeedbackRow>, String> {
    let truth: Value = serde_json::from_str(&sent.truth).unwrap_or(Value::Null);
    let each: Vec<(usize, Value)> = match usize::try_from(sent.row) {
        Ok(row) if row >= answer.rows => {
            return Err(format!("'row' is {row}, and the request has {} (from 0).", answer.rows));
        }
        Ok(row) => vec![(row, truth)],
        Err(_) => spread(truth, answer.rows)?,
    };
    each.into_iter()
        .map(|(row, truth)| {
            let predicted = answer.predicted(row);
            let predicted = comparable(&truth, &predicted)?;
            Ok(FeedbackRow {
                row: i64::try_from(row).unwrap_or(i64::MAX),
                truth: truth.to_string(),
                state: JOINED.to_owned(),
                predicted: Some(predicted.to_string()),
                predicted_at: Some(answer.at),
                revision: Some(answer.revision),
                model: Some(answer.model.clone()),
                version: Some(answer.version),
                refusal: None,
                ..sent.clone()
            })
        })
        .collect()
}

/// The truth of each row.
fn spread(truth: Value, rows: usize) -> std::result::Result<Vec<(usize, Value)>, String> {
    match truth {
        Value::Array(each) if each.len() == rows => Ok(each.into_iter().enumerate().collect()),
        Value::Array(each) => Err(format!("'truth' has {} values, and the request has {rows} rows.", each.len())),
        // a score alone is of the request as a whole
        Value::Null => Ok(vec![(0, Value::Null)]),
        single if rows == 1 => Ok(vec![(0, single)]),
        _ => Err(format!(
            "The request has {rows} rows: 'truth' is a list with a value for each, or say which 'row' is meant."
        )),
    }
}

/// What of the prediction the truth is held against: a value for a value, an object for an object.
fn comparable(truth: &Value, predicted: &BTreeMap<String, Value>) -> std::result::Result<Value, String> {
    let names = || predicted.keys().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    match truth {
        Value::Null => Ok(json!(predicted)),
        _ if predicted.is_empty() => {
            Err("The request has no prediction: its answer was an error, or is masked.".into())
        }
        Value::Object(fields) => {
            if let Some(name) = fields.keys().find(|name| !predicted.contains_key(*name)) {
                return Err(format!("The prediction has no '{name}'; it has {}.", names()));
            }
            fields.iter().try_for_each(|(name, truth)| alike(truth, &predicted[name]))?;
            Ok(json!(fields.keys().map(|name| (name, &predicted[name])).collect::<BTreeMap<_, _>>()))
        }
        Value::Array(_) => Err("The truth of a row is a value, or an object of values.".into()),
        single => match predicted.values().collect::<Vec<_>>().as_slice() {
            [only] => alike(single, only).map(|()| (*only).clone()),
            _ => Err(format!("The prediction has the columns {}: 'truth' is an object.", names())),
        },
    }
}

fn alike(truth: &Value, predicted: &Value) -> std::result::Result<(), String> {
    let kind = |value: &Value| match value {
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Bool(_) => "true or false",
        _ => "no single value",
    };
    if kind(truth) == kind(predicted) && kind(truth) != "no single value" {
        return Ok(());
    }
    Err(format!("The prediction is {} ({predicted}), and the truth is {} ({truth}).", kind(predicted), kind(truth)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]
    use super::*;

    fn answer(columns: &[(&str, Value)]) -> Captured {
        let column = |(name, cells): &(&str, Value)| ((*name).to_owned(), cells.as_array().unwrap().clone());
        let columns: Vec<(String, Vec<Value>)> = columns.iter().map(column).collect();
        Captured {
            request_id: "r".into(),
            at: 9,
            revision: 3,
            rows: columns[0].1.len(),
            columns,
            ..Captured::default()
        }
    }

    fn sent(row: i64, truth: Value) -> FeedbackRow {
        FeedbackRow {
            deployment_id: "d".into(),
            request_id: "r".into(),
            row,
            truth: truth.to_string(),
            score: None,
            received_at: 10,
            received_from: "ann".into(),
            state: WAITING.into(),
            searched_to: 0,
            predicted: None,
            predicted_at: None,
            revision: None,
            model: None,
            version: None,
            refusal: None,
        }
    }

    fn pairs(row: i64, truth: Value, of: &Captured) -> std::result::Result<Vec<(i64, String, String)>, String> {
        let rows = joined(&sent(row, truth), of)?;
        Ok(rows.into_iter().map(|one| (one.row, one.truth, one.predicted.unwrap())).collect())
    }

    #[test]
    fn a_truth_meets_its_row() {
        let one = answer(&[("input.x", json!([1])), ("prediction.0", json!(["cat"]))]);
        let expected = vec![(0, "\"dog\"".to_owned(), "\"cat\"".to_owned())];
        assert_eq!(pairs(-1, json!("dog"), &one), Ok(expected.clone()));
        assert_eq!(pairs(-1, json!(["dog"]), &one), Ok(expected.clone()));
        assert_eq!(pairs(0, json!("dog"), &one), Ok(expected));
        let two = answer(&[("prediction.y", json!([1, 2]))]);
        assert_eq!(pairs(-1, json!([1, 3]), &two).unwrap().len(), 2);
        assert_eq!(pairs(1, json!(3.5), &two), Ok(vec![(1, "3.5".into(), "2".into())]));
        assert_eq!(pairs(1, json!({ "y": 3 }), &two), Ok(vec![(1, "{\"y\":3}".into(), "{\"y\":2}".into())]));
    }

    #[test]
    fn what_cannot_be_its_truth_is_refused_with_the_reason() {
        let two = answer(&[("prediction.y", json!([1, 2])), ("prediction.z", json!([1, 2]))]);
        let refused = |row, truth| pairs(row, truth, &two).unwrap_err();
        assert!(refused(-1, json!([1])).contains("has 1 values, and the request has 2 rows"));
        assert!(refused(-1, json!(1)).contains("a list with a value for each"));
        assert!(refused(2, json!(1)).contains("'row' is 2"));
        assert!(refused(0, json!(1)).contains("'y', 'z'"));
        assert!(refused(0, json!({ "q": 1 })).contains("no 'q'"));
        assert!(refused(0, json!({ "y": "one" })).contains("a number (1), and the truth is a text"));
        let failed = answer(&[("input.x", json!([1]))]);
        assert!(pairs(-1, json!(1), &failed).unwrap_err().contains("no prediction"));
        // a score needs none
        assert_eq!(pairs(-1, Value::Null, &failed).unwrap().len(), 1);
    }
}
