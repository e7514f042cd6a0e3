//! The handles that every feature shares. No feature's own state: that is its own `web::Data`.

use std::{path::PathBuf, sync::Arc};

use drydock_appliance::containers::Engine;

use crate::{
    accounts::secrets::BoxKey, background::Background, config::Config, db::Db, events::Events, objects::Objects,
};

/// Cheap to clone; given to handlers as `web::Data<App>` and to tasks when they are made.
#[derive(Clone)]
pub struct App {
    pub config: Arc<Config>,
    pub db: Db,
    pub objects: Objects,
    pub events: Events,
    pub background: Background,
    pub engine: Engine,
    /// Seals secrets that have to be known in the clear.
    pub box_key: BoxKey,
    /// Absolute; `drydock.db`, `blobs/`, `run/` (what containers have mounted), keys.
    pub data_dir: Arc<PathBuf>,
    /// Id of this installation, a label on its containers and part of its network's name.
    pub instance: Arc<str>,
    pub started_at: i64,
}

impl App {
    /// Folder for what containers get mounted: `run/{kind}/{id}`.
    pub fn run_dir(&self, kind: &str, id: &str) -> PathBuf {
        self.data_dir.join("run").join(kind).join(id)
    }
}
