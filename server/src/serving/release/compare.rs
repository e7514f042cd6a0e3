//! Whether a shadow's answer says the same as the live one (pure).
//!
//! JSON is compared by value: the order of fields and the spelling of numbers do not count. Anything else is compared byte by byte.

use std::collections::BTreeSet;

use drydock_wire::serving::{DifferentPlace, Shadow};
use serde_json::Value;

/// So many places are told of one pair of answers.
const MOST_PLACES: usize = 5;
/// So much of a value is told.
const QUOTED_CHARS: usize = 80;

/// What two answers have in common.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    Equal,
    /// Numbers differ by at most so much, within the tolerance.
    Near(f64),
    /// They differ there; the second is the largest difference of two numbers, if one is too large.
    Different(Vec<DifferentPlace>, Option<f64>),
}

/// An answer that came.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    pub status: u16,
    pub body: &'a [u8],
}

/// Compares what both said. Values below a field of `mask` are not told.
pub fn compare(live: Said<'_>, candidate: Said<'_>, plan: &Shadow, mask: &[String]) -> Verdict {
    if live.status != candidate.status {
        let place = place("", format!("status {}", live.status), format!("status {}", candidate.status));
        return Verdict::Different(vec![place], None);
    }
    // the words of a refusal may name anything
    if live.status >= 400 || live.body == candidate.body {
        return Verdict::Equal;
    }
    let read = |said: Said<'_>| serde_json::from_slice::<Value>(said.body).ok();
    let (Some(left), Some(right)) = (read(live), read(candidate)) else {
        let sizes = |said: Said<'_>| format!("{} bytes", said.body.len());
        return Verdict::Different(vec![place("", sizes(live), sizes(candidate))], None);
    };
    let mut walk = Walk { plan, mask, places: vec![], is_different: false, near: None, largest: None };
    walk.values(&mut Vec::new(), &left, &right);
    match (walk.is_different, walk.near) {
        (true, _) => Verdict::Different(walk.places, walk.largest),
        (false, Some(near)) => Verdict::Near(near),
        (false, None) => Verdict::Equal,
    }
}

struct Walk<'a> {
    plan: &'a Shadow,
    mask: &'a [String],
    places: Vec<DifferentPlace>,
    is_different: bool,
    near: Option<f64>,
    largest: Option<f64>,
}

impl Walk<'_> {
    fn values(&mut self, path: &mut Vec<String>, left: &Value, right: &Value) {
        match (left, right) {
            (Value::Object(left), Value::Object(right)) => {
                let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
                for name in names.into_iter().filter(|name| !self.plan.ignore.contains(name)) {
                    path.push(name.clone());
                    match (left.get(name), right.get(name)) {
                        (Some(left), Some(right)) => self.values(path, left, right),
                        (left, right) => self.differs(path, told(left), told(right)),
                    }
                    path.pop();
                }
            }
            (Value::Array(left), Value::Array(right)) => {
                if left.len() != right.len() {
                    self.differs(path, format!("{} values", left.len()), format!("{} values", right.len()));
                    return;
                }
                for (index, (left, right)) in left.iter().zip(right).enumerate() {
                    path.push(index.to_string());
                    self.values(path, left, right);
                    path.pop();
                }
            }
            (Value::Number(one), Value::Number(other)) => match (one.as_f64(), other.as_f64()) {
                (Some(one), Some(other)) => self.numbers(path, one, other),
                _ => self.same(path, left, right),
            },
            _ => self.same(path, left, right),
        }
    }

    fn numbers(&mut self, path: &[String], one: f64, other: f64) {
        let difference = (one - other).abs();
        if difference == 0.0 {
            return;
        }
        let allowed = self.plan.absolute_tolerance.max(self.plan.relative_tolerance * one.abs().max(other.abs()));
        if difference <= allowed {
            self.near = Some(self.near.map_or(difference, |near| near.max(difference)));
            return;
        }
        self.largest = Some(self.largest.map_or(difference, |largest| largest.max(difference)));
        self.differs(path, one.to_string(), other.to_string());
    }

    fn same(&mut self, path: &[String], left: &Value, right: &Value) {
        if left != right {
            self.differs(path, told(Some(left)), told(Some(right)));
        }
    }

    fn differs(&mut self, path: &[String], live: String, candidate: String) {
        self.is_different = true;
        if self.places.len() >= MOST_PLACES {
            return;
        }
        let pointer: String =
            path.iter().map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1"))).collect();
        let is_masked = path.iter().any(|step| self.mask.contains(step));
        let shown = |text: String| if is_masked { "masked".to_owned() } else { text };
        self.places.push(place(&pointer, shown(live), shown(candidate)));
    }
}

