//! The same job again: as it would be queued today, or exactly as it was.

use drydock_wire::{
    ErrorCode,
    jobs::{JobDetail, Rerun, SubmitJob},
};

use super::{
    store,
    submit::{self, Origin},
};
use crate::{
    accounts::{Authorized, action},
    app::App,
    db::Conn,
    error::{Error, Result},
    images,
};

/// Queues a job again. Exactly means: the same code, versions of datasets, image, environment, parameters and seed.
///
/// # Errors
/// `refused`, in words, when something that it had is gone; else as `submit`.
pub async fn rerun(app: &App, auth: &Authorized<action::Launch>, id: &str, how: Rerun) -> Result<JobDetail> {
    let wanted = id.to_owned();
    let load = move |conn: &mut Conn| {
        let job = store::require(conn, &wanted)?;
        let image_id = store::attempts(conn, &wanted)?.into_iter().rev().find_map(|attempt| attempt.image_id);
        Ok((job, image_id))
    };
    let (job, seen_image) = app.db.read(load).await?;
    let boxes = images::Boxes::of(&app.config.listeners);
    let wish = match how.exactly {
        true => exactly(job.spec, seen_image, &boxes)?,
        false => anew(job.spec, &boxes),
    };
    let origin = Origin { parent_id: Some(id.to_owned()), sweep_id: None };
    let made = submit::submit_from(app, auth.principal(), wish, origin).await;
    made.map_err(|error| if how.exactly { gone(error) } else { error })
}

/// The spec with the image that it ran, which may have been noted only when it ran.
fn exactly(mut spec: SubmitJob, seen_image: Option<String>, boxes: &images::Boxes) -> Result<SubmitJob> {
    let image = spec.image.clone().unwrap_or_default();
    if boxes.are_of(&image) {
        return Ok(spec);
    }
    spec.image_id = spec.image_id.or(seen_image);
    if spec.image_id.is_none() {
        return Err(Error::refused(format!(
            "What {image} was when the job ran is not known: it never started, or Docker did not say. Run it again without \
             'exactly'."
        )));
    }
    Ok(spec)
}

/// The spec with the image's name looked up anew, and another seed. Data and code stay.
fn anew(mut spec: SubmitJob, boxes: &images::Boxes) -> SubmitJob {
    (spec.seed, spec.image_id) = (None, None);
    spec.image = spec.image.map(|image| match image.split_once('@') {
        Some((tagged, _)) if boxes.are_of(&image) && has_tag(tagged) => tagged.to_owned(),
        _ => image,
    });
    spec
}

fn has_tag(image: &str) -> bool {
    image.rsplit('/').next().is_some_and(|name| name.contains(':'))
}

/// What is not there any more is said as the reason why the same cannot be run.
fn gone(error: Error) -> Error {
    match error.code {
        ErrorCode::NotFound | ErrorCode::Conflict => {
            Error::refused(format!("The same cannot be run again: {}", error.message))
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn spec(image: &str, image_id: Option<&str>) -> SubmitJob {
        SubmitJob {
            image: Some(image.into()),
            image_id: image_id.map(str::to_owned),
            seed: Some(7),
            ..SubmitJob::default()
        }
    }

    #[test]
    fn exactly_keeps_seed_and_image_and_anew_looks_for_them() {
        let boxes = images::Boxes::of(&crate::app::testing::listeners());
        let ours = format!("localhost:5000/team/app:1@sha256:{}", "a".repeat(64));
        let same = exactly(spec(&ours, None), None, &boxes).unwrap();
        assert_eq!((same.image.as_deref(), same.image_id, same.seed), (Some(ours.as_str()), None, Some(7)));
        let fresh = anew(spec(&ours, None), &boxes);
        assert_eq!((fresh.image.as_deref(), fresh.seed), (Some("localhost:5000/team/app:1"), None));
        let untagged = format!("localhost:5000/team/app@sha256:{}", "a".repeat(64));
        assert_eq!(anew(spec(&untagged, None), &boxes).image.as_deref(), Some(untagged.as_str()));
        assert_eq!(anew(spec("busybox", Some("sha256:1")), &boxes).image_id, None);
    }

    #[test]
    fn an_image_that_was_noted_late_is_the_one_and_one_that_never_was_is_refused() {
        let boxes = images::Boxes::of(&crate::app::testing::listeners());
        let late = exactly(spec("busybox", None), Some("sha256:2".into()), &boxes).unwrap();
        assert_eq!(late.image_id.as_deref(), Some("sha256:2"));
        let first = exactly(spec("busybox", Some("sha256:1")), Some("sha256:2".into()), &boxes).unwrap();
        assert_eq!(first.image_id.as_deref(), Some("sha256:1"));
        assert_eq!(exactly(spec("busybox", None), None, &boxes).unwrap_err().code, ErrorCode::Refused);
    }
}
