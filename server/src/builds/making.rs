//! One build from its context to the registry.

use std::collections::{BTreeMap, BTreeSet};

use drydock_appliance::containers::{BuildStep, BuildWish};
use drydock_wire::{
    builds::{BuildState, SubmitBuild},
    events::Topic,
    packages::MissingPackages,
};
use futures_util::StreamExt;

use super::{
    NAME_OF_BOX,
    bases::{self, from_engine},
    cache::{self, Touched},
    context::{Context, DOCKERFILE},
    log::Log,
    rules::{
        dockerfile::Dockerfile,
        dockerignore::IGNORE,
        progress::{Progress, Said},
        requirements,
    },
    store::{self, Build},
};
use crate::{
    accounts::{self, Principal, limits},
    app::App,
    clock,
    db::Conn,
    error::{Error, Result},
    packages,
    workloads::OwnImages,
};

/// Longer than any push.
const TOKEN_MS: i64 = 12 * 3_600_000;

/// A build under way, and what was learnt of it.
pub struct Making {
    app: App,
    own_images: OwnImages,
    build: Build,
    pub log: Log,
    progress: Progress,
    pub touched: Touched,
    /// What pip did not find.
    complaints: BTreeSet<String>,
    /// Of the context.
    texts: BTreeMap<String, String>,
    dockerfile: Option<Dockerfile>,
}

/// What came of it.
pub struct Made {
    pub digest: String,
    pub size_bytes: u64,
}

impl Making {
    pub fn new(app: App, own_images: OwnImages, build: Build) -> Result<Self> {
        Ok(Self {
            log: Log::open(&app, &build.id)?,
            app,
            own_images,
            build,
            progress: Progress::default(),
            touched: Touched::default(),
            complaints: BTreeSet::new(),
            texts: BTreeMap::new(),
            dockerfile: None,
        })
    }

    /// Dropping the future ends what Docker does.
    pub async fn run(&mut self) -> Result<Made> {
        if self.build.tries > 1 {
            self.log.line("[the box was restarted, or Docker; it is built again]", true)?;
        }
        let wish = self.build.spec()?;
        let context = Context::of(&self.app, &wish);
        let path = wish.dockerfile_path.clone().unwrap_or_else(|| "Dockerfile".into());
        self.texts = context.texts(&path).await?;
        let context = context.leaving_out(&self.texts, &path)?;
        let text = match super::text(&wish).or_else(|| self.texts.get(&path).cloned()) {
            Some(text) => text,
            None => return Err(Error::invalid(format!("The context has no {path}; say where its Dockerfile is."))),
        };
        let dockerfile = Dockerfile::parse(&text, &wish.args)?;
        let has = self.fetch_bases(&dockerfile, &text).await?;
        let rewritten = dockerfile.rewritten(&has);
        self.dockerfile = Some(dockerfile);
        let image = self.image(&wish, &context, rewritten).await?;
        let size = self.app.engine.image(&image).await.map_err(from_engine)?.map_or(0, |found| found.size_bytes);
        let digest = self.push().await;
        // Its name was for the push: what jobs use has the digest in its name. Another one keeps the last layer for the next build.
        self.app.engine.tag(&image, cache::REPOSITORY, cache::tag_of(&image)).await.map_err(from_engine)?;
        let name = format!("{}:{}", self.target(), self.build.tag);
        self.app.engine.remove_image(&name).await.map_err(from_engine)?;
        Ok(Made { digest: digest?, size_bytes: size })
    }

    fn target(&self) -> String {
        format!("{}/{}", super::host(&self.app), self.build.repository)
    }

    /// What the engine knows each base by.
    async fn fetch_bases(&mut self, dockerfile: &Dockerfile, text: &str) -> Result<BTreeMap<String, String>> {
        let (mut has, mut pinned) = (BTreeMap::new(), vec![]);
        let build = self.build.clone();
        let who = self.app.db.read(move |conn| person_of(conn, &build)).await?;
        for image in dockerfile.images() {
            let base = bases::find(&self.app, &who, &image).await?;
            bases::fetch(&self.app, &self.own_images, &base).await?;
            self.log.line(&format!("built from {}", base.pinned), false)?;
            has.insert(image, base.engine);
            pinned.push(base.pinned);
        }
        let text = text.to_owned();
        self.change(move |build| {
            build.dockerfile = Some(text);
            build.set_bases(&pinned);
        })
        .await?;
        Ok(has)
    }

