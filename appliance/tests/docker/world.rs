//! A throw-away instance: an image made of one static busybox, a network, and containers that are gone afterwards.

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Output},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use drydock_appliance::containers::{ContainerSpec, Engine, LogChunk, Network, Seen, SeenPhase};
use futures_util::StreamExt;

pub struct World {
    pub engine: Engine,
    pub instance: String,
    pub image: String,
    pub network: Network,
    pub mounts: tempfile::TempDir,
}

impl World {
    pub async fn new() -> World {
        World::with_image_changes(&[]).await
    }

    /// `changes` are Dockerfile lines put on the image.
    pub async fn with_image_changes(changes: &[&str]) -> World {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let instance = format!("test{}n{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let mounts = tempfile::tempdir().unwrap();
        open_to_all(mounts.path());
        let engine = Engine::connect().allow_mounts_under(mounts.path());
        if let Err(error) = engine.version().await {
            panic!("these tests need a running Docker: {error}");
        }
        let image = format!("drydock-test/{instance}:1");
        import_busybox(&image, changes);
        let network = engine.ensure_network(&instance).await.expect("the instance's network");
        World { engine, instance, image, network, mounts }
    }

    /// A container that runs this shell script.
    pub fn script(&self, workload: &str, script: &str) -> ContainerSpec {
        ContainerSpec {
            instance: self.instance.clone(),
            workload: workload.to_owned(),
            generation: 1,
            spec_hash: "hash-1".to_owned(),
            kind: "job".to_owned(),
            image: self.image.clone(),
            command: ["/bin/busybox", "sh", "-c", script].map(str::to_owned).to_vec(),
            env: BTreeMap::new(),
            mounts: vec![],
            writable: vec![],
            working_dir: "/workspace".to_owned(),
            image_working_dir: false,
            cpus: 0.5,
            memory_bytes: 64 << 20,
            pids: 32,
            scratch_bytes: 8 << 20,
            gpu_uuids: vec![],
            network: self.network.name.clone(),
        }
    }

    pub async fn start(&self, spec: &ContainerSpec) -> String {
        let id = self.engine.create(spec).await.expect("create");
        self.engine.start(&id).await.expect("start");
        id
    }

    /// Runs it to its end: what was seen last, and its output.
    pub async fn run(&self, spec: &ContainerSpec) -> (Seen, Vec<LogChunk>) {
        let id = self.start(spec).await;
        let seen = self.until(&id, |seen| seen.phase == SeenPhase::Exited).await;
        let chunks = self.engine.logs(&id, false).map(|chunk| chunk.expect("log")).collect().await;
        (seen, chunks)
    }

    /// The output of a script, as one text.
    pub async fn output(&self, workload: &str, script: &str) -> String {
        let (_, chunks) = self.run(&self.script(workload, script)).await;
        chunks.into_iter().map(|chunk| chunk.text + "\n").collect()
    }

    pub async fn seen(&self, id: &str) -> Option<Seen> {
        self.engine.list(&self.instance).await.expect("list").into_iter().find(|seen| seen.id == id)
    }

    pub async fn until(&self, id: &str, right: impl Fn(&Seen) -> bool) -> Seen {
        let start = Instant::now();
        loop {
            let seen = self.seen(id).await.expect("the container is there");
            if right(&seen) {
                return seen;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "still not so after a minute: {seen:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let label = format!("label=io.drydock.instance={}", self.instance);
        let ids = docker(&["ps", "-aq", "--filter", &label]);
        for id in String::from_utf8_lossy(&ids.stdout).split_whitespace() {
            docker(&["rm", "-f", "-v", id]);
        }
        docker(&["network", "rm", &self.network.name]);
        docker(&["rmi", "-f", &self.image]);
    }
}

pub fn docker(arguments: &[&str]) -> Output {
    Command::new("docker").args(arguments).output().expect("the docker command: install docker.io or docker-cli")
}

pub fn open_to_all(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn import_busybox(image: &str, changes: &[&str]) {
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| Path::new(path).exists());
    let busybox = busybox.expect("a static busybox is needed: apt-get install busybox-static");
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(root.path().join("rootfs/bin")).unwrap();
    std::fs::copy(busybox, root.path().join("rootfs/bin/busybox")).unwrap();
    for applet in [
        "sh", "cat", "id", "nc", "sleep", "tail", "head", "tr", "printf", "touch", "ip", "dd", "ls", "grep", "mount",
        "kill", "find", "ln", "mkdir",
    ] {
        std::os::unix::fs::symlink("busybox", root.path().join("rootfs/bin").join(applet)).unwrap();
    }
    let tar = root.path().join("image.tar");
    let packed = Command::new("tar").arg("-cf").arg(&tar).arg("-C").arg(root.path().join("rootfs")).arg(".").status();
    assert!(packed.expect("tar").success(), "tar failed");
    let mut import = vec!["import"];
    changes.iter().for_each(|change| import.extend(["--change", change]));
    let tar = tar.to_string_lossy().into_owned();
    import.extend([tar.as_str(), image]);
    let imported = docker(&import);
    assert!(imported.status.success(), "docker import: {}", String::from_utf8_lossy(&imported.stderr));
}
