//! Tokens of the filter language, each with the character it starts at.

use crate::error::{Error, Result};

/// One token.
#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    /// A bare word, dots included; `quoted` parts have lost their quotes. `tags.mlflow.user`, `params."a b"`.
    Name(Name),
    /// A quoted text.
    Text(String),
    /// A number, as written.
    Number(String),
    /// `=`, `!=`, `<`, `<=`, `>`, `>=`.
    Sign(&'static str),
    Open,
    Close,
    Comma,
}

/// An identifier: an optional prefix and a key.
#[derive(Debug, Clone, PartialEq)]
pub struct Name {
    pub prefix: Option<String>,
    pub key: String,
    /// Whether any part stood in quotes; a keyword never does.
    pub quoted: bool,
}

impl Name {
    /// Whether this is the bare keyword.
    pub fn is(&self, keyword: &str) -> bool {
        !self.quoted && self.prefix.is_none() && self.key.eq_ignore_ascii_case(keyword)
    }
}

/// A token and the character (from 1) where it starts.
pub type Spanned = (Token, usize);

/// Splits a filter into tokens.
///
/// # Errors
/// `invalid`, with the place, at a character that starts no token or a quote that never ends.
pub fn tokens(text: &str) -> Result<Vec<Spanned>> {
    let chars: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let start = at;
        let token = match c {
            _ if c.is_whitespace() => {
                at += 1;
                continue;
            }
            '(' => single(&mut at, Token::Open),
            ')' => single(&mut at, Token::Close),
            ',' => single(&mut at, Token::Comma),
            '=' | '!' | '<' | '>' => sign(&chars, &mut at)?,
            '\'' => Token::Text(quoted(&chars, &mut at)?),
            '"' => Token::Text(quoted(&chars, &mut at)?),
            '0'..='9' | '-' | '+' => number(&chars, &mut at)?,
            '.' if chars.get(at + 1).is_some_and(char::is_ascii_digit) => number(&chars, &mut at)?,
            _ if is_word(c) || c == '`' => name(&chars, &mut at)?,
            _ => return Err(unexpected(&chars, at)),
        };
        found.push((token, start + 1));
    }
    Ok(found)
}

fn single(at: &mut usize, token: Token) -> Token {
    *at += 1;
    token
}

fn sign(chars: &[char], at: &mut usize) -> Result<Token> {
    let next = chars.get(*at + 1).copied();
    let (sign, length) = match (chars[*at], next) {
        ('!', Some('=')) => ("!=", 2),
        ('<', Some('=')) => ("<=", 2),
        ('>', Some('=')) => (">=", 2),
        ('<', Some('>')) => ("!=", 2),
        ('=', Some('=')) => return Err(unexpected(chars, *at)),
        ('=', _) => ("=", 1),
        ('<', _) => ("<", 1),
        ('>', _) => (">", 1),
        _ => return Err(unexpected(chars, *at)),
    };
    *at += length;
    Ok(Token::Sign(sign))
}

/// The text between the quote at `at` and its partner; a doubled quote is one quote.
fn quoted(chars: &[char], at: &mut usize) -> Result<String> {
    let start = *at;
    let quote = chars[start];
    let mut text = String::new();
    *at += 1;
    while let Some(&c) = chars.get(*at) {
        *at += 1;
        if c != quote {
            text.push(c);
        } else if chars.get(*at) == Some(&quote) {
            text.push(quote);
            *at += 1;
        } else {
            return Ok(text);
        }
    }
    Err(Error::invalid(format!("Invalid filter: the quote at character {} is never closed.", start + 1)))
}

fn number(chars: &[char], at: &mut usize) -> Result<Token> {
    let start = *at;
    *at += 1;
    while let Some(&c) = chars.get(*at) {
        let exponent_sign = matches!(c, '+' | '-') && matches!(chars[*at - 1], 'e' | 'E');
        if !(c.is_ascii_alphanumeric() || c == '.' || exponent_sign) {
            break;
        }
        *at += 1;
    }
    let text: String = chars[start..*at].iter().collect();
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(Token::Number(text)),
        _ => Err(Error::invalid(format!("Invalid clause(s) in filter string: '{text}' at character {}", start + 1))),
    }
}

fn name(chars: &[char], at: &mut usize) -> Result<Token> {
    let mut any_quoted = false;
    let first = part(chars, at, &mut any_quoted)?;
    if chars.get(*at) != Some(&'.') {
        return Ok(Token::Name(Name { prefix: None, key: first, quoted: any_quoted }));
    }
    *at += 1;
    let mut key = part(chars, at, &mut any_quoted)?;
    while chars.get(*at) == Some(&'.') {
        *at += 1;
        key.push('.');
        key.push_str(&part(chars, at, &mut any_quoted)?);
    }
    Ok(Token::Name(Name { prefix: Some(first), key, quoted: any_quoted }))
}

/// One dot-separated part of a name, in quotes or bare.
fn part(chars: &[char], at: &mut usize, any_quoted: &mut bool) -> Result<String> {
    if matches!(chars.get(*at), Some('`' | '"' | '\'')) {
        *any_quoted = true;
        return quoted(chars, at);
    }
    let start = *at;
    while chars.get(*at).is_some_and(|c| is_word(*c) || matches!(c, '-' | '/' | ':')) {
        *at += 1;
    }
    if *at == start {
        return Err(unexpected(chars, start));
    }
    Ok(chars[start..*at].iter().collect())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn unexpected(chars: &[char], at: usize) -> Error {
    let rest: String = chars[at.min(chars.len())..].iter().take(20).collect();
    Error::invalid(format!("Invalid clause(s) in filter string: '{rest}' at character {}", at + 1))
}
