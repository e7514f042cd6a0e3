//! Whether a run is good enough: its metrics against numbers, or against what the present champion reached.

use serde::{Deserialize, Serialize};

/// `gate:` after substitution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    pub run: String,
    /// Each must hold.
    #[serde(default)]
    pub all: Vec<Bar>,
    /// One must hold.
    #[serde(default)]
    pub any: Vec<Bar>,
    #[serde(default)]
    pub otherwise: Otherwise,
}

/// What becomes of a run that is not good enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Otherwise {
    /// The run of the pipeline fails.
    #[default]
    Fail,
    /// What follows is skipped; the run succeeds.
    Skip,
}

/// One condition on a metric. The bounds that are there must all hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bar {
    pub metric: String,
    #[serde(default, deserialize_with = "number")]
    pub at_least: Option<f64>,
    #[serde(default, deserialize_with = "number")]
    pub at_most: Option<f64>,
    #[serde(default, deserialize_with = "number")]
    pub above: Option<f64>,
    #[serde(default, deserialize_with = "number")]
    pub below: Option<f64>,
    #[serde(default)]
    pub better_than: Option<Rival>,
    /// By so much at least; a negative number lets it be a little worse.
    #[serde(default, deserialize_with = "number")]
    pub by: Option<f64>,
    /// Of the metric, as for a loss.
    #[serde(default)]
    pub lower_is_better: bool,
    /// What happens when there is no champion yet.
    #[serde(default)]
    pub first: First,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rival {
    pub model: String,
    pub alias: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum First {
    #[default]
    Pass,
    Fail,
}

/// A number, also as text: a parameter may have been given as one.
fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let value = Option::<serde_json::Value>::deserialize(deserializer)?;
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    let found = super::condition::number(&value).filter(|number| number.is_finite());
    found.map(Some).ok_or_else(|| serde::de::Error::custom(format!("{value} is no number")))
}

/// What the rival reached.
#[derive(Debug, Clone, PartialEq)]
pub enum Reached {
    /// The alias points nowhere, or there is no such model.
    Nobody,
    /// Version, and its value of the metric if its run logged it.
    Version(i64, Option<f64>),
}

/// Words of what holds, or of what does not.
pub fn judge(bar: &Bar, value: Option<f64>, rival: Option<Reached>) -> Result<String, String> {
    let metric = &bar.metric;
    let value = value.ok_or_else(|| format!("the run has no metric {metric}"))?;
    let mut held = vec![];
    let bounds = [
        (bar.at_least, "≥", "at least", value >= bar.at_least.unwrap_or(f64::NEG_INFINITY)),
        (bar.at_most, "≤", "at most", value <= bar.at_most.unwrap_or(f64::INFINITY)),
        (bar.above, ">", "more than", value > bar.above.unwrap_or(f64::NEG_INFINITY)),
        (bar.below, "<", "less than", value < bar.below.unwrap_or(f64::INFINITY)),
    ];
    for (bound, sign, words, holds) in bounds {
        let Some(bound) = bound else { continue };
        if !holds {
            return Err(format!("{metric} is {value}, {words} {bound} is asked"));
        }
        held.push(format!("{metric} {value} {sign} {bound}"));
    }
    if let (Some(wanted), Some(reached)) = (&bar.better_than, rival) {
        held.push(against(bar, value, wanted, reached)?);
    }
    Ok(held.join(", "))
}

fn against(bar: &Bar, value: f64, wanted: &Rival, reached: Reached) -> Result<String, String> {
    let (metric, name) = (&bar.metric, format!("{}@{}", wanted.model, wanted.alias));
    let (version, theirs) = match reached {
        Reached::Nobody if bar.first == First::Pass => {
            return Ok(format!("{name} does not exist yet, so {metric} {value} is the best"));
        }
        Reached::Nobody => return Err(format!("{name} does not exist yet, and first: fail is set")),
        Reached::Version(version, None) => {
            return Err(format!("{name} (version {version}) has no metric {metric} to compare with"));
        }
        Reached::Version(version, Some(theirs)) => (version, theirs),
    };
    let gain = if bar.lower_is_better { theirs - value } else { value - theirs };
    let by = bar.by.unwrap_or(0.0);
    let words = format!("{metric} is {value}, {name} (version {version}) has {theirs}");
    // Exactly as good is good enough where no margin is asked: a retraining on the same data must not fail for it.
    if gain >= by { Ok(words) } else { Err(format!("{words}; better by {by} is asked")) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;

    fn bar(value: Value) -> Bar {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn numbers_bound_a_metric() {
        for (rule, value, holds) in [
            (json!({"metric": "a", "at_least": 0.95}), 0.95, true),
            (json!({"metric": "a", "at_least": "0.95"}), 0.94, false),
            (json!({"metric": "a", "above": 0.95}), 0.95, false),
            (json!({"metric": "a", "at_most": 1, "at_least": 0.5}), 0.7, true),
            (json!({"metric": "a", "at_most": 1, "at_least": 0.5}), 1.1, false),
            (json!({"metric": "a", "below": 1}), f64::NAN, false),
            (json!({"metric": "a", "at_least": 0}), f64::NAN, false),
        ] {
            assert_eq!(judge(&bar(rule.clone()), Some(value), None).is_ok(), holds, "{rule} {value}");
        }
        assert!(judge(&bar(json!({"metric": "a"})), None, None).unwrap_err().contains("no metric a"));
    }

    #[test]
    fn the_champion_is_the_bar() {
        let rule = |more: Value| {
            let mut rule = json!({"metric": "acc", "better_than": {"model": "m", "alias": "champion"}});
            for (key, value) in more.as_object().unwrap() {
                rule[key] = value.clone();
            }
            bar(rule)
        };
        let ok = |more: Value, value: f64, rival: Reached| judge(&rule(more), Some(value), Some(rival)).is_ok();
        let champion = Reached::Version(3, Some(0.9));
        assert!(ok(json!({}), 0.91, champion.clone()) && ok(json!({}), 0.9, champion.clone()));
        assert!(!ok(json!({}), 0.89, champion.clone()) && !ok(json!({"by": 0.02}), 0.91, champion.clone()));
        assert!(ok(json!({"by": -0.02}), 0.89, champion.clone()));
        assert!(
            ok(json!({"lower_is_better": true}), 0.8, champion.clone())
                && !ok(json!({"lower_is_better": true}), 0.91, champion)
        );
        assert!(ok(json!({}), 0.1, Reached::Nobody) && !ok(json!({"first": "fail"}), 0.1, Reached::Nobody));
        assert!(!ok(json!({}), 0.1, Reached::Version(1, None)));
    }

    #[test]
    fn a_bar_without_sense_does_not_parse() {
        for bad in
            [json!({"metric": "a", "at_least": "much"}), json!({"metric": "a", "more": 1}), json!({"at_least": 1})]
        {
            assert!(serde_json::from_value::<Bar>(bad.clone()).is_err(), "{bad}");
        }
    }
}
