//! `drydock image`: images built on the box.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use drydock_wire::{
    Page,
    builds::{BuildDetail, BuildState, BuildSummary, SubmitBuild},
    datasets::Upload,
};

use super::{At, context, outputs, run, say, segment, table, tell};
use crate::{
    client::{Client, LogTail},
    console::Ended,
    error::{Error, Result},
};

/// While the box starts anew, or the way to it is cut.
const MOST_PATIENCE_S: u32 = 60;

#[derive(Debug, Subcommand)]
pub enum ImageCommand {
    /// Build an image from a folder with a Dockerfile. The log goes to standard error; printed is the image with its digest, as a job is
    /// given it.
    Build(BuildFlags),
    /// Builds, newest first.
    List {
        #[command(flatten)]
        at: At,
        /// At most so many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
        /// Part of the repository's name.
        search: Option<String>,
    },
    /// What a build said.
    Logs {
        #[command(flatten)]
        one: OneBuild,
        /// Go on as it is written, and end as the build does.
        #[arg(long, short)]
        follow: bool,
    },
    /// End a build.
    Cancel(OneBuild),
}

#[derive(Debug, Clone, Args)]
pub struct OneBuild {
    #[command(flatten)]
    at: At,
    /// Its id.
    build: String,
}

#[derive(Debug, Clone, Args)]
pub struct BuildFlags {
    #[command(flatten)]
    at: At,
    /// Where it goes: team/app or team/app:1; without a tag it is called latest.
    #[arg(long, short)]
    tag: String,
    /// The Dockerfile, in the folder or elsewhere; Dockerfile of the folder if not said.
    #[arg(long, short)]
    file: Option<PathBuf>,
    /// NAME=VALUE of the Dockerfile's ARGs; they stay in the image's history: no secrets.
    #[arg(long, value_name = "NAME=VALUE", value_parser = run::pair)]
    build_arg: Vec<(String, String)>,
    /// Print the build's id and do not wait.
    #[arg(long, short)]
    detach: bool,
    /// The folder that is sent, without what its .dockerignore leaves out.
    folder: PathBuf,
}

/// Runs one of them.
pub async fn image(command: ImageCommand) -> Result<Ended> {
    match command {
        ImageCommand::Build(flags) => return build(flags).await,
        ImageCommand::List { at, limit, search } => list(&at.connect()?, limit, search).await?,
        ImageCommand::Logs { one, follow } => {
            let client = one.at.connect()?;
            if follow {
                return follow_build(&client, &one.build).await;
            }
            let body = client.bytes(&format!("/builds/{}/log", segment(&one.build))).await?;
            outputs::copy(body, std::io::stdout()).await?;
        }
        ImageCommand::Cancel(one) => {
            let path = format!("/builds/{}/cancel", segment(&one.build));
            let now: BuildDetail = one.at.connect()?.post(&path, &()).await?;
            say(now.summary.state.as_str())?;
        }
    }
    Ok(Ended::Well)
}

async fn build(flags: BuildFlags) -> Result<Ended> {
    let client = flags.at.connect()?;
    let (dockerfile_path, dockerfile) = dockerfile(&flags.folder, flags.file.as_deref())?;
    let (folder, path) = (flags.folder.clone(), dockerfile_path.clone());
    let packing = move || context::pack(&folder, path.as_deref().unwrap_or("Dockerfile"));
    let packed = tokio::task::spawn_blocking(packing).await.map_err(Error::internal)??;
    tell(&format!("{} files, {} KiB", packed.files, packed.bytes.div_ceil(1024)));
    let kept: Upload = client.put_file("/uploads", packed.archive.path()).await?;
    let (repository, tag) = parts(&flags.tag);
    let wish = SubmitBuild {
        repository,
        tag,
        dockerfile_path: dockerfile_path.filter(|_| dockerfile.is_none()),
        dockerfile,
        context: Some(kept.digest),
        files: vec![],
        form: None,
        args: flags.build_arg.into_iter().collect(),
    };
    let made: BuildDetail = client.post("/builds", &wish).await?;
    let id = made.summary.id;
    if flags.detach {
        say(&id)?;
        return Ok(Ended::Well);
    }
    tell(&format!("build {id}"));
    follow_build(&client, &id).await
}

/// Its path in the folder, or the text of one that lies elsewhere.
///
/// # Errors
/// `invalid` when there is none.
fn dockerfile(folder: &Path, named: Option<&Path>) -> Result<(Option<String>, Option<String>)> {
    let Some(named) = named else {
        return match folder.join("Dockerfile").is_file() {
            true => Ok((Some("Dockerfile".into()), None)),
            false => Err(Error::invalid(format!(
                "{} has no file called Dockerfile; say with --file which one is meant.",
                folder.display()
            ))),
        };
    };
    let wrong = |cause: std::io::Error| Error::invalid(format!("{} cannot be read: {cause}.", named.display()));
    let root = folder
        .canonicalize()
        .map_err(|cause| Error::invalid(format!("The folder {} cannot be read: {cause}.", folder.display())))?;
    // as typed, from here; then as Docker's file of the folder
    let real = named.canonicalize().or_else(|_| root.join(named).canonicalize()).map_err(wrong)?;
    match real.strip_prefix(&root).ok().and_then(Path::to_str) {
        Some(inside) => Ok((Some(inside.to_owned()), None)),
        None => Ok((None, Some(std::fs::read_to_string(&real).map_err(wrong)?))),
    }
}

