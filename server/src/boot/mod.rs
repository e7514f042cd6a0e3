//! Start order, listeners, shutdown.
//!
//! Always holds: one server per data directory (a lock); `ready` is printed when every listener answers; Docker may be
//! away at any time. On SIGTERM nothing new is accepted, open requests are answered, then the tasks end; containers go on.

mod lingering;
mod listeners;
pub mod tls;

use std::{
    fs::File,
    io::Write,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::Path,
    sync::Arc,
};

use drydock_appliance::containers::Engine;
use listeners::{ContainerListener, Listening};

use crate::{
    accounts::{self, Accounts, secrets::BoxKey},
    app::App,
    background::Background,
    builds, clock,
    config::Config,
    datasets,
    db::{Db, schema::accounts::settings},
    demo, devices,
    error::{Error, Result},
    events::Events,
    images, jobs, logs, monitoring,
    objects::{self, Objects},
    overview, packages, pipelines,
    router::{Face, Faces},
    scheduling, serving,
    spool::Spools,
    storage, tracking, trash,
    web::assets::Dashboard,
    webhooks, workloads,
};

/// Name of the database in the data directory.
pub const DATABASE: &str = "drydock.db";

/// Runs until SIGTERM or SIGINT.
pub async fn serve(config: Config, dashboard: Dashboard) -> Result<()> {
    let began = std::time::Instant::now();
    prepare_data_dir(&config.data_dir)?;
    let _lock = lock(&config.data_dir)?;
    // Sockets first: a taken port is said before anything is touched.
    let at = &config.listeners;
    let (http, s3, registry) = (at.http, at.s3, at.registry);
    let sockets = (
        listeners::bind(http, "The web port")?,
        listeners::bind(s3, "The S3 port")?,
        listeners::bind(registry, "The registry port")?,
    );
    let bound = [sockets.0.local_addr(), sockets.1.local_addr(), sockets.2.local_addr()];
    let (faces, listening) = (assemble(config, dashboard).await?, Listening::default());
    start_tasks(&faces, &listening).await?;
    listeners::serve(&faces, &listening, Face::Web, sockets.0, http)?;
    listeners::s3(&faces, &listening, sockets.1, s3)?;
    listeners::serve(&faces, &listening, Face::Registry, sockets.2, registry)?;
    announce(&faces, bound.map(|address| address.map_or_else(|_| "?".to_owned(), |a| a.to_string())));
    faces.app.background.begin();
    tracing::info!(boot.ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(0), "ready");
    wait_for_signal().await;
    tracing::info!("stopping: answering open requests");
    faces.app.background.stop();
    listening.drain().await;
    faces.gateway.flush(&faces.app).await
}

/// Makes the folder if need be, for its owner alone.
pub fn prepare_data_dir(dir: &Path) -> Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.and_then(|()| std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))).map_err(|cause| {
        Error::unavailable(format!("The data directory {} cannot be used: {cause}.", dir.display())).with_source(cause)
    })
}

/// Makes this process the only one that serves the data directory; as long as the answer lives.
///
/// # Errors
/// `conflict` while another has it.
pub fn lock(dir: &Path) -> Result<File> {
    let file = File::create(dir.join("lock")).map_err(Error::internal)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(Error::conflict(format!("Another Drydock server already uses {}.", dir.display())))
        }
        Err(std::fs::TryLockError::Error(cause)) => Err(Error::internal(cause)),
    }
}

