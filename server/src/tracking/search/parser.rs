//! Conditions from tokens: `comparison (AND comparison)*`. Whether they suit what is searched is `check`'s to say.

use super::{
    Condition, Entity, Grammar, Op, Operand,
    check::{check, identify},
    lexer::{Spanned, Token, tokens},
};
use crate::error::{Error, Result};

/// Parses a filter under the grammar; an empty filter has no conditions.
///
/// # Errors
/// `invalid`, with MLflow's text where it has one, and the character it is about.
pub fn parse(filter: &str, grammar: &Grammar) -> Result<Vec<Condition>> {
    parse_with(filter, grammar, |_, key| key.to_owned())
}

/// As `parse`, but `rename` may give a key its canonical name first.
pub fn parse_with(filter: &str, grammar: &Grammar, rename: impl Fn(Entity, &str) -> String) -> Result<Vec<Condition>> {
    let mut reader = Reader { tokens: tokens(filter)?, next: 0, filter };
    let mut conditions = Vec::new();
    loop {
        // MLflow reads over an AND that joins nothing: programs that put filters together leave one at the end.
        while matches!(reader.peek(), Some(Token::Name(word)) if word.is("AND")) {
            reader.next += 1;
        }
        let Some((_, at)) = reader.tokens.get(reader.next) else { break };
        if !conditions.is_empty() && !reader.follows("AND") {
            return Err(reader.invalid_from(*at));
        }
        let mut condition = condition(&mut reader, grammar)?;
        condition.key = rename(condition.entity, &condition.key);
        conditions.push(condition);
    }
    Ok(conditions)
}

struct Reader<'a> {
    tokens: Vec<Spanned>,
    next: usize,
    filter: &'a str,
}

impl Reader<'_> {
    fn take(&mut self) -> Option<Spanned> {
        let token = self.tokens.get(self.next).cloned();
        self.next += 1;
        token
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(token, _)| token)
    }

    /// Whether the token before the next one is this keyword.
    fn follows(&self, word: &str) -> bool {
        matches!(self.tokens.get(self.next.wrapping_sub(1)), Some((Token::Name(name), _)) if name.is(word))
    }

    fn keyword(&mut self, word: &str) -> Result<()> {
        match self.take() {
            Some((Token::Name(name), _)) if name.is(word) => Ok(()),
            Some((_, at)) => Err(self.invalid_from(at)),
            None => Err(self.invalid_from(self.filter.chars().count() + 1)),
        }
    }

    /// MLflow's text about a clause it cannot read, with the place.
    fn invalid_from(&self, at: usize) -> Error {
        let rest: String = self.filter.chars().skip(at.saturating_sub(1)).take(60).collect();
        Error::invalid(format!("Invalid clause(s) in filter string: '{}' at character {at}", rest.trim_end()))
    }
}

fn condition(reader: &mut Reader<'_>, grammar: &Grammar) -> Result<Condition> {
    let start = reader.next;
    let Some((Token::Name(name), at)) = reader.take() else {
        let at = reader.tokens.get(start).map_or(1, |(_, at)| *at);
        return Err(reader.invalid_from(at));
    };
    let op = operator(reader, at)?;
    let named = identify(&name, grammar, &grammar.all_attributes());
    let (entity, key) = named.map_err(|error| placed(error, at))?;
    let value =
        if op.is_null_test() { Operand::Nothing } else { operand(reader, at).map_err(|error| placed(error, at))? };
    let condition = Condition { entity, key, op, value, at };
    check(condition, grammar).map_err(|error| placed(error, at))
}

/// Says where the condition is, unless the message names a place already.
fn placed(error: Error, at: usize) -> Error {
    if error.message.contains("character ") {
        return error;
    }
    let message = format!("{}, at character {at}", error.message.trim_end_matches('.'));
    Error { message, ..error }
}

