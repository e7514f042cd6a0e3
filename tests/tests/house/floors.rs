//! Imports in the server point down: never to a higher floor, never into another feature's `store`.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{code_only, crate_paths, root, rust_files};

/// Lowest first; what shares a floor may meet through its `mod.rs`, as long as no circle comes of it.
const FLOORS: &[&[&str]] = &[
    &["error", "client", "clock", "config", "download", "events", "percent", "remembered"],
    &["db"],
    &["background", "spool"],
    &["objects"],
    &["accounts"],
    &["app"],
    &["workloads"],
    &[
        "tracking",
        "registry",
        "webhooks",
        "traces",
        "datasets",
        "images",
        "storage",
        "scheduling",
        "devices",
        "packages",
    ],
    &["jobs", "serving", "builds"],
    &["pipelines", "monitoring", "logs", "transfers", "overview", "lineage", "demo", "trash", "upkeep"],
    &["web"],
    &["router"],
    &["boot"],
    &["console"],
    &["main", "lib"],
];

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// One place where a module names another.
struct Import {
    file: String,
    from: String,
    path: Vec<String>,
}

fn imports() -> Vec<Import> {
    let source = root().join("server/src");
    let mut found = vec![];
    for file in rust_files(&source) {
        let inner = file.strip_prefix(&source).unwrap();
        let from = inner.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        let code = code_only(&std::fs::read_to_string(&file).unwrap());
        for path in crate_paths(&code) {
            found.push(Import { file: inner.display().to_string(), from: from.clone(), path });
        }
    }
    assert!(found.len() > 20, "the reader of imports found only {} of them", found.len());
    found
}

#[test]
fn every_module_has_a_floor() {
    let source = root().join("server/src");
    let modules: BTreeSet<String> = std::fs::read_dir(source)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_str().unwrap().trim_end_matches(".rs").to_owned())
        .collect();
    let homeless: Vec<_> = modules.iter().filter(|module| floor(module).is_none()).collect();
    assert!(homeless.is_empty(), "give these a place in FLOORS: {homeless:?}");
}

#[test]
fn imports_point_down() {
    let wrong: Vec<String> = imports()
        .iter()
        .filter(|import| import.from != import.path[0])
        .filter(|import| matches!((floor(&import.from), floor(&import.path[0])), (Some(from), Some(to)) if to > from))
        .map(|import| format!("{} names {}", import.file, import.path.join("::")))
        .collect();
    assert!(wrong.is_empty(), "these imports point up:\n{}", wrong.join("\n"));
}

#[test]
fn features_do_not_reach_into_each_other() {
    // `rules` are open to others where a feature declares them `pub mod`; the compiler keeps the rest closed.
    let private = ["store", "routes", "tasks"];
    let wrong: Vec<String> = imports()
        .iter()
        .filter(|import| {
            import.from != import.path[0] && import.path.get(1).is_some_and(|part| private.contains(&part.as_str()))
        })
        // The index mounts every feature's routes; the store of objects is made to be composed (ARCHITECTURE, "One store").
        .filter(|import| !(import.from == "router" && import.path[1] == "routes") && import.path[0] != "objects")
        .map(|import| format!("{} names {}", import.file, import.path.join("::")))
        .collect();
    assert!(wrong.is_empty(), "these reach into another feature:\n{}", wrong.join("\n"));
}

#[test]
fn modules_form_no_circle() {
    let mut below: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for import in imports() {
        let to = import.path[0].clone();
        if floor(&to).is_some() && to != import.from && !["lib", "main"].contains(&import.from.as_str()) {
            below.entry(import.from).or_default().insert(to);
        }
    }
    // What nobody outstanding depends on is taken away until only circles are left.
    loop {
        let free: Vec<String> = below
            .iter()
            .filter(|(_, to)| !to.iter().any(|one| below.contains_key(one)))
            .map(|(from, _)| from.clone())
            .collect();
        if free.is_empty() {
            break;
        }
        below.retain(|from, _| !free.contains(from));
    }
    assert!(below.is_empty(), "these modules depend on each other in a circle: {below:?}");
}
