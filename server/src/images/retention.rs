//! From a repository's rows to a plan and from the plan to what it removes: the preview and the collector share all of it.

use std::collections::{BTreeMap, BTreeSet};

use drydock_wire::images::{Retention, RetentionPreview};

use super::{
    rules::{self, Contents, Kept, Plan, Tagged},
    store::{self, Repository},
    use_of::Uses,
};
use crate::{
    accounts::{self, Principal},
    db::Conn,
    error::Result,
};

fn contents(conn: &mut Conn, repository: &Repository) -> Result<Contents> {
    let tags = store::tags::of_repository(conn, repository.id)?;
    let manifests = store::manifests::of_repository(conn, repository.id)?;
    let uses = Uses::load(conn)?;
    let mut children: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for reference in store::manifests::references_of_repository(conn, repository.id)? {
        if reference.kind == "manifest" {
            children.entry(reference.manifest).or_default().push(reference.name);
        }
    }
    let mut tags_of: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for tag in &tags {
        tags_of.entry(tag.manifest).or_default().push(tag.tag.clone());
    }
    let manifests = manifests.into_iter().map(|it| Kept {
        is_used: !uses.of(&repository.name, &it.name, tags_of.get(&it.id).map_or(&[], Vec::as_slice)).is_empty(),
        children: children.remove(&it.id).unwrap_or_default(),
        untagged_since: it.untagged_at.unwrap_or(it.pushed_at),
        id: it.id,
        name: it.name,
        subject: it.subject,
    });
    let tags = tags.into_iter().map(|it| Tagged { tag: it.tag, manifest: it.manifest, pushed_at: it.pushed_at });
    Ok(Contents { tags: tags.collect(), manifests: manifests.collect() })
}

/// What would go, and what that frees.
pub fn preview(conn: &mut Conn, repository: &Repository, rules: &Retention, now: i64) -> Result<RetentionPreview> {
    let (plan, manifests) = planned(conn, repository, rules, now)?;
    let freed_bytes = freed(conn, repository, &plan, &manifests)?;
    Ok(RetentionPreview { freed_bytes, tags: plan.tags, manifests })
}

/// The plan, and the names of the manifests in it.
fn planned(conn: &mut Conn, repository: &Repository, rules: &Retention, now: i64) -> Result<(Plan, Vec<String>)> {
    let has = contents(conn, repository)?;
    let plan = rules::plan(rules, &has, now);
    let mut names: BTreeMap<i64, String> = has.manifests.into_iter().map(|it| (it.id, it.name)).collect();
    let manifests = plan.manifests.iter().filter_map(|id| names.remove(id)).collect();
    Ok((plan, manifests))
}

/// Content that only what goes refers to, and that no other repository has.
fn freed(conn: &mut Conn, repository: &Repository, plan: &Plan, manifests: &[String]) -> Result<u64> {
    let gone: BTreeSet<i64> = plan.manifests.iter().copied().collect();
    let (mut going, mut staying) = (BTreeSet::new(), BTreeSet::new());
    going.extend(manifests.iter().cloned());
    for reference in store::manifests::references_of_repository(conn, repository.id)? {
        let of = if gone.contains(&reference.manifest) { &mut going } else { &mut staying };
        of.insert(reference.name);
    }
    let alone = store::sizes::held_alone(conn, repository.id)?;
    let sizes: BTreeMap<&str, u64> = going
        .iter()
        .filter(|name| !staying.contains(*name))
        .filter_map(|name| alone.get(name))
        .map(|(digest, size)| (digest.as_str(), *size))
        .collect();
    Ok(sizes.values().sum())
}

/// Carries the repository's rules out: tags and manifests that went. The plan is made in the same transaction, so that a push that
/// comes meanwhile is either part of it or after it; what it frees is not counted there, while others wait to write.
pub fn carry_out(conn: &mut Conn, name: &str, now: i64) -> Result<(Vec<String>, Vec<String>)> {
    let repository = store::require(conn, name)?;
    let rules = repository.retention()?;
    let (plan, manifests) = planned(conn, &repository, &rules, now)?;
    if plan.is_empty() {
        return Ok((plan.tags, manifests));
    }
    let nobody = Principal { username: "drydock".into(), address: "retention".into(), ..Principal::console() };
    for tag in &plan.tags {
        store::tags::delete(conn, &nobody, repository.id, tag, now)?;
    }
    for id in &plan.manifests {
        store::manifests::delete(conn, *id)?;
    }
    let detail = serde_json::json!({"rules": rules, "tags": plan.tags, "manifests": manifests});
    accounts::audit(conn, &nobody, "repository.retain", &store::subject(name), detail)?;
    Ok((plan.tags, manifests))
}

/// Whether the rules have anything to remove now.
pub fn is_due(conn: &mut Conn, repository: &Repository, now: i64) -> Result<bool> {
    let has = contents(conn, repository)?;
    Ok(!rules::plan(&repository.retention()?, &has, now).is_empty())
}
