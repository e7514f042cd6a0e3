//! `deploy`: a revision of a deployment; the task ends when it answers, or when it has failed.

use drydock_wire::serving::PutDeployment;
use serde_json::{Value, json};

use super::{
    super::{rules::plan::Seen, schema::bodies::Deploy},
    Outcome, read,
};
use crate::{
    accounts::Principal,
    app::App,
    db::Conn,
    error::{Error, Result},
    serving,
};

/// What the body asks for, with its image as it is now: Docker is asked, which no transaction may wait for.
pub async fn pinned(app: &App, who: &Principal, body: &Value) -> Result<PutDeployment> {
    serving::pinned(app, who, read::<Deploy>(body)?.wish().map_err(Error::invalid)?).await
}

/// `wish` as `pinned` answered it.
pub fn start(conn: &mut Conn, who: &Principal, body: &Value, wish: PutDeployment) -> Result<Outcome> {
    let deployment = read::<Deploy>(body)?.deployment;
    let (number, _) = serving::put_on(conn, who, &deployment, wish)?;
    Ok(Outcome::Runs { subject: format!("deployment/{deployment}/{number}") })
}

/// `subject`: name and number of the revision.
pub fn look(conn: &mut Conn, subject: &str) -> Result<Seen> {
    let (name, number) = subject.split_once('/').unwrap_or((subject, ""));
    let number: i64 = number.parse().map_err(Error::internal)?;
    let Some(found) = serving::revision_on_conn(conn, name, number)? else {
        return Ok(Seen::Failed(format!("the deployment {name} was deleted meanwhile")));
    };
    Ok(match found.state {
        "live" => Seen::Done(json!({
            "deployment": name, "revision": number, "model": found.model, "version": found.version,
        })),
        "candidate" => Seen::Going(Some(format!("revision {number} is tried beside the live one"))),
        "starting" => Seen::Going(Some(found.reason.unwrap_or_else(|| format!("revision {number} starts")))),
        "failed" => Seen::Failed(found.reason.unwrap_or_else(|| format!("revision {number} failed"))),
        _ => Seen::Failed(format!("revision {number} of {name} was replaced before this was seen")),
    })
}
