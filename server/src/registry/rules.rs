//! Names, aliases, stages and their texts. Pure.

use crate::{
    error::{Error, Result},
    tracking::rules::{at_most, invalid_value, key_name},
};

const MAX_TAG_CHARS: usize = 100_000;

pub const STAGES: [&str; 4] = ["None", "Staging", "Production", "Archived"];
/// The tag that makes a model a prompt.
pub const PROMPT_TAG: &str = "mlflow.prompt.is_prompt";

/// A model's name.
pub fn model_name(name: &str) -> Result<()> {
    if name.trim().is_empty() {
        return Err(Error::invalid("Missing value for required parameter 'name'."));
    }
    if name.contains(['/', ':']) {
        return Err(Error::invalid(format!("Invalid model name '{name}'. Names cannot contain '/' or ':'.")));
    }
    if name == "." || name.starts_with("..") {
        let why = format!(
            "Names may be treated as files in certain cases, and must not resolve to other names when treated as such. This \
             name would resolve to '{name}'"
        );
        return Err(invalid_value("name", name, &why));
    }
    at_most("name", 256, name)
}

/// A version's number, as clients write it.
pub fn version(text: &str) -> Result<i64> {
    text.parse().map_err(|_| Error::invalid(format!("Parameter 'version' must be an integer, got '{text}'.")))
}

/// An alias, for reading.
pub fn alias(alias: &str) -> Result<()> {
    if alias.is_empty() {
        return Err(Error::invalid("Registered model alias name cannot be empty."));
    }
    if !alias.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-')) {
        return Err(Error::invalid(format!(
            "Invalid alias name: '{alias}'. Names may only contain alphanumerics, underscores (_), and dashes (-)."
        )));
    }
    at_most("Registered model alias name", 255, alias)
}

/// An alias, for setting: some are taken by their meaning.
pub fn free_alias(text: &str) -> Result<()> {
    alias(text)?;
    if text.eq_ignore_ascii_case("latest") {
        return Err(Error::invalid("'latest' alias name (case insensitive) is reserved."));
    }
    let number = text.strip_prefix(['v', 'V']).filter(|rest| !rest.is_empty());
    if number.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit())) {
        return Err(Error::invalid(format!("Version alias name '{text}' is reserved.")));
    }
    Ok(())
}

/// A tag of a model or version.
pub fn tag(key: &str, value: &str) -> Result<()> {
    key_name(key, "key")?;
    at_most("key", 250, key)?;
    at_most("value", MAX_TAG_CHARS, value)
}

/// The stage by its name in any case.
pub fn stage(text: &str) -> Result<&'static str> {
    STAGES.into_iter().find(|stage| stage.eq_ignore_ascii_case(text)).ok_or_else(|| {
        Error::invalid(format!("Invalid Model Version stage: {text}. Value must be one of {}.", STAGES.join(", ")))
    })
}

/// Whether versions of the stage can be archived when another one moves there.
pub fn is_active(stage: &str) -> bool {
    matches!(stage, "Staging" | "Production")
}

/// Whether the tags make it a prompt.
pub fn is_prompt(tags: &[(String, String)]) -> bool {
    tags.iter().rev().find(|(key, _)| key == PROMPT_TAG).is_some_and(|(_, value)| value.eq_ignore_ascii_case("true"))
}

/// An instant: milliseconds since the epoch, a time with its zone, or a day, which means its last instant in UTC.
pub fn instant(text: &str) -> Result<i64> {
    let last_of_day = |day: jiff::civil::Date| {
        let next = day.tomorrow().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(next.timestamp().as_millisecond() - 1)
    };
    let text = text.trim();
    text.parse::<i64>()
        .ok()
        .or_else(|| text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond))
        // A day alone: jiff would read one out of a time without a zone.
        .or_else(|| (text.len() == 10).then(|| text.parse::<jiff::civil::Date>().ok().and_then(last_of_day)).flatten())
        .ok_or_else(|| {
            Error::invalid(format!(
                "time: '{text}' is no instant. Use milliseconds since 1970, 2026-11-25, or 2026-11-25T12:00:00Z."
            ))
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_that_are_paths_are_refused() {
        assert_eq!(
            model_name("a/b").unwrap_err().message,
            "Invalid model name 'a/b'. Names cannot contain '/' or ':'."
        );
        for bad in ["", "  ", "a:b", "..", ".", "../x"] {
            assert!(model_name(bad).is_err(), "{bad:?}");
        }
        assert!(model_name("Wine quality 2").is_ok());
    }

    #[test]
    fn aliases_have_their_reserved_words() {
        for bad in ["", "a b", "latest", "LATEST", "v1", "V22"] {
            assert!(free_alias(bad).is_err(), "{bad:?}");
        }
        for good in ["champion", "v", "v1a", "a-b_c"] {
            assert!(free_alias(good).is_ok(), "{good}");
        }
        assert!(alias("v1").is_ok());
    }

    #[test]
    fn instants_are_read_as_people_and_programs_write_them() {
        assert_eq!(instant("1700000000000").unwrap(), 1_700_000_000_000);
        assert_eq!(instant("2023-11-14T22:13:20Z").unwrap(), 1_700_000_000_000);
        assert_eq!(instant("2023-11-14").unwrap(), 1_700_006_399_999);
        for bad in ["", "yesterday", "2023-13-01", "2023-11-14T22:13:20"] {
            assert!(instant(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn stages_are_canonical() {
        assert_eq!(stage("staging").unwrap(), "Staging");
        let error = stage("zz").unwrap_err().message;
        assert_eq!(error, "Invalid Model Version stage: zz. Value must be one of None, Staging, Production, Archived.");
    }
}
