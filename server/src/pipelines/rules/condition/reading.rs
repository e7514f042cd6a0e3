//! From the text of a condition to its tree.

use serde_json::Value;

use super::{super::references, Condition, Operator, Term};

/// Deeper than anybody writes, and no danger to the stack.
const DEEPEST: usize = 50;

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Term(Term),
    Operator(Operator),
    And,
    Or,
    Not,
    Open,
    Close,
}

/// Reads a condition.
pub fn parse(text: &str, item: Option<&str>) -> Result<Condition, String> {
    let tokens = tokens(text, item)?;
    if tokens.is_empty() {
        return Err("The condition is empty.".into());
    }
    let mut reader = Reader { tokens: &tokens, at: 0, depth: 0 };
    let condition = reader.or()?;
    match reader.peek() {
        None => Ok(condition),
        Some(token) => Err(format!("Here the condition should end or go on with `and` or `or`: {}.", said(token))),
    }
}

fn said(token: &Token) -> String {
    match token {
        Token::Term(Term::Literal(value)) => value.to_string(),
        Token::Term(Term::Reference(reference)) => format!("${{{reference}}}"),
        Token::Operator(operator) => operator.as_str().into(),
        Token::And => "and".into(),
        Token::Or => "or".into(),
        Token::Not => "not".into(),
        Token::Open => "(".into(),
        Token::Close => ")".into(),
    }
}

fn tokens(text: &str, item: Option<&str>) -> Result<Vec<Token>, String> {
    let (mut found, mut rest) = (vec![], text.trim_start());
    while let Some(first) = rest.chars().next() {
        let (token, after) = match first {
            '$' => reference(rest, item)?,
            '\'' | '"' => quoted(rest, first)?,
            '(' => (Token::Open, &rest[1..]),
            ')' => (Token::Close, &rest[1..]),
            '=' | '!' | '<' | '>' => operator(rest)?,
            _ => word(rest)?,
        };
        found.push(token);
        rest = after.trim_start();
    }
    Ok(found)
}

fn reference<'a>(rest: &'a str, item: Option<&str>) -> Result<(Token, &'a str), String> {
    let inner = rest.strip_prefix("${").ok_or("A $ begins a reference: ${params.name}.")?;
    let end = inner.find('}').ok_or("A ${ has no }.")?;
    Ok((Token::Term(Term::Reference(references::parse(&inner[..end], item)?)), &inner[end + 1..]))
}

fn quoted(rest: &str, quote: char) -> Result<(Token, &str), String> {
    let inner = &rest[1..];
    let end = inner.find(quote).ok_or_else(|| format!("A text has no closing {quote}."))?;
    Ok((Token::Term(Term::Literal(Value::String(inner[..end].to_owned()))), &inner[end + 1..]))
}

fn operator(rest: &str) -> Result<(Token, &str), String> {
    let known = [
        ("==", Operator::Equal),
        ("!=", Operator::Unequal),
        ("<=", Operator::AtMost),
        (">=", Operator::AtLeast),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ];
    let found =
        known.into_iter().find_map(|(sign, operator)| Some((Token::Operator(operator), rest.strip_prefix(sign)?)));
    found.ok_or_else(|| "Compare with ==, !=, <, <=, > or >=.".into())
}

fn word(rest: &str) -> Result<(Token, &str), String> {
    let end = rest.find(|c: char| !(c.is_alphanumeric() || "._-+".contains(c))).unwrap_or(rest.len());
    let (word, after) = rest.split_at(end);
    let literal = |value| Token::Term(Term::Literal(value));
    let token = match word {
        "and" => Token::And,
        "or" => Token::Or,
        "not" => Token::Not,
        "true" => literal(Value::Bool(true)),
        "false" => literal(Value::Bool(false)),
        "null" => literal(Value::Null),
        "" => return Err(format!("This does not belong into a condition: {}", rest.chars().next().unwrap_or(' '))),
        _ => {
            let number = word.parse::<f64>().ok().filter(|number| number.is_finite());
            let number = number.and_then(serde_json::Number::from_f64);
            let unknown = || format!("{word} is no number; put a text into quotes: '{word}'.");
            literal(Value::Number(number.ok_or_else(unknown)?))
        }
    };
    Ok((token, after))
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    fn take(&mut self) -> Option<&'a Token> {
        let token = self.tokens.get(self.at);
        self.at += 1;
        token
    }

    fn or(&mut self) -> Result<Condition, String> {
        let mut all = vec![self.and()?];
        while self.peek() == Some(&Token::Or) {
            self.at += 1;
            all.push(self.and()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Condition::Or(all) })
    }

    fn and(&mut self) -> Result<Condition, String> {
        let mut all = vec![self.not()?];
        while self.peek() == Some(&Token::And) {
            self.at += 1;
            all.push(self.not()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Condition::And(all) })
    }

    fn not(&mut self) -> Result<Condition, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("The condition is nested too deep.".into());
        }
        let found = match self.peek() {
            Some(Token::Not) => {
                self.at += 1;
                Condition::Not(Box::new(self.not()?))
            }
            Some(Token::Open) => {
                self.at += 1;
                let inner = self.or()?;
                match self.take() {
                    Some(Token::Close) => inner,
                    _ => return Err("A ( has no ).".into()),
                }
            }
            _ => self.comparison()?,
        };
        self.depth -= 1;
        Ok(found)
    }

    fn comparison(&mut self) -> Result<Condition, String> {
        let left = self.term()?;
        let Some(Token::Operator(operator)) = self.peek() else { return Ok(Condition::Truth(left)) };
        self.at += 1;
        Ok(Condition::Compare(left, *operator, self.term()?))
    }

    fn term(&mut self) -> Result<Term, String> {
        match self.take() {
            Some(Token::Term(term)) => Ok(term.clone()),
            Some(other) => Err(format!("Before {} a value is missing.", said(other))),
            None => Err("At the end a value is missing.".into()),
        }
    }
}
