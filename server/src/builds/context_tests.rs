#![allow(clippy::unwrap_used)]
use super::*;
use crate::{app::testing::app_in, config::Limits};

fn tar(entries: &[(&str, EntryType, &str)]) -> Vec<u8> {
    let mut out = Builder::new(vec![]);
    for (path, kind, content) in entries {
        let mut header = plain(if kind.is_file() { content.len() as u64 } else { 0 });
        header.set_entry_type(*kind);
        // as a hand-made archive has it: the library itself would refuse such paths
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        if kind.is_symlink() || kind.is_hard_link() {
            header.as_old_mut().linkname[..content.len()].copy_from_slice(content.as_bytes());
        }
        header.set_cksum();
        out.append(&header, if kind.is_file() { content.as_bytes() } else { &[] }).unwrap();
    }
    out.into_inner().unwrap()
}

struct World {
    _dir: tempfile::TempDir,
    app: App,
}

impl World {
    fn new(limit: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let app = app_in(dir.path(), Limits { build_context_bytes: limit, ..Limits::default() });
        Self { _dir: dir, app }
    }

    async fn context(&self, archive: Vec<u8>, files: &[(&str, &str)]) -> Context {
        let archive = self.app.objects.put_bytes(archive.into()).await.unwrap().digest;
        let mut all = vec![];
        for (path, text) in files {
            let digest = self.app.objects.put_bytes(Bytes::copy_from_slice(text.as_bytes())).await.unwrap().digest;
            all.push(BuildFile { path: (*path).into(), digest });
        }
        let wish = SubmitBuild {
            repository: "a".into(),
            tag: None,
            dockerfile: None,
            dockerfile_path: None,
            context: Some(archive),
            files: all,
            form: None,
            args: BTreeMap::new(),
        };
        Context::of(&self.app, &wish)
    }
}

async fn sent(context: &Context) -> BTreeMap<String, String> {
    let chunks: Vec<_> = context.stream("FROM x\n".into(), None).collect().await;
    let bytes: Vec<u8> = chunks.into_iter().flat_map(|chunk| chunk.unwrap()).collect();
    let mut found = BTreeMap::new();
    for entry in Archive::new(&bytes[..]).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let mut text = entry.link_name().unwrap().map(|link| format!("-> {}", link.display())).unwrap_or_default();
        entry.read_to_string(&mut text).unwrap();
        found.insert(path, text);
    }
    found
}

const FILE: EntryType = EntryType::Regular;

#[tokio::test]
async fn the_archive_goes_to_docker_with_single_files_over_it() {
    let world = World::new(1 << 20);
    let plain = tar(&[
        ("./", EntryType::Directory, ""),
        ("./Dockerfile", FILE, "FROM a\n"),
        ("./src/requirements.txt", FILE, "numpy\n"),
        ("./src/code.py", FILE, "old"),
        ("./src/link", EntryType::Symlink, "code.py"),
    ]);
    let packed = zstd::encode_all(&plain[..], 3).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    for archive in [plain.clone(), packed, gzip.finish().unwrap()] {
        let context = world.context(archive, &[("src/code.py", "new")]).await;
        let texts = context.texts("Dockerfile").await.unwrap();
        assert_eq!(texts.keys().collect::<Vec<_>>(), ["Dockerfile", "src/requirements.txt"]);
        let sent = sent(&context).await;
        assert_eq!(sent["src/code.py"], "new");
        assert_eq!(sent["src/link"], "-> code.py");
        assert_eq!(sent[DOCKERFILE], "FROM x\n");
        assert_eq!(sent[IGNORE], ".drydock.Dockerfile\n.dockerignore\n");
    }
}

#[tokio::test]
async fn what_leads_elsewhere_or_is_too_large_is_refused() {
    let world = World::new(64 << 10);
    let large = "x".repeat(100 << 10);
    for (entry, words) in [
        (("../x", FILE, ""), "leads elsewhere"),
        (("/etc/passwd", FILE, ""), "leads elsewhere"),
        (("a/../../x", FILE, ""), "leads elsewhere"),
        (("x", EntryType::Link, "../../etc/passwd"), "leads elsewhere"),
        (("x", EntryType::Char, ""), "neither a file"),
        (("x", EntryType::Fifo, ""), "neither a file"),
        (("x", FILE, large.as_str()), "build_context_bytes"),
    ] {
        let packed = zstd::encode_all(&tar(&[entry, ("y", FILE, "")])[..], 3).unwrap();
        let context = world.context(packed, &[]).await;
        let error = context.texts("Dockerfile").await.unwrap_err();
        assert!(error.message.contains(words), "{entry:?}: {error}");
        let chunks: Vec<_> = context.stream(String::new(), None).collect().await;
        assert!(chunks.last().unwrap().is_err(), "{entry:?}");
    }
    let context = world.context(b"no archive, but long enough to be read as one".repeat(40), &[]).await;
    assert!(context.texts("Dockerfile").await.is_err());
}

#[tokio::test]
async fn what_dockerignore_names_stays_behind_and_the_dockerfile_counts_all_the_same() {
    let world = World::new(1 << 20);
    let ignore = "# all but the sources\n**\n!src\nsrc/**/*.log\n";
    let archive = tar(&[
        ("Dockerfile", FILE, "FROM a\n"),
        ("data/", EntryType::Directory, ""),
        ("data/big.bin", FILE, "0"),
        ("src/", EntryType::Directory, ""),
        ("src/a.py", FILE, "1"),
        ("src/deep/x.log", FILE, "2"),
        ("src/link", EntryType::Symlink, "../data/big.bin"),
        (".dockerignore", FILE, ignore),
        ("other.Dockerfile.dockerignore", FILE, "src\n"),
    ]);
    let context = world.context(archive.clone(), &[("src/new.py", "3"), ("data/more", "4")]).await;
    let texts = context.texts("Dockerfile").await.unwrap();
    assert_eq!(texts["Dockerfile"], "FROM a\n");
    let context = context.leaving_out(&texts, "Dockerfile").unwrap();
    let found = sent(&context).await;
    let names: Vec<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(names, [IGNORE, DOCKERFILE, "src", "src/a.py", "src/link", "src/new.py"]);
    assert_eq!(found[IGNORE], ".drydock.Dockerfile\n.dockerignore\n", "it names itself, so Docker drops it, too");

    // a Dockerfile's own list counts instead of the context's
    let context = world.context(archive, &[]).await;
    let texts = context.texts("other.Dockerfile").await.unwrap();
    let context = context.leaving_out(&texts, "other.Dockerfile").unwrap();
    let found = sent(&context).await;
    assert!(found.contains_key("data/big.bin") && !found.contains_key("src/a.py"), "{found:?}");

    let wrong = BTreeMap::from([(IGNORE.to_owned(), "a[\n".to_owned())]);
    let error = world.context(vec![], &[]).await.leaving_out(&wrong, "Dockerfile").err().unwrap();
    assert!(error.message.contains("line 1"), "{error}");
}

#[tokio::test]
async fn another_name_of_what_stays_behind_is_said_rather_than_sent_broken() {
    let world = World::new(1 << 20);
    let archive = tar(&[("data/a", FILE, "0"), ("b", EntryType::Link, "data/a")]);
    let context = world.context(archive, &[]).await;
    let texts = BTreeMap::from([(IGNORE.to_owned(), "data\n".to_owned())]);
    let context = context.leaving_out(&texts, "Dockerfile").unwrap();
    let last = context.stream(String::new(), None).collect::<Vec<_>>().await.pop().unwrap();
    assert!(last.unwrap_err().to_string().contains("--hard-dereference"));
}
