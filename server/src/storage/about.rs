//! What is said about an object beside its content: headers that come back as they were sent, user metadata, checksums, tags.
//!
//! Kept as JSON in one column, absent where there is nothing to say: rows stay small, since listings read many.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::refusals;
use crate::error::{Error, Result};

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct About {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_disposition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// Names without `x-amz-meta-`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// `crc32`, `crc32c`, `crc64nvme`, `sha1`, `sha256` → base64, with `-N` at the end when made of N parts' checksums.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub checksums: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

impl About {
    pub fn read(column: Option<&str>) -> Result<Self> {
        column.map_or_else(|| Ok(Self::default()), |text| serde_json::from_str(text).map_err(Error::internal))
    }

    pub fn column(&self) -> Result<Option<String>> {
        if *self == Self::default() { Ok(None) } else { serde_json::to_string(self).map(Some).map_err(Error::internal) }
    }
}

/// S3's rules for tags: at most `most`, keys distinct, 128 and 256 characters.
pub fn check_tags(tags: &[(String, String)], most: usize) -> Result<BTreeMap<String, String>> {
    if tags.len() > most {
        return Err(refusals::invalid_tag(format!("At most {most} tags fit.")));
    }
    let mut checked = BTreeMap::new();
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
            return Err(refusals::invalid_tag("A tag's key has 1 to 128 characters and its value at most 256."));
        }
        if checked.insert(key.clone(), value.clone()).is_some() {
            return Err(refusals::invalid_tag(format!("The tag {key} is named twice.")));
        }
    }
    Ok(checked)
}
