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
    let unreadable = || Error::invalid(format!("Invalid order_by clause '{clause}'. Could not be parsed."));
    let mut parts = tokens(clause).map_err(|_| unreadable())?.into_iter().map(|(token, _)| token);
    let Some(Token::Name(name)) = parts.next() else { return Err(unreadable()) };
    let direction = match parts.next() {
        None => Direction::Ascending,
        Some(Token::Name(word)) if word.is("ASC") => Direction::Ascending,
        Some(Token::Name(word)) if word.is("DESC") => Direction::Descending,
        Some(_) => return Err(Error::invalid(format!("Invalid ordering key in order_by clause '{clause}'."))),
    };
    if parts.next().is_some() {
        return Err(unreadable());
    }
    let (entity, key) = identify(&name, grammar, grammar.order_attributes)?;
    // Only runs are sorted by what was logged; nothing is by its datasets.
    let sorted_by =
        entity == Entity::Attribute || (entity != Entity::Dataset && grammar.entities.contains(&Entity::Metric));
    if !sorted_by {
        return Err(Error::invalid(format!("Invalid order_by entity: {}", entity.word())));
    }
    Ok(OrderBy { entity, key, direction })
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
}
