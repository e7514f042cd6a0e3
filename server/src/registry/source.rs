//! Where a version's files are: what a source names, checked against what exists.

use super::{Version, rules, store};
use crate::{
    db::Conn,
    error::{Error, Result},
    tracking::{self, rules as paths},
};

/// A source that was found good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub source: String,
    pub storage_location: String,
    pub run_id: Option<String>,
    pub model_id: Option<String>,
}

fn refused(source: &str, why: &str) -> Error {
    Error::invalid(format!("Invalid model version source: '{source}'. {why}"))
}

fn not_containing(source: &str, id: &str) -> Error {
    refused(source, &format!("The {id} request parameter must identify the resource that contains the source."))
}

/// Finds out where the files are and which run and logged model they come from.
///
/// # Errors
/// `invalid` for a source on the server's own disk, one that leaves its root, or one that the named run or model does not
/// contain; `not_found` for a model, version or logged model that is not there.
pub fn resolve(conn: &mut Conn, source: &str, run_id: Option<String>, model_id: Option<String>) -> Result<Origin> {
    check_plain(source)?;
    if let Some(rest) = source.strip_prefix("models:") {
        return from_models(conn, source, rest.trim_start_matches('/'), run_id, model_id);
    }
    let mut origin = Origin { source: source.to_owned(), storage_location: source.to_owned(), run_id, model_id };
    if let Some(rest) = source.strip_prefix("runs:") {
        let owner = rest.trim_start_matches('/').split('/').next().unwrap_or("");
        if origin.model_id.is_some() || origin.run_id.as_deref() != Some(owner) {
            return Err(not_containing(source, if origin.model_id.is_some() { "model_id" } else { "run_id" }));
        }
        return Ok(origin);
    }
    if let Some(key) = paths::artifact_key(source) {
        from_artifacts(conn, source, &key, &mut origin)?;
    }
    Ok(origin)
}

/// Nothing on the server's disk, nothing with `..`, however encoded.
fn check_plain(source: &str) -> Result<()> {
    let relative = "If supplying a source as an http, https, local file path, ftp, objectstore, or mlflow-artifacts uri, an \
                    absolute path must be provided without relative path references present. Please provide an absolute path.";
    let mut plain = source.to_owned();
    loop {
        let decoded = crate::percent::decoded(&plain);
        if decoded == plain {
            break;
        }
        plain = decoded;
    }
    if plain.contains('\0') || plain.split(['/', '\\']).any(|part| part == "..") {
        return Err(refused(source, relative));
    }
    let scheme = plain.split_once(':').map(|(scheme, _)| scheme);
    if scheme.is_none_or(|scheme| scheme.len() < 2 || scheme.eq_ignore_ascii_case("file")) {
        return Err(refused(
            source,
            "To use a local path as a model version source, the run_id request parameter has to be specified and the local \
             path has to be contained within the artifact directory of the run specified by the run_id.",
        ));
    }
    Ok(())
}

/// `models:/m-…` is a logged model; `models:/name/1` and `models:/name@alias` are versions.
fn from_models(
    conn: &mut Conn,
    source: &str,
    rest: &str,
    run_id: Option<String>,
    model_id: Option<String>,
) -> Result<Origin> {
    if rest.starts_with("m-") && !rest.contains(['/', '@']) {
        if model_id.as_deref().is_some_and(|asked| asked != rest) {
            return Err(not_containing(source, "model_id"));
        }
        let model = tracking::logged_model_on_conn(conn, rest)?.ok_or_else(|| match model_id {
            Some(_) => Error::not_found(format!("Logged model with ID '{rest}' not found.")),
            None => not_containing(source, "model_id"),
        })?;
        return Ok(Origin {
            source: source.to_owned(),
            storage_location: model.artifact_uri,
            run_id: run_id.or(model.source_run_id),
            model_id: Some(model.model_id),
        });
    }
    let from = named_version(conn, source, rest)?;
    let clashes = |asked: &Option<String>, real: &Option<String>| asked.is_some() && asked != real;
    if clashes(&run_id, &from.run_id) || clashes(&model_id, &from.model_id) {
        return Err(refused(
            source,
            "The run_id and model_id request parameters must match the referenced model version.",
        ));
    }
    Ok(Origin {
        source: format!("models:/{}/{}", from.model, from.version),
        storage_location: from.storage_location,
        run_id: from.run_id,
        model_id: from.model_id,
    })
}