fn operator(reader: &mut Reader<'_>, start: usize) -> Result<Op> {
    let op = match reader.take() {
        Some((Token::Sign(sign), _)) => match sign {
            "=" => Op::Eq,
            "!=" => Op::Ne,
            "<" => Op::Lt,
            "<=" => Op::Le,
            ">" => Op::Gt,
            _ => Op::Ge,
        },
        Some((Token::Name(word), _)) if word.is("LIKE") => Op::Like,
        Some((Token::Name(word), _)) if word.is("ILIKE") => Op::Ilike,
        Some((Token::Name(word), _)) if word.is("RLIKE") => Op::Rlike,
        Some((Token::Name(word), _)) if word.is("IN") => Op::In,
        Some((Token::Name(word), _)) if word.is("NOT") => {
            reader.keyword("IN")?;
            Op::NotIn
        }
        Some((Token::Name(word), _)) if word.is("IS") => {
            let negated = matches!(reader.peek(), Some(Token::Name(word)) if word.is("NOT"));
            if negated {
                reader.next += 1;
            }
            reader.keyword("NULL")?;
            if negated { Op::IsNotNull } else { Op::IsNull }
        }
        _ => return Err(reader.invalid_from(start)),
    };
    Ok(op)
}

fn operand(reader: &mut Reader<'_>, start: usize) -> Result<Operand> {
    match reader.take() {
        Some((Token::Text(text), _)) => Ok(Operand::Text(text)),
        // MLflow takes a value in back quotes as a text.
        Some((Token::Name(name), _)) if name.quoted && name.prefix.is_none() => Ok(Operand::Text(name.key)),
        Some((Token::Number(text), _)) => match text.parse::<i64>() {
            Ok(value) => Ok(Operand::Integer(value)),
            Err(_) => text.parse().map(Operand::Float).map_err(|_| reader.invalid_from(start)),
        },
        Some((Token::Open, at)) => list(reader, at),
        Some((Token::Name(name), at)) => Err(Error::invalid(format!(
            "Parameter value is either not quoted or unidentified quote types used for string value {} at character \
             {at}. Use either single or double quotes.",
            name.key
        ))),
        _ => Err(reader.invalid_from(start)),
    }
}

