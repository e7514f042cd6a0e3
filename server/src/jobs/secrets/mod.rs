//! Secrets of a project: a value goes in, and comes out only as a file of a job that names it.
//!
//! Always holds: a value is sealed with the box key before it is a row. No answer, no audit row, no container's spec or environment
//! and no backup has it in clear; a line of a log that has it is masked before it is kept.

mod files;
mod routes;
mod store;

use drydock_wire::{
    events::Topic,
    jobs::SecretRef,
    secrets::{PutSecret, Secret},
};
use serde_json::json;

use super::store as job_store;
use crate::{
    accounts::{self, Authorized, action, secrets::BoxKey},
    app::App,
    clock,
    db::Conn,
    error::{Error, Result},
};

pub use files::{lay_out, restore, root, sweep};
pub use routes::configure;

const MOST_BYTES: usize = 64 << 10;
const MOST_NAME_CHARS: usize = 100;

/// Names of secrets and of the files they become.
pub fn check_name(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let good = (1..=MOST_NAME_CHARS).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && name.chars().all(plain);
    good.then_some(()).ok_or_else(|| {
        Error::invalid(format!("{name:?} cannot be a secret's name; use 1 to 100 letters, digits, '.', '_', '-'."))
    })
}

/// Makes a secret, or gives it another value.
///
/// # Errors
/// `invalid` for a name or value that none can have.
pub async fn put(app: &App, auth: &Authorized<action::Launch>, name: &str, new: PutSecret) -> Result<Secret> {
    check_name(name)?;
    if new.value.is_empty() || new.value.len() > MOST_BYTES || new.value.contains('\0') {
        return Err(Error::invalid("value: use 1 byte to 64 KiB of text, without NUL bytes."));
    }
    let sealed = app.box_key.seal(&new.value)?;
    let size_bytes = i64::try_from(new.value.len()).map_err(Error::internal)?;
    let (who, name) = (auth.principal().clone(), name.to_owned());
    let put = move |conn: &mut Conn| {
        let is_new = store::put(conn, (&who.project, &name), &sealed, size_bytes, &who.username, clock::now_ms())?;
        let verb = if is_new { "secret.create" } else { "secret.update" };
        accounts::audit(conn, &who, verb, &format!("secret/{name}"), json!({}))?;
        one(conn, &who.project, &name)
    };
    let secret = app.db.write(put).await?;
    app.events.publish(Topic::Jobs, None);
    Ok(secret)
}

/// All secrets of the project by name, without their values.
pub async fn list(app: &App, auth: &Authorized<action::Launch>) -> Result<Vec<Secret>> {
    let project = auth.project().to_owned();
    app.db.read(move |conn| store::all(conn, &project)).await
}

/// Deletes a secret.
///
/// # Errors
/// `conflict` while a job that has not ended names it.
pub async fn delete(app: &App, auth: &Authorized<action::Launch>, name: &str) -> Result<()> {
    let (who, name) = (auth.principal().clone(), name.to_owned());
    let delete = move |conn: &mut Conn| {
        let known = one(conn, &who.project, &name)?;
        if let Some(job) = known.job_ids.first() {
            let more = known.job_ids.len() - 1;
            let others = if more == 0 { String::new() } else { format!(" and {more} more") };
            return Err(Error::conflict(format!(
                "The job {job}{others} names the secret {name}. Cancel it or wait for its end."
            )));
        }
        store::delete(conn, &who.project, &name)?;
        accounts::audit(conn, &who, "secret.delete", &format!("secret/{name}"), json!({}))
    };
    app.db.write(delete).await?;
    app.events.publish(Topic::Jobs, None);
    Ok(())
}

/// Says whether all of these are there, for a job that is about to be queued.
///
/// # Errors
/// `refused` with the name of one that is not.
pub fn require(conn: &mut Conn, project: &str, wanted: &[SecretRef]) -> Result<()> {
    for one in wanted {
        if store::sealed(conn, project, &one.name)?.is_none() {
            return Err(Error::refused(format!("secrets: there is no secret {}; set it first.", one.name)));
        }
    }
    Ok(())
}

/// For logs: values of the secrets that a job names, none for what is no job.
pub fn values_of(conn: &mut Conn, box_key: &BoxKey, job_id: &str) -> Result<Vec<String>> {
    let (project, wanted) = match job_store::require(conn, job_id) {
        Ok(job) => (job.project_id, job.spec.secrets),
        Err(error) if error.code == drydock_wire::ErrorCode::NotFound => return Ok(vec![]),
        Err(error) => return Err(error),
    };
    let mut values = vec![];
    for one in wanted {
        values.extend(store::sealed(conn, &project, &one.name)?.map(|sealed| box_key.open(&sealed)).transpose()?);
    }
    Ok(values)
}

fn one(conn: &mut Conn, project: &str, name: &str) -> Result<Secret> {
    let found = store::all(conn, project)?.into_iter().find(|secret| secret.name == name);
    found.ok_or_else(|| Error::not_found(format!("There is no secret {name}.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_file_name() {
        for good in ["a", "AWS_KEY", "tls.key", "_x", "a-b"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "-a", "a b", ".hidden", "ä", &"a".repeat(101)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
