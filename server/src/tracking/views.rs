//! Saved views: a filter, sort and choice of columns under a name, and the runs of a comparison under an id.
//!
//! A view belongs to who saved it, who alone may change or delete it; whoever may see runs may open it by its id.

use serde_json::json;

use super::store::views::{self as store, View};
use crate::{
    accounts::{Authorized, action, audit},
    app::App,
    clock,
    error::{Error, Result},
};

type Read = Authorized<action::View>;

const KINDS: [&str; 3] = ["runs", "compare", "monitoring"];
const MAX_NAME_CHARS: usize = 100;
/// Room for the ids of 500 runs.
const MAX_QUERY_BYTES: usize = 40_000;
const MAX_VIEWS: i64 = 1000;

/// One's own named views; panels of charts are everybody's.
pub async fn list_views(app: &App, auth: &Read, kind: String) -> Result<Vec<View>> {
    if kind == "monitoring" {
        return app.db.read(move |conn| store::of_all(conn, &kind)).await;
    }
    let owner = auth.principal().person_id.clone();
    app.db.read(move |conn| store::of_person(conn, &owner, &kind)).await
}

pub async fn view(app: &App, _auth: &Read, id: String) -> Result<View> {
    app.db.read(move |conn| store::find(conn, &id)?.ok_or_else(absent)).await
}

fn absent() -> Error {
    Error::not_found("There is no such view; whoever saved it may have deleted it.")
}

/// Keeps a view; one's own of the same kind and name changes instead.
pub async fn save_view(app: &App, auth: &Read, kind: String, name: String, query: String) -> Result<View> {
    check(&kind, &name, &query)?;
    let (who, name) = (auth.principal().clone(), name.trim().to_owned());
    app.db
        .write(move |conn| {
            let at = clock::now_ms();
            let id = match store::same(conn, &who.person_id, &kind, &name, &query)? {
                Some(id) => {
                    store::set_query(conn, &id, &query, at)?;
                    id
                }
                None => {
                    if store::count(conn, &who.person_id)? >= MAX_VIEWS {
                        return Err(Error::refused("You have 1,000 saved views; delete some to save another."));
                    }
                    let id = uuid::Uuid::new_v4().simple().to_string()[..12].to_owned();
                    let (owner, username) = (who.person_id.clone(), who.username.clone());
                    let (kind, name) = (kind.clone(), name.clone());
                    let view =
                        View { id: id.clone(), owner, kind, name, query: query.clone(), updated_at: at, username };
                    store::insert(conn, &who.project, &view)?;
                    id
                }
            };
            audit(conn, &who, "view.save", &format!("view/{id}"), json!({"kind": kind, "name": name}))?;
            store::find(conn, &id)?.ok_or_else(absent)
        })
        .await
}

fn check(kind: &str, name: &str, query: &str) -> Result<()> {
    if !KINDS.contains(&kind) {
        return Err(Error::invalid("A view is of kind runs, compare or monitoring."));
    }
    if kind != "compare" && name.trim().is_empty() {
        return Err(Error::invalid("Give the view a name."));
    }
    if name.chars().count() > MAX_NAME_CHARS {
        return Err(Error::invalid("A view's name has at most 100 characters."));
    }
    if query.len() > MAX_QUERY_BYTES {
        return Err(Error::too_large("This is too long to be saved; choose fewer runs."));
    }
    Ok(())
}

/// Forgets one's own view.
pub async fn delete_view(app: &App, auth: &Read, id: String) -> Result<()> {
    let who = auth.principal().clone();
    app.db
        .write(move |conn| {
            let view = store::find(conn, &id)?.ok_or_else(absent)?;
            if view.owner != who.person_id {
                return Err(Error::forbidden("Only who saved a view can delete it."));
            }
            store::delete(conn, &id)?;
            audit(conn, &who, "view.delete", &format!("view/{id}"), json!({"kind": view.kind, "name": view.name}))
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_of_the_table_needs_a_name_and_a_comparison_does_not() {
        assert!(check("runs", " ", "a=b").is_err());
        assert!(check("runs", "best", "a=b").is_ok());
        assert!(check("compare", "", "ids=a").is_ok());
        assert!(check("else", "x", "").is_err());
        assert!(check("compare", "", &"x".repeat(50_000)).is_err());
    }
}
