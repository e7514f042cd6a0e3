//! `order_by` clauses: `metrics.acc DESC`, `start_time`, ``params.`a b` ASC``.

use super::{
    Entity, Grammar,
    check::identify,
    lexer::{Token, tokens},
};
use crate::error::{Error, Result};

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Ascending,
    Descending,
}

impl Direction {
    pub fn sql(self) -> &'static str {
        match self {
            Self::Ascending => "ASC",
            Self::Descending => "DESC",
        }
    }
}

/// One key to order by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderBy {
    pub entity: Entity,
    pub key: String,
    pub direction: Direction,
}

/// Parses the clauses under the grammar.
///
/// # Errors
/// `invalid` for a clause that cannot be read, an unknown key or a key named twice.
pub fn parse_order_by(clauses: &[String], grammar: &Grammar) -> Result<Vec<OrderBy>> {
    let mut keys: Vec<OrderBy> = Vec::new();
    for clause in clauses {
        let order = one(clause, grammar)?;
        if keys.iter().any(|key| key.entity == order.entity && key.key == order.key) {
            return Err(Error::invalid(format!("`order_by` contains duplicate fields: {clauses:?}")));
        }
        keys.push(order);
    }
    Ok(keys)
}

fn one(clause: &str, grammar: &Grammar) -> Result<OrderBy> {
    let unreadable = |at: usize| {
        Error::invalid(format!("Invalid order_by clause '{clause}'. Could not be parsed, at character {at}."))
    };
    let end = clause.chars().count() + 1;
    let mut parts = tokens(clause).map_err(|error| placed(error, clause, 1))?.into_iter();
    let (name, at) = match parts.next() {
        Some((Token::Name(name), at)) => (name, at),
        Some((_, at)) => return Err(unreadable(at)),
        None => return Err(unreadable(end)),
    };
    let direction = match parts.next() {
        None => Direction::Ascending,
        Some((Token::Name(word), _)) if word.is("ASC") => Direction::Ascending,
        Some((Token::Name(word), _)) if word.is("DESC") => Direction::Descending,
        Some((_, at)) => {
            let text = format!("Invalid ordering key in order_by clause '{clause}', at character {at}.");
            return Err(Error::invalid(text));
        }
    };
    if let Some((_, at)) = parts.next() {
        return Err(unreadable(at));
    }
    let named = identify(&name, grammar, grammar.order_attributes);
    let (entity, key) = named.map_err(|error| placed(error, clause, at))?;
    // Only runs are sorted by what was logged; nothing is by its datasets.
    let sorted_by =
        entity == Entity::Attribute || (entity != Entity::Dataset && grammar.entities.contains(&Entity::Metric));
    if !sorted_by {
        let error = Error::invalid(format!("Invalid order_by entity: {}", entity.word()));
        return Err(placed(error, clause, at));
    }
    Ok(OrderBy { entity, key, direction })
}

/// Says which clause it is, and where in it.
fn placed(error: Error, clause: &str, at: usize) -> Error {
    let place = if error.message.contains("character ") { String::new() } else { format!(", at character {at}") };
    let of = if error.message.contains("order_by clause") {
        String::new()
    } else {
        format!(" of the order_by clause '{clause}'")
    };
    Error { message: format!("{}{place}{of}", error.message.trim_end_matches('.')), ..error }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::RUNS;
    use super::*;

    #[test]
    fn clauses_are_read_with_their_direction() {
        let clauses = ["metrics.`a b` DESC".to_owned(), "start_time".to_owned(), "params.x asc".to_owned()];
        let keys = parse_order_by(&clauses, &RUNS).unwrap();
        assert_eq!(keys[0], OrderBy { entity: Entity::Metric, key: "a b".into(), direction: Direction::Descending });
        assert_eq!(keys[1].direction, Direction::Ascending);
    }

    #[test]
    fn only_runs_are_sorted_by_what_was_logged() {
        for (clause, grammar) in [("tags.n", &super::super::EXPERIMENTS), ("dataset.name", &RUNS)] {
            let error = parse_order_by(&[clause.to_owned()], grammar).unwrap_err().message;
            assert!(error.starts_with("Invalid order_by entity: "), "{error}");
        }
    }

    #[test]
    fn unknown_and_doubled_keys_are_refused() {
        for bad in [
            vec!["nope"],
            vec!["metrics.a UP"],
            vec!["metrics.a DESC x"],
            vec!["start_time", "start_time DESC"],
            vec![""],
        ] {
            let clauses: Vec<String> = bad.iter().map(|text| (*text).to_owned()).collect();
            assert!(parse_order_by(&clauses, &RUNS).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_error_names_its_clause_and_the_character() {
        for (clause, at) in
            [("metrics.a UP", 11), ("metrics.a DESC x", 16), ("  nope DESC", 3), ("params.`a", 8), ("", 1)]
        {
            let error = parse_order_by(&["start_time".into(), clause.into()], &RUNS).unwrap_err().message;
            assert!(
                error.contains(&format!("character {at}")) && error.contains(&format!("order_by clause '{clause}'")),
                "{error}"
            );
        }
    }
}
