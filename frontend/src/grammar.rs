//! The filter language of runs, as far as a box that completes it needs it: what may stand at the caret. Pure, so that the host
//! tests it. The server's parser decides what is right; this only offers.

/// What a comparison is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// `metrics`, `params`, `tags`, `datasets` or nothing for the run's own attributes.
    pub entity: String,
    pub key: String,
}

/// What may stand at the caret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// A key, with what was typed of it.
    Subject,
    Operator(Subject),
    Value(Subject),
    /// `AND`.
    And,
}

/// The caret's place: what may stand there, and the characters (of the text before the caret) that an offer replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub expect: Expect,
    /// Character where the unfinished word starts.
    pub from: usize,
    pub typed: String,
}

/// One thing to offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// What is put in.
    pub text: String,
    /// What is shown.
    pub label: String,
    /// In smaller letters.
    pub note: String,
}

const ATTRIBUTES: [(&str, &str); 6] = [
    ("status", "running, finished, …"),
    ("run_name", "the run's name"),
    ("user_id", "who ran it"),
    ("start_time", "milliseconds"),
    ("end_time", "milliseconds"),
    ("run_id", "the run's id"),
];

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Sign(String),
    Quoted(String),
}

/// Tokens with their first character; the last may be unfinished.
fn tokens(chars: &[char]) -> Vec<(Token, usize, bool)> {
    let mut found = vec![];
    let mut at = 0;
    while at < chars.len() {
        let start = at;
        let c = chars[at];
        if c.is_whitespace() || matches!(c, '(' | ')' | ',') {
            at += 1;
        } else if matches!(c, '=' | '!' | '<' | '>') {
            while at < chars.len() && matches!(chars[at], '=' | '!' | '<' | '>') {
                at += 1;
            }
            found.push((Token::Sign(chars[start..at].iter().collect()), start, true));
        } else if matches!(c, '\'' | '"') {
            at += 1;
            while at < chars.len() && chars[at] != c {
                at += 1;
            }
            let closed = at < chars.len();
            at = (at + 1).min(chars.len());
            found.push((Token::Quoted(chars[start..at].iter().collect()), start, closed));
        } else {
            let mut quote = None;
            while at < chars.len() {
                match (quote, chars[at]) {
                    (None, q @ ('`' | '"')) => quote = Some(q),
                    (Some(q), c) if c == q => quote = None,
                    (None, c) if c.is_whitespace() || matches!(c, '=' | '!' | '<' | '>' | ',' | ')') => break,
                    _ => {}
                }
                at += 1;
            }
            found.push((Token::Word(chars[start..at].iter().collect()), start, true));
        }
    }
    found
}

fn subject(word: &str) -> Subject {
    let (entity, key) = match word.split_once('.') {
        Some((entity, key)) if !word.starts_with('`') => (entity, key),
        _ => ("", word),
    };
    let entity = match entity {
        "metric" => "metrics",
        "param" | "parameter" | "parameters" => "params",
        "tag" => "tags",
        "attribute" | "attributes" | "attr" | "run" => "",
        other => other,
    };
    Subject { entity: entity.to_owned(), key: key.trim_matches(['`', '"']).to_owned() }
}

/// What may stand at the end of `before`, the text before the caret.
pub fn place(before: &str) -> Place {
    let chars: Vec<char> = before.chars().collect();
    let found = tokens(&chars);
    // the word that touches the caret is still being typed
    let touches = chars.last().is_some_and(|c| !c.is_whitespace() && !matches!(c, '(' | ')' | ','));
    let open = found.last().is_some_and(|(token, _, closed)| match token {
        Token::Quoted(_) => !closed,
        Token::Word(_) => touches,
        Token::Sign(_) => false,
    });
    let (done, last) = if open { found.split_at(found.len() - 1) } else { (&found[..], &[][..]) };
    let (from, typed) = match last.first() {
        Some((Token::Word(text) | Token::Quoted(text) | Token::Sign(text), start, _)) => (*start, text.clone()),
        None => (chars.len(), String::new()),
    };
    Place { expect: expected(done), from, typed }
}

