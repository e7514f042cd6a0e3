//! Whose the place in the bucket is. A small object beside the blobs names the box that keeps its contents there and the
//! server that runs: so no two boxes, and no two servers with the same data, ever use one place, and no box with contents
//! elsewhere starts on an empty one.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    client::Client,
    problem::{Problem, ProblemKind},
};

type Result<T> = std::result::Result<T, Problem>;

const NAME: &str = "drydock-store.json";

/// What this process is to the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tenure {
    /// It keeps contents there: whoever came before with the same data stops.
    Holds,
    /// It looks, beside the server that holds it.
    Looks,
}

/// Who wants the place.
#[derive(Clone, Debug)]
pub struct Owner {
    /// The box's id.
    pub instance: String,
    pub tenure: Tenure,
    /// Contents of this box are there already, so its mark must be.
    pub was_here: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    instance: String,
    /// Of the process that holds it: another one means that another server took over.
    session: String,
}

/// The mark, as this process knows it.
pub(super) struct Place {
    client: Client,
    key: String,
    owner: Owner,
    session: String,
}

impl Place {
    pub fn new(client: Client, prefix: &str, owner: Owner, session: String) -> Place {
        Place { client, key: format!("{prefix}{NAME}"), owner, session }
    }

    /// Takes the place, or looks whose it is.
    pub async fn take(&self) -> Result<()> {
        if self.owner.tenure == Tenure::Holds && !self.owner.was_here {
            self.client.ensure_bucket().await?;
        }
        match self.mark().await? {
            Some(mark) if mark.instance != self.owner.instance => Err(self.foreign(&mark)),
            None if self.owner.was_here => Err(Problem::new(
                ProblemKind::Foreign,
                format!(
                    "The contents of this box should be in the bucket, but its mark {} is not there. Check [objects] bucket, \
                     prefix and endpoint.",
                    self.key
                ),
            )),
            _ if self.owner.tenure == Tenure::Looks => Ok(()),
            None => match self.write(true).await {
                Err(problem) if problem.kind == ProblemKind::Precondition => self.confirm_instance().await,
                other => other,
            },
            Some(_) => self.write(false).await,
        }
    }

    /// Whether it still is this process's.
    pub async fn confirm(&self) -> Result<()> {
        match self.mark().await? {
            Some(mark) if mark.instance != self.owner.instance => Err(self.foreign(&mark)),
            Some(mark) if self.owner.tenure == Tenure::Holds && mark.session != self.session => Err(Problem::new(
                ProblemKind::Foreign,
                "Another server with this box's data took the bucket over. Only one may run: stop one of them, then start this \
                 one again.",
            )),
            Some(_) => Ok(()),
            None => {
                let words = format!(
                    "This box's mark {} is gone from the bucket. Find out who else deletes there; then put it back as \
                     {{\"instance\":\"{}\",\"session\":\"\"}} and start the server again.",
                    self.key, self.owner.instance
                );
                Err(Problem::new(ProblemKind::Foreign, words))
            }
        }
    }

    /// Gives the place up.
    pub async fn leave(&self) -> Result<()> {
        self.confirm().await?;
        self.client.delete(&self.key).await
    }

    async fn confirm_instance(&self) -> Result<()> {
        match self.mark().await? {
            Some(mark) if mark.instance == self.owner.instance => self.write(false).await,
            Some(mark) => Err(self.foreign(&mark)),
            None => Err(Problem::new(
                ProblemKind::Unreachable,
                "The S3 cluster contradicts itself about the bucket's mark.",
            )),
        }
    }

    async fn mark(&self) -> Result<Option<Mark>> {
        let Some(bytes) = self.client.get_small(&self.key).await? else { return Ok(None) };
        let unreadable = |_| {
            let words = format!("The object {} in the bucket is not Drydock's. Choose another prefix.", self.key);
            Problem::new(ProblemKind::Foreign, words)
        };
        serde_json::from_slice(&bytes).map(Some).map_err(unreadable)
    }

    async fn write(&self, if_absent: bool) -> Result<()> {
        let mark = Mark { instance: self.owner.instance.clone(), session: self.session.clone() };
        let bytes = serde_json::to_vec(&mark).map_err(|cause| Problem::new(ProblemKind::Other, cause.to_string()))?;
        self.client.put_small(&self.key, Bytes::from(bytes), if_absent).await
    }

    fn foreign(&self, mark: &Mark) -> Problem {
        Problem::new(
            ProblemKind::Foreign,
            format!(
                "This place in the bucket belongs to another Drydock ({}). Give each box a bucket or a prefix of its own.",
                mark.instance
            ),
        )
    }
}
