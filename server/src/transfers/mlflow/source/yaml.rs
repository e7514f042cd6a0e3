//! The small YAML files of an `mlruns` folder.
//!
//! Scalars are taken as the text that stands there: PyYAML writes the id `12e7` and the name `1e5` without quotes, which other
//! readers take for numbers.

use std::path::Path;

use serde::Deserialize;
use serde_yaml_ng::Value;

/// Nobody's metadata is larger.
const LARGEST: u64 = 8 << 20;

/// All fields of all kinds of metadata that are read.
macro_rules! fields {
    ($($name:ident)*) => {
        #[derive(Debug, Clone, Default, Deserialize)]
        #[serde(default)]
        struct Fields {
            $($name: Option<String>,)*
            tags: Value,
        }

        impl Fields {
            fn get(&self, key: &str) -> Option<&String> {
                match key {
                    $(stringify!($name) => self.$name.as_ref(),)*
                    _ => None,
                }
            }
        }
    };
}

fields! {
    name creation_time last_update_time lifecycle_stage artifact_location
    run_id run_uuid run_name user_id status start_time end_time artifact_uri
    source_type source_id destination_type destination_id step digest source schema profile
    creation_timestamp last_updated_timestamp model_id model_type source_run_id
    description version run_link current_stage storage_location
}

/// The mapping in a file.
#[derive(Debug, Clone)]
pub struct Meta(Fields);

impl Meta {
    pub fn read(path: &Path) -> Result<Self, String> {
        let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
        if size > LARGEST {
            return Err("it is larger than 8 MiB".into());
        }
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        serde_yaml_ng::from_str(&text).map(Self).map_err(|error| error.to_string())
    }

    /// `None` for null and where it is absent.
    pub fn text(&self, key: &str) -> Option<String> {
        self.0.get(key).cloned()
    }

    pub fn integer(&self, key: &str) -> Option<i64> {
        let text = self.0.get(key)?;
        text.parse().ok().or_else(|| Some(text.parse::<f64>().ok()? as i64))
    }

    /// The text, which has to be there.
    pub fn needed(&self, key: &str) -> Result<String, String> {
        self.text(key).ok_or_else(|| format!("its meta.yaml has no {key}"))
    }

    pub fn is_deleted(&self) -> bool {
        self.text("lifecycle_stage").as_deref() == Some("deleted")
    }

    /// The tags of an input.
    pub fn tags(&self) -> Vec<(String, String)> {
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(yes) => yes.to_string(),
            _ => String::new(),
        };
        let mapping = self.0.tags.as_mapping();
        mapping.into_iter().flatten().map(|(key, value)| (text(key), text(value))).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn scalars_are_the_text_that_stands_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("meta.yaml");
        let text = "run_id: 0123e5\nname: 1e5\nrun_name: '007'\nuser_id: null\nstatus: 3\nend_time: ''\ntags: []\nunknown: {a: [1]}\n";
        std::fs::write(&path, text).unwrap();
        let meta = Meta::read(&path).unwrap();
        assert_eq!(meta.text("run_id").as_deref(), Some("0123e5"));
        assert_eq!((meta.text("name").as_deref(), meta.text("run_name").as_deref()), (Some("1e5"), Some("007")));
        assert_eq!((meta.text("user_id"), meta.integer("status"), meta.integer("end_time")), (None, Some(3), None));
        for bad in ["run_id: [", "- a\n- b\n", "just text"] {
            std::fs::write(&path, bad).unwrap();
            assert!(Meta::read(&path).is_err(), "{bad}");
        }
    }
}
