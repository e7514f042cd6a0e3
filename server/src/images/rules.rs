//! Retention as a pure decision: which tags and manifests of a repository go. The preview shows this very plan, and the collector
//! carries it out in the transaction that made it.

use std::collections::{BTreeMap, BTreeSet};

use drydock_wire::images::Retention;

use crate::error::{Error, Result};

const DAY_MS: i64 = 86_400_000;
const MOST_PATTERNS: usize = 50;

/// What a repository has.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    pub tags: Vec<Tagged>,
    pub manifests: Vec<Kept>,
}

#[derive(Debug, Clone)]
pub struct Tagged {
    pub tag: String,
    pub manifest: i64,
    pub pushed_at: i64,
}

#[derive(Debug, Clone)]
pub struct Kept {
    pub id: i64,
    pub name: String,
    pub subject: Option<String>,
    /// Manifests that it refers to, by name.
    pub children: Vec<String>,
    /// Since when it has no tag: its push, or when the last tag left it.
    pub untagged_since: i64,
    /// A job or deployment refers to it.
    pub is_used: bool,
}

/// What goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    pub tags: Vec<String>,
    /// Ids.
    pub manifests: Vec<i64>,
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty() && self.manifests.is_empty()
    }
}

/// # Errors
/// `invalid`, naming the field.
pub fn check(rules: &Retention) -> Result<()> {
    if rules.keep_last == Some(0) {
        return Err(Error::invalid("keep_last: keep at least one tag, or leave it empty to keep all."));
    }
    if rules.untagged_days.is_some_and(|days| !(1..=36_500).contains(&days)) {
        return Err(Error::invalid("untagged_days: say 1 to 36,500 days, or leave it empty to keep them."));
    }
    let good = |pattern: &String| {
        (1..=128).contains(&pattern.len())
            && pattern.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-*?".contains(&b))
    };
    if rules.keep_tags.len() > MOST_PATTERNS || !rules.keep_tags.iter().all(good) {
        return Err(Error::invalid(format!(
            "keep_tags: at most {MOST_PATTERNS} patterns of letters, digits, '.', '_', '-', with '*' for anything and '?' for one letter."
        )));
    }
    Ok(())
}

/// What goes under these rules now.
pub fn plan(rules: &Retention, has: &Contents, now: i64) -> Plan {
    if rules.keep_last.is_none() && rules.untagged_days.is_none() {
        return Plan::default();
    }
    let by_id: BTreeMap<i64, &Kept> = has.manifests.iter().map(|it| (it.id, it)).collect();
    let used = needed(has, has.manifests.iter().filter(|it| it.is_used).map(|it| it.id).collect());
    let mut newest: Vec<&Tagged> = has.tags.iter().collect();
    newest.sort_by(|a, b| b.pushed_at.cmp(&a.pushed_at).then_with(|| a.tag.cmp(&b.tag)));
    let limit = rules.keep_last.map_or(usize::MAX, |count| count as usize);
    let stays = |index: usize, tagged: &Tagged| {
        index < limit
            || used.contains(&tagged.manifest)
            || rules.keep_tags.iter().any(|pattern| matches(pattern.as_bytes(), tagged.tag.as_bytes()))
    };
    let (kept, gone): (Vec<(usize, &Tagged)>, Vec<_>) =
        newest.into_iter().enumerate().partition(|(index, tagged)| stays(*index, tagged));
    let losing: BTreeSet<i64> = gone.iter().map(|(_, tagged)| tagged.manifest).collect();
    // What stays by itself: tagged, used, or untagged for not long enough; then all that these need.
    let mut roots: BTreeSet<i64> = kept.iter().map(|(_, tagged)| tagged.manifest).collect();
    roots.extend(&used);
    let due = rules.untagged_days.map(|days| now.saturating_sub(i64::from(days) * DAY_MS));
    // Parts of an index and referrers of something have no time of their own: they go with it.
    let names: BTreeSet<&str> = has.manifests.iter().map(|it| it.name.as_str()).collect();
    let parts: BTreeSet<&str> = has.manifests.iter().flat_map(|it| &it.children).map(String::as_str).collect();
    let is_due = |it: &Kept| {
        let belongs = parts.contains(it.name.as_str()) || it.subject.as_deref().is_some_and(|it| names.contains(it));
        belongs || due.is_some_and(|due| it.untagged_since < due)
    };
    roots.extend(by_id.values().filter(|it| !losing.contains(&it.id) && !is_due(it)).map(|it| it.id));
    let stay = needed(has, roots);
    Plan {
        tags: gone.into_iter().map(|(_, tagged)| tagged.tag.clone()).collect(),
        manifests: by_id.keys().filter(|id| !stay.contains(id)).copied().collect(),
    }
}

/// These, the parts of those that are an index, and what has one of them as its subject.
fn needed(has: &Contents, roots: BTreeSet<i64>) -> BTreeSet<i64> {
    let by_name: BTreeMap<&str, &Kept> = has.manifests.iter().map(|it| (it.name.as_str(), it)).collect();
    let by_id: BTreeMap<i64, &Kept> = has.manifests.iter().map(|it| (it.id, it)).collect();
    let mut referrers: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for it in &has.manifests {
        if let Some(subject) = &it.subject {
            referrers.entry(subject).or_default().push(it.id);
        }
    }
    let mut open: Vec<i64> = roots.into_iter().collect();
    let mut found = BTreeSet::new();
    while let Some(id) = open.pop() {
        let Some(it) = by_id.get(&id) else { continue };
        if !found.insert(id) {
            continue;
        }
        open.extend(it.children.iter().filter_map(|name| by_name.get(name.as_str())).map(|child| child.id));
        open.extend(referrers.get(it.name.as_str()).into_iter().flatten());
    }
    found
}

