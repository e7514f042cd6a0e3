//! The package index as its clients use it: pip, uv and twine unmodified, from outside and from a job that has no internet.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use drydock_tests::{
    Api, PASSWORD, Server, clients,
    wheels::{Wheel, put, zipped},
};
use reqwest::{Method, header};
use serde_json::{Value, json};
use tokio::process::Command;

const LIMIT: Duration = Duration::from_secs(120);

struct World {
    server: Server,
    admin: Api,
    ann: Api,
}

impl World {
    async fn start() -> Result<Self> {
        let server = Server::start().await?;
        let admin = server.admin().await?;
        let ann = server.person(&admin, "ann", "engineer").await?;
        Ok(Self { server, admin, ann })
    }

    /// The index with ann's token in it, as a person writes it into pip.conf.
    fn index(&self) -> String {
        let bare = self.server.url().replace("http://", "");
        format!("http://ann:{}@{bare}/pypi/simple/", self.ann.token())
    }
}

/// Runs an installer or uploader that has no settings of its own; what it printed and whether it succeeded.
async fn run(program: &str, args: &[&str], environment: &[(&str, &str)]) -> Result<(bool, String)> {
    let home = tempfile::tempdir()?;
    let output = Command::new(clients::of_index(program)?)
        .args(args)
        .current_dir(home.path())
        .env("HOME", home.path())
        .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
        .env("PIP_NO_INPUT", "1")
        .env("UV_NO_CONFIG", "1")
        .env("UV_CACHE_DIR", home.path().join("cache"))
        .envs(environment.iter().copied())
        .kill_on_drop(true)
        .output()
        .await?;
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Ok((output.status.success(), text))
}

async fn good(program: &str, args: &[&str], environment: &[(&str, &str)]) -> Result<String> {
    let (success, text) = run(program, args, environment).await?;
    ensure!(success, "{program} {}:\n{text}", args.join(" "));
    Ok(text)
}

fn says(folder: &Path, module: &str) -> Result<String> {
    Ok(std::fs::read_to_string(folder.join(format!("{module}.py")))?)
}

#[tokio::test]
async fn pip_and_uv_install_from_html_and_from_json() -> Result<()> {
    let world = World::start().await?;
    Wheel::new("Greet.er", "1.0").requires("words>=1,<2").add(&world.ann).await?;
    for version in ["1.0", "1.5", "1.6rc1", "2.0"] {
        Wheel::new("words", version).add(&world.ann).await?;
    }
    Wheel::new("words", "1.7").tags("cp39-cp39-win_amd64").add(&world.ann).await?;
    let index = world.index();
    let host = "127.0.0.1";
    for (program, extra) in [("pip", vec!["--trusted-host", host, "--no-cache-dir"]), ("uv", vec![])] {
        let to = tempfile::tempdir()?;
        let target = to.path().display().to_string();
        let mut args = if program == "uv" { vec!["pip"] } else { vec![] };
        args.extend(["install", "--target", &target, "--index-url", &index]);
        args.extend(extra);
        args.push("greet-er");
        good(program, &args, &[]).await?;
        assert_eq!(says(to.path(), "words")?, "VERSION = '1.5'\n", "{program}");
        assert_eq!(says(to.path(), "Greet.er")?, "VERSION = '1.0'\n", "{program}");
    }
    // a client that knows HTML alone sees the same files
    let page = |accept: &'static str| {
        let request = world.ann.request(Method::GET, "/pypi/simple/words/").header(header::ACCEPT, accept);
        async move { request.send().await }
    };
    let json: Value = page("application/vnd.pypi.simple.v1+json").await?.json().await?;
    let html = page("text/html").await?.text().await?;
    let files = json["files"].as_array().context("no files")?;
    assert_eq!(files.len(), 5);
    for file in files {
        let (name, sum) = (file["filename"].as_str().unwrap(), file["hashes"]["sha256"].as_str().unwrap());
        assert!(html.contains(&format!("#sha256={sum}\"")) && html.contains(&format!(">{name}</a>")), "{html}");
    }
    assert_eq!(page("application/json").await?.status(), 406);
    // hashes, as a locked requirements file has them
    let sum = files.iter().find(|file| file["filename"] == "words-1.5-py3-none-any.whl").unwrap();
    let sum = sum["hashes"]["sha256"].as_str().unwrap();
    let to = tempfile::tempdir()?;
    std::fs::write(to.path().join("locked.txt"), format!("words==1.5 --hash=sha256:{sum}\n"))?;
    let (list, target) = (to.path().join("locked.txt").display().to_string(), to.path().display().to_string());
    let args = [
        "install",
        "--require-hashes",
        "--target",
        &target,
        "--index-url",
        &index,
        "--trusted-host",
        host,
        "-r",
        &list,
    ];
    good("pip", &args, &[]).await?;
    Ok(())
}

