//! The small YAML files of an `mlruns` folder.

use std::path::Path;

use serde_yaml_ng::Value;

/// Nobody's metadata is larger.
const LARGEST: u64 = 8 << 20;

/// The mapping in a file.
#[derive(Debug, Clone)]
pub struct Meta(Value);

impl Meta {
    pub fn read(path: &Path) -> Result<Self, String> {
        let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
        if size > LARGEST {
            return Err("it is larger than 8 MiB".into());
        }
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        let value: Value = serde_yaml_ng::from_str(&text).map_err(|error| error.to_string())?;
        if value.is_mapping() { Ok(Self(value)) } else { Err("it has no fields".into()) }
    }

    /// A text, or a number as text; `None` for null and where it is absent.
    pub fn text(&self, key: &str) -> Option<String> {
        match self.0.get(key)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(yes) => Some(yes.to_string()),
            _ => None,
        }
    }

    pub fn integer(&self, key: &str) -> Option<i64> {
        let value = self.0.get(key)?;
        value.as_i64().or_else(|| value.as_str()?.parse().ok()).or_else(|| Some(value.as_f64()? as i64))
    }

    /// The text, which has to be there.
    pub fn needed(&self, key: &str) -> Result<String, String> {
        self.text(key).ok_or_else(|| format!("its meta.yaml has no {key}"))
    }

    pub fn is_deleted(&self) -> bool {
        self.text("lifecycle_stage").as_deref() == Some("deleted")
    }

    /// A mapping of texts.
    pub fn pairs(&self, key: &str) -> Vec<(String, String)> {
        let mapping = self.0.get(key).and_then(Value::as_mapping);
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => String::new(),
        };
        mapping.into_iter().flatten().map(|(key, value)| (text(key), text(value))).collect()
    }
}