/// `*` stands for anything, `?` for one letter.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, t) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    fn kept(id: i64) -> Kept {
        Kept { id, name: format!("m{id}"), subject: None, children: vec![], untagged_since: 0, is_used: false }
    }

    fn tag(name: &str, manifest: i64, pushed_at: i64) -> Tagged {
        Tagged { tag: name.into(), manifest, pushed_at }
    }

    fn rules(keep_last: Option<u32>, keep_tags: &[&str], untagged_days: Option<u32>) -> Retention {
        Retention { keep_last, keep_tags: keep_tags.iter().map(|it| (*it).to_owned()).collect(), untagged_days }
    }

    #[test]
    fn the_latest_stay_and_those_by_pattern_and_those_in_use() {
        let mut has = Contents {
            tags: vec![tag("v1", 1, 1), tag("dev1", 2, 2), tag("dev2", 3, 3), tag("dev3", 4, 4), tag("dev4", 5, 5)],
            manifests: (1..=5).map(kept).collect(),
        };
        has.manifests[1].is_used = true;
        let plan = plan(&rules(Some(2), &["v*"], None), &has, 100 * DAY_MS);
        assert_eq!(plan, Plan { tags: vec!["dev2".into()], manifests: vec![3] });
    }

    #[test]
    fn without_rules_nothing_goes() {
        let has = Contents { tags: vec![tag("a", 1, 1)], manifests: vec![kept(1), kept(2)] };
        assert!(plan(&rules(None, &[], None), &has, i64::MAX).is_empty());
    }

    #[test]
    fn parts_and_signatures_go_with_what_they_belong_to_and_not_before() {
        let mut has = Contents { tags: vec![tag("a", 1, 1), tag("b", 4, 9)], manifests: (1..=4).map(kept).collect() };
        has.manifests[0].children = vec!["m2".into()];
        has.manifests[2].subject = Some("m1".into());
        let late = 100 * DAY_MS;
        assert!(plan(&rules(Some(2), &[], Some(1)), &has, late).is_empty());
        let gone = plan(&rules(Some(1), &[], Some(1)), &has, late);
        assert_eq!(gone, Plan { tags: vec!["a".into()], manifests: vec![1, 2, 3] });
        // a part that something else has, too, stays
        has.manifests[3].children = vec!["m2".into()];
        assert_eq!(plan(&rules(Some(1), &[], None), &has, late).manifests, [1, 3]);
    }

    #[test]
    fn an_untagged_manifest_has_its_days() {
        let mut has = Contents { tags: vec![], manifests: vec![kept(1), kept(2)] };
        has.manifests[1].untagged_since = 9 * DAY_MS;
        assert_eq!(plan(&rules(None, &[], Some(5)), &has, 10 * DAY_MS).manifests, [1]);
    }

    #[test]
    fn patterns_match_whole_tags() {
        for (pattern, text) in
            [("v*", "v1"), ("*-lts", "1-lts"), ("*", ""), ("a?c", "abc"), ("a*b*c", "axxbyyc"), ("x", "x")]
        {
            assert!(matches(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
        for (pattern, text) in [("v*", "xv1"), ("*-lts", "1-lts2"), ("a?c", "ac"), ("", "a"), ("a*b", "a")] {
            assert!(!matches(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
    }

    fn some_contents(random: &mut StdRng) -> Contents {
        let count = random.random_range(1..12);
        let mut manifests: Vec<Kept> = (1..=count).map(kept).collect();
        for it in &mut manifests {
            let other = random.random_range(1..=count);
            match random.random_range(0..5) {
                0 => it.children = vec![format!("m{other}")],
                1 => it.subject = Some(format!("m{other}")),
                _ => {}
            }
            it.untagged_since = random.random_range(0..10) * DAY_MS;
            it.is_used = random.random_range(0..6) == 0;
        }
        let tags = (0..random.random_range(0..10))
            .map(|n| tag(&format!("t{n}"), random.random_range(1..=count), random.random_range(0..5)))
            .collect();
        Contents { tags, manifests }
    }

    /// What must hold of every plan, over ten thousand repositories.
    #[test]
    fn no_plan_takes_what_is_used_kept_or_needed_and_a_second_one_is_empty() {
        let mut random = StdRng::seed_from_u64(7);
        for _ in 0..10_000 {
            let has = some_contents(&mut random);
            let days = (random.random_range(0..2) == 0).then(|| random.random_range(1..12));
            let last = (random.random_range(0..2) == 0).then(|| random.random_range(1..5));
            let rules = rules(last, &["t1"], days);
            let plan = plan(&rules, &has, 10 * DAY_MS);
            let stays = |id: i64| !plan.manifests.contains(&id);
            let left: Vec<&Tagged> = has.tags.iter().filter(|it| !plan.tags.contains(&it.tag)).collect();
            assert!(left.iter().all(|it| stays(it.manifest)), "{has:?} {plan:?}");
            assert!(left.len() >= has.tags.len().min(last.unwrap_or(u32::MAX) as usize), "{has:?} {plan:?}");
            assert!(!plan.tags.contains(&"t1".to_owned()));
            for it in &has.manifests {
                assert!(!it.is_used || stays(it.id), "{has:?} {plan:?}");
                for child in has.manifests.iter().filter(|other| it.children.contains(&other.name)) {
                    assert!(!stays(it.id) || stays(child.id), "{has:?} {plan:?}");
                }
            }
            let after = Contents {
                tags: left.into_iter().cloned().collect(),
                manifests: has.manifests.iter().filter(|it| stays(it.id)).cloned().collect(),
            };
            let again = super::plan(&rules, &after, 10 * DAY_MS);
            assert!(again.tags.is_empty(), "{has:?} {plan:?} {again:?}");
        }
    }
}