#[tokio::test]
async fn pages_and_files_keep_to_the_standards() -> Result<()> {
    let world = World::start().await?;
    let wheel = Wheel::new("some-thing", "1.0").requires("numpy>=2");
    wheel.add(&world.ann).await?;
    let (ann, nobody) = (&world.ann, world.server.anonymous()?);
    for path in ["/pypi/simple/", "/pypi/simple/some-thing/"] {
        assert_eq!(nobody.status(Method::GET, path, None).await?, 401, "{path}");
        assert_eq!(ann.with_password("ann", PASSWORD).status(Method::GET, path, None).await?, 200, "{path}");
    }
    let answer = ann.request(Method::GET, "/pypi/simple/Some__Thing/").send().await?;
    assert_eq!(answer.url().path(), "/pypi/simple/some-thing/", "other spellings lead to the name as it is");
    assert_eq!(
        ann.request(Method::GET, "/pypi/simple/some-thing").send().await?.url().path(),
        "/pypi/simple/some-thing/"
    );
    assert_eq!(ann.status(Method::GET, "/pypi/simple/nothing/", None).await?, 404);

    let page = ann.request(Method::GET, "/pypi/simple/some-thing/").send().await?;
    let etag = page.headers()[header::ETAG].to_str()?.to_owned();
    assert!(page.headers()[header::VARY].to_str()?.contains("accept"));
    let again =
        ann.request(Method::GET, "/pypi/simple/some-thing/").header(header::IF_NONE_MATCH, &etag).send().await?;
    assert_eq!(again.status(), 304);

    let detail = ann.get("/api/v1/packages/Some_Thing").await?;
    let url = detail["files"][0]["url"].as_str().context("no url")?.to_owned();
    let bytes = wheel.bytes()?;
    let whole = ann.request(Method::GET, &url).send().await?;
    assert!(whole.headers()[header::CACHE_CONTROL].to_str()?.contains("immutable"));
    assert_eq!(whole.bytes().await?, bytes);
    let head = ann.request(Method::HEAD, &url).send().await?;
    assert_eq!(
        (head.status().as_u16(), head.headers()[header::CONTENT_LENGTH].to_str()?),
        (200, bytes.len().to_string().as_str())
    );
    let part = ann.request(Method::GET, &url).header(header::RANGE, "bytes=10-19").send().await?;
    assert_eq!((part.status().as_u16(), part.bytes().await?.as_ref()), (206, &bytes[10..20]));
    let beyond = ann.request(Method::GET, &url).header(header::RANGE, format!("bytes={}-", bytes.len())).send().await?;
    assert_eq!(beyond.status(), 416);
    let metadata = ann.request(Method::GET, &format!("{url}.metadata")).send().await?.text().await?;
    assert_eq!(metadata, wheel.metadata());
    let wrong = url.replace(&detail["files"][0]["sha256"].as_str().unwrap()[..8], "00000000");
    assert_eq!(ann.status(Method::GET, &wrong, None).await?, 404);
    assert_eq!(nobody.status(Method::GET, &url, None).await?, 401);
    Ok(())
}

