//! Values that no log may show: each becomes `***` before a line is written anywhere.

use std::{borrow::Cow, sync::RwLock};

use regex::{NoExpand, Regex};

use crate::{
    accounts::secrets::BoxKey,
    app::App,
    db::Conn,
    error::{Error, Result},
    workloads::store,
};

/// Shorter values are no secrets, and hiding them would make a log unreadable.
const SHORTEST: usize = 6;
const HIDDEN: &str = "***";
/// Names an S3 key, and is not secret.
const ACCESS_KEY: &str = "AWS_ACCESS_KEY_ID";

/// What an owner of workloads says: the values that are secret in that workload's log.
pub type Secrets = fn(&mut Conn, &BoxKey, workload: &str) -> Result<Vec<String>>;

static OWNERS: RwLock<Vec<Secrets>> = RwLock::new(Vec::new());

/// Tells whom to ask for the secrets of a workload; at the start, once each.
pub fn ask_what_to_mask(answer: Secrets) {
    let mut owners = OWNERS.write().unwrap_or_else(std::sync::PoisonError::into_inner);
    if !owners.iter().any(|known| std::ptr::fn_addr_eq(*known, answer)) {
        owners.push(answer);
    }
}

/// Hides the values of one log.
#[derive(Debug, Clone, Default)]
pub struct Masks(Option<Regex>);

impl Masks {
    /// Of a value of several lines, each line is one.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut parts: Vec<&str> =
            values.into_iter().flat_map(str::lines).map(str::trim).filter(|part| part.len() >= SHORTEST).collect();
        // the longer first: a value that contains another is hidden whole
        parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
        parts.dedup();
        if parts.is_empty() {
            return Ok(Self(None));
        }
        let any = parts.into_iter().map(regex::escape).collect::<Vec<_>>().join("|");
        Regex::new(&any).map(|any| Self(Some(any))).map_err(Error::internal)
    }

    /// Of a workload: its own tokens and keys, and what its owner names.
    pub async fn of(app: &App, workload: &str) -> Result<Self> {
        let owners = OWNERS.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let (id, key) = (workload.to_owned(), app.box_key.clone());
        let find = move |conn: &mut Conn| {
            let own = store::find(conn, &id)?.map(|workload| workload.secrets).unwrap_or_default();
            let mut values: Vec<String> =
                own.into_iter().filter(|(name, _)| name != ACCESS_KEY).map(|(_, value)| value).collect();
            for owner in owners {
                values.extend(owner(conn, &key, &id)?);
            }
            Ok(values)
        };
        let values = app.db.read(find).await?;
        Self::new(values.iter().map(String::as_str))
    }

    pub fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match &self.0 {
            Some(any) => any.replace_all(text, NoExpand(HIDDEN)),
            None => Cow::Borrowed(text),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values_are_hidden_wherever_they_stand() {
        let masks =
            Masks::new(["s3cret.+", "s3cret.+longer", "tiny", "-----BEGIN-----\nabcdefg\n-----END-----"]).unwrap();
        assert_eq!(masks.hide("a s3cret.+longer and s3cret.+!"), "a *** and ***!");
        assert_eq!(masks.hide("tiny s3cretXX"), "tiny s3cretXX");
        assert_eq!(masks.hide("key: abcdefg."), "key: ***.");
        assert_eq!(Masks::new(["tiny"]).unwrap().hide("tiny"), "tiny");
    }
}