    async fn image(&mut self, wish: &SubmitBuild, context: &Context, dockerfile: String) -> Result<String> {
        let network = self.app.engine.ensure_network(&self.app.instance).await.map_err(from_engine)?;
        let limits = &self.app.config.limits;
        let asked = BuildWish {
            dockerfile: DOCKERFILE.into(),
            tag: format!("{}:{}", self.target(), self.build.tag),
            network: network.name,
            host: (NAME_OF_BOX.into(), network.gateway.to_string()),
            args: arguments(wish, self.app.config.listeners.container_port),
            memory_bytes: Some(limits.build_memory_bytes),
            // the other half is for what serves
            cpus: std::thread::available_parallelism().map_or(1.0, |cores| (cores.get() as f64 / 2.0).max(1.0)),
        };
        let sent = context.stream(dockerfile, self.texts.get(IGNORE));
        let mut steps = self.app.engine.build(asked, sent);
        let mut image = None;
        while let Some(step) = steps.next().await {
            match step {
                Ok(BuildStep::Text(text)) => self.said(&text).await?,
                Ok(BuildStep::Image(id)) => image = Some(id),
                Err(error) => {
                    self.said("\n").await?;
                    return Err(from_engine(error));
                }
            }
        }
        image.ok_or_else(|| Error::unavailable("Docker ended the build without saying what came of it."))
    }

    async fn said(&mut self, text: &str) -> Result<()> {
        for line in self.log.push(text)? {
            self.complaints.extend(requirements::of_line(&line));
            match self.progress.read(&line) {
                Said::Step => {
                    let step = self.progress.step.clone();
                    self.change(move |build| build.step = step).await?;
                }
                Said::Made(id) => self.touched.made.push(id),
                Said::Used(id) => self.touched.used.push(id),
                Said::Nothing => {}
            }
        }
        Ok(())
    }

    /// In the name of who asked for it: their rights, and their name at the manifest.
    async fn push(&mut self) -> Result<String> {
        self.change(|build| {
            build.set_state(BuildState::Pushing);
            build.step = None;
        })
        .await?;
        let (build, note) = (self.build.clone(), format!("build {}", self.build.id));
        let issued = self.app.db.write(move |conn| {
            let who = person_of(conn, &build)?;
            let token = accounts::issue_person_token(conn, &who, &note, clock::now_ms() + TOKEN_MS)?;
            Ok((who.username, token))
        });
        let (username, token) = issued.await?;
        let log = &mut self.log;
        let mut told = |status: &str| {
            // a log that cannot be written has said so before
            let _ = log.line(status, false);
        };
        let target = format!("{}/{}", super::host(&self.app), self.build.repository);
        let pushed = self.app.engine.push(&target, &self.build.tag, &username, &token, &mut told).await;
        let person = self.build.person_id.clone();
        self.app.db.write(move |conn| accounts::revoke_person_token(conn, &person, &token)).await?;
        pushed.map_err(from_engine)
    }

    /// Changes the row as it is now: somebody may have asked for its end meanwhile.
    async fn change(&mut self, how: impl FnOnce(&mut Build) + Send + 'static) -> Result<()> {
        let id = self.build.id.clone();
        let changed = self.app.db.write(move |conn| {
            let mut build = store::require(conn, &id)?;
            how(&mut build);
            store::save(conn, &build)?;
            Ok(build)
        });
        self.build = changed.await?;
        self.app.events.publish(Topic::Builds, Some(&self.build.id));
        Ok(())
    }

    /// What its pip would lack, if that is what it failed of.
    pub async fn missing(&self) -> Result<Option<MissingPackages>> {
        let Some(dockerfile) = self.dockerfile.as_ref().filter(|_| !self.complaints.is_empty()) else {
            return Ok(None);
        };
        let asked = requirements::of_commands(dockerfile.runs());
        let text = requirements::together(&asked, &self.texts, &self.complaints);
        let is_runtime = dockerfile.images().iter().any(|image| image == drydock_appliance::RUNTIME_IMAGE);
        let found = self.app.db.read(move |conn| packages::missing_for_runtime(conn, &text, is_runtime)).await?;
        Ok(Some(found).filter(|found| !found.missing.is_empty()))
    }
}

/// Who asked for the build, as they are now and with no more than they asked with.
fn person_of(conn: &mut Conn, build: &Build) -> Result<Principal> {
    limits::principal(conn, &build.person_id, limits::Asked::Build, &build.id)?
        .ok_or_else(|| Error::forbidden("Who asked for the build has no account any more, or it is disabled."))
}

fn arguments(wish: &SubmitBuild, port: u16) -> BTreeMap<String, String> {
    let index = format!("http://{NAME_OF_BOX}:{port}{}", packages::SIMPLE_PATH);
    let fixed = [
        ("PIP_INDEX_URL", index.as_str()),
        ("PIP_TRUSTED_HOST", NAME_OF_BOX),
        ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
        ("PIP_NO_CACHE_DIR", "1"),
        ("PIP_BREAK_SYSTEM_PACKAGES", "1"),
        ("PIP_ROOT_USER_ACTION", "ignore"),
        ("UV_DEFAULT_INDEX", index.as_str()),
    ];
    let mut all = wish.args.clone();
    all.extend(fixed.map(|(name, value)| (name.to_owned(), value.to_owned())));
    all
}