#[tokio::test]
async fn twine_and_uv_upload_and_a_name_never_stands_for_other_bytes() -> Result<()> {
    let world = World::start().await?;
    let folder = tempfile::tempdir()?;
    let wheel = Wheel::new("tool", "1.0");
    let path = folder.path().join(wheel.filename());
    std::fs::write(&path, wheel.bytes()?)?;
    let (to, file) = (format!("{}/pypi/legacy/", world.server.url()), path.display().to_string());
    let twine = [
        "upload",
        "--non-interactive",
        "--disable-progress-bar",
        "--repository-url",
        &to,
        "-u",
        "ann",
        "-p",
        world.ann.token(),
        &file,
    ];
    good("twine", &twine, &[]).await?;
    // once more is nothing new
    good("twine", &twine, &[]).await?;
    assert_eq!(world.ann.get("/api/v1/packages/tool").await?["files"].as_array().unwrap().len(), 1);

    std::fs::write(&path, wheel.clone().code("CHANGED = True\n").bytes()?)?;
    let (success, text) = run("twine", &twine, &[]).await?;
    assert!(!success && text.contains("409"), "{text}");
    let (status, answer) = put(&world.ann, &wheel.filename(), std::fs::read(&path)?).await?;
    assert!(status == 409 && answer.contains("raise the version"), "{status} {answer}");
    let (status, _) = put(&world.ann, &wheel.filename(), wheel.bytes()?).await?;
    assert_eq!(status, 200, "the same bytes are no news");

    let newer = Wheel::new("tool", "1.1");
    let path = folder.path().join(newer.filename());
    std::fs::write(&path, newer.bytes()?)?;
    let file = path.display().to_string();
    let args = ["publish", "--publish-url", &to, "--username", "ann", "--password", world.ann.token(), &file];
    good("uv", &args, &[]).await?;
    let detail = world.ann.get("/api/v1/packages/tool").await?;
    assert_eq!((&detail["summary"]["latest"], &detail["summary"]["uploaded_by"]), (&json!("1.1"), &json!("ann")));

    let vera = world.server.person(&world.admin, "vera", "viewer").await?;
    let args = ["publish", "--publish-url", &to, "--username", "vera", "--password", vera.token(), &file];
    let (success, text) = run("uv", &args, &[]).await?;
    assert!(!success && text.contains("403"), "{text}");
    Ok(())
}

#[tokio::test]
async fn what_is_no_good_wheel_stays_out() -> Result<()> {
    let world = World::start().await?;
    let wheel = Wheel::new("demo", "1.0");
    let with = |at: usize, name: &str, bytes: &[u8]| {
        let mut entries = wheel.entries();
        entries[at] = (name.to_owned(), bytes.to_owned());
        zipped(&entries)
    };
    let mut bomb = wheel.entries();
    bomb.push(("demo_zeros".into(), vec![0; 160 << 20]));
    let mut outside = wheel.entries();
    outside.push(("../../etc/cron.d/demo".into(), b"x".to_vec()));
    let truncated = wheel.bytes()?[..200].to_vec();
    let lying = Wheel::new("other", "1.0").bytes()?;
    let cases = [
        ("demo-1.0-py3-none-any.whl", zipped(&bomb)?, 400, "zip bomb"),
        ("demo-1.0-py3-none-any.whl", zipped(&outside)?, 400, "leads elsewhere"),
        ("demo-1.0-py3-none-any.whl", truncated, 400, "no zip archive"),
        ("demo-1.0-py3-none-any.whl", lying, 400, "inside it is other-1.0"),
        ("demo-2.0-py3-none-any.whl", wheel.bytes()?, 400, "METADATA 1.0"),
        (
            "demo-1.0-py3-none-any.whl",
            with(1, "demo-1.0.dist-info/METADATA", b"Name: evil\nVersion: 1.0\n")?,
            400,
            "METADATA evil",
        ),
        ("demo-1.0-py3-none-any.whl", with(3, "demo-1.0.dist-info/RECORDS", b"")?, 400, "no RECORD"),
        ("demo-1.0-py3-none.whl", wheel.bytes()?, 400, "five parts"),
        ("demo-1.0.tar.gz", wheel.bytes()?, 422, "pip wheel"),
        ("demo-1.0-py3-none-any.whl", vec![], 400, "no zip archive"),
    ];
    for (name, bytes, expected, words) in cases {
        let (status, answer) = put(&world.ann, name, bytes).await?;
        assert!(status == expected && answer.contains(words), "{name}: {status} {answer}, expected {expected} {words}");
    }
    assert_eq!(world.ann.get("/api/v1/packages").await?["total"], 0);
    Ok(())
}

