//! Metrics that jobs and people's programs push: held in memory as they were told last, and measured with all others every five
//! seconds until they are five minutes old.
//!
//! Always holds: each sample carries whose it is, which nobody can say for another; an owner has a bounded number of series, however
//! its labels change. Never here: names of the box itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::exposition::{Exposition, Family, Kind, Part, Sample};
use crate::error::{Error, Result};

/// After so long without a word from its owner a value is no longer told.
const STALE: Duration = Duration::from_secs(300);
/// Series of one owner; a histogram is one for each bound and two more.
const MOST_SERIES: usize = 300;
const MOST_OWNERS: usize = 500;
const MOST_LABELS: usize = 10;
const LONGEST: usize = 200;
const LONGEST_HELP: usize = 400;
/// Beginnings of names of the box itself.
const OURS: [&str; 2] = ["drydock_", "process_"];

/// Whose metrics they are: labels that each of its samples gets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner(pub Vec<(String, String)>);

/// One per server: `app.memory.of::<Pushed>()`.
#[derive(Debug, Default)]
pub struct Pushed(Mutex<BTreeMap<Owner, Told>>);

#[derive(Debug)]
struct Told {
    at: Instant,
    families: BTreeMap<String, Family>,
    /// All that it ever told while we remember it, so that changing labels do not add up.
    series: BTreeSet<Known>,
}

/// Name, part and labels of a series.
type Known = (String, Part, Vec<(String, String)>);

impl Pushed {
    /// Takes what an owner tells, in the place of what it told of the same series before; the rest stays.
    ///
    /// # Errors
    /// `invalid` for names and labels that cannot be, and beyond the bounds; then nothing is taken.
    pub fn take(&self, owner: &Owner, families: Vec<Family>) -> Result<()> {
        families.iter().try_for_each(|family| check(family, owner))?;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, told| told.at.elapsed() < STALE);
        if !all.contains_key(owner) && all.len() >= MOST_OWNERS {
            return Err(Error::unavailable(format!(
                "{MOST_OWNERS} others push metrics already; try again in five minutes."
            )));
        }
        refuse_another_kind(&all, &families)?;
        let fresh = || Told { at: Instant::now(), families: BTreeMap::new(), series: BTreeSet::new() };
        let told = all.entry(owner.clone()).or_insert_with(fresh);
        let key = |family: &Family, sample: &Sample| (family.name.clone(), sample.part, sample.labels.clone());
        let new: BTreeSet<_> =
            families.iter().flat_map(|family| family.samples.iter().map(move |sample| key(family, sample))).collect();
        let count = told.series.union(&new).count();
        if count > MOST_SERIES {
            return Err(Error::invalid(format!(
                "That would be {count} series of one owner; at most {MOST_SERIES}. A label whose values have no end (an id, an instant, \
                 a step) does not belong into a metric: log it as a metric of a run, or a trace."
            )));
        }
        told.series.extend(new);
        told.at = Instant::now();
        for family in families {
            put(&mut told.families, family);
        }
        Ok(())
    }

    /// Adds what was told and is not stale.
    pub fn expose(&self, text: &mut Exposition) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (owner, told) in all.iter().filter(|(_, told)| told.at.elapsed() < STALE) {
            for family in told.families.values() {
                text.family(&family.name, family.kind, &family.help);
                for sample in &family.samples {
                    let labels = owner.0.iter().chain(&sample.labels).cloned().collect();
                    text.add(&family.name, sample.part, labels, sample.value);
                }
            }
        }
    }
}

fn put(known: &mut BTreeMap<String, Family>, family: Family) {
    let Some(there) = known.get_mut(&family.name) else {
        known.insert(family.name.clone(), family);
        return;
    };
    there.help = family.help;
    for sample in family.samples {
        match there.samples.iter_mut().find(|it| it.part == sample.part && it.labels == sample.labels) {
            Some(same) => same.value = sample.value,
            None => there.samples.push(sample),
        }
    }
}

/// A name means one thing on the whole box.
fn refuse_another_kind(all: &BTreeMap<Owner, Told>, families: &[Family]) -> Result<()> {
    for family in families {
        let other = all.values().filter_map(|told| told.families.get(&family.name)).find(|it| it.kind != family.kind);
        if let Some(other) = other {
            let (name, is, was) = (&family.name, family.kind.as_str(), other.kind.as_str());
            return Err(Error::invalid(format!(
                "{name} is a {was} here already, and cannot be a {is}: choose another name."
            )));
        }
    }
    Ok(())
}