fn expected(done: &[(Token, usize, bool)]) -> Expect {
    let mut state = Expect::Subject;
    for (token, _, _) in done {
        state = match (state, token) {
            (Expect::Subject, Token::Word(word)) => Expect::Operator(subject(word)),
            (Expect::Operator(subject), Token::Word(word)) => match word.to_ascii_uppercase().as_str() {
                "IS" | "NOT" => Expect::Operator(subject),
                "NULL" => Expect::And,
                _ => Expect::Value(subject),
            },
            (Expect::Operator(subject), _) => Expect::Value(subject),
            (Expect::Value(_), _) => Expect::And,
            (Expect::And, Token::Word(word)) if word.eq_ignore_ascii_case("and") => Expect::Subject,
            (other, _) => other,
        };
    }
    state
}

/// Whether a pause in typing may ask the server: a filter has come to its end, or these are plain words.
pub fn is_whole(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    let found = tokens(&chars);
    let structured = found.iter().any(|(token, _, _)| match token {
        Token::Word(word) => !subject(word).entity.is_empty(),
        _ => true,
    });
    !structured || (expected(&found) == Expect::And && found.iter().all(|(_, _, closed)| *closed))
}

/// A key as it has to be written: in backticks where it holds more than a word may.
pub fn written(entity: &str, key: &str) -> String {
    let plain = key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '/' | ':'));
    let key = if plain { key.to_owned() } else { format!("`{key}`") };
    if entity.is_empty() { key } else { format!("{entity}.{key}") }
}

/// A value in quotes.
pub fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

fn offer(text: impl Into<String>, label: impl Into<String>, note: impl Into<String>) -> Offer {
    Offer { text: text.into(), label: label.into(), note: note.into() }
}

/// Keys there are: entity, key, how many runs have it.
pub type Known = (&'static str, String, u64);

/// Attributes and keys that contain what was typed; those that start with it first.
pub fn subjects(typed: &str, known: &[Known]) -> Vec<Offer> {
    let wanted = typed.to_lowercase().replace(['`', '"'], "");
    let own = ATTRIBUTES.iter().map(|(key, note)| offer(format!("{key} "), *key, *note));
    let keys = known.iter().map(|(entity, key, runs)| {
        let text = written(entity, key);
        offer(format!("{text} "), text, format!("{} · {runs} runs", entity.trim_end_matches('s')))
    });
    let mut fits: Vec<(bool, Offer)> = own
        .chain(keys)
        .filter_map(|offer| {
            let label = offer.label.to_lowercase().replace('`', "");
            let tail = label.split_once('.').map_or(label.as_str(), |(_, key)| key);
            let starts = label.starts_with(&wanted) || tail.starts_with(&wanted);
            label.contains(&wanted).then_some((!starts, offer))
        })
        .collect();
    fits.sort_by_key(|(later, _)| *later);
    fits.into_iter().map(|(_, offer)| offer).collect()
}

/// Operators that the server takes for the subject.
pub fn operators(subject: &Subject, typed: &str) -> Vec<Offer> {
    const NUMBERS: &[(&str, &str)] = &[
        (">", "greater than"),
        (">=", "at least"),
        ("<", "less than"),
        ("<=", "at most"),
        ("=", "equal to"),
        ("!=", "other than"),
    ];
    const TEXTS: &[(&str, &str)] = &[
        ("=", "equal to"),
        ("!=", "other than"),
        ("LIKE", "like a pattern with %"),
        ("ILIKE", "like a pattern, any case"),
    ];
    let numeric = subject.entity == "metrics" || matches!(subject.key.as_str(), "start_time" | "end_time");
    let list = if numeric { NUMBERS } else { TEXTS };
    let absent = matches!(subject.entity.as_str(), "params" | "tags");
    let nulls: &[(&str, &str)] = if absent { &[("IS NULL", "not logged"), ("IS NOT NULL", "logged")] } else { &[] };
    let within: &[(&str, &str)] =
        if subject.entity.is_empty() && subject.key == "run_id" { &[("IN", "one of several")] } else { &[] };
    let typed = typed.to_uppercase();
    let all = list.iter().chain(nulls).chain(within).filter(|(text, _)| text.starts_with(&typed));
    all.map(|(text, note)| offer(format!("{text} "), *text, *note)).collect()
}

/// Values to offer where the server need not be asked.
pub fn fixed_values(subject: &Subject) -> Option<Vec<&'static str>> {
    (subject.entity.is_empty() && subject.key == "status")
        .then(|| vec!["FINISHED", "RUNNING", "FAILED", "KILLED", "SCHEDULED"])
}

