//! `register` and `promote`: a version of a registered model, and an alias that moves to one.

use drydock_wire::registry::RegisterVersion;
use serde_json::{Value, json};

use super::{
    super::schema::bodies::{Promote, Register},
    Outcome, read,
};
use crate::{
    accounts::{
        Principal, action,
        projects::{self, Kind},
    },
    db::Conn,
    error::Result,
    registry,
};

pub fn register(conn: &mut Conn, who: &Principal, body: &Value) -> Result<Outcome> {
    let wish: Register = read(body)?;
    let description = wish.description;
    projects::see(conn, who, Kind::Run, &wish.run)?;
    projects::may(conn, who, action::Develop, Kind::Model, &wish.model)?;
    let new = RegisterVersion { run_id: wish.run, path: wish.path, description };
    let made = registry::register_on(conn, who, &wish.model, &new)?;
    Ok(Outcome::Done {
        subject: Some(format!("version/{}/{}", made.model, made.version)),
        outputs: json!({ "model": made.model, "version": made.version }),
    })
}

pub fn promote(conn: &mut Conn, who: &Principal, body: &Value) -> Result<Outcome> {
    let wish: Promote = read(body)?;
    projects::may(conn, who, action::Develop, Kind::Model, &wish.model)?;
    let number = registry::resolve(conn, &wish.model, &wish.version)?;
    let before = registry::set_alias_on(conn, who, &wish.model, &wish.alias, number)?;
    Ok(Outcome::Done {
        subject: Some(format!("version/{}/{number}", wish.model)),
        outputs: json!({ "model": wish.model, "version": number, "alias": wish.alias, "before": before }),
    })
}