#[tokio::test]
async fn a_plain_pip_install_works_in_a_job_without_internet() -> Result<()> {
    let world = World::start().await?;
    Wheel::new("greet", "1.0").requires("words").requires("numpy").code("import words\n").add(&world.ann).await?;
    Wheel::new("words", "3.2").add(&world.ann).await?;
    let script = "pip install greet && python3 -c 'import greet; print(\"greet\", greet.VERSION, greet.words.VERSION)' \
         && ! pip install nothing-like-it && python3 - <<'PY'\n\
         import os, urllib.request, urllib.error\n\
         print('index', urllib.request.urlopen(os.environ['PIP_INDEX_URL']).status)\n\
         legacy = os.environ['DRYDOCK_URL'] + '/pypi/legacy/'\n\
         for path in [legacy, os.environ['DRYDOCK_URL'] + '/api/v1/packages']:\n    \
             try: urllib.request.urlopen(urllib.request.Request(path, method='POST' if path == legacy else 'GET'))\n    \
             except urllib.error.HTTPError as e: print('refused', e.code)\n\
         PY";
    let job = world.ann.submit("installs", &["sh", "-c", script]).await?;
    let end = world.ann.finished(&job, LIMIT).await?;
    let log = world.ann.send(Method::GET, &format!("/api/v1/jobs/{job}/log"), None).await?.1;
    let log = log.as_str().unwrap_or_default();
    assert_eq!(end["summary"]["state"], "succeeded", "{end}\n{log}");
    assert!(log.contains("greet 1.0 3.2") && log.contains("index 200"), "{log}");
    assert_eq!(log.matches("refused 401").count(), 2, "reading is open to containers, nothing else: {log}");
    assert!(log.contains("No matching distribution found for nothing-like-it"), "{log}");
    Ok(())
}

#[tokio::test]
async fn everything_that_is_missing_is_said_at_once() -> Result<()> {
    let world = World::start().await?;
    Wheel::new("app", "1.0")
        .requires("lib>=1")
        .requires("extra-a; sys_platform == 'win32'")
        .requires("numpy")
        .add(&world.ann)
        .await?;
    Wheel::new("lib", "1.2").requires("deep==4").requires("deeper").add(&world.ann).await?;
    Wheel::new("abi", "2.0").tags("cp312-cp312-manylinux_2_17_x86_64").add(&world.ann).await?;
    let ask = json!({ "requirements": "app\nabi>=2  # compiled\nnowhere==1.0\n-r other.txt\n" });
    let told = world.ann.post("/api/v1/packages/missing", ask.clone()).await?;
    let names: Vec<&str> = told["missing"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["abi", "deep", "deeper", "nowhere"], "{told}");
    assert_eq!(told["missing"][1]["asked_by"], json!(["lib 1.2"]));
    assert_eq!(told["skipped"], json!(["-r other.txt"]));
    let for_312 = json!({ "requirements": "abi", "python": "3.12", "platform": "manylinux_2_36_x86_64" });
    assert_eq!(world.ann.post("/api/v1/packages/missing", for_312).await?["missing"], json!([]));

    // the list is what pip on the connected side reads; brought back, nothing is missing any more
    let text =
        world.ann.request(Method::POST, "/api/v1/packages/missing").header(header::ACCEPT, "text/plain").json(&ask);
    let list = text.send().await?.text().await?;
    let wheels =
        [Wheel::new("abi", "2.1"), Wheel::new("deep", "4"), Wheel::new("deeper", "0.1"), Wheel::new("nowhere", "1.0")];
    let connected = tempfile::tempdir()?;
    for wheel in &wheels {
        std::fs::write(connected.path().join(wheel.filename()), wheel.bytes()?)?;
    }
    std::fs::write(connected.path().join("missing.txt"), &list)?;
    let line = list.lines().find(|line| line.contains("pip download")).context("no line with pip download")?;
    let words: Vec<&str> = line.split_whitespace().skip_while(|word| *word != "download").collect();
    let (from, out) = (connected.path().display().to_string(), connected.path().join("wheels").display().to_string());
    let file = connected.path().join("missing.txt").display().to_string();
    let words: Vec<&str> = words
        .into_iter()
        .map(|word| match word {
            "wheels" => out.as_str(),
            "missing.txt" => file.as_str(),
            other => other,
        })
        .collect();
    good("pip", &[&words[..], &["--no-index", "--find-links", &from]].concat(), &[]).await?;
    for entry in std::fs::read_dir(&out)? {
        let entry = entry?;
        let (status, answer) =
            put(&world.ann, &entry.file_name().to_string_lossy(), std::fs::read(entry.path())?).await?;
        ensure!(status == 201, "{answer}");
    }
    let told = world.ann.post("/api/v1/packages/missing", ask).await?;
    assert_eq!(told["missing"], json!([]), "{told}");
    Ok(())
}

