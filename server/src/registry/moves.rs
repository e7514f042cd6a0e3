//! Who moved which alias when, from where to where, and what it pointed at on a given day. Always holds: a move is written
//! in the transaction that makes it, whatever makes it; no move is ever changed or removed, not even with its model.

use drydock_wire::registry::{AliasAt, AliasMove, MoveCause};

use super::{models, rules, store::moves as store};
use crate::{
    accounts::{Authorized, action},
    app::App,
    db::Conn,
    error::Result,
};

type View = Authorized<action::View>;

/// As many moves as are answered at once.
const MOST: i64 = 1000;

/// Whose alias it is, and who moves it when.
#[derive(Debug, Clone, Copy)]
pub struct Mover<'a> {
    /// The model's surrogate key.
    pub row: i64,
    /// Its name from then on.
    pub model: &'a str,
    pub by: &'a str,
    pub at: i64,
}

/// Writes a move down. `versions` are the ones before and after.
pub(super) fn note(
    conn: &mut Conn,
    mover: Mover<'_>,
    alias: &str,
    cause: MoveCause,
    versions: (Option<i64>, Option<i64>),
) -> Result<()> {
    store::insert(conn, mover, alias, cause, versions)
}

/// The moves of an alias, or of all aliases of the model, newest first. The model may be deleted or have another name now.
pub async fn history(app: &App, _auth: &View, name: String, alias: Option<String>) -> Result<Vec<AliasMove>> {
    if let Some(alias) = &alias {
        rules::alias(alias)?;
    }
    app.db
        .read(move |conn| {
            let row = row_ever_named(conn, &name)?;
            store::of_model(conn, row, alias.as_deref(), MOST)
        })
        .await
}

/// What the alias pointed at at that instant.
pub async fn alias_at(app: &App, _auth: &View, name: String, alias: String, time: i64) -> Result<AliasAt> {
    rules::alias(&alias)?;
    app.db.read(move |conn| at_on_conn(conn, &name, alias, time)).await
}

fn row_ever_named(conn: &mut Conn, name: &str) -> Result<i64> {
    rules::model_name(name)?;
    store::model_named(conn, name)?.ok_or_else(|| models::absent(name))
}

fn at_on_conn(conn: &mut Conn, name: &str, alias: String, time: i64) -> Result<AliasAt> {
    let row = row_ever_named(conn, name)?;
    let (since, until) = store::around(conn, row, &alias, time)?;
    let version = since.as_ref().and_then(|one| one.to_version);
    let exists = match version {
        Some(version) => super::store::versions::find(conn, row, version)?.is_some(),
        None => false,
    };
    let model = since.as_ref().map_or_else(|| name.to_owned(), |one| one.model.clone());
    Ok(AliasAt { alias, time, model, version, since, until, exists })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::registry::{
        store::{models as model_store, versions as version_store},
        versions::point,
    };

    fn mover(row: i64, at: i64) -> Mover<'static> {
        Mover { row, model: "wine", by: "ann", at }
    }

    fn world() -> (Conn, i64) {
        let mut conn = crate::db::testing::connection();
        let row = model_store::insert(&mut conn, "default", "wine", "", 1).unwrap();
        let origin = crate::registry::source::Origin {
            source: "s3://b/x".into(),
            storage_location: "s3://b/x".into(),
            run_id: None,
            model_id: None,
        };
        for _ in 0..3 {
            version_store::insert(&mut conn, row, &origin, ("", ""), "ann", 1).unwrap();
        }
        (conn, row)
    }

    fn at(conn: &mut Conn, name: &str, time: i64) -> Option<i64> {
        at_on_conn(conn, name, "champion".into(), time).unwrap().version
    }

    #[test]
    fn what_an_alias_pointed_at_is_known_for_every_day() {
        let (mut conn, row) = world();
        point(&mut conn, mover(row, 100), "champion", 1).unwrap();
        point(&mut conn, mover(row, 200), "champion", 1).unwrap(); // no move
        point(&mut conn, mover(row, 300), "champion", 2).unwrap();
        let said: Vec<_> = [99, 100, 299, 300, 9000].map(|time| at(&mut conn, "wine", time)).into();
        assert_eq!(said, [None, Some(1), Some(1), Some(2), Some(2)]);
        let moves = store::of_model(&mut conn, row, Some("champion"), MOST).unwrap();
        assert_eq!(moves.len(), 2);
        assert_eq!((moves[0].from_version, moves[0].to_version, moves[0].by.as_str()), (Some(1), Some(2), "ann"));
        let answer = at_on_conn(&mut conn, "wine", "champion".into(), 150).unwrap();
        assert_eq!((answer.since.unwrap().at, answer.until.unwrap().at, answer.exists), (100, 300, true));
    }

    #[test]
    fn a_renamed_model_keeps_its_history_under_both_names() {
        let (mut conn, row) = world();
        point(&mut conn, mover(row, 100), "champion", 1).unwrap();
        model_store::rename(&mut conn, row, "red", 200).unwrap();
        let renamed = Mover { model: "red", ..mover(row, 200) };
        note(&mut conn, renamed, "champion", MoveCause::Renamed, (Some(1), Some(1))).unwrap();
        for name in ["wine", "red"] {
            assert_eq!((at(&mut conn, name, 150), at(&mut conn, name, 250)), (Some(1), Some(1)), "{name}");
        }
        let answer = at_on_conn(&mut conn, "red", "champion".into(), 150).unwrap();
        assert_eq!((answer.model.as_str(), answer.until), ("wine", None));
    }

    #[test]
    fn a_deleted_models_history_stays_and_no_other_model_inherits_it() {
        let (mut conn, row) = world();
        point(&mut conn, mover(row, 100), "champion", 1).unwrap();
        note(&mut conn, mover(row, 200), "champion", MoveCause::ModelDeleted, (Some(1), None)).unwrap();
        model_store::delete(&mut conn, row).unwrap();
        assert_eq!((at(&mut conn, "wine", 150), at(&mut conn, "wine", 250)), (Some(1), None));
        let next = model_store::insert(&mut conn, "default", "other", "", 300).unwrap();
        assert_ne!(next, row);
        assert!(store::of_model(&mut conn, next, None, MOST).unwrap().is_empty());
        assert!(at_on_conn(&mut conn, "never", "champion".into(), 1).is_err());
    }
}
