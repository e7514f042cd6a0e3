//! The images that revisions run.

use diesel::{prelude::*, sql_types::Text};
use drydock_wire::images::{ImageUse, ImageUser};

use crate::db::Conn;
use crate::error::{Error, Result};
use crate::serving::rules::RevisionState;

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = Text)]
    image: String,
}

/// Images of all revisions as they name them, newest first; what is over counts as one to go back to.
pub fn images_in_use(conn: &mut Conn) -> Result<Vec<(String, ImageUse)>> {
    let rows: Vec<Found> = diesel::sql_query(
        "SELECT name, state, json_extract(served_by, '$.runtime.image') AS image
         FROM revisions JOIN deployments ON deployments.id = deployment_id
         WHERE json_extract(served_by, '$.runtime.image') LIKE '%:%/%' ORDER BY revisions.created_at DESC",
    )
    .load(conn)
    .map_err(Error::internal)?;
    let used = |row: Found| {
        let running = !RevisionState::parse(&row.state)?.is_final();
        let id = row.name.clone();
        Ok((row.image, ImageUse { kind: ImageUser::Deployment, id, name: row.name, running }))
    };
    rows.into_iter().map(used).collect()
}
