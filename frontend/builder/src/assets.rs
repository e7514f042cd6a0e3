//! Lays out `dist`: hashed names, references to them, brotli copies, sizes.
//!
//! A reference is written `{{name}}` in the sources and becomes the file's address. Files are written in the order of who
//! refers to whom, so that each hash covers the hashes below it.

use crate::say;
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The stylesheet's sections, in this order.
const STYLES: [&str; 12] = [
    "tokens.css",
    "base.css",
    "components.css",
    "shell.css",
    "pages.css",
    "deployments.css",
    "models.css",
    "buckets.css",
    "work.css",
    "jobs.css",
    "logs.css",
    "pipelines.css",
];
/// The figures of FRONTEND.md are in brotli, so the best quality; `--dev` skips it.
const QUALITY: i32 = 11;

/// What `dist` is made from, besides what wasm-bindgen writes.
pub struct Sources {
    index: String,
    boot: String,
    style: String,
    public: BTreeMap<String, Vec<u8>>,
    module_digest: String,
}

impl Sources {
    /// Reads the folder `frontend` and the digest of the compiled module.
    pub fn read(frontend: &Path, module: &Path) -> Result<Self> {
        let text = |path: PathBuf| fs::read_to_string(&path).with_context(|| path.display().to_string());
        let mut style = String::new();
        for name in STYLES {
            style.push_str(&text(frontend.join("style").join(name))?);
            style.push('\n');
        }
        let mut public = BTreeMap::new();
        read_public(&frontend.join("public"), "", &mut public)?;
        let module = fs::read(module).with_context(|| module.display().to_string())?;
        Ok(Self {
            index: text(frontend.join("index.html"))?,
            boot: text(frontend.join("boot.js"))?,
            style: squeeze(&style),
            public,
            module_digest: hex::encode(Sha256::digest(&module)),
        })
    }

    /// Changes whenever `dist` has to.
    pub fn stamp(&self, dev: bool) -> String {
        let mut hash = Sha256::new();
        for part in [&self.index, &self.boot, &self.style, &self.module_digest, env!("CARGO_PKG_VERSION")] {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        for (name, bytes) in &self.public {
            hash.update(name);
            hash.update(bytes.len().to_le_bytes());
            hash.update(bytes);
        }
        hash.update([u8::from(dev)]);
        hex::encode(hash.finalize())
    }
}

/// Whether `out` was written from the same sources.
pub fn is_current(out: &Path, stamp_file: &Path, stamp: &str) -> bool {
    out.join("index.html").is_file() && fs::read_to_string(stamp_file).is_ok_and(|text| text == stamp)
}

/// Writes `out` anew.
pub fn write(sources: &Sources, bindgen_dir: &Path, out: &Path, dev: bool) -> Result<()> {
    if out.exists() {
        fs::remove_dir_all(out)?;
    }
    fs::create_dir_all(out.join("assets"))?;
    let mut dist = Dist { out, addresses: BTreeMap::new(), compress: !dev };
    for (name, bytes) in &sources.public {
        dist.add(name, bytes)?;
    }
    dist.add_program(bindgen_dir)?;
    dist.add("app.css", dist.resolve(&sources.style)?.as_bytes())?;
    dist.add("boot.js", dist.resolve(&sources.boot)?.as_bytes())?;
    let index = dist.resolve(&sources.index)?;
    dist.put(&out.join("index.html"), index.as_bytes())
}

struct Dist<'a> {
    out: &'a Path,
    /// Name in the sources → address in the browser.
    addresses: BTreeMap<String, String>,
    compress: bool,
}

