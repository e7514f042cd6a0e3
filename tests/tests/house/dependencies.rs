//! What may enter which crate.

use std::process::Command;

use crate::source::root;

/// Names of everything a crate of ours depends on, directly or not, with all its features on.
fn tree(package: &str, target: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--package", package, "--all-features", "--edges", "normal", "--prefix", "none"])
        .args(["--format", "{p}", "--target", target])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let names: Vec<String> = text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
    assert!(names.iter().any(|name| name == "serde"), "the tree of {package} is not what it was: {names:?}");
    names
}

fn assert_free_of(package: &str, target: &str, banned: &[&str]) {
    let found: Vec<String> =
        tree(package, target).into_iter().filter(|name| banned.iter().any(|ban| name.starts_with(ban))).collect();
    assert!(found.is_empty(), "{package} may not depend on {found:?}");
}

#[test]
fn the_wire_knows_no_server_no_database_and_no_docker() {
    let banned = ["actix", "diesel", "libsqlite3", "bollard", "tokio", "reqwest", "hyper"];
    assert_free_of("drydock-wire", "x86_64-unknown-linux-gnu", &banned);
}

#[test]
fn the_dashboard_knows_only_the_wire() {
    let banned = ["actix", "diesel", "libsqlite3", "bollard", "tokio", "drydock-appliance"];
    assert_free_of("drydock-frontend", "wasm32-unknown-unknown", &banned);
    let tree = tree("drydock-frontend", "wasm32-unknown-unknown");
    assert!(
        tree.iter().any(|name| name == "drydock-wire"),
        "the dashboard is what proves that the wire builds for wasm32"
    );
    assert!(!tree.iter().any(|name| name == "drydock"), "the dashboard may not depend on the server");
}

#[test]
fn the_box_knows_no_server_and_no_database() {
    let banned = ["actix", "diesel", "libsqlite3", "drydock-wire"];
    assert_free_of("drydock-appliance", "x86_64-unknown-linux-gnu", &banned);
}

#[test]
fn only_the_box_speaks_to_docker() {
    let metadata = std::fs::read_to_string(root().join("server/Cargo.toml")).unwrap();
    assert!(!metadata.contains("bollard"), "the server reaches Docker through drydock-appliance alone");
}

/// Each package with its features, as cargo would build it.
fn features(selection: &[&str], edges: &str) -> std::collections::BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .arg("tree")
        .args(selection)
        .args(["--edges", edges, "--prefix", "none", "--no-dedupe", "--format", "{p} {f}"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
}

#[test]
fn what_is_tested_is_what_is_shipped() {
    let shipped = features(&["--package", "drydock"], "normal,build");
    let tested = features(&["--workspace", "--exclude", "drydock-frontend-builder"], "normal,build,dev");
    let other: Vec<_> = shipped.difference(&tested).collect();
    assert!(
        other.is_empty(),
        "the tests would be built with other features of these than the server alone: name those features in \
         server/Cargo.toml, too: {other:#?}"
    );
}
