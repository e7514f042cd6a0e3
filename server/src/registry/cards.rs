//! Model cards: what a version is for, what it was made of, how good it is, where it fails and whom it may treat worse.
//! Always holds: each save is a revision with its author and time, and no revision is ever changed; whoever saves has seen
//! the revision before his.

use drydock_wire::registry::CARD_SECTIONS;
use drydock_wire::{
    events::Topic,
    registry::{Card, CardContent, CardRevision, CardState, SaveCard},
};
use serde_json::json;

use super::{
    Version, models,
    store::cards::{self as store, CardRow},
    versions,
};
use crate::{
    accounts::{Authorized, action, audit},
    app::App,
    clock,
    db::Conn,
    error::{Error, Result},
};

type Develop = Authorized<action::Develop>;
type View = Authorized<action::View>;

const MAX_SECTION_CHARS: usize = 20_000;
const MAX_FACT_CHARS: usize = 500;

/// The card of a version at a revision; absent: the newest.
///
/// # Errors
/// `not_found` for a version or revision that is not there.
pub async fn card(app: &App, _auth: &View, name: String, number: i64, revision: Option<i64>) -> Result<Card> {
    app.db
        .read(move |conn| {
            let version = versions::known(conn, &name, number)?;
            view(conn, &version, revision)
        })
        .await
}

/// How far the card of a version is filled.
pub(super) fn state(conn: &mut Conn, version_row: i64) -> Result<CardState> {
    let newest = store::newest(conn, version_row)?;
    Ok(newest.map_or_else(|| state_of(0, &CardContent::default()), |(revision, content)| state_of(revision, &content)))
}

fn state_of(revision: i64, content: &CardContent) -> CardState {
    CardState { revision, filled: content.filled(), sections: CARD_SECTIONS.len() as u64 }
}

fn view(conn: &mut Conn, version: &Version, revision: Option<i64>) -> Result<Card> {
    let all = store::of_version(conn, version.row)?;
    let model = models::row_of(conn, &version.model)?;
    let chosen = match revision {
        None => all.first(),
        Some(wanted) => Some(all.iter().find(|row| row.revision == wanted).ok_or_else(|| {
            Error::not_found(format!(
                "The card of {} version {} has no revision {wanted}.",
                version.model, version.version
            ))
        })?),
    };
    let summary = |row: &CardRow| CardRevision {
        revision: row.revision,
        at: row.at,
        author: row.author.clone(),
        note: row.note.clone(),
        filled: row.content.filled(),
    };
    let content = chosen.map(|row| row.content.clone()).unwrap_or_default();
    let revision = chosen.map_or(0, |row| row.revision);
    Ok(Card {
        model: version.model.clone(),
        version: version.version,
        revision,
        at: chosen.map(|row| row.at),
        author: chosen.map(|row| row.author.clone()),
        note: chosen.map(|row| row.note.clone()).unwrap_or_default(),
        state: state_of(revision, &content),
        content,
        revisions: all.iter().map(summary).collect(),
        earlier: store::earlier(conn, model, version.version)?,
    })
}

/// Saves a new revision; what is as it was makes none.
///
/// # Errors
/// `conflict` when somebody saved another revision meanwhile; `invalid` for a text that is too long.
pub async fn save_card(app: &App, auth: &Develop, name: String, number: i64, wish: SaveCard) -> Result<Card> {
    check(&wish)?;
    let (who, id) = (auth.principal().clone(), name.clone());
    let card = app
        .db
        .write(move |conn| {
            let version = versions::known(conn, &id, number)?;
            if save(conn, &version, &who.username, wish)? {
                let subject = format!("model/{id}/{number}/card");
                let made = store::newest(conn, version.row)?.map(|(revision, content)| (revision, content.filled()));
                audit(
                    conn,
                    &who,
                    "model_card.save",
                    &subject,
                    json!({"revision": made.map(|m| m.0), "filled": made.map(|m| m.1)}),
                )?;
            }
            view(conn, &version, None)
        })
        .await?;
    app.events.publish(Topic::Models, Some(&name));
    Ok(card)
}