impl Dist<'_> {
    fn add(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let file = Path::new(name).file_name().and_then(|file| file.to_str()).context("a file name")?;
        let (stem, extension) = file.rsplit_once('.').with_context(|| format!("{name} has no extension"))?;
        let digest = hex::encode(Sha256::digest(bytes));
        let hashed = format!("{stem}-{}.{extension}", &digest[..10]);
        self.put(&self.out.join("assets").join(&hashed), bytes)?;
        self.addresses.insert(name.to_owned(), format!("/assets/{hashed}"));
        Ok(())
    }

    /// The program: the main module, its glue and a module per area. They refer to each other by name, so what carries the hash
    /// is the folder that they lie in.
    fn add_program(&mut self, dir: &Path) -> Result<()> {
        let mut files = BTreeMap::new();
        read_public(dir, "", &mut files)?;
        let mut hash = Sha256::new();
        for (name, bytes) in &files {
            hash.update(name);
            hash.update(bytes);
        }
        let folder = format!("app-{}", &hex::encode(hash.finalize())[..10]);
        fs::create_dir_all(self.out.join("assets").join(&folder))?;
        for (name, bytes) in &files {
            self.put(&self.out.join("assets").join(&folder).join(name), bytes)?;
            self.addresses.insert(name.clone(), format!("/assets/{folder}/{name}"));
        }
        Ok(())
    }

    fn put(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        fs::write(path, bytes).with_context(|| path.display().to_string())?;
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if self.compress && matches!(extension, "wasm" | "js" | "css" | "html" | "svg" | "txt") {
            let mut packed = Vec::new();
            let quality = brotli::enc::BrotliEncoderParams { quality: QUALITY, lgwin: 22, ..Default::default() };
            brotli::BrotliCompress(&mut &bytes[..], &mut packed, &quality)?;
            let mut name = path.as_os_str().to_owned();
            name.push(".br");
            fs::write(name, packed)?;
        }
        Ok(())
    }

    /// `text` with each `{{name}}` replaced by its address.
    fn resolve(&self, text: &str) -> Result<String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((name, after)) = after.split_once("}}") else { bail!("an open {{{{ without its }}}}") };
            out.push_str(before);
            out.push_str(self.addresses.get(name).with_context(|| format!("{name} is referred to, but is not there"))?);
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }
}

/// Prints each file with its size and its size in brotli, then the sum.
pub fn report(out: &Path) -> Result<()> {
    let mut files = BTreeMap::new();
    read_public(out, "", &mut files)?;
    let (mut plain_sum, mut packed_sum) = (0, 0);
    for (name, bytes) in files.iter().filter(|(name, _)| !name.ends_with(".br")) {
        let packed = files.get(&format!("{name}.br")).unwrap_or(bytes).len();
        plain_sum += bytes.len();
        packed_sum += packed;
        say(&format!("{:>10}  {packed:>8}  {name}", bytes.len()));
    }
    say(&format!("{plain_sum:>10}  {packed_sum:>8}  bytes in all, plain and as sent"));
    Ok(())
}

fn read_public(dir: &Path, prefix: &str, into: &mut BTreeMap<String, Vec<u8>>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            read_public(&entry.path(), &format!("{name}/"), into)?;
        } else {
            into.insert(name, fs::read(entry.path())?);
        }
    }
    Ok(())
}

/// CSS without its comments, indents and line ends. Strings with runs of blanks do not occur in ours.
fn squeeze(css: &str) -> String {
    let mut out = String::with_capacity(css.len());
    let mut rest = css;
    while let Some((before, after)) = rest.split_once("/*") {
        out.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    out.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_reference_to_a_missing_file_fails_the_build() {
        let dist = Dist {
            out: Path::new("."),
            addresses: BTreeMap::from([("a.js".into(), "/assets/a-1.js".into())]),
            compress: false,
        };
        assert_eq!(dist.resolve("x {{a.js}} y").unwrap(), "x /assets/a-1.js y");
        assert!(dist.resolve("{{b.js}}").is_err());
        assert!(dist.resolve("{{a.js").is_err());
    }

    #[test]
    fn css_loses_comments_and_indents_only() {
        assert_eq!(squeeze("a {\n  /* why */ b: c;\n\n}\n"), "a {\nb: c;\n}");
    }
}
