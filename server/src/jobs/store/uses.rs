//! What jobs refer to: versions of datasets, images.

use diesel::{
    prelude::*,
    sql_types::{BigInt, Text},
};
use drydock_wire::images::{ImageUse, ImageUser};

use super::state;
use crate::{
    db::Conn,
    error::{Error, Result},
};

/// Ids of the jobs that had the dataset's version mounted, oldest first, not more than a person looks at.
pub fn that_mounted(conn: &mut Conn, dataset: &str, version: i64) -> Result<Vec<String>> {
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = Text)]
        id: String,
    }
    let rows: Vec<Found> = diesel::sql_query(
        "SELECT j.id FROM jobs j WHERE EXISTS (SELECT 1 FROM json_each(j.spec, '$.datasets') d
           WHERE json_extract(d.value, '$.name') = ? AND json_extract(d.value, '$.version') = ?)
         ORDER BY j.submitted_at LIMIT 200",
    )
    .bind::<Text, _>(dataset)
    .bind::<BigInt, _>(version)
    .load(conn)
    .map_err(Error::internal)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// The images of registries that jobs name, for whoever removes images.
pub fn images_in_use(conn: &mut Conn) -> Result<Vec<(String, ImageUse)>> {
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = Text)]
        id: String,
        #[diesel(sql_type = Text)]
        name: String,
        #[diesel(sql_type = Text)]
        state: String,
        #[diesel(sql_type = Text)]
        image: String,
    }
    let rows: Vec<Found> = diesel::sql_query(
        "SELECT id, name, state, json_extract(spec, '$.image') AS image FROM jobs
         WHERE json_extract(spec, '$.image') LIKE '%:%/%' ORDER BY submitted_at DESC",
    )
    .load(conn)
    .map_err(Error::internal)?;
    let used = |row: Found| {
        let running = !state(&row.state)?.is_final();
        Ok((row.image, ImageUse { kind: ImageUser::Job, id: row.id, name: row.name, running }))
    };
    rows.into_iter().map(used).collect()
}
