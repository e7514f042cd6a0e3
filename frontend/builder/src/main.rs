//! Builds the dashboard into `frontend/dist`: `cargo run -p drydock-frontend-builder -- [--dev] [--out DIR]`.
//!
//! Needs no wasm-bindgen, trunk or node on the machine. `index.html` lies at the top of `dist`; everything else lies in
//! `dist/assets` under a name with a hash of its content, with a brotli copy (`.br`) beside what compresses. When nothing changed
//! since the last build, nothing is written.

mod assets;
mod toolchain;

use anyhow::{Context, Result, bail, ensure};
use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    time::Instant,
};

/// What to build and where to.
struct Options {
    /// Quick to compile, large to load.
    dev: bool,
    /// The repository.
    root: PathBuf,
    out: PathBuf,
    /// Cargo's target directory for the browser: its own, since the compiler may be another one.
    target_dir: PathBuf,
}

fn main() -> Result<()> {
    let options = options(env::args().skip(1))?;
    let module = step("compile", || toolchain::compile(&options))?;
    let bindgen_dir = options.target_dir.join("bindgen");
    let sources = assets::Sources::read(&options.root.join("frontend"), &module)?;
    let stamp = options.target_dir.join(if options.dev { "stamp-dev" } else { "stamp" });
    if assets::is_current(&options.out, &stamp, &sources.stamp(options.dev)) {
        say(&format!("{:>10}  nothing changed", "dist"));
        return Ok(());
    }
    step("bindgen", || bind(&module, &bindgen_dir, options.dev))?;
    step("dist", || assets::write(&sources, &bindgen_dir, &options.out, options.dev))?;
    fs::write(&stamp, sources.stamp(options.dev)).context("write the stamp")?;
    assets::report(&options.out)
}

fn options(args: impl Iterator<Item = String>) -> Result<Options> {
    let manifest_dir = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let root = Path::new(&manifest_dir).ancestors().nth(2).context("the repository's root")?.to_path_buf();
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
    let (mut dev, mut out) = (false, root.join("frontend/dist"));
    let mut args = args;
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--dev" => dev = true,
            "--out" => out = env::current_dir()?.join(args.next().context("--out needs a directory")?),
            _ => bail!("usage: drydock-frontend-builder [--dev] [--out DIR]"),
        }
    }
    Ok(Options { dev, root, out, target_dir: target.join("web") })
}

/// Writes `app.js` and `app_bg.wasm` for the browser.
fn bind(module: &Path, to: &Path, dev: bool) -> Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    wasm_bindgen_cli_support::Bindgen::new()
        .input_path(module)
        .out_name("app")
        .web(true)?
        .typescript(false)
        .debug(dev)
        .remove_name_section(!dev)
        .remove_producers_section(!dev)
        .omit_default_module_path(true)
        .generate(to)?;
    ensure!(!to.join("snippets").exists(), "a dependency brings JavaScript of its own; the dashboard loads none");
    Ok(())
}

fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let started = Instant::now();
    let result = work().with_context(|| name.to_owned())?;
    say(&format!("{name:>10}  {:6.1} s", started.elapsed().as_secs_f32()));
    Ok(result)
}

/// One line for the person who builds. Progress that cannot be written is no reason to fail.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
