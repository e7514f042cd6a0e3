//! A wheel looked into without unpacking it: its name, its `METADATA`, and that nothing in it lies about itself.
//!
//! Only METADATA and WHEEL are inflated, within their limits. What an installer would unpack is judged by the archive's directory.

use std::{
    io::{Read, Seek},
    str::FromStr,
};

use pep440_rs::Version;
use zip::ZipArchive;

use super::{
    metadata::{self, Metadata},
    names::{self, WheelName},
};
use crate::error::{Error, Result};

const MOST_METADATA_BYTES: u64 = 1 << 20;
const MOST_ENTRIES: usize = 200_000;
/// An installer writes at most so many times the wheel's size, beyond a first …
const MOST_RATIO: u64 = 100;
const FREE_BYTES: u64 = 64 << 20;

/// What the index keeps of a wheel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wheel {
    pub name: WheelName,
    /// As written.
    pub metadata: Vec<u8>,
    pub parsed: Metadata,
}

/// Looks into the archive; `size_bytes` is its size.
///
/// # Errors
/// `invalid`, saying what is wrong with the wheel.
pub fn check(name: WheelName, filename: &str, archive: impl Read + Seek, size_bytes: u64) -> Result<Wheel> {
    let bad = |why: String| Error::invalid(format!("{filename} is not taken: {why}"));
    let mut zip = ZipArchive::new(archive).map_err(|cause| bad(format!("it is no zip archive ({cause}).")))?;
    let folder = directory(&zip, size_bytes).map_err(bad)?;
    let said = folder.strip_suffix(".dist-info").and_then(|stem| stem.rsplit_once('-'));
    if said.is_none_or(|(said, _)| names::normalized(said) != name.name) {
        return Err(bad(format!("its name says {}, inside it is {folder}.", name.name)));
    }
    let wheel = entry(&mut zip, &format!("{folder}/WHEEL")).map_err(bad)?;
    if !String::from_utf8_lossy(&wheel).lines().any(|line| line.to_ascii_lowercase().starts_with("wheel-version: 1.")) {
        return Err(bad("its WHEEL does not say Wheel-Version 1.x.".into()));
    }
    let metadata = entry(&mut zip, &format!("{folder}/METADATA")).map_err(bad)?;
    let parsed = metadata::parse(&metadata).map_err(|cause| bad(cause.message))?;
    if names::normalized(&parsed.name) != name.name {
        return Err(bad(format!("its name says {}, its METADATA {}.", name.name, parsed.name)));
    }
    if Version::from_str(&parsed.version).ok().as_ref() != Some(&name.version) {
        return Err(bad(format!("its name says version {}, its METADATA {}.", name.version, parsed.version)));
    }
    Ok(Wheel { name, metadata, parsed })
}

/// The one `.dist-info` folder. Looks at every entry's name and size.
fn directory<R: Read + Seek>(zip: &ZipArchive<R>, size_bytes: u64) -> std::result::Result<String, String> {
    if zip.len() > MOST_ENTRIES {
        return Err(format!("it has {} entries; {MOST_ENTRIES} are the limit.", zip.len()));
    }
    if zip.has_duplicate_names() {
        return Err("one of its files is there twice.".into());
    }
    let (mut folders, mut unpacked, mut records) = (vec![], 0_u64, 0);
    for index in 0..zip.len() {
        let entry = zip.by_index_data(index).map_err(|cause| format!("its directory is broken ({cause})."))?;
        let name = entry.name().map_err(|_| "a name in it is no text.".to_owned())?;
        check_path(&name)?;
        unpacked = unpacked.saturating_add(entry.size());
        if let Some((folder, file)) = name.split_once('/')
            && folder.ends_with(".dist-info")
        {
            if !folders.iter().any(|known| known == folder) {
                folders.push(folder.to_owned());
            }
            records += usize::from(file == "RECORD");
        }
    }
    if unpacked > size_bytes.saturating_mul(MOST_RATIO).saturating_add(FREE_BYTES) {
        return Err(format!(
            "it would unpack to {unpacked} bytes, from {size_bytes}: that is no wheel but a zip bomb."
        ));
    }
    match folders.as_slice() {
        [one] if records == 1 => Ok(one.clone()),
        [_] => Err("it has no RECORD of its files.".into()),
        [] => Err("it has no .dist-info folder.".into()),
        _ => Err("it has more than one .dist-info folder.".into()),
    }
}

fn check_path(name: &str) -> std::result::Result<(), String> {
    let bare = name.strip_suffix('/').unwrap_or(name);
    let good = !bare.is_empty()
        && !bare.starts_with('/')
        && !bare.contains(['\\', '\0', ':'])
        && bare.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    good.then_some(()).ok_or_else(|| format!("the path {name:?} in it leads elsewhere."))
}

