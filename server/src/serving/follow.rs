//! Deployments that follow an alias: when it moves, a new revision comes by itself, by the same kind of release as the one before.
//!
//! What the alias means is compared with the revision that was asked for last, whether that came in or failed; so nothing is tried twice.
//! Going back to a former revision pins the deployment to it, else the alias would undo it at once.

use drydock_wire::events::Topic;

use super::store::{self, DeploymentRow, Wish};
use super::wishes::put_rows;
use crate::accounts::{DEFAULT_PROJECT, Principal, audit};
use crate::app::App;
use crate::clock;
use crate::db::Conn;
use crate::error::Result;
use crate::registry;

/// What is to follow an alias that moved.
struct Due {
    deployment: DeploymentRow,
    wish: Wish,
    alias: String,
    /// Who moved it.
    by: String,
}

/// Makes a revision wherever an alias moved.
pub async fn pass(app: &App) -> Result<()> {
    if app.db.read(due).await?.is_empty() {
        return Ok(());
    }
    for name in app.db.write(follow).await? {
        app.events.publish(Topic::Deployments, Some(&name));
    }
    Ok(())
}

fn follow(conn: &mut Conn) -> Result<Vec<String>> {
    let mut followed = Vec::new();
    for one in due(conn)? {
        let name = one.deployment.name;
        let (number, _) = put_rows(conn, (DEFAULT_PROJECT, &name), &one.wish, &one.by)?;
        tracing::info!(deployment.name = name, "{name} follows {} to version {}", one.alias, one.wish.version);
        let detail = serde_json::json!({
            "model": one.wish.model, "version": one.wish.version, "revision": number, "alias": one.alias, "moved_by": one.by,
        });
        let drydock = Principal { username: "drydock".to_owned(), ..Principal::console() };
        audit(conn, &drydock, "deployment.follow", &format!("deployment/{name}"), detail)?;
        followed.push(name);
    }
    Ok(followed)
}

fn due(conn: &mut Conn) -> Result<Vec<Due>> {
    let mut all = Vec::new();
    for deployment in store::all(conn)?.into_iter().filter(|row| !row.deleting) {
        let Some(alias) = deployment.alias.clone() else { continue };
        if !deployment.settings()?.follow {
            continue;
        }
        let revisions = store::revisions_of(conn, &deployment.id)?;
        let Some(goal) = revisions.iter().find(|revision| revision.number == deployment.goal) else { continue };
        // an alias that was taken away is waited for
        let Some((version, by)) = registry::alias_on_conn(conn, &goal.model, &alias)? else { continue };
        if version == goal.version {
            continue;
        }
        let wish = Wish {
            model: goal.model.clone(),
            version,
            resources: goal.resources()?,
            served_by: goal.served_by()?,
            release: goal.release()?,
        };
        all.push(Due { deployment, wish, alias, by });
    }
    Ok(all)
}

/// The deployment stays with what it has, whatever its alias does.
pub fn pin(conn: &mut Conn, deployment: &DeploymentRow) -> Result<()> {
    let mut settings = deployment.settings()?;
    if !settings.follow {
        return Ok(());
    }
    settings.follow = false;
    store::set_settings(conn, &deployment.id, &settings, deployment.alias.as_deref(), clock::now_ms())
}
