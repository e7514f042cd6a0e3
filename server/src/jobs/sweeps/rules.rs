//! From a sweep to the parameters of its jobs, and which of them is best: pure.

use std::collections::BTreeMap;

use drydock_wire::{
    sweeps::{Distribution, Goal, RandomSearch, SubmitSweep},
    validate,
};

use crate::{
    error::{Error, Result},
    jobs::rules as job_rules,
};

type Params = BTreeMap<String, String>;

const MOST_JOBS: usize = 1000;
/// So that `{name}-{number}` is a job's name.
const MOST_NAME_CHARS: usize = 58;

/// The parameters of each job, in order; those that do not vary are among them.
///
/// # Errors
/// `invalid` with what to change.
pub fn trials(sweep: &SubmitSweep, seed: u64) -> Result<Vec<Params>> {
    validate::slug(&sweep.name).map_err(|text| Error::invalid(format!("name: {text}")))?;
    if sweep.name.len() > MOST_NAME_CHARS {
        return Err(Error::invalid(format!("name: use at most {MOST_NAME_CHARS} characters; its jobs add a number.")));
    }
    let varied = match (&sweep.random, sweep.grid.is_empty()) {
        (None, false) => grid(&sweep.grid)?,
        (Some(random), true) => draws(random, seed)?,
        _ => return Err(Error::invalid("Say what varies: either 'grid' or 'random', not both.")),
    };
    let fixed = &sweep.job.params;
    let names = sweep.grid.keys().chain(sweep.random.iter().flat_map(|random| random.params.keys()));
    for name in names {
        job_rules::check_param_name(name)?;
        if fixed.contains_key(name) {
            return Err(Error::invalid(format!("{name} varies, so it cannot be among the job's params, too.")));
        }
    }
    let whole: Vec<Params> =
        varied.into_iter().map(|params| fixed.clone().into_iter().chain(params).collect()).collect();
    whole.iter().try_for_each(job_rules::check_params)?;
    Ok(whole)
}

/// Every combination, the last name varying fastest.
fn grid(values: &BTreeMap<String, Vec<String>>) -> Result<Vec<Params>> {
    let count = values.values().try_fold(1_usize, |count, of| count.checked_mul(of.len())).unwrap_or(usize::MAX);
    if !(1..=MOST_JOBS).contains(&count) {
        return Err(Error::invalid(format!("grid: it has {count} combinations; 1 to {MOST_JOBS} can be run.")));
    }
    let mut all = vec![Params::new()];
    for (name, values) in values {
        let with = |params: &Params, value: &String| {
            let mut params = params.clone();
            params.insert(name.clone(), value.clone());
            params
        };
        all =
            all.iter().flat_map(|params| values.iter().map(|value| with(params, value)).collect::<Vec<_>>()).collect();
    }
    Ok(all)
}

fn draws(random: &RandomSearch, seed: u64) -> Result<Vec<Params>> {
    let count = random.count as usize;
    if !(1..=MOST_JOBS).contains(&count) || random.params.is_empty() {
        return Err(Error::invalid(format!("random: name what varies, and a count of 1 to {MOST_JOBS}.")));
    }
    for (name, from) in &random.params {
        check(from).map_err(|why| Error::invalid(format!("random: {name}: {why}")))?;
    }
    let mut source = Source(random.seed.unwrap_or(seed));
    let mut draw = || random.params.iter().map(|(name, from)| (name.clone(), value(from, &mut source))).collect();
    Ok((0..count).map(|_| draw()).collect())
}

fn check(from: &Distribution) -> std::result::Result<(), &'static str> {
    let good = match from {
        Distribution::Uniform([low, high]) => low.is_finite() && high.is_finite() && low <= high,
        Distribution::LogUniform([low, high]) => high.is_finite() && *low > 0.0 && low <= high,
        Distribution::Integer([low, high]) => low <= high && high.checked_sub(*low).is_some(),
        Distribution::Choice(values) => !values.is_empty(),
    };
    good.then_some(()).ok_or("say the lower bound first; bounds of log_uniform are above 0, a choice has values.")
}

fn value(from: &Distribution, source: &mut Source) -> String {
    match from {
        Distribution::Uniform([low, high]) => number(low + (high - low) * source.unit()),
        Distribution::LogUniform([low, high]) => {
            let (low_log, high_log) = (low.ln(), high.ln());
            number((low_log + (high_log - low_log) * source.unit()).exp().clamp(*low, *high))
        }
        Distribution::Integer([low, high]) => {
            let count = high.abs_diff(*low).saturating_add(1);
            low.saturating_add_unsigned(source.below(count)).to_string()
        }
        Distribution::Choice(values) => values[source.below(values.len() as u64) as usize].clone(),
    }
}

/// As Python writes a float, so that a program that logs what it was given logs the same text.
fn number(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e16).contains(&size) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, power) = match exponent.strip_prefix('-') {
            Some(power) => ('-', power),
            None => ('+', exponent),
        };
        return format!("{digits}e{sign}{power:0>2}");
    }
    match format!("{value}") {
        text if text.contains('.') => text,
        whole => format!("{whole}.0"),
    }
}

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014): the same numbers from the same seed in
/// every version of Drydock.
struct Source(u64);