/// As the server's `run-values?of=` names it; nothing where values are figures.
pub fn value_source(subject: &Subject) -> Option<String> {
    match (subject.entity.as_str(), subject.key.as_str()) {
        ("params" | "tags", key) => Some(format!("{}.{key}", subject.entity)),
        ("", key @ ("run_name" | "user_id")) => Some(key.to_owned()),
        _ => None,
    }
}

/// The character (from 1) that the server's text points at.
pub fn pointed_at(message: &str) -> Option<usize> {
    let (_, rest) = message.rsplit_once("character ")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expects(text: &str) -> (Expect, String) {
        let place = place(text);
        (place.expect, place.typed)
    }

    fn acc() -> Subject {
        Subject { entity: "metrics".into(), key: "acc".into() }
    }

    #[test]
    fn values_come_from_where_they_are_known() {
        let of = |entity: &str, key: &str| Subject { entity: entity.into(), key: key.into() };
        assert_eq!(value_source(&of("params", "lr")).as_deref(), Some("params.lr"));
        assert_eq!(value_source(&of("", "user_id")).as_deref(), Some("user_id"));
        assert_eq!(value_source(&acc()), None);
        assert!(fixed_values(&of("", "status")).is_some_and(|values| values.contains(&"RUNNING")));
        assert_eq!(fixed_values(&of("tags", "status")), None);
        assert_eq!(quoted("it's"), "'it''s'");
    }

    #[test]
    fn the_caret_knows_what_may_follow() {
        assert_eq!(expects(""), (Expect::Subject, String::new()));
        assert_eq!(expects("metr"), (Expect::Subject, "metr".into()));
        assert_eq!(expects("metrics.acc "), (Expect::Operator(acc()), String::new()));
        assert_eq!(expects("metrics.`acc` >"), (Expect::Value(acc()), String::new()));
        assert_eq!(expects("metrics.acc > 0.5 "), (Expect::And, String::new()));
        assert_eq!(expects("metrics.acc > 0.5 and "), (Expect::Subject, String::new()));
        let team = Subject { entity: "tags".into(), key: "team".into() };
        assert_eq!(expects("tags.team = 'bl"), (Expect::Value(team.clone()), "'bl".into()));
        assert_eq!(expects("tags.team IS NOT NULL "), (Expect::And, String::new()));
        assert_eq!(expects("tags.team LI"), (Expect::Operator(team), "LI".into()));
        assert_eq!(expects("params.`my key` "), (Expect::Operator(subject("params.`my key`")), String::new()));
    }

    #[test]
    fn offers_replace_the_unfinished_word() {
        let place = place("status = 'RUNNING' AND par");
        assert_eq!((place.from, place.typed.as_str()), (23, "par"));
        let known: [Known; 2] = [("params", "lr".into(), 9), ("metrics", "my par".into(), 3)];
        let texts: Vec<String> = subjects("par", &known).into_iter().map(|o| o.text).collect();
        assert_eq!(texts, ["params.lr ", "metrics.`my par` "]);
        assert_eq!(subjects("lr", &known)[0].text, "params.lr ");
    }

    #[test]
    fn a_pause_asks_only_for_what_is_whole() {
        for whole in ["", "quick fox", "metrics.acc > 0.5", "params.lr = '0.1'", "status = 'RUNNING' and metrics.a < 3"]
        {
            assert!(is_whole(whole), "{whole}");
        }
        for unfinished in ["metrics.ac", "metrics.acc >", "params.lr = '0.", "status = 'RUNNING' and metrics.a"] {
            assert!(!is_whole(unfinished), "{unfinished}");
        }
    }

    #[test]
    fn operators_fit_their_subject() {
        let texts = |word: &str| operators(&subject(word), "").into_iter().map(|o| o.label).collect::<Vec<_>>();
        assert!(texts("metrics.acc").contains(&">=".to_owned()));
        assert!(!texts("params.lr").contains(&">".to_owned()));
        assert!(texts("tags.a").contains(&"IS NULL".to_owned()));
        assert!(texts("run_id").contains(&"IN".to_owned()));
    }

    #[test]
    fn the_servers_error_says_where() {
        assert_eq!(pointed_at("Invalid clause(s) in filter string: '> ' at character 12"), Some(12));
        assert_eq!(pointed_at("Something else"), None);
    }
}
