//! Conditions: `${params.ask} == 'yes' and not ${tasks.check.rows} < 100`.
//!
//! `or` binds weakest, then `and`, `not`, then one comparison (`== != < <= > >=`). Values are references, numbers, texts in
//! quotes, `true`, `false`, `null`. Numbers compare as numbers also where one side is their text; a missing output is `null`.

mod reading;

use serde_json::Value;

use super::references::Reference;
pub use reading::parse;

#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    Or(Vec<Condition>),
    And(Vec<Condition>),
    Not(Box<Condition>),
    Compare(Term, Operator, Term),
    /// True unless it is false, null, zero or an empty text.
    Truth(Term),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Term {
    Literal(Value),
    Reference(Reference),
}

impl Operator {
    fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
        }
    }
}

impl Term {
    fn reference(&self) -> Option<&Reference> {
        match self {
            Self::Reference(reference) => Some(reference),
            Self::Literal(_) => None,
        }
    }
}

impl Condition {
    /// Every reference in it.
    pub fn references(&self) -> Vec<&Reference> {
        match self {
            Self::Or(all) | Self::And(all) => all.iter().flat_map(Self::references).collect(),
            Self::Not(inner) => inner.references(),
            Self::Compare(left, _, right) => left.reference().into_iter().chain(right.reference()).collect(),
            Self::Truth(term) => term.reference().into_iter().collect(),
        }
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// When two values have no order, such as a text and a number.
    pub fn holds(&self, scope: &dyn Fn(&Reference) -> Result<Value, String>) -> Result<bool, String> {
        match self {
            Self::Or(all) => {
                for one in all {
                    if one.holds(scope)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::And(all) => {
                for one in all {
                    if !one.holds(scope)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Not(inner) => Ok(!inner.holds(scope)?),
            Self::Compare(left, operator, right) => compare(&value(left, scope)?, *operator, &value(right, scope)?),
            Self::Truth(term) => Ok(is_true(&value(term, scope)?)),
        }
    }
}

fn value(term: &Term, scope: &dyn Fn(&Reference) -> Result<Value, String>) -> Result<Value, String> {
    match term {
        Term::Literal(value) => Ok(value.clone()),
        Term::Reference(reference) => scope(reference),
    }
}

fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty() && text != "false",
        Value::Array(all) => !all.is_empty(),
        Value::Object(all) => !all.is_empty(),
    }
}

/// As a number, also from its text.
pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn compare(left: &Value, operator: Operator, right: &Value) -> Result<bool, String> {
    let numeric = match (left, right) {
        // Two texts are texts: '1.0' is not '1'.
        (Value::String(_), Value::String(_)) => None,
        _ => number(left).zip(number(right)),
    };
    let equal = numeric.map_or_else(|| left == right, |(left, right)| left == right);
    let order = match (numeric, left, right) {
        (Some((left, right)), ..) => left.partial_cmp(&right),
        (None, Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        _ => None,
    };
    match operator {
        Operator::Equal => return Ok(equal),
        Operator::Unequal => return Ok(!equal),
        _ => {}
    }
    // NaN has no order: nothing is less or greater.
    if numeric.is_some() && order.is_none() {
        return Ok(false);
    }
    let order = order.ok_or_else(|| format!("{left} and {right} cannot be put in an order."))?;
    Ok(match operator {
        Operator::Less => order.is_lt(),
        Operator::AtMost => order.is_le(),
        Operator::Greater => order.is_gt(),
        Operator::AtLeast => order.is_ge(),
        Operator::Equal | Operator::Unequal => equal,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn holds(text: &str) -> Result<bool, String> {
        parse(text, None)?.holds(&|reference| {
            Ok(match reference.to_string().as_str() {
                "params.ask" => json!("yes"),
                "params.n" => json!(5),
                "params.text_n" => json!("5"),
                "params.nan" => json!("NaN"),
                "params.list" => json!([]),
                _ => Value::Null,
            })
        })
    }

    #[test]
    fn conditions_hold_or_do_not() {
        for (text, wanted) in [
            ("${params.ask} == 'yes'", true),
            ("${params.ask} != \"yes\"", false),
            ("${params.n} > 4.5 and ${params.n}<=5", true),
            ("${params.text_n} == 5", true),
            ("${params.text_n} >= 5.5", false),
            ("not ${params.n} < 3 and (false or true)", true),
            ("true or false and false", true),
            ("(true or false) and false", false),
            ("not not true", true),
            ("${tasks.t.x} == null", true),
            ("${tasks.t.x}", false),
            ("${params.list}", false),
            ("${params.nan} < 1", false),
            ("${params.nan} >= 1", false),
            ("'1.0' == '1'", false),
            ("'a' < 'b'", true),
            ("-3 < -2.5e0", true),
            ("true == true", true),
        ] {
            assert_eq!(holds(text), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_no_condition_is_said() {
        for bad in [
            "",
            "and",
            "1 <",
            "< 1",
            "1 = 1",
            "yes",
            "'a",
            "(1",
            "1)",
            "1 2",
            "${x}",
            "$x",
            "${params.n",
            "not",
            "1 == 2 == 3",
            "a.b",
            "1 ; 2",
            "é",
            "inf",
            "nan",
        ] {
            assert!(parse(bad, None).is_err(), "{bad:?}");
        }
        assert!(parse(&"(".repeat(10_000), None).is_err());
        assert!(parse(&"not ".repeat(10_000), None).is_err());
        assert!(holds("${params.ask} < 3").unwrap_err().contains("order"));
    }

    #[test]
    fn any_text_is_read_without_a_panic() {
        // The same bytes as a fuzzer's dictionary, in every order of four.
        let words = ["${params.n}", "==", "and", "not", "(", ")", "'x'", "1", "ä", "$"];
        for n in 0..10_000_usize {
            let text: String = (0..4).map(|k| words[n / 10_usize.pow(k) % 10]).collect::<Vec<_>>().join(" ");
            let _ = parse(&text, None);
        }
    }

    #[test]
    fn its_references_are_known() {
        let condition = parse("${params.a} == ${tasks.t.b} or not ${lr}", Some("lr")).unwrap();
        let said: Vec<String> = condition.references().iter().map(ToString::to_string).collect();
        assert_eq!(said, ["params.a", "tasks.t.b", "item"]);
    }
}