async fn assemble(config: Config, dashboard: Dashboard) -> Result<Faces> {
    let data_dir = config.data_dir.canonicalize().map_err(Error::internal)?;
    let db = Db::open(&data_dir.join(DATABASE))?;
    let box_key = BoxKey::load_or_create(&data_dir.join("box.key"))?;
    let accounts = Accounts::start(db.clone(), box_key.clone()).await?;
    let instance = instance_id(&db).await?;
    let objects = Objects::open_as_set(db.clone(), &data_dir, &config.objects, &config.disk, &instance).await?;
    let engine = Engine::connect()
        .allow_mounts_under(data_dir.join("run"))
        .allow_mounts_under(jobs::secrets_root(&data_dir, &instance))
        .allow_writes_under(data_dir.join("run/jobs"));
    let app = App {
        objects,
        instance: instance.into(),
        config: Arc::new(config),
        db,
        events: Events::default(),
        background: Background::held(),
        engine,
        spools: Spools::new(data_dir.join("run/logs")),
        box_key,
        data_dir: Arc::new(data_dir),
        started_at: clock::now_ms(),
        memory: Default::default(),
    };
    let gateway = serving::Gateway::load(&app).await?;
    let demo = demo::Demo::new(&app);
    let courier = webhooks::courier(&app)?;
    let images = images::Images::new(&app)?;
    let total_bytes = app.objects.room().state().total_bytes;
    let logs = logs::Logs::open(&app.data_dir, &app.config.logs, total_bytes)?;
    let (upkeep, samples) = Default::default();
    Ok(Faces { app, accounts, gateway, demo, courier, images, upkeep, logs, samples, dashboard })
}

/// This installation's id: made once, on every container's label.
pub async fn instance_id(db: &Db) -> Result<String> {
    use diesel::prelude::*;
    let fresh = hex::encode(accounts::secrets::random_bytes::<5>()?);
    db.write(move |conn| {
        diesel::insert_or_ignore_into(settings::table)
            .values((settings::key.eq("instance"), settings::value.eq(&fresh)))
            .execute(conn)
            .map_err(Error::internal)?;
        settings::table.find("instance").select(settings::value).first(conn).map_err(Error::internal)
    })
    .await
}

async fn start_tasks(faces: &Faces, listening: &Listening) -> Result<()> {
    let app = &faces.app;
    app.background.spawn(ContainerListener::new(faces.clone(), listening.clone()));
    accounts::start(&app.background, app.db.clone(), app.box_key.clone(), &app.data_dir);
    app.background.spawn(objects::sweep::Sweeper::new(app.objects.clone(), app.config.limits.blob_grace_s));
    app.background.spawn(objects::scrub::Scrubber::new(app.objects.clone(), app.config.disk.scrub_bytes_per_s));
    datasets::start(app).await;
    storage::start(app);
    tracking::start(app);
    trash::start(app);
    webhooks::start(app, &faces.courier);
    images::ask_who_uses(images_in_use);
    images::start(app, &faces.images);
    jobs::prepare(app).await?;
    workloads::start(app, images::own_images(app, &faces.images)).await?;
    scheduling::start(app).await?;
    devices::ask_who_holds(overview::name_of_owner);
    devices::start(app).await?;
    packages::start(app).await?;
    jobs::start(app, &faces.samples).await?;
    builds::start(app, images::own_images(app, &faces.images)).await?;
    pipelines::start(app).await?;
    crate::registry::ask_who_serves(serving::deployments_of_version);
    datasets::ask_who_uses(crate::lineage::users_of_dataset);
    tracking::ask_who_needs(crate::registry::holders_of_files);
    serving::start(app, &faces.gateway).await?;
    logs::start(app, &faces.logs).await?;
    monitoring::start(app, &faces.gateway).await
}

/// Images of jobs and of deployments.
fn images_in_use(conn: &mut crate::db::Conn) -> Result<Vec<(String, drydock_wire::images::ImageUse)>> {
    let mut all = jobs::images_in_use(conn)?;
    all.extend(serving::images_in_use(conn)?);
    Ok(all)
}

/// The one line that tools wait for, and on the console the secret that makes the first admin.
#[allow(clippy::print_stdout, clippy::print_stderr, reason = "the console is the interface here")]
fn announce(faces: &Faces, [http, s3, registry]: [String; 3]) {
    if let Some(secret) = accounts::setup_secret(&faces.accounts) {
        eprintln!("\n  No admin yet. Open the dashboard and enter this one-time secret: {secret}\n");
    }
    println!("ready http={http} s3={s3} registry={registry}");
    let _ = std::io::stdout().flush();
}

async fn wait_for_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