/// Whether it made a revision.
fn save(conn: &mut Conn, version: &Version, author: &str, wish: SaveCard) -> Result<bool> {
    let newest = store::of_version(conn, version.row)?.into_iter().next();
    let last = newest.as_ref().map_or(0, |row| row.revision);
    if wish.base != last {
        let by = newest.map(|row| row.author).unwrap_or_default();
        return Err(Error::conflict(format!(
            "{by} saved revision {last} of this card while you edited revision {}. Copy your text, load the card again and \
             put it in.",
            wish.base
        )));
    }
    if newest.is_some_and(|row| row.content == wish.content) {
        return Ok(false);
    }
    let row = CardRow {
        revision: last + 1,
        at: clock::now_ms(),
        author: author.to_owned(),
        note: wish.note.trim().to_owned(),
        content: wish.content,
    };
    store::insert(conn, version.row, &row)?;
    Ok(true)
}

fn check(wish: &SaveCard) -> Result<()> {
    for (key, title, _) in CARD_SECTIONS {
        if wish.content.section(key).chars().count() > MAX_SECTION_CHARS {
            return Err(Error::invalid(format!("{title}: a section has at most {MAX_SECTION_CHARS} characters.")));
        }
    }
    let facts = wish.content.facts().into_iter().chain([("What changed", wish.note.as_str())]);
    for (title, text) in facts {
        if text.chars().count() > MAX_FACT_CHARS {
            return Err(Error::invalid(format!("{title}: at most {MAX_FACT_CHARS} characters.")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::registry::store::{models as model_store, versions as version_store};

    fn world() -> (Conn, Version, Version) {
        let mut conn = crate::db::testing::connection();
        let row = model_store::insert(&mut conn, "default", "wine", "", 1).unwrap();
        let origin = crate::registry::source::Origin {
            source: "s3://b/x".into(),
            storage_location: "s3://b/x".into(),
            run_id: None,
            model_id: None,
        };
        for _ in 0..2 {
            version_store::insert(&mut conn, row, &origin, ("", ""), "ann", 1).unwrap();
        }
        let (first, second) =
            (versions::known(&mut conn, "wine", 1).unwrap(), versions::known(&mut conn, "wine", 2).unwrap());
        (conn, first, second)
    }

    fn wish(base: i64, purpose: &str) -> SaveCard {
        SaveCard {
            base,
            content: CardContent { purpose: purpose.into(), ..CardContent::default() },
            note: String::new(),
        }
    }

    #[test]
    fn every_save_is_a_revision_that_stays() {
        let (mut conn, first, second) = world();
        assert!(save(&mut conn, &first, "ann", wish(0, "to taste")).unwrap());
        assert!(!save(&mut conn, &first, "bob", wish(1, "to taste")).unwrap(), "the same text is no revision");
        assert!(save(&mut conn, &first, "bob", wish(1, "to price")).unwrap());
        let old = view(&mut conn, &first, Some(1)).unwrap();
        assert_eq!((old.content.purpose.as_str(), old.author.as_deref()), ("to taste", Some("ann")));
        let new = view(&mut conn, &first, None).unwrap();
        assert_eq!((new.revision, new.state.filled, new.state.sections, new.revisions.len()), (2, 1, 5, 2));
        assert_eq!(view(&mut conn, &second, None).unwrap().earlier, Some(1));
        assert!(view(&mut conn, &first, Some(9)).is_err());
    }

    #[test]
    fn nobody_overwrites_what_he_has_not_seen() {
        let (mut conn, first, _) = world();
        save(&mut conn, &first, "ann", wish(0, "to taste")).unwrap();
        let error = save(&mut conn, &first, "bob", wish(0, "mine")).unwrap_err();
        assert_eq!(error.code, drydock_wire::ErrorCode::Conflict);
        assert!(error.message.starts_with("ann saved revision 1"));
    }

    #[test]
    fn texts_have_their_limits() {
        assert!(check(&wish(0, &"x".repeat(MAX_SECTION_CHARS))).is_ok());
        assert!(check(&wish(0, &"x".repeat(MAX_SECTION_CHARS + 1))).unwrap_err().message.starts_with("Purpose:"));
    }
}