fn check(family: &Family, owner: &Owner) -> Result<()> {
    let name = &family.name;
    if !is_name(name, true) {
        return Err(Error::invalid(format!(
            "'{}' is no name of a metric: letters, digits, '_' and ':', not a digit first, at most {LONGEST}.",
            name.chars().take(LONGEST).collect::<String>()
        )));
    }
    if let Some(ours) = OURS.iter().find(|ours| name.starts_with(*ours)) {
        return Err(Error::invalid(format!("{name}: names that begin with {ours} are the box's own.")));
    }
    if family.help.len() > LONGEST_HELP {
        return Err(Error::invalid(format!("{name}: the help is at most {LONGEST_HELP} letters long.")));
    }
    for sample in &family.samples {
        let own = sample.labels.iter().filter(|(label, _)| label != "le");
        if own.clone().count() > MOST_LABELS {
            return Err(Error::invalid(format!("{name}: at most {MOST_LABELS} labels.")));
        }
        for (label, value) in own {
            if !is_name(label, false) || label.starts_with("__") || owner.0.iter().any(|(taken, _)| taken == label) {
                return Err(Error::invalid(format!("{name}: a label cannot be called '{label}'.")));
            }
            if value.len() > LONGEST {
                return Err(Error::invalid(format!("{name}: the value of {label} is longer than {LONGEST}.")));
            }
        }
        let has_bound = sample.labels.iter().any(|(label, value)| label == "le" && value.parse::<f64>().is_ok());
        if (sample.part == Part::Bucket) != has_bound {
            return Err(Error::invalid(format!(
                "{name}: the buckets of a histogram have a label le, a number, and nothing else has."
            )));
        }
    }
    if family.kind == Kind::Histogram
        && !family.samples.iter().any(|it| it.labels.iter().any(|(_, value)| value == "+Inf"))
    {
        return Err(Error::invalid(format!("{name}: a histogram has a bucket for +Inf.")));
    }
    Ok(())
}

fn is_name(text: &str, colons: bool) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || (colons && c == ':');
    !text.is_empty()
        && text.len() <= LONGEST
        && text.chars().all(is_part)
        && !text.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::exposition::{parse, testing};
    use super::*;

    fn owner(name: &str) -> Owner {
        Owner(vec![("job".into(), name.into())])
    }

    fn push(pushed: &Pushed, who: &str, text: &str) -> Result<()> {
        pushed.take(&owner(who), parse(text).unwrap())
    }

    #[test]
    fn what_was_told_last_is_told_with_whose_it_is() {
        let pushed = Pushed::default();
        push(&pushed, "a", "# TYPE seen_total counter\nseen_total{kind=\"x\"} 1\nseen_total{kind=\"y\"} 5\n").unwrap();
        push(&pushed, "a", "# TYPE seen_total counter\nseen_total{kind=\"x\"} 2\n").unwrap();
        push(&pushed, "b", "# TYPE seen_total counter\nseen_total 9\n").unwrap();
        let mut text = Exposition::default();
        pushed.expose(&mut text);
        let text = testing::text(text);
        for line in
            ["seen_total{job=\"a\",kind=\"x\"} 2", "seen_total{job=\"a\",kind=\"y\"} 5", "seen_total{job=\"b\"} 9"]
        {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert_eq!(text.matches("# TYPE").count(), 1);
    }

    #[test]
    fn nobody_takes_a_name_of_the_box_or_speaks_for_another() {
        let pushed = Pushed::default();
        let told = |text: &str| push(&pushed, "a", text).unwrap_err().message;
        assert!(told("drydock_jobs 1").contains("the box's own"));
        assert!(told("x{job=\"b\"} 1").contains("cannot be called 'job'"));
        assert!(told("x{__name__=\"b\"} 1").contains("cannot be called"));
        assert!(told("1x 1").contains("no name of a metric"));
        assert!(told("# TYPE h histogram\nh_bucket{le=\"1\"} 1\n").contains("+Inf"));
        assert!(told("x{le=\"1\"} 1").contains("le"));
        push(&pushed, "b", "# TYPE x counter\nx 1\n").unwrap();
        assert!(told("x 1").contains("is a counter here already"));
    }

    #[test]
    fn labels_without_end_are_refused_and_nothing_of_them_is_taken() {
        let pushed = Pushed::default();
        for step in 0..MOST_SERIES {
            push(&pushed, "a", &format!("loss{{step=\"{step}\"}} 1")).unwrap();
        }
        let refused = push(&pushed, "a", "loss{step=\"more\"} 1").unwrap_err().message;
        assert!(refused.contains("at most 300"), "{refused}");
        push(&pushed, "a", "loss{step=\"7\"} 2").unwrap();
        push(&pushed, "b", "loss{step=\"more\"} 1").unwrap();
    }
}
