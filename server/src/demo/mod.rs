//! The sample lifecycle: real data from upload to prediction, as a client of the public API.
//!
//! Always holds: a step does only what any person could do with `curl` and a token, so that the command line and the
//! dashboard's button run the same code. Nothing here reads the database or calls another feature, but for the token and
//! the audit row of the button. A second run makes a dataset version only if the data changed.

mod console;
mod pipeline;
mod play;
mod probe;
mod routes;
mod sample;
mod steps;

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use drydock_wire::demo::{DemoState, DemoStep};
use drydock_wire::events::Topic;
use serde_json::json;

pub use play::{Reporter, run};
pub use routes::configure;

use crate::accounts::{self, Authorized, Principal, action};
use crate::app::App;
use crate::client::{self, Client};
use crate::clock;
use crate::config::Listeners;
use crate::error::{Error, Result};

/// The button's token ends with the run, and after this long if the server does not live to see that.
const TOKEN_LIFE_MS: i64 = 60 * 60 * 1000;
const TOKEN_NAME: &str = "Drydock's own, for the sample lifecycle";

/// `drydock demo`: the run told on standard output; or with `--pipeline` the same as a pipeline, which runs then every week. For a server with TLS, DRYDOCK_CA names a copy of its `tls/ca.pem`.
///
/// # Errors
/// That of the first step that failed.
pub async fn cli(url: &str, token: &str, as_pipeline: bool) -> Result<()> {
    let ca = client::authority(std::env::var_os("DRYDOCK_CA").as_deref().map(Path::new))?;
    match as_pipeline {
        true => console::apply_pipeline(url, token, ca.as_deref(), std::io::stdout()).await,
        false => console::run(url, token, ca.as_deref(), std::io::stdout()).await,
    }
}

/// The dashboard's button: at most one run at a time, its state in memory. Cheap to clone.
#[derive(Clone)]
pub struct Demo {
    app: App,
    base: Arc<str>,
    state: Arc<Mutex<DemoState>>,
}

impl Demo {
    pub fn new(app: &App) -> Self {
        let state = DemoState { running: false, steps: play::plan() };
        let base = own_address(&app.config.listeners);
        Self { app: app.clone(), base: base.into(), state: Arc::new(Mutex::new(state)) }
    }

    /// How the last run went, or goes.
    pub fn state(&self, _auth: &Authorized<action::View>) -> DemoState {
        self.lock().clone()
    }

    /// Starts a run as the person who asks.
    ///
    /// # Errors
    /// `conflict` while one runs.
    pub async fn start(
        &self,
        auth: &Authorized<action::Launch>,
        _deploy: &Authorized<action::Deploy>,
    ) -> Result<DemoState> {
        let started = self.claim()?;
        match self.client(auth).await {
            Ok(client) => {
                self.spawn(client, auth.principal().clone());
                Ok(started)
            }
            Err(error) => {
                self.lock().running = false;
                Err(error)
            }
        }
    }

    fn claim(&self) -> Result<DemoState> {
        let mut state = self.lock();
        if state.running {
            return Err(Error::conflict("The sample lifecycle runs already; wait until it is through."));
        }
        *state = DemoState { running: true, steps: play::plan() };
        Ok(state.clone())
    }

    async fn client(&self, auth: &Authorized<action::Launch>) -> Result<Client> {
        let who = auth.principal().clone();
        let token = self
            .app
            .db
            .write(move |conn| {
                let expires_at = clock::now_ms() + TOKEN_LIFE_MS;
                let token = accounts::issue_person_token(conn, &who, TOKEN_NAME, expires_at)?;
                accounts::audit(conn, &who, "demo.start", "demo", json!({}))?;
                Ok(token)
            })
            .await?;
        let ca = tokio::fs::read(self.app.data_dir.join("tls").join("ca.pem")).await.ok();
        Client::new(&self.base, &token, ca.as_deref())
    }

    /// The sample as a pipeline, in the name of the person who asks.
    pub async fn pipeline(
        &self,
        auth: &Authorized<action::Launch>,
    ) -> Result<drydock_wire::pipelines::AppliedPipeline> {
        let client = self.client(auth).await?;
        let applied = pipeline::apply(&client).await;
        self.end_token(auth.principal()).await?;
        applied
    }

    fn spawn(&self, client: Client, who: Principal) {
        let (demo, reporter) = (self.clone(), self.clone());
        let work = tokio::spawn(async move {
            if let Err(error) = run(client, &reporter).await {
                tracing::warn!("the sample lifecycle stopped: {error}");
            }
        });
        tokio::spawn(async move {
            // an error says that the run panicked; it is over in any case
            let _ = work.await;
            if let Err(error) = demo.end_token(&who).await {
                tracing::warn!("the sample lifecycle's token stays until it expires: {error}");
            }
            demo.lock().running = false;
            demo.app.events.publish(Topic::Demo, None);
        });
    }

    async fn end_token(&self, who: &Principal) -> Result<()> {
        let auth = accounts::authorize(who, action::View, &who.project)?;
        for token in accounts::tokens(&self.app.db, &auth).await? {
            if token.name == TOKEN_NAME {
                accounts::delete_token(&self.app.db, &auth, &token.id).await?;
            }
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, DemoState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Under which this server reaches itself.
fn own_address(listeners: &Listeners) -> String {
    let mut address = listeners.http;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    let scheme = if listeners.is_tls(listeners.http) { "https" } else { "http" };
    format!("{scheme}://{address}")
}

impl Reporter for Demo {
    fn steps(&self, steps: &[DemoStep]) {
        self.lock().steps = steps.to_vec();
        self.app.events.publish(Topic::Demo, None);
    }

    /// The dashboard has the job's own live log.
    fn line(&self, _text: &str) {}
}