fn place(at: &str, live: String, candidate: String) -> DifferentPlace {
    DifferentPlace { at: at.to_owned(), live, candidate }
}

fn told(value: Option<&Value>) -> String {
    let Some(value) = value else { return "absent".to_owned() };
    let text = value.to_string();
    if text.chars().count() <= QUOTED_CHARS {
        return text;
    }
    text.chars().take(QUOTED_CHARS).chain("…".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(body: &str) -> Said<'_> {
        Said { status: 200, body: body.as_bytes() }
    }

    fn verdict(live: &str, candidate: &str) -> Verdict {
        let plan = Shadow { relative_tolerance: 1e-3, ..Shadow::default() };
        compare(said(live), said(candidate), &plan, &["ssn".to_owned()])
    }

    fn places(live: &str, candidate: &str) -> Vec<(String, String, String)> {
        let Verdict::Different(places, _) = verdict(live, candidate) else { return vec![] };
        places.into_iter().map(|it| (it.at, it.live, it.candidate)).collect()
    }

    #[test]
    fn the_same_values_are_equal_however_they_are_written() {
        assert_eq!(verdict(r#"{"a": 1, "b": [1.0, "x"]}"#, r#"{"b":[1,"x"],"a":1.0}"#), Verdict::Equal);
        assert_eq!(verdict(r#"{"id": "1", "p": [2]}"#, r#"{"id": "2", "p": [2]}"#), Verdict::Equal, "ignored");
        assert_eq!(verdict("binary", "binary"), Verdict::Equal);
        let refused = |body| Said { status: 400, body };
        assert_eq!(compare(refused(b"a"), refused(b"b"), &Shadow::default(), &[]), Verdict::Equal);
    }

    #[test]
    fn numbers_within_the_tolerance_are_near() {
        assert_eq!(verdict(r#"{"p": [1000.0, 1.0]}"#, r#"{"p": [1000.5, 1.0]}"#), Verdict::Near(0.5));
        assert_eq!(verdict(r#"{"p": [0.0]}"#, r#"{"p": [1e-10]}"#), Verdict::Near(1e-10));
        let Verdict::Different(places, largest) = verdict("[1, 2]", "[1, 3]") else { panic!("they differ") };
        assert_eq!((places.len(), largest), (1, Some(1.0)));
    }

    #[test]
    fn differences_say_where() {
        let one = |at: &str, live: &str, candidate: &str| vec![(at.to_owned(), live.to_owned(), candidate.to_owned())];
        assert_eq!(places(r#"{"p": ["a"]}"#, r#"{"p": ["b"]}"#), one("/p/0", "\"a\"", "\"b\""));
        assert_eq!(places(r#"{"p": [1]}"#, r#"{"p": [1, 2]}"#), one("/p", "1 values", "2 values"));
        assert_eq!(places(r#"{"a/b": 1}"#, "{}"), one("/a~1b", "1", "absent"));
        assert_eq!(places(r#"{"ssn": "1"}"#, r#"{"ssn": "2"}"#), one("/ssn", "masked", "masked"));
        assert_eq!(places("text", "words"), one("", "4 bytes", "5 bytes"));
        let many = format!("[{}]", ["1"; 50].join(","));
        assert_eq!(places(&many, &many.replace('1', "2")).len(), MOST_PLACES);
    }

    #[test]
    fn another_status_is_another_answer() {
        let plan = Shadow::default();
        let other = compare(said("{}"), Said { status: 400, body: b"{}" }, &plan, &[]);
        let Verdict::Different(places, _) = other else { panic!("they differ") };
        assert_eq!((places[0].live.as_str(), places[0].candidate.as_str()), ("status 200", "status 400"));
    }
}
