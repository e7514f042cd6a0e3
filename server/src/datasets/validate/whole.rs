//! Rules about a table or a version as a whole: columns and types, rows, drift, images.

use std::collections::{BTreeMap, HashMap};

use drydock_wire::datasets::{Check, ColumnKind, DatasetFile, ImageProfile};

use super::{Found, Subject, kind_word, words};
use crate::datasets::compare;

pub fn columns(wanted: &[String], columns: &[String]) -> Found {
    let missing: Vec<String> =
        wanted.iter().filter(|name| !columns.contains(name)).map(|name| format!("`{name}`")).collect();
    let message = match (missing.len(), wanted.len()) {
        (0, 1) => "The column is there.".into(),
        (0, count) => format!("All {count} columns are there."),
        (1, _) => format!("The column {} is missing.", missing[0]),
        (_, _) => format!("{} columns are missing: {}.", missing.len(), missing.join(", ")),
    };
    Found::whole(missing.is_empty(), message)
}

pub fn schema(
    types: &BTreeMap<String, ColumnKind>,
    exact: bool,
    columns: &[String],
    kinds: &HashMap<String, ColumnKind>,
) -> Found {
    let mut wrong = vec![];
    for (name, wanted) in types {
        match kinds.get(name).filter(|_| columns.contains(name)) {
            None => wrong.push(format!("`{name}` is missing")),
            Some(found) if !fits(*found, *wanted) => {
                wrong.push(format!("`{name}` is {}, not {}", kind_word(*found), kind_word(*wanted)));
            }
            Some(_) => {}
        }
    }
    if exact {
        let more = columns.iter().filter(|name| !types.contains_key(*name));
        wrong.extend(more.map(|name| format!("`{name}` is not declared")));
    }
    let message = match wrong.len() {
        0 => format!("All {} columns have their types.", types.len()),
        _ => format!("{}.", wrong.join("; ")),
    };
    Found::whole(wrong.is_empty(), message)
}

/// Whole numbers are numbers; a column without any value is of every type.
fn fits(found: ColumnKind, wanted: ColumnKind) -> bool {
    found == wanted || found == ColumnKind::Empty || (found == ColumnKind::Integer && wanted == ColumnKind::Float)
}

pub fn row_count(rows: u64, min: Option<u64>, max: Option<u64>) -> Found {
    let message = match (min, max) {
        (Some(min), _) if rows < min => format!("{rows} rows; at least {min} are wanted."),
        (_, Some(max)) if rows > max => format!("{rows} rows; at most {max} are wanted."),
        _ => return Found::whole(true, format!("{rows} rows.")),
    };
    Found::broken(message)
}

pub fn drift(subject: &Subject<'_>, file: &DatasetFile, column: &str, against: &str, max: f64) -> Found {
    let Some(others) = subject.others.get(against) else {
        return Found::broken(format!("There is no version or tag {against:?} to compare with."));
    };
    let find = |profiles: &[drydock_wire::datasets::FileProfile]| {
        let profile = profiles.iter().find(|profile| profile.path == file.path)?;
        profile.columns.iter().find(|one| one.name == column).cloned()
    };
    let (Some(now), Some(before)) = (find(subject.profiles), find(others)) else {
        return Found::broken(format!("`{column}` of `{}` is not in both versions.", file.path));
    };
    match compare::compare(&before, &now).distance {
        None => Found::broken(format!("The spread of `{column}` cannot be compared: it changed its type or is empty.")),
        Some(distance) => {
            let word = if distance <= max { "which is allowed" } else { "which is more than allowed" };
            let message = format!("`{column}` moved by {distance:.3} from {against}, {word} ({max}).");
            Found::whole(distance <= max, message)
        }
    }
}

pub fn images(check: &Check, images: Option<&ImageProfile>) -> Found {
    let Check::Images { min, max, min_width, min_height, max_width, max_height } = check else {
        return Found::broken(String::new());
    };
    let Some(found) = images else {
        return Found::whole(min.is_none_or(|min| min == 0), "The version has no image.".into());
    };
    let mut wrong = vec![];
    if min.is_some_and(|min| found.count < min) || max.is_some_and(|max| found.count > max) {
        wrong.push(format!("{} images; a number {} is wanted", found.count, words::bounds(*min, *max)));
    }
    if found.broken_count > 0 {
        let names: Vec<&str> = found.broken.iter().take(3).map(|one| one.path.as_str()).collect();
        wrong.push(format!("{} cannot be read: {}", found.broken_count, names.join(", ")));
    }
    for (what, span, min, max) in
        [("wide", found.width, min_width, max_width), ("high", found.height, min_height, max_height)]
    {
        let Some(span) = span else { continue };
        if min.is_some_and(|min| span.min < min) || max.is_some_and(|max| span.max > max) {
            let bounds = words::bounds(*min, *max);
            wrong.push(format!("they are {} to {} pixels {what}; {bounds} is wanted", span.min, span.max));
        }
    }
    let message = match wrong.len() {
        0 => format!("{} images, all of them sound.", found.count),
        _ => format!("{}.", wrong.join("; ")),
    };
    Found::whole(wrong.is_empty(), message)
}
