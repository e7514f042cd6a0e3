//! From a wish to a queued job: what can be checked outside a transaction (`check`), then its rows (`submit_on`).
//!
//! Always holds: what is queued names its content: versions of datasets, the digest of an image of the box's registry or the id of
//! another, the digests of its code, and a seed. So it can be run again as it was.

use std::collections::BTreeMap;

use drydock_wire::{
    ErrorCode,
    events::Topic,
    jobs::{JobDetail, SubmitJob},
};
use serde_json::json;

use super::{CODE_BUCKET, container, detail, rules, secrets, snapshot, store, waker};
use crate::{
    accounts::{
        self, Authorized, Principal, action,
        projects::{self, Kind},
    },
    app::App,
    clock, datasets,
    db::Conn,
    error::{Error, Result},
    images, objects,
};

/// A wish that this box can grant. Only `check` makes one.
#[derive(Debug, Clone)]
pub struct Checked {
    wish: SubmitJob,
    boxes: images::Boxes,
}

impl Checked {
    /// Another job of the same kind; its name and parameters are checked by the caller.
    pub(super) fn varied(mut self, name: String, params: BTreeMap<String, String>) -> Self {
        (self.wish.name, self.wish.params) = (name, params);
        self
    }

    /// What was granted.
    pub fn wish(&self) -> &SubmitJob {
        &self.wish
    }

    /// The image that it would run now: by digest if it is of the box's registry, else by its id where that is known.
    pub fn image(&self, conn: &mut Conn) -> Result<String> {
        match &self.wish.image_id {
            Some(id) => Ok(id.clone()),
            None => {
                images::pin(conn, &self.boxes, self.wish.image.as_deref().unwrap_or(drydock_appliance::RUNTIME_IMAGE))
            }
        }
    }
}

/// What a job comes from, when it is not a wish of its own.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The job that it runs again.
    pub parent_id: Option<String>,
    pub sweep_id: Option<String>,
}

/// Queues a job.
///
/// # Errors
/// `invalid` for a malformed wish, `refused` (and audited) for one that this box or the sandbox does not grant,
/// `not_found` for a dataset that does not exist.
pub async fn submit(app: &App, auth: &Authorized<action::Launch>, wish: SubmitJob) -> Result<JobDetail> {
    submit_from(app, auth.principal(), wish, Origin::default()).await
}

/// As `submit`, of a wish that something else was before.
pub(super) async fn submit_from(app: &App, who: &Principal, wish: SubmitJob, origin: Origin) -> Result<JobDetail> {
    let checked = check(app, who, wish).await?;
    let (id, owner) = (new_id(), who.clone());
    let detail = app.db.write(move |conn| insert(conn, &owner, &id, checked, &origin)).await?;
    announce(app, &detail.summary.id);
    Ok(detail)
}

/// A wish as it came in. A field that is not of the spec, such as a wish for privileges, is refused and audited.
pub(super) async fn parse<T: serde::de::DeserializeOwned>(
    app: &App,
    who: &Principal,
    body: &[u8],
    what: &str,
) -> Result<T> {
    match serde_json::from_slice(body) {
        Ok(wish) => Ok(wish),
        Err(cause) if cause.is_data() => {
            Err(refuse(app, who, Error::refused(format!("The {what} is refused: {cause}."))).await)
        }
        Err(cause) => Err(Error::invalid(format!("The body is not JSON: {cause}."))),
    }
}

/// An id for a job: those made later sort later.
pub fn new_id() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

/// Says whether the box can grant the wish, and pins an image that no registry has to what it is now.
///
/// # Errors
/// As `submit`; a refusal is audited.
pub async fn check(app: &App, who: &Principal, mut wish: SubmitJob) -> Result<Checked> {
    let capacity = container::capacity(app).await?;
    if let Err(error) = rules::check(&wish, &capacity) {
        return Err(refuse(app, who, error).await);
    }
    if let Some(code) = &wish.snapshot {
        check_snapshot(app, who, &code.digest).await?;
    }
    let boxes = images::Boxes::of(&app.config.listeners);
    pin_image(app, &boxes, &mut wish).await?;
    Ok(Checked { wish, boxes })
}

async fn check_snapshot(app: &App, who: &Principal, digest: &str) -> Result<()> {
    match snapshot::check(app, digest).await {
        Ok(_) => Ok(()),
        Err(error) if error.code == ErrorCode::NotFound => {
            Err(Error::not_found(format!("snapshot: upload its content first ({digest}).")))
        }
        Err(error) => Err(refuse(app, who, error).await),
    }
}

