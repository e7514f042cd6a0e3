//! The splitter of the dashboard (`frontend/builder`) cuts the linked module along its relocations.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // set by the builder where a panic ends the page without words
    println!("cargo::rustc-check-cfg=cfg(wordless_panics)");
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "wasm32") {
        println!("cargo::rustc-link-arg=--emit-relocs");
    }
}
