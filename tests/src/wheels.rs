//! Wheels that a test makes itself: pure Python, or with a tag of another platform; no network and no build tool.

use std::io::{Cursor, Write};

use anyhow::{Result, ensure};
use reqwest::Method;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::Api;

/// A wheel to be written.
#[derive(Debug, Clone)]
pub struct Wheel {
    pub name: String,
    pub version: String,
    pub tags: String,
    pub requires: Vec<String>,
    pub requires_python: Option<String>,
    /// Of its one module, which is called as the wheel.
    pub code: String,
}

impl Wheel {
    /// A module that has `VERSION`.
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            tags: "py3-none-any".into(),
            requires: vec![],
            requires_python: None,
            code: format!("VERSION = '{version}'\n"),
        }
    }

    pub fn requires(mut self, requirement: &str) -> Self {
        self.requires.push(requirement.into());
        self
    }

    pub fn tags(mut self, tags: &str) -> Self {
        self.tags = tags.into();
        self
    }

    pub fn code(mut self, code: &str) -> Self {
        self.code += code;
        self
    }

    fn stem(&self) -> String {
        format!("{}-{}", self.name.replace('-', "_"), self.version)
    }

    pub fn filename(&self) -> String {
        format!("{}-{}.whl", self.stem(), self.tags)
    }

    pub fn metadata(&self) -> String {
        let mut text =
            format!("Metadata-Version: 2.1\nName: {}\nVersion: {}\nSummary: made by a test\n", self.name, self.version);
        self.requires_python.iter().for_each(|python| text += &format!("Requires-Python: {python}\n"));
        self.requires.iter().for_each(|requirement| text += &format!("Requires-Dist: {requirement}\n"));
        text
    }

    /// What the archive has.
    pub fn entries(&self) -> Vec<(String, Vec<u8>)> {
        let (module, info) = (self.name.replace('-', "_"), format!("{}.dist-info", self.stem()));
        let wheel =
            format!("Wheel-Version: 1.0\nGenerator: drydock-tests\nRoot-Is-Purelib: true\nTag: {}\n", self.tags);
        let record = format!("{module}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n");
        vec![
            (format!("{module}.py"), self.code.clone().into_bytes()),
            (format!("{info}/METADATA"), self.metadata().into_bytes()),
            (format!("{info}/WHEEL"), wheel.into_bytes()),
            (format!("{info}/RECORD"), record.into_bytes()),
        ]
    }

    pub fn bytes(&self) -> Result<Vec<u8>> {
        zipped(&self.entries())
    }

    /// Puts it into the box's index.
    pub async fn add(&self, api: &Api) -> Result<()> {
        let (status, answer) = put(api, &self.filename(), self.bytes()?).await?;
        ensure!(status == 201, "{} answered {status}: {answer}", self.filename());
        Ok(())
    }
}

/// An archive of these entries, deflated.
pub fn zipped(entries: &[(String, Vec<u8>)]) -> Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(vec![]));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, bytes) in entries {
        zip.start_file(name.as_str(), options)?;
        zip.write_all(bytes)?;
    }
    Ok(zip.finish()?.into_inner())
}

/// Uploads these bytes under this name; the status and the text of the answer.
pub async fn put(api: &Api, filename: &str, bytes: Vec<u8>) -> Result<(u16, String)> {
    let answer = api.request(Method::PUT, &format!("/api/v1/packages/{filename}")).body(bytes).send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}