#[tokio::test]
async fn yanked_files_are_left_out_and_deleted_ones_are_gone() -> Result<()> {
    let world = World::start().await?;
    for version in ["1.0", "1.1"] {
        Wheel::new("tool", version).add(&world.ann).await?;
    }
    Wheel::new("user", "1.0").requires("Tool>=1").requires("absent").add(&world.ann).await?;
    let path = "/api/v1/packages/tool/tool-1.1-py3-none-any.whl";
    world.ann.post(&format!("{path}/yank"), json!({ "reason": "wrong sums" })).await?;
    let detail = world.ann.get("/api/v1/packages/tool").await?;
    assert_eq!((&detail["summary"]["latest"], &detail["files"][0]["yanked"]), (&json!("1.0"), &json!("wrong sums")));
    assert_eq!(detail["needed_by"][0]["name"], "user");
    let index = world.index();
    let install = async |wish: &str| -> Result<String> {
        let to = tempfile::tempdir()?;
        let target = to.path().display().to_string();
        good("pip", &["install", "--target", &target, "--index-url", &index, "--trusted-host", "127.0.0.1", wish], &[])
            .await?;
        says(to.path(), "tool")
    };
    assert_eq!(install("tool").await?, "VERSION = '1.0'\n");
    assert_eq!(install("tool==1.1").await?, "VERSION = '1.1'\n", "who names it exactly gets it");
    world.ann.delete(&format!("{path}/yank")).await?;
    assert_eq!(install("tool").await?, "VERSION = '1.1'\n");

    let whole = world.ann.get("/api/v1/package-index").await?;
    assert_eq!((&whole["package_count"], &whole["file_count"]), (&json!(2), &json!(3)));
    assert_eq!(whole["missing"]["missing"][0]["name"], "absent", "{whole}");
    world.ann.delete(path).await?;
    assert_eq!(world.ann.status(Method::GET, &format!("{path}/yank"), None).await?, 404);
    world.ann.delete("/api/v1/packages/tool").await?;
    assert_eq!(world.ann.status(Method::GET, "/pypi/simple/tool/", None).await?, 404);
    let found = world.ann.get("/api/v1/packages?search=USE").await?;
    assert_eq!((&found["total"], &found["items"][0]["name"]), (&json!(1), &json!("user")));
    let trail = world.admin.list("/api/v1/audit").await?;
    for action in ["package.add", "package.yank", "package.unyank", "package.file.delete", "package.delete"] {
        assert!(trail.iter().any(|entry| entry["action"] == action), "{action}");
    }
    Ok(())
}
