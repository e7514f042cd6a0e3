//! What was kept of an attempt, as a version of a dataset. No byte is copied: version and outputs refer to the same content, so that one
//! outlives the other.

use drydock_wire::{
    datasets::{CreatedVersion, VersionSource},
    jobs::DatasetFromOutputs,
    validate,
};

use super::looking;
use crate::{
    accounts::{
        Authorized, action,
        projects::{self, Kind},
    },
    app::App,
    datasets,
    db::Conn,
    error::{Error, Result},
};

/// A folder or a file of an attempt's outputs as a version; the source that it records leads from the job and its run to it.
///
/// # Errors
/// `conflict` while the attempt goes on, `not_found` when it left nothing there.
pub async fn into_dataset(
    app: &App,
    auth: &Authorized<action::Develop>,
    id: &str,
    wish: DatasetFromOutputs,
) -> Result<CreatedVersion> {
    let path = wish.path.trim_matches('/').to_owned();
    if !path.is_empty() {
        validate::relative_path(&path).map_err(|advice| Error::invalid(format!("path: {advice}")))?;
    }
    let (who, dataset) = (auth.principal().clone(), wish.dataset.clone());
    let check = move |conn: &mut Conn| projects::may(conn, &who, action::Develop, Kind::Dataset, &dataset);
    app.db.glance(check).await?;
    let found = looking::load(app, id, wish.attempt).await?;
    let attempt = found.attempt;
    if !attempt.state.is_final() {
        return Err(Error::conflict(format!(
            "Attempt {} of the job has not ended; what it leaves is kept at its end.",
            attempt.number
        )));
    }
    let files: Vec<_> = found
        .files
        .into_iter()
        .filter_map(|(at, object)| {
            let size = u64::try_from(object.size_bytes).unwrap_or(0);
            Some((below(&at, &path)?.to_owned(), object.digest, size))
        })
        .collect();
    if files.is_empty() {
        let place = if path.is_empty() { "/outputs".to_owned() } else { format!("/outputs/{path}") };
        return Err(Error::not_found(format!("Attempt {} of the job left nothing in {place}.", attempt.number)));
    }
    let source = VersionSource::Job {
        job_id: id.to_owned(),
        run_ids: attempt.run_id.into_iter().collect(),
        path,
        attempt: Some(attempt.number),
    };
    let DatasetFromOutputs { dataset, create, message, base_version, into, .. } = wish;
    let found = datasets::Found { files, source, message, base_version, into };
    datasets::from_found(app, auth, &dataset, create, found).await
}

/// The name in the version of a file of the outputs: below the folder that is wanted, or of the very file that is wanted.
fn below<'a>(at: &'a str, wanted: &str) -> Option<&'a str> {
    if wanted.is_empty() {
        return Some(at);
    }
    if at == wanted {
        return at.rsplit('/').next();
    }
    at.strip_prefix(wanted)?.strip_prefix('/')
}

#[cfg(test)]
mod tests {
    use super::below;

    #[test]
    fn a_folder_is_taken_with_what_is_below_and_a_file_by_its_name() {
        assert_eq!(below("a/b.csv", ""), Some("a/b.csv"));
        assert_eq!(below("a/b/c.csv", "a"), Some("b/c.csv"));
        assert_eq!(below("a/b/c.csv", "a/b/c.csv"), Some("c.csv"));
        assert_eq!(below("ab/c.csv", "a"), None, "a name that only begins alike");
        assert_eq!(below("b.csv", "a"), None);
    }
}
