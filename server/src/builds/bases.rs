//! The images that a build stands on: on the box already, or in its registry. Nothing is fetched from anywhere else.

use drydock_appliance::containers::EngineError;

use super::rules::dockerfile;
use crate::{
    accounts::Principal,
    app::App,
    error::{Error, Result},
    images::{self, Boxes},
    workloads::OwnImages,
};

/// An image as it is named, and as it is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// For people: with the digest that it has now, where it is of the registry.
    pub pinned: String,
    /// For the engine.
    pub engine: String,
}

/// Finds the image of that name, for somebody.
///
/// # Errors
/// `refused` when the box has none, `not_found` for one of a project that is not there for them; `unavailable` while Docker is away.
pub async fn find(app: &App, who: &Principal, image: &str) -> Result<Base> {
    let boxes = Boxes::of(&app.config.listeners);
    let (pinned, known) = (pin(app, who, image).await?, image.to_owned());
    if let Some(engine) = images::pulled_as(&boxes, &pinned) {
        return Ok(Base { pinned, engine });
    }
    if let Some(found) = app.engine.image(image).await.map_err(from_engine)? {
        return Ok(Base { pinned: format!("{known} ({})", short(&found.id)), engine: known });
    }
    // a repository of the box without its address
    let full = format!("{}/{image}", boxes.engine_host);
    if let Ok(pinned) = pin(app, who, &full).await
        && let Some(engine) = images::pulled_as(&boxes, &pinned)
    {
        return Ok(Base { pinned, engine });
    }
    Err(Error::refused(format!(
        "This box has no image {image}, and fetches none from elsewhere: push it to the registry of the box (the page Images says \
         how), or build from {}.",
        drydock_appliance::RUNTIME_IMAGE
    )))
}

async fn pin(app: &App, who: &Principal, image: &str) -> Result<String> {
    let (boxes, who, image) = (Boxes::of(&app.config.listeners), who.clone(), image.to_owned());
    app.db.read(move |conn| images::pin_for(conn, &who, &boxes, &image)).await
}

fn short(id: &str) -> &str {
    id.get(..19).unwrap_or(id)
}

/// Has the engine get it, if it is of the registry and not there yet; and refuses what it would bring with it.
pub async fn fetch(app: &App, own_images: &OwnImages, base: &Base) -> Result<()> {
    if let Some(fetch) = own_images(&base.pinned)
        && app.engine.image(&base.engine).await.map_err(from_engine)?.is_none()
    {
        app.engine.pull(&fetch.from, &fetch.username, &fetch.password).await.map_err(from_engine)?;
    }
    for trigger in app.engine.triggers(&base.engine).await.map_err(from_engine)? {
        if let Some(why) = dockerfile::refuses_trigger(&trigger) {
            return Err(Error::refused(format!("The image {} has ONBUILD {trigger}: {why}", base.pinned)));
        }
    }
    Ok(())
}

/// Docker's absence passes; anything else ends a build.
pub fn from_engine(error: EngineError) -> Error {
    match error {
        EngineError::Unavailable(text) => Error::unavailable(text),
        other => Error::refused(other.to_string()),
    }
}