/// Its log and then its end, whose success is the command's.
async fn follow_build(client: &Client, id: &str) -> Result<Ended> {
    tokio::select! {
        end = follow_to_the_end(client, id) => end,
        _ = tokio::signal::ctrl_c() => {
            tell(&format!(
                "\nThe build goes on. To see it again: drydock image logs -f {id}; to end it: drydock image cancel {id}"
            ));
            Ok(Ended::Code(130))
        }
    }
}

async fn follow_to_the_end(client: &Client, id: &str) -> Result<Ended> {
    let path = format!("/builds/{}", segment(id));
    // one that is not there is said before its log is waited for
    let now: BuildDetail = client.get(&path).await?;
    if now.summary.state == BuildState::Queued
        && let Some(reason) = &now.summary.reason
    {
        tell(reason);
    }
    let mut tail = LogTail::new(client, &format!("{path}/log/stream"));
    while let Some(line) = tail.next().await {
        tell(&line.text);
    }
    let mut away_s = 0;
    loop {
        match client.get::<BuildDetail>(&path).await {
            Ok(now) if now.summary.state.is_final() => return ended(&now),
            Err(error) if error.code != drydock_wire::ErrorCode::Unavailable || away_s >= MOST_PATIENCE_S => {
                return Err(error);
            }
            Ok(_) => tokio::time::sleep(std::time::Duration::from_millis(300)).await,
            Err(_) => {
                away_s += 1;
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
        }
    }
}

fn ended(build: &BuildDetail) -> Result<Ended> {
    let summary = &build.summary;
    if summary.state == BuildState::Succeeded {
        say(summary.image.as_deref().or(summary.digest.as_deref()).unwrap_or_default())?;
        return Ok(Ended::Well);
    }
    tell(&format!("{}: {}", summary.state.as_str(), summary.reason.as_deref().unwrap_or("no reason is known")));
    if let Some(missing) = build.missing.as_ref().filter(|missing| !missing.list.is_empty()) {
        say(missing.list.trim_end())?;
    }
    Ok(Ended::Code(1))
}

/// `team/app:1` in its two parts.
fn parts(text: &str) -> (String, Option<String>) {
    match text.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository.to_owned(), Some(tag.to_owned())),
        _ => (text.to_owned(), None),
    }
}

async fn list(client: &Client, limit: u32, search: Option<String>) -> Result<()> {
    let mut path = format!("/builds?limit={}", limit.clamp(1, 200));
    if let Some(search) = search {
        path += &format!("&search={}", segment(&search));
    }
    let page: Page<BuildSummary> = client.get(&path).await?;
    let row = |it: &BuildSummary| {
        vec![
            it.id.clone(),
            format!("{}:{}", it.repository, it.tag),
            it.state.as_str().to_owned(),
            it.submitted_by.clone(),
            it.image.clone().or_else(|| it.reason.clone()).unwrap_or_default(),
        ]
    };
    say(&table(&["ID", "IMAGE", "STATE", "BY", ""], &page.items.iter().map(row).collect::<Vec<_>>()))?;
    let more = page.total.saturating_sub(page.items.len() as u64);
    if more > 0 {
        tell(&format!("and {more} more; --limit shows up to 200"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_name_has_a_tag_behind_its_last_colon() {
        assert_eq!(parts("team/app:1.0"), ("team/app".into(), Some("1.0".into())));
        assert_eq!(parts("team/app"), ("team/app".into(), None));
        assert_eq!(parts("box:5000/app"), ("box:5000/app".into(), None), "a port is no tag");
    }

    #[test]
    fn a_dockerfile_is_of_the_folder_or_comes_as_text() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let error = dockerfile(folder.path(), None).unwrap_err();
        assert!(error.message.contains("--file"), "{error}");
        std::fs::create_dir(folder.path().join("docker")).unwrap();
        for path in [folder.path().join("Dockerfile"), folder.path().join("docker/x"), other.path().join("y")] {
            std::fs::write(path, "FROM a\n").unwrap();
        }
        assert_eq!(dockerfile(folder.path(), None).unwrap(), (Some("Dockerfile".into()), None));
        let inside = (Some("docker/x".to_owned()), None);
        assert_eq!(dockerfile(folder.path(), Some(Path::new("docker/x"))).unwrap(), inside);
        assert_eq!(dockerfile(folder.path(), Some(&folder.path().join("docker/x"))).unwrap(), inside);
        assert_eq!(dockerfile(folder.path(), Some(&other.path().join("y"))).unwrap(), (None, Some("FROM a\n".into())));
        assert!(dockerfile(folder.path(), Some(Path::new("none"))).is_err());
    }
}
