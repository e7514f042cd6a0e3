//! Licences and sources of all dependencies, against the list in `deny.toml`: what cargo-deny checks, where that cannot run.

use std::{collections::BTreeSet, process::Command};

use serde_json::Value;

use crate::source::root;

/// What is built for one target; other targets' packages need not be on this machine.
fn metadata(target: &str) -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--all-features", "--filter-platform", target])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The quoted lines of `allow = [ … ]`.
fn allowed() -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join("deny.toml")).unwrap();
    let list = text.split("allow = [").nth(1).unwrap().split(']').next().unwrap();
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Whether an SPDX expression can be satisfied with allowed licences alone.
fn satisfied(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let good = either(&tokens, &mut at, allowed);
    good && at == tokens.len()
}

fn either(tokens: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut good = both(tokens, at, allowed);
    while tokens.get(*at) == Some(&"OR") {
        *at += 1;
        good |= both(tokens, at, allowed);
    }
    good
}

fn both(tokens: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut good = single(tokens, at, allowed);
    while tokens.get(*at) == Some(&"AND") {
        *at += 1;
        good &= single(tokens, at, allowed);
    }
    good
}

fn single(tokens: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    if tokens.get(*at) == Some(&"(") {
        *at += 1;
        let good = either(tokens, at, allowed);
        *at += 1;
        return good;
    }
    let mut name = tokens.get(*at).copied().unwrap_or_default().to_owned();
    *at += 1;
    if tokens.get(*at) == Some(&"WITH") {
        name = format!("{name} WITH {}", tokens[*at + 1]);
        *at += 2;
    }
    allowed.contains(&name)
}

/// Packages for the server and for the browser.
fn packages() -> Vec<Value> {
    let targets = ["x86_64-unknown-linux-gnu", "wasm32-unknown-unknown"];
    let packages: Vec<Value> =
        targets.iter().flat_map(|target| metadata(target)["packages"].as_array().unwrap().clone()).collect();
    assert!(packages.len() > 200);
    packages
}

#[test]
fn every_dependency_has_an_allowed_licence() {
    let allowed = allowed();
    assert!(!allowed.is_empty());
    let wrong: BTreeSet<String> = packages()
        .iter()
        .filter(|package| !package["license"].as_str().is_some_and(|text| satisfied(text, &allowed)))
        .map(|package| format!("{} {}: {}", package["name"], package["version"], package["license"]))
        .collect();
    assert!(wrong.is_empty(), "not allowed by deny.toml:\n{}", wrong.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn every_dependency_comes_from_the_registry_or_this_repository() {
    let packages = packages();
    let wrong: Vec<&Value> = packages
        .iter()
        .filter(|package| package["source"].as_str().is_some_and(|source| !source.starts_with("registry+")))
        .map(|package| &package["id"])
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn expressions_are_understood() {
    let allowed: BTreeSet<String> = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).into();
    for good in [
        "MIT",
        "GPL-3.0 OR MIT",
        "GPL-2.0/MIT",
        "(MIT OR GPL-3.0) AND ISC",
        "Apache-2.0 WITH LLVM-exception OR GPL-3.0",
    ] {
        assert!(satisfied(good, &allowed), "{good}");
    }
    for bad in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR GPL-3.0) AND GPL-3.0", "Apache-2.0", "MIT garbage"] {
        assert!(!satisfied(bad, &allowed), "{bad}");
    }
}
