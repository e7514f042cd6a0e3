//! The handles that every feature shares. No feature's own state: that is its own `web::Data`.

use std::{path::PathBuf, sync::Arc};

use drydock_appliance::containers::Engine;

use crate::{
    accounts::secrets::BoxKey, background::Background, config::Config, db::Db, events::Events, objects::Objects,
    remembered::Memory, spool::Spools,
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
    /// Logs that are being written.
    pub spools: Spools,
    /// Seals secrets that have to be known in the clear.
    pub box_key: BoxKey,
    /// Absolute; `drydock.db`, `blobs/`, `run/` (what containers have mounted), keys.
    pub data_dir: Arc<PathBuf>,
    /// Id of this installation, a label on its containers and part of its network's name.
    pub instance: Arc<str>,
    pub started_at: i64,
    /// What features keep in memory alone, one value of each type.
    pub memory: Memory,
}

impl App {
    /// Folder for what containers get mounted: `run/{kind}/{id}`.
    pub fn run_dir(&self, kind: &str, id: &str) -> PathBuf {
        self.data_dir.join("run").join(kind).join(id)
    }
}

#[cfg(test)]
pub mod testing {
    //! All handles over a real database and real blobs in a folder; nothing listens and no task runs.
    #![allow(clippy::unwrap_used)]

    use drydock_wire::accounts::Role;

    use super::*;
    use crate::accounts::Principal;
    use crate::config::{Limits, Listeners};

    /// An engineer with a token.
    pub fn somebody(name: &str) -> Principal {
        Principal { person_id: format!("id-{name}"), ..Principal::of_role(name, Role::Engineer) }
    }

    /// Ports that nobody listens on.
    pub fn listeners() -> Listeners {
        let local = "127.0.0.1:5000".parse().unwrap();
        Listeners {
            http: local,
            s3: local,
            registry: local,
            hosts: vec![],
            insecure_http: false,
            container_port: 0,
            container_s3_port: 0,
        }
    }

    pub fn app_in(dir: &std::path::Path, limits: Limits) -> App {
        let config = Config {
            data_dir: dir.into(),
            listeners: listeners(),
            limits,
            disk: Default::default(),
            gpus: Default::default(),
            metrics: Default::default(),
            logs: Default::default(),
            objects: Default::default(),
            webhooks: Default::default(),
            log_json: false,
        };
        let db = Db::open(&dir.join("drydock.db")).unwrap();
        App {
            objects: Objects::open(db.clone(), &dir.join("blobs")).unwrap(),
            config: Arc::new(config),
            db,
            events: Events::default(),
            background: Background::default(),
            engine: Engine::connect(),
            spools: Spools::new(dir.join("run/logs")),
            box_key: BoxKey::load_or_create(&dir.join("box.key")).unwrap(),
            data_dir: Arc::new(dir.into()),
            instance: "test".into(),
            started_at: 0,
            memory: Memory::default(),
        }
    }
}