fn list(reader: &mut Reader<'_>, open: usize) -> Result<Operand> {
    let ill_formed = || {
        Error::invalid(format!(
            "While parsing a list in the query, expected a non-empty list of string values, but got ill-formed list at \
             character {open}."
        ))
    };
    let mut items = Vec::new();
    loop {
        match reader.take() {
            Some((Token::Text(text), _)) => items.push(text),
            Some((Token::Close, _)) if !items.is_empty() => return Ok(Operand::List(items)),
            Some((Token::Close, _)) => {
                return Err(Error::invalid(
                    "While parsing a list in the query, expected a non-empty list of string values, but got empty list",
                ));
            }
            _ => return Err(ill_formed()),
        }
        match reader.take() {
            Some((Token::Comma, _)) => {}
            Some((Token::Close, _)) => return Ok(Operand::List(items)),
            _ => return Err(ill_formed()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{EXPERIMENTS, RUNS};
    use super::*;

    fn run(filter: &str) -> Vec<Condition> {
        parse(filter, &RUNS).unwrap_or_else(|error| panic!("{filter}: {error}"))
    }

    fn error(filter: &str) -> String {
        parse(filter, &RUNS).unwrap_err().message
    }

    #[test]
    fn names_values_and_operators_are_read_in_every_spelling() {
        let all = run(
            "metrics.acc>0.5 and params.\"lr rate\" = '0.1' AND tags.`mlflow.user` LIKE \"a%\" AND run_id in ('a','b')",
        );
        assert_eq!(all.len(), 4);
        assert_eq!((all[0].entity, all[0].op, &all[0].value), (Entity::Metric, Op::Gt, &Operand::Float(0.5)));
        assert_eq!((all[1].key.as_str(), &all[1].value), ("lr rate", &Operand::Text("0.1".into())));
        assert_eq!((all[2].key.as_str(), all[2].op), ("mlflow.user", Op::Like));
        assert_eq!(all[3].value, Operand::List(vec!["a".into(), "b".into()]));
        assert_eq!(all[1].at, 21);
    }

    #[test]
    fn an_and_that_joins_nothing_is_read_over() {
        for text in ["metrics.a > 1 AND", "AND metrics.a > 1", "AND metrics.a > 1 and AND "] {
            assert_eq!(run(text).len(), 1, "{text}");
        }
        assert!(run("AND").is_empty());
    }

    #[test]
    fn bare_dotted_keys_keep_their_dots() {
        let all = run("tags.mlflow.source.name = 'x' AND tag.a IS NULL AND params.b is not null");
        assert_eq!(all[0].key, "mlflow.source.name");
        assert_eq!((all[1].op, all[2].op), (Op::IsNull, Op::IsNotNull));
    }

    #[test]
    fn numbers_may_be_negative_and_scientific() {
        assert_eq!(run("metrics.x < -1")[0].value, Operand::Integer(-1));
        assert_eq!(run("metrics.x<1e-3")[0].value, Operand::Float(1e-3));
        assert_eq!(run("metric.x >= .5")[0].value, Operand::Float(0.5));
    }

    #[test]
    fn quotes_inside_quotes_are_doubled_or_of_the_other_kind() {
        assert_eq!(run("params.a = 'it''s'")[0].value, Operand::Text("it's".into()));
        assert_eq!(run("params.a = \"it's\"")[0].value, Operand::Text("it's".into()));
    }

    #[test]
    fn empty_filters_have_no_conditions() {
        assert!(run("").is_empty() && run("   ").is_empty());
    }

    #[test]
    fn errors_say_what_and_where() {
        assert_eq!(error("foo bar"), "Invalid clause(s) in filter string: 'foo bar' at character 1");
        assert!(error("metrics.a > 1 OR metrics.b > 2").contains("'OR metrics.b > 2' at character 15"));
        assert_eq!(error("metric.m > 'x'"), "Expected numeric value type for metric. Found 'x', at character 1");
        assert_eq!(
            error("params.p = 1"),
            "Expected a quoted string value for parameter (e.g. 'my-value'). Got value 1, at character 1"
        );
        assert!(error("params.p = abc").starts_with("Parameter value is either not quoted"));
        assert!(error("nope = 'x'").starts_with("Invalid attribute key 'nope' specified."));
        assert!(error("metrics.a > 1 and nope = 'x'").ends_with("at character 19"));
        assert!(error("metrics.a > 1 and run_id IN ()").ends_with("at character 19"));
        assert!(error("foo.x = 'x'").starts_with("Invalid entity type 'foo'."));
        assert!(error("metrics.a LIKE 'x'").contains("Invalid comparator 'LIKE'"));
        assert!(error("params.a > 'x'").contains("at character 1"));
        assert!(error("params.a = 'x").contains("character 12 is never closed"));
        assert!(error("start_time IS NULL").starts_with("IS NULL / IS NOT NULL is only supported"));
        assert!(error("status IN ('a')").contains("support comparison with a list"));
        assert!(error("run_id IN ()").contains("empty list"));
        assert!(error("metrics.a > 1 metrics.b > 1").contains("'metrics.b > 1' at character 15"));
        assert!(error("metrics.a == 1").contains("at character 11"));
    }

    #[test]
    fn each_grammar_knows_its_own_names_only() {
        assert!(parse("metrics.a > 1", &EXPERIMENTS).is_err());
        assert!(parse("name LIKE 'x%' AND tags.a='b'", &EXPERIMENTS).is_ok());
    }

    #[test]
    fn any_text_is_answered_not_panicked_over() {
        let alphabet: Vec<char> = "a.`'\"=<>!(),-+e1 \u{e9}\u{0}%_;AND".chars().collect();
        let mut seed = 7u64;
        for _ in 0..20_000 {
            let text: String = (0..12)
                .map(|_| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    alphabet[(seed >> 33) as usize % alphabet.len()]
                })
                .collect();
            let _ = parse(&text, &RUNS);
        }
    }
}
