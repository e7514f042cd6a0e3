//! Who refers to content: every column of the schema with a foreign key to `blobs`, whichever feature's it is. The schema
//! itself is asked, so that a new table needs no word here; each such column has an index (a test of the house).

use diesel::{
    QueryableByName, RunQueryDsl, sql_query,
    sql_types::{BigInt, Text},
};

use crate::{
    db::Conn,
    error::{Error, Result},
};

#[derive(Debug, QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    column_name: String,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// The columns that refer to `blobs.digest`.
pub struct Referrers(Vec<Column>);

impl Referrers {
    pub fn load(conn: &mut Conn) -> Result<Self> {
        let columns: Vec<Column> = sql_query(
            "SELECT tables.name AS table_name, keys.\"from\" AS column_name
             FROM sqlite_schema AS tables JOIN pragma_foreign_key_list(tables.name) AS keys
             WHERE tables.type = 'table' AND keys.\"table\" = 'blobs'
             ORDER BY tables.name = 'objects' DESC, tables.name, keys.\"from\"",
        )
        .load(conn)
        .map_err(Error::internal)?;
        if columns.is_empty() {
            // Never: `objects` has such a key. Nothing is deleted rather than everything.
            return Err(Error::internal(anyhow::anyhow!("no table refers to the blobs")));
        }
        Ok(Self(columns))
    }

    /// SQL that is true of a row of `blobs` that nothing refers to.
    pub fn none(&self) -> String {
        let conditions: Vec<String> = self
            .0
            .iter()
            .map(|Column { table_name, column_name }| {
                format!("NOT EXISTS (SELECT 1 FROM \"{table_name}\" AS r WHERE r.\"{column_name}\" = blobs.digest)")
            })
            .collect();
        conditions.join(" AND ")
    }

    /// How many rows refer to the content.
    pub fn count(&self, conn: &mut Conn, digest: &str) -> Result<i64> {
        let mut all = 0;
        for Column { table_name, column_name } in &self.0 {
            let found: Count =
                sql_query(format!("SELECT count(*) AS count FROM \"{table_name}\" WHERE \"{column_name}\" = ?"))
                    .bind::<Text, _>(digest)
                    .get_result(conn)
                    .map_err(Error::internal)?;
            all += found.count;
        }
        Ok(all)
    }

    /// The tables by name.
    pub fn tables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|column| (column.table_name.as_str(), column.column_name.as_str()))
    }
}

/// Content that nothing refers to: how much there is, and its bytes.
pub fn unreferenced(conn: &mut Conn) -> Result<(i64, i64)> {
    #[derive(QueryableByName)]
    struct Sum {
        #[diesel(sql_type = BigInt)]
        count: i64,
        #[diesel(sql_type = BigInt)]
        bytes: i64,
    }
    let none = Referrers::load(conn)?.none();
    let sum: Sum =
        sql_query(format!("SELECT count(*) AS count, coalesce(sum(size_bytes), 0) AS bytes FROM blobs WHERE {none}"))
            .get_result(conn)
            .map_err(Error::internal)?;
    Ok((sum.count, sum.bytes))
}
