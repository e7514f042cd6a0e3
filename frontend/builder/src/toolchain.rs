//! Finds a compiler that can build for the browser and runs it.
//!
//! A toolchain with wasm32 installed is used as it is. Else Debian's `rustc-web`, which brings the sources of std: std is then
//! compiled too.

use crate::{Options, say};
use anyhow::{Context, Result, bail, ensure};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

const TARGET: &str = "wasm32-unknown-unknown";
const CRATE: &str = "drydock-frontend";
/// Where std is compiled too: a panic ends the page (`boot.js` says so) without words of its own, which would be in the module.
const SMALL: &str =
    " --cfg wordless_panics -Zunstable-options -Cpanic=immediate-abort -Zlocation-detail=none -Zfmt-debug=none";

struct Toolchain {
    cargo: PathBuf,
    rustc: PathBuf,
    /// The linker to use when std has to be compiled; absent: std for wasm32 is installed.
    build_std: Option<PathBuf>,
}

/// Compiles the dashboard; answers the path of the module.
pub fn compile(options: &Options) -> Result<PathBuf> {
    let found = find()?;
    let how = if found.build_std.is_some() { "std from its sources" } else { "std as installed" };
    say(&format!("{:>10}  {} ({how})", "compiler", found.rustc.display()));
    let profile = if options.dev { "web-dev" } else { "web" };
    let mut command = Command::new(&found.cargo);
    command.current_dir(&options.root).env("RUSTC", &found.rustc);
    // what `cargo run` set for this very program is not meant for another compiler
    for name in ["RUSTUP_TOOLCHAIN", "CARGO", "LD_LIBRARY_PATH", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER"] {
        command.env_remove(name);
    }
    let mut flags = "--cfg erase_components".to_owned();
    command.args(["build", "-p", CRATE, "--target", TARGET, "--profile", profile]);
    command.arg("--target-dir").arg(&options.target_dir);
    if let Some(linker) = &found.build_std {
        if !options.dev {
            flags.push_str(SMALL);
        }
        command.env("RUSTC_BOOTSTRAP", "1").env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        command.args(["-Z", "build-std=std,panic_abort", "-Z", "build-std-features=optimize_for_size"]);
    }
    command.env("RUSTFLAGS", flags);
    let status = command.status().with_context(|| format!("start {}", found.cargo.display()))?;
    ensure!(status.success(), "cargo could not build {CRATE}");
    Ok(options.target_dir.join(TARGET).join(profile).join(format!("{CRATE}.wasm")))
}

fn find() -> Result<Toolchain> {
    let cargo = PathBuf::from(env::var_os("CARGO").unwrap_or("cargo".into()));
    let rustc = PathBuf::from(env::var_os("RUSTC").unwrap_or("rustc".into()));
    if has_wasm_std(&rustc) {
        return Ok(Toolchain { cargo, rustc, build_std: None });
    }
    for (cargo, rustc) in [(cargo, rustc), ("/usr/bin/cargo".into(), "/usr/bin/rustc".into())] {
        if has_std_sources(&rustc) {
            let linker = linker().context("no linker for wasm: install lld-19 or a rustup toolchain")?;
            return Ok(Toolchain { cargo, rustc, build_std: Some(linker) });
        }
    }
    bail!(
        "no compiler here builds for {TARGET}. Run `rustup target add {TARGET}`, \
         or on Debian `apt-get install rustc-web cargo-web rust-web-src lld-19`"
    )
}

fn has_wasm_std(rustc: &Path) -> bool {
    answer(Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]))
        .and_then(|dir| fs::read_dir(dir).ok())
        .is_some_and(|dir| dir.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-")))
}

fn has_std_sources(rustc: &Path) -> bool {
    answer(Command::new(rustc).args(["--print", "sysroot"]))
        .is_some_and(|root| Path::new(&root).join("lib/rustlib/src/rust/library/Cargo.lock").exists())
}

/// rustup's own linker, else one on the path.
fn linker() -> Option<PathBuf> {
    let rustup = answer(Command::new("rustc").args(["--print", "sysroot"])).and_then(|root| {
        let hosts = fs::read_dir(Path::new(&root).join("lib/rustlib")).ok()?;
        hosts.flatten().map(|host| host.path().join("bin/rust-lld")).find(|lld| lld.is_file())
    });
    rustup.or_else(|| on_path(&["wasm-ld", "wasm-ld-22", "wasm-ld-21", "wasm-ld-20", "wasm-ld-19"]))
}

fn on_path(names: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    names.iter().find_map(|name| env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file()))
}

fn answer(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
