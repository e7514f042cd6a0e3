//! `drydock job outputs`: what a job left in `/outputs`, as files here or as a version of a dataset there.

use std::{
    fs::File,
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use drydock_wire::{
    datasets::CreatedVersion,
    jobs::{DatasetFromOutputs, JobOutputs},
    validate,
};
use futures_util::StreamExt;

use super::{job::OneJob, say, tell};
use crate::{
    client::{Body, Client},
    error::{Error, Result},
};

#[derive(Debug, Clone, Args)]
pub struct OutputFlags {
    #[command(flatten)]
    one: OneJob,
    /// Folder to put them into, which is made; without it they are only listed.
    folder: Option<PathBuf>,
    /// Of this attempt rather than of the latest.
    #[arg(long)]
    attempt: Option<i64>,
    /// Make them a version of this dataset, without copying; prints NAME@VERSION.
    #[arg(long, value_name = "NAME", conflicts_with = "folder")]
    dataset: Option<String>,
    /// Only this folder or file of them.
    #[arg(long, requires = "dataset")]
    path: Option<String>,
    /// Make the dataset if there is none of that name.
    #[arg(long, requires = "dataset")]
    create: bool,
    /// What is told of the version.
    #[arg(long, short, requires = "dataset")]
    message: Option<String>,
}

pub async fn fetch(flags: OutputFlags) -> Result<()> {
    let (client, job) = flags.one.find().await?;
    let id = &job.summary.id;
    if let Some(dataset) = flags.dataset {
        let wish = DatasetFromOutputs {
            dataset,
            create: flags.create,
            path: flags.path.unwrap_or_default(),
            attempt: flags.attempt,
            message: flags.message.unwrap_or_default(),
            ..DatasetFromOutputs::default()
        };
        return into_dataset(&client, id, &wish).await;
    }
    let attempt = flags.attempt.map(|number| format!("&attempt={number}")).unwrap_or_default();
    let found: JobOutputs = client.get(&format!("/jobs/{id}/outputs?deep=true{attempt}")).await?;
    let Some(folder) = flags.folder else {
        for entry in &found.entries {
            say(&format!("{:>14}  {}", entry.size_bytes, entry.path))?;
        }
        return Ok(());
    };
    if found.file_count == 0 {
        tell("The job left nothing in /outputs.");
        return Ok(());
    }
    let mut archive = tempfile::tempfile().map_err(Error::internal)?;
    let written = archive.try_clone().map_err(Error::internal)?;
    copy(client.bytes(&format!("/jobs/{id}/outputs/archive?attempt={}", found.attempt)).await?, written).await?;
    archive.rewind().map_err(Error::internal)?;
    let to = folder.clone();
    let unpacked = tokio::task::spawn_blocking(move || unpack(archive, &to)).await.map_err(Error::internal)??;
    tell(&format!("{unpacked} files in {}", folder.display()));
    Ok(())
}

async fn into_dataset(client: &Client, job: &str, wish: &DatasetFromOutputs) -> Result<()> {
    let made: CreatedVersion = client.post(&format!("/jobs/{job}/outputs/dataset"), wish).await?;
    if !made.created {
        tell("The latest version has the very same content; no other was made.");
    }
    say(&format!("{}@{}", wish.dataset, made.version.version))
}

/// Writes a body as it comes.
pub async fn copy(mut body: Body, mut to: impl Write) -> Result<()> {
    while let Some(part) = body.next().await {
        let part = part.map_err(|error| Error::unavailable(format!("The transfer broke off: {error}.")))?;
        to.write_all(&part).map_err(Error::internal)?;
    }
    to.flush().map_err(Error::internal)
}

/// Plain files and folders below `folder`, and nothing else: neither links nor ways out.
fn unpack(archive: impl Read, folder: &Path) -> Result<u64> {
    let mut files = 0;
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries().map_err(Error::internal)? {
        let mut entry = entry.map_err(Error::internal)?;
        let name = entry.path().map_err(Error::internal)?.to_string_lossy().trim_end_matches('/').to_owned();
        if !entry.header().entry_type().is_file() {
            continue;
        }
        if let Err(words) = validate::relative_path(&name) {
            return Err(Error::invalid(format!("The archive names the path {name:?}: {words}")));
        }
        let path = folder.join(&name);
        let made = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| File::create(&path));
        let mut file =
            made.map_err(|cause| Error::invalid(format!("{} cannot be written: {cause}.", path.display())))?;
        std::io::copy(&mut entry, &mut file).map_err(Error::internal)?;
        files += 1;
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn archive(names: &[&str]) -> Vec<u8> {
        let mut builder = tar::Builder::new(vec![]);
        for name in names {
            let mut header = tar::Header::new_gnu();
            // as a hostile archive would have it: the builder's own way refuses such names
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(2);
            header.set_entry_type(tar::EntryType::Regular);
            header.set_cksum();
            builder.append(&header, &b"hi"[..]).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn files_stay_below_their_folder() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("out");
        assert_eq!(unpack(&archive(&["a.txt", "b/c.txt"])[..], &to).unwrap(), 2);
        assert_eq!(std::fs::read(to.join("b/c.txt")).unwrap(), b"hi");
        assert!(unpack(&archive(&["../x"])[..], &to).is_err());
        assert!(unpack(&archive(&["/etc/x"])[..], &to).is_err());
        assert!(!dir.path().join("x").exists());
    }
}