impl Source {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// 0 up to but not including 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// 0 up to but not including `count`, which is at least 1; even enough for counts below 2⁵³.
    fn below(&mut self, count: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(count)) >> 64) as u64
    }
}

/// Which of these values is best; what is no number is not.
pub fn best<'a>(values: impl Iterator<Item = (&'a str, Option<f64>)>, goal: Goal) -> Option<&'a str> {
    let known = values.filter_map(|(id, value)| Some((id, value.filter(|value| !value.is_nan())?)));
    let better = |a: f64, b: f64| match goal {
        Goal::Maximize => a > b,
        Goal::Minimize => a < b,
    };
    let pick = |best: (&'a str, f64), next: (&'a str, f64)| if better(next.1, best.1) { next } else { best };
    known.reduce(pick).map(|(id, _)| id)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sweep(change: serde_json::Value) -> SubmitSweep {
        let mut sweep =
            serde_json::json!({ "name": "s", "job": { "name": "", "command": ["a"], "params": { "fixed": "1" } } });
        sweep.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        serde_json::from_value(sweep).unwrap()
    }

    fn shown(sweep: &SubmitSweep) -> Vec<String> {
        let words = |params: Params| params.values().cloned().collect::<Vec<_>>().join(" ");
        trials(sweep, 1).unwrap().into_iter().map(words).collect()
    }

    #[test]
    fn a_grid_is_every_combination_in_order() {
        let of = sweep(serde_json::json!({ "grid": { "lr": ["0.1", "0.2"], "model": ["a", "b"] } }));
        assert_eq!(shown(&of), ["1 0.1 a", "1 0.1 b", "1 0.2 a", "1 0.2 b"]);
    }

    #[test]
    fn draws_repeat_with_their_seed_and_stay_in_their_bounds() {
        let of = |seed: u64| {
            sweep(serde_json::json!({ "random": { "count": 200, "seed": seed, "params": {
                "u": { "uniform": [-1, 1] }, "l": { "log_uniform": [1e-6, 1e-1] }, "i": { "integer": [2, 4] }, "c": { "choice": ["x", "y"] },
            } } }))
        };
        assert_eq!(trials(&of(3), 1).unwrap(), trials(&of(3), 2).unwrap());
        assert_ne!(trials(&of(3), 1).unwrap(), trials(&of(4), 1).unwrap());
        let all = trials(&of(3), 1).unwrap();
        let floats = |name: &str| all.iter().map(|params| params[name].parse::<f64>().unwrap()).collect::<Vec<_>>();
        assert!(floats("u").iter().all(|value| (-1.0..1.0).contains(value)));
        let small = floats("l").iter().filter(|value| **value < 1e-3).count();
        assert!(floats("l").iter().all(|value| (1e-6..=1e-1).contains(value)) && (80..160).contains(&small), "{small}");
        for value in ["2", "3", "4"] {
            assert!(all.iter().filter(|params| params["i"] == value).count() > 40, "{value}");
        }
        assert!(all.iter().all(|params| params["c"] == "x" || params["c"] == "y"));
    }

    #[test]
    fn splitmix_gives_its_published_numbers() {
        let mut source = Source(1_234_567);
        assert_eq!([source.next(), source.next()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn floats_are_written_as_python_does() {
        for (value, text) in [
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e-4, "0.0001"),
            (1.5e-5, "1.5e-05"),
            (1e-10, "1e-10"),
            (1e16, "1e+16"),
            (0.0, "0.0"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn what_cannot_be_swept_is_refused() {
        for (word, bad) in [
            ("either", serde_json::json!({})),
            (
                "either",
                serde_json::json!({ "grid": { "a": ["1"] }, "random": { "count": 1, "params": { "b": { "choice": ["1"] } } } }),
            ),
            ("0 combinations", serde_json::json!({ "grid": { "a": [] } })),
            ("varies", serde_json::json!({ "grid": { "fixed": ["1"] } })),
            ("parameter", serde_json::json!({ "grid": { "a b": ["1"] } })),
            ("count", serde_json::json!({ "random": { "count": 1001, "params": { "b": { "choice": ["1"] } } } })),
            (
                "lower bound",
                serde_json::json!({ "random": { "count": 1, "params": { "b": { "log_uniform": [0, 1] } } } }),
            ),
            ("lower bound", serde_json::json!({ "random": { "count": 1, "params": { "b": { "integer": [2, 1] } } } })),
            ("name", serde_json::json!({ "name": "a".repeat(59), "grid": { "a": ["1"] } })),
        ] {
            let message = trials(&sweep(bad.clone()), 1).unwrap_err().message;
            assert!(message.contains(word), "{bad}: {message}");
        }
        let many: Vec<String> = (0..32).map(|n| n.to_string()).collect();
        assert!(trials(&sweep(serde_json::json!({ "grid": { "a": many, "b": many } })), 1).is_err());
    }

    #[test]
    fn the_best_is_by_goal_and_a_number() {
        let values = [("a", Some(1.0)), ("b", None), ("c", Some(f64::NAN)), ("d", Some(3.0)), ("e", Some(3.0))];
        assert_eq!(best(values.into_iter(), Goal::Maximize), Some("d"));
        assert_eq!(best(values.into_iter(), Goal::Minimize), Some("a"));
        assert_eq!(best([("b", None)].into_iter(), Goal::Minimize), None);
    }
}
