//! The outcome of a rule about cells, in a sentence.

use drydock_wire::datasets::Check;

pub fn of_cells(check: &Check, failed: u64, rows: u64) -> String {
    let of_rows = format!("{failed} of {rows} rows");
    match (check, failed) {
        (Check::NotNull { column }, 0) => format!("No `{column}` is empty."),
        (Check::NotNull { column }, _) => format!("{of_rows}: `{column}` is empty."),
        (Check::Unique { column }, 0) => format!("Each `{column}` appears once."),
        (Check::Unique { column }, _) => format!("{of_rows}: an earlier row has the same `{column}`."),
        (Check::UniqueTogether { columns }, 0) => format!("Each combination of {} appears once.", named(columns)),
        (Check::UniqueTogether { columns }, _) => {
            format!("{of_rows}: an earlier row has the same {}.", named(columns))
        }
        (Check::Range { column, min, max }, 0) => format!("Every `{column}` is a number {}.", bounds(*min, *max)),
        (Check::Range { column, min, max }, _) => {
            format!("{of_rows}: `{column}` is not a number {}.", bounds(*min, *max))
        }
        (Check::OneOf { column, values }, 0) => format!("Every `{column}` is one of the {} values.", values.len()),
        (Check::OneOf { column, .. }, _) => format!("{of_rows}: `{column}` is not one of the allowed values."),
        (Check::Regex { column, .. }, 0) => format!("Every `{column}` matches the pattern."),
        (Check::Regex { column, .. }, _) => format!("{of_rows}: `{column}` does not match the pattern."),
        _ => String::new(),
    }
}

/// `a`, `b` and `c`, in quotes.
pub fn named(columns: &[String]) -> String {
    let quoted: Vec<String> = columns.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

pub fn bounds<T: std::fmt::Display>(min: Option<T>, max: Option<T>) -> String {
    match (min, max) {
        (Some(min), Some(max)) => format!("from {min} to {max}"),
        (Some(min), None) => format!("of at least {min}"),
        (None, Some(max)) => format!("of at most {max}"),
        (None, None) => "at all".into(),
    }
}
