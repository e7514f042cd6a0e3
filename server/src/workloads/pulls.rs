//! Images of the box's own registry, fetched by the engine before a container is made from one.
//!
//! A pull takes as long as it takes, so it runs beside the reconciler, once per image; its end wakes the next pass, which finds
//! the image there or the reason why not. Which images these are is known above (`images`), and handed down at boot.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use drydock_appliance::containers::EngineError;

use super::RECONCILER;
use crate::app::App;

/// How the engine gets an image of the box's own registry.
#[derive(Debug, Clone)]
pub struct Fetch {
    /// As the engine is asked for it, by digest.
    pub from: String,
    pub username: String,
    pub password: String,
}

/// Says of an image's name whether, and how, it has to be fetched from this box.
pub type OwnImages = Arc<dyn Fn(&str) -> Option<Fetch> + Send + Sync>;

/// Whether a container can be made now.
#[derive(Debug)]
pub enum Readiness {
    /// Under this name.
    There(String),
    /// What it waits for, for people.
    Coming(String),
}

#[derive(Debug, Clone)]
enum Pull {
    Running,
    Failed(EngineError),
}

pub struct Pulls {
    app: App,
    own_images: OwnImages,
    pulls: Arc<Mutex<BTreeMap<String, Pull>>>,
}

impl Pulls {
    pub fn new(app: App, own_images: OwnImages) -> Self {
        Self { app, own_images, pulls: Arc::default() }
    }

    /// Any other image is left to the engine as it is.
    pub async fn ready(&self, image: &str) -> Result<Readiness, EngineError> {
        let Some(fetch) = (self.own_images)(image) else { return Ok(Readiness::There(image.to_owned())) };
        let state = self.lock().get(&fetch.from).cloned();
        match state {
            Some(Pull::Running) => {}
            Some(Pull::Failed(error)) => {
                // told once; who tries again has it pulled again
                self.lock().remove(&fetch.from);
                return Err(error);
            }
            None if self.app.engine.image(&fetch.from).await?.is_some() => return Ok(Readiness::There(fetch.from)),
            None => self.begin(image.to_owned(), fetch),
        }
        Ok(Readiness::Coming(format!("fetching the image {image} from the registry of the box")))
    }

    fn begin(&self, image: String, fetch: Fetch) {
        self.lock().insert(fetch.from.clone(), Pull::Running);
        let (app, pulls) = (self.app.clone(), self.pulls.clone());
        tokio::spawn(async move {
            let pulled = app.engine.pull(&fetch.from, &fetch.username, &fetch.password).await;
            let mut all = pulls.lock().unwrap_or_else(PoisonError::into_inner);
            match pulled {
                Ok(()) => drop(all.remove(&fetch.from)),
                Err(error) if error.retryable() => drop(all.remove(&fetch.from)),
                Err(error) => {
                    tracing::warn!(image.name = image, docker.error = %error, "cannot fetch the image {image}");
                    let error = EngineError::Refused(format!("The image {image} could not be fetched: {error}"));
                    all.insert(fetch.from, Pull::Failed(error));
                }
            }
            drop(all);
            app.background.waker(RECONCILER).wake();
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Pull>> {
        self.pulls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