/// Notes what an image that no registry has is now, so that the job runs that one whatever gets its name meanwhile.
async fn pin_image(app: &App, boxes: &images::Boxes, wish: &mut SubmitJob) -> Result<()> {
    let image = wish.image.get_or_insert_with(|| drydock_appliance::RUNTIME_IMAGE.to_owned());
    if boxes.are_of(image) {
        wish.image_id = None;
        return Ok(());
    }
    match (&wish.image_id, app.engine.image(wish.image_id.as_deref().unwrap_or(image)).await) {
        (None, Ok(Some(found))) => wish.image_id = Some(found.id),
        (Some(id), Ok(None)) => {
            return Err(Error::refused(format!("image_id: {image} as it was then ({id}) is not on the box any more.")));
        }
        // Docker is away, or the image is still to come: it is found, or missed, when the container is made
        _ => {}
    }
    Ok(())
}

/// Queues a job within the caller's transaction. The caller calls `announce` once that is committed.
///
/// # Errors
/// `refused` for an image that the box's registry has not, `not_found` for a dataset or an upload that is not there, `invalid` for a
/// queue that is not there.
pub fn submit_on(conn: &mut Conn, who: &Principal, id: &str, checked: Checked) -> Result<JobDetail> {
    insert(conn, who, id, checked, &Origin::default())
}

/// Lets everybody know of a job that was queued.
pub fn announce(app: &App, id: &str) {
    waker(app).wake();
    app.events.publish(Topic::Jobs, Some(id));
    app.events.publish(Topic::Overview, None);
}

/// Audits a refusal, so that wishes for privileges leave a trace; gives the error back.
pub async fn refuse(app: &App, who: &Principal, error: Error) -> Error {
    if error.code != ErrorCode::Refused {
        return error;
    }
    let (who, why) = (who.clone(), error.message.clone());
    let audited =
        app.db.write(move |conn| accounts::audit(conn, &who, "job.refuse", "job", json!({ "why": why }))).await;
    audited.err().unwrap_or(error)
}

/// The rows of a job.
pub(super) fn insert(
    conn: &mut Conn,
    who: &Principal,
    id: &str,
    checked: Checked,
    origin: &Origin,
) -> Result<JobDetail> {
    let Checked { mut wish, boxes } = checked;
    let image = wish.image.get_or_insert_with(|| drydock_appliance::RUNTIME_IMAGE.to_owned());
    if let Some(repository) = boxes.repository_of(image) {
        projects::see(conn, who, Kind::Repository, &repository)?;
    }
    *image = images::pin(conn, &boxes, image)?;
    for dataset in &mut wish.datasets {
        projects::see(conn, who, Kind::Dataset, dataset.name.split('@').next().unwrap_or_default())?;
        let (name, version) = datasets::resolve(conn, &dataset.name, dataset.version)?;
        (dataset.name, dataset.version) = (name, Some(version));
    }
    if wish.seed.is_none() {
        wish.seed = Some(u64::from(u32::from_le_bytes(accounts::secrets::random_bytes::<4>()?)));
    }
    let now = clock::now_ms();
    secrets::require(conn, &who.project, &wish.secrets)?;
    link_code(conn, who, id, &wish, now)?;
    store::insert(conn, id, who, &wish, origin, now)?;
    accounts::limits::keep(conn, who, accounts::limits::Asked::Job, id)?;
    let told = json!({ "name": wish.name, "image": wish.image, "command": wish.command, "resources": wish.resources });
    accounts::audit(conn, who, "job.submit", &format!("job/{id}"), told)?;
    detail(conn, id)
}

/// Keeps its code for as long as the job is there.
fn link_code(conn: &mut Conn, who: &Principal, id: &str, wish: &SubmitJob, now: i64) -> Result<()> {
    let files = wish.code.iter().map(|file| (file.path.as_str(), file.digest.as_str()));
    let whole = wish.snapshot.iter().map(|snapshot| (super::SNAPSHOT_NAME, snapshot.digest.as_str()));
    for (path, digest) in files.chain(whole) {
        // code of a job that is here can be run again by whoever may run jobs
        if !datasets::owns_upload(conn, &who.person_id, digest)? && !objects::store::has(conn, CODE_BUCKET, digest)? {
            return Err(Error::not_found(format!("{path}: upload its content first ({digest}).")));
        }
        objects::store::link(conn, CODE_BUCKET, &format!("{id}/{path}"), digest, now)?;
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// A wish as if the box had granted it.
    pub fn granted(wish: SubmitJob) -> Checked {
        let listeners = crate::app::testing::listeners();
        Checked { wish, boxes: images::Boxes::of(&listeners) }
    }
}
