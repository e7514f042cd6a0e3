//! What all versions were made from, for `holders`.

use diesel::{QueryableByName, RunQueryDsl, sql_query, sql_types::*};

use crate::{
    db::Conn,
    error::{Error, Result},
};

#[derive(QueryableByName)]
pub struct VersionRow {
    #[diesel(sql_type = Text)]
    pub model: String,
    #[diesel(sql_type = BigInt)]
    pub version: i64,
    #[diesel(sql_type = Nullable<Text>)]
    pub run_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub model_id: Option<String>,
    #[diesel(sql_type = Text)]
    pub storage_location: String,
}

/// Every version there is, by name and number.
pub fn versions(conn: &mut Conn) -> Result<Vec<VersionRow>> {
    sql_query(
        "SELECT m.name AS model, v.version, v.run_id, v.model_id, v.storage_location
         FROM model_versions v JOIN registered_models m ON m.id = v.model ORDER BY m.name, v.version",
    )
    .load(conn)
    .map_err(Error::internal)
}
