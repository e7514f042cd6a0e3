//! Pieces of SQL with their bound values, from which searches are put together.

use diesel::{
    query_builder::{BoxedSqlQuery, SqlQuery},
    sql_types::{BigInt, Double, Text},
    sqlite::Sqlite,
};

use super::{Op, Operand};

/// A value on its way into a statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Bind {
    Text(String),
    Integer(i64),
    Float(f64),
}

/// SQL text whose `?` are filled by `binds`, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fragment {
    pub sql: String,
    pub binds: Vec<Bind>,
}

impl Fragment {
    pub fn new(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), binds: Vec::new() }
    }

    /// Appends plain SQL.
    pub fn push(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// Fills the next `?`.
    pub fn text(&mut self, value: impl Into<String>) -> &mut Self {
        self.binds.push(Bind::Text(value.into()));
        self
    }

    pub fn integer(&mut self, value: i64) -> &mut Self {
        self.binds.push(Bind::Integer(value));
        self
    }

    /// Appends another piece with its values.
    pub fn append(&mut self, other: Fragment) -> &mut Self {
        self.sql.push_str(&other.sql);
        self.binds.extend(other.binds);
        self
    }

    /// Appends ` AND ` and the piece.
    pub fn and(&mut self, other: Fragment) -> &mut Self {
        self.push(" AND ").append(other)
    }

    /// The statement, ready to load.
    pub fn query(self) -> BoxedSqlQuery<'static, Sqlite, SqlQuery> {
        let mut query = diesel::sql_query(self.sql).into_boxed::<Sqlite>();
        for bind in self.binds {
            query = match bind {
                Bind::Text(value) => query.bind::<Text, _>(value),
                Bind::Integer(value) => query.bind::<BigInt, _>(value),
                Bind::Float(value) => query.bind::<Double, _>(value),
            };
        }
        query
    }
}

/// `column <op> value`; `column` is ours, the value is bound.
pub fn compare(column: &str, op: Op, value: &Operand) -> Fragment {
    let mut piece = Fragment::default();
    match (op, value) {
        // SQLite's LIKE ignores case; GLOB does not, and has other wildcards.
        (Op::Like, Operand::Text(pattern)) => piece.push(column).push(" GLOB ?").text(glob_of(pattern)),
        (Op::Ilike, Operand::Text(pattern)) => piece.push(column).push(" LIKE ?").text(pattern.clone()),
        (Op::In | Op::NotIn, Operand::List(items)) => {
            let list = serde_json::Value::from(items.clone()).to_string();
            let word = if op == Op::In { " IN" } else { " NOT IN" };
            piece.push(column).push(word).push(" (SELECT value FROM json_each(?))").text(list)
        }
        (op, value) => {
            piece.push(column).push(" ").push(op.text()).push(" ?");
            match value {
                Operand::Text(text) => piece.text(text.clone()),
                Operand::Integer(value) => piece.integer(*value),
                Operand::Float(value) => {
                    piece.binds.push(Bind::Float(*value));
                    &mut piece
                }
                // The parser gives lists to IN alone and nothing to the null tests.
                Operand::List(_) | Operand::Nothing => piece.text(""),
            }
        }
    };
    piece
}

/// The GLOB pattern that matches what the LIKE pattern matches, minding case.
fn glob_of(like: &str) -> String {
    let mut glob = String::with_capacity(like.len() + 8);
    for c in like.chars() {
        match c {
            '%' => glob.push('*'),
            '_' => glob.push('?'),
            '*' | '?' | '[' => glob.extend(['[', c, ']']),
            _ => glob.push(c),
        }
    }
    glob
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_minds_case_and_its_wildcards_are_its_own() {
        assert_eq!(glob_of("a%b_c*[d]?"), "a*b?c[*][[]d][?]");
    }

    #[test]
    fn values_are_bound_never_written() {
        let piece = compare("r.name", Op::Eq, &Operand::Text("x' OR 1=1".into()));
        assert_eq!(piece.sql, "r.name = ?");
        assert_eq!(piece.binds, [Bind::Text("x' OR 1=1".into())]);
    }
}