fn entry<R: Read + Seek>(zip: &mut ZipArchive<R>, name: &str) -> std::result::Result<Vec<u8>, String> {
    let entry = zip.by_name(name).map_err(|cause| format!("{name} cannot be read ({cause})."))?;
    let mut bytes = vec![];
    let limit = MOST_METADATA_BYTES + 1;
    entry.take(limit).read_to_end(&mut bytes).map_err(|cause| format!("{name} cannot be read ({cause})."))?;
    if bytes.len() as u64 >= limit {
        return Err(format!("{name} is larger than {MOST_METADATA_BYTES} bytes."));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::{Cursor, Write};

    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;

    const METADATA: &str = "Metadata-Version: 2.1\nName: My.Demo\nVersion: 1.0\nRequires-Dist: numpy\n";
    const WHEEL: &str = "Wheel-Version: 1.0\nTag: py3-none-any\n";

    fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(vec![]));
        for (name, bytes) in entries {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn looked_into(bytes: Vec<u8>) -> Result<Wheel> {
        let filename = "my_demo-1.0-py3-none-any.whl";
        let size = bytes.len() as u64;
        check(names::parse_wheel(filename).unwrap(), filename, Cursor::new(bytes), size)
    }

    fn good() -> Vec<(&'static str, &'static [u8])> {
        vec![
            ("my_demo/__init__.py", b""),
            ("my_demo-1.0.dist-info/METADATA", METADATA.as_bytes()),
            ("my_demo-1.0.dist-info/WHEEL", WHEEL.as_bytes()),
            ("my_demo-1.0.dist-info/RECORD", b""),
        ]
    }

    #[test]
    fn a_wheel_is_read_without_unpacking() {
        let wheel = looked_into(zipped(&good())).unwrap();
        assert_eq!(wheel.metadata, METADATA.as_bytes());
        assert_eq!(wheel.parsed.requires, ["numpy"]);
    }

    #[test]
    fn what_lies_about_itself_is_not_taken() {
        let with = |at: usize, entry: (&'static str, &'static [u8])| {
            let mut entries = good();
            entries[at] = entry;
            looked_into(zipped(&entries)).unwrap_err().message
        };
        let plus = |entry: (&'static str, &'static [u8])| {
            let mut entries = good();
            entries.push(entry);
            looked_into(zipped(&entries)).unwrap_err().message
        };
        assert!(with(1, ("my_demo-1.0.dist-info/METADATA", b"Name: other\nVersion: 1.0\n")).contains("METADATA other"));
        assert!(with(1, ("my_demo-1.0.dist-info/METADATA", b"Name: my-demo\nVersion: 2.0\n")).contains("METADATA 2.0"));
        assert!(with(1, ("my_demo/METADATA", b"")).contains("METADATA cannot be read"));
        assert!(with(2, ("my_demo-1.0.dist-info/WHEEL", b"Wheel-Version: 2.0\n")).contains("Wheel-Version"));
        assert!(with(3, ("x", b"")).contains("RECORD"));
        assert!(plus(("other-1.dist-info/METADATA", b"")).contains("more than one"));
        for path in ["../x", "/etc/x", "a/../../x", "a\\b", "c:x", "a//b"] {
            assert!(plus((path, b"")).contains("elsewhere"), "{path}");
        }
        assert!(looked_into(b"PK\x05\x06 not a zip".to_vec()).unwrap_err().message.contains("no zip archive"));
        assert!(looked_into(vec![]).is_err());
    }

    #[test]
    fn bombs_are_not_unpacked() {
        let zeros = vec![0_u8; 200 << 20];
        let mut entries = good();
        entries.push(("my_demo/zeros", &zeros));
        assert!(looked_into(zipped(&entries)).unwrap_err().message.contains("zip bomb"));
        let mut entries = good();
        let long = vec![b'x'; (1 << 20) + 1];
        entries[1] = ("my_demo-1.0.dist-info/METADATA", &long);
        assert!(looked_into(zipped(&entries)).unwrap_err().message.contains("larger than"));
    }

    /// Bytes changed anywhere: refused or read, never a panic.
    #[test]
    fn broken_archives_are_refused_without_a_panic() {
        let whole = zipped(&good());
        let mut seed = 7_u64;
        for _ in 0..3000 {
            let mut bytes = whole.clone();
            for _ in 0..4 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let at = (seed >> 33) as usize % bytes.len();
                bytes[at] = (seed >> 24) as u8;
            }
            bytes.truncate(whole.len() - (seed >> 40) as usize % 3);
            let _ = looked_into(bytes);
        }
    }
}
