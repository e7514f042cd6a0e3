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
    let main = step("split", || split(&module, &bindgen_dir, options.dev))?;
    step("bindgen", || bind(&main, &bindgen_dir, options.dev))?;
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

/// Writes `areas.js` and a module per area; answers the path of what is left, the main module.
fn split(module: &Path, to: &Path, dev: bool) -> Result<PathBuf> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    let bytes = fs::read(module).with_context(|| module.display().to_string())?;
    let main = module.with_extension("main.wasm");
    let mut options = wasm_split_cli_support::Options::new(&bytes);
    options.output_dir = to;
    options.main_out_path = &main;
    options.main_module = "./app.js";
    options.link_name = "./areas.js";
    let found = wasm_split_cli_support::transform(options).map_err(|error| anyhow::anyhow!("{error:#}"))?;
    ensure!(
        !found.split_modules.is_empty(),
        "no page is a module of its own: was the frontend linked with --emit-relocs?"
    );
    if !dev {
        for path in &found.split_modules {
            let module = fs::read(path).with_context(|| path.display().to_string())?;
            fs::write(path, without_names(&module).with_context(|| path.display().to_string())?)?;
        }
    }
    Ok(main)
}

/// The module without its custom sections, which are names for debuggers. Sections: an id (0 for custom ones), a length in LEB128,
/// the content (WebAssembly core specification, 5.5).
fn without_names(module: &[u8]) -> Result<Vec<u8>> {
    let (head, mut rest) = module.split_at_checked(8).context("a module is longer than its header")?;
    let mut out = head.to_vec();
    while let Some(&id) = rest.first() {
        let (mut length, mut at) = (0usize, 1);
        loop {
            let byte = *rest.get(at).context("a section ends in its length")?;
            length |=
                usize::from(byte & 0x7f).checked_shl(7 * (at as u32 - 1)).context("a section's length is too large")?;
            at += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let (section, after) = rest.split_at_checked(at + length).context("a section is longer than the module")?;
        if id != 0 {
            out.extend_from_slice(section);
        }
        rest = after;
    }
    Ok(out)
}

/// Writes `app.js` and `app_bg.wasm` for the browser.
fn bind(module: &Path, to: &Path, dev: bool) -> Result<()> {
    wasm_bindgen_cli_support::Bindgen::new()
        // names that the areas' modules import from the main one
        .keep_lld_exports(true)
        .demangle(false)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::without_names;

    #[test]
    fn custom_sections_go_and_others_stay() {
        let header = *b"\0asm\x01\0\0\0";
        let long = [vec![10, 0x80, 0x01], vec![7; 128]].concat();
        let module = [&header[..], &[0, 2, 1, b'n'], &[1, 1, 0], &[0, 1, 0], &long].concat();
        assert_eq!(without_names(&module).unwrap(), [&header[..], &[1, 1, 0], &long].concat());
        assert!(without_names(&module[..module.len() - 1]).is_err());
        assert!(without_names(&header[..4]).is_err());
    }
}