fn named_version(conn: &mut Conn, source: &str, rest: &str) -> Result<Version> {
    let (name, number) = match (rest.split_once('@'), rest.split_once('/')) {
        (Some((name, alias)), _) => {
            let row = super::versions::model_row(conn, name)?;
            let number = store::versions::alias_target(conn, row, alias)?
                .ok_or_else(|| Error::invalid(format!("Registered model alias {alias} not found.")))?;
            (name, number)
        }
        (None, Some((name, number))) => (name, rules::version(number)?),
        (None, None) => return Err(not_containing(source, "model_id")),
    };
    super::versions::known(conn, name, number)
}

fn from_artifacts(conn: &mut Conn, source: &str, key: &str, origin: &mut Origin) -> Result<()> {
    let within =
        |root: &str| paths::artifact_key(root).is_some_and(|root| key == root || key.starts_with(&format!("{root}/")));
    if let Some(model_id) = &origin.model_id {
        let model = tracking::logged_model_on_conn(conn, model_id)?.filter(|model| within(&model.artifact_uri));
        let model = model.ok_or_else(|| not_containing(source, "model_id"))?;
        origin.run_id = origin.run_id.take().or(model.source_run_id);
        return Ok(());
    }
    let run_id = origin.run_id.clone().ok_or_else(|| not_containing(source, "run_id"))?;
    let run = tracking::run_on_conn(conn, &run_id)?.filter(|run| within(&run.info.artifact_uri));
    run.map(drop).ok_or_else(|| not_containing(source, "run_id"))
}

/// Key of the folder that a storage location means; `None` when it is not kept by Drydock.
///
/// `runs:/{run}/{path}` is the run's own folder where it has files, else the logged model of that name that the run made,
/// as MLflow's clients resolve it.
pub fn folder_of(conn: &mut Conn, location: &str) -> Result<Option<String>> {
    let Some(rest) = location.strip_prefix("runs:") else {
        return Ok(paths::artifact_key(location));
    };
    let Some((run_id, path)) = rest.trim_start_matches('/').split_once('/') else { return Ok(None) };
    let path = paths::artifact_path(path.trim_end_matches('/'))?;
    if let Some(run) = tracking::run_on_conn(conn, run_id)?
        && let Some(root) = paths::artifact_key(&run.info.artifact_uri)
    {
        let folder = format!("{root}/{path}");
        let files = crate::objects::store::list_prefix(conn, tracking::ARTIFACT_BUCKET, &format!("{folder}/"))?;
        if !files.is_empty() {
            return Ok(Some(folder));
        }
    }
    let model = tracking::logged_model_of_run(conn, run_id, path)?;
    Ok(model.and_then(|model| paths::artifact_key(&model.artifact_uri)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sources_on_disk_and_sources_that_climb_are_refused() {
        for bad in [
            "/etc",
            "etc/passwd",
            "file:///etc",
            "FILE:/etc",
            "C:\\x",
            "mlflow-artifacts:/../../x",
            "mlflow-artifacts:/%2e%2e/x",
            "http://h/%252e%252e/x",
            "s3://b/a\0b",
            "runs:/r/../x",
        ] {
            assert!(check_plain(bad).unwrap_err().message.starts_with("Invalid model version source:"), "{bad}");
        }
        for good in ["runs:/r/model", "models:/m-1", "s3://bucket/x", "mlflow-artifacts:/1/r/artifacts/model"] {
            assert!(check_plain(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_run_must_contain_its_source() {
        let mut conn = crate::db::testing::connection();
        tracking::testing::run(&mut conn, "r1");
        let run = |id: &str| Some(id.to_owned());
        assert!(resolve(&mut conn, "runs:/r1/model", run("r1"), None).is_ok());
        assert!(resolve(&mut conn, "runs:/r1/model", run("r2"), None).is_err());
        assert!(resolve(&mut conn, "runs:/r1/model", None, None).is_err());
        assert!(resolve(&mut conn, "mlflow-artifacts:/0/r1/artifacts/model", run("r1"), None).is_ok());
        assert!(resolve(&mut conn, "mlflow-artifacts:/0/r2/artifacts/model", run("r1"), None).is_err());
        assert!(resolve(&mut conn, "models:/m-none", None, None).is_err());
        assert!(resolve(&mut conn, "s3://elsewhere/model", None, None).is_ok());
    }
}
