//! Uploads that are under way: in memory, each of one person into one repository, growing piece by piece.
//!
//! Always holds: what arrived stays when a piece breaks off, so that the client can ask how far it came and go on; nothing is
//! kept before its digest was verified. A restart forgets them all (the specification's BLOB_UPLOAD_UNKNOWN), and so does an hour
//! without a request. Their number is bounded, since each has a block in memory.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use actix_web::web::Bytes;
use drydock_wire::ErrorCode;
use futures_util::{Stream, StreamExt};
use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;

use crate::{
    accounts::Principal,
    error::{Error, Result},
    objects::Receiving,
};

/// Without a request for so long, an upload is over.
const IDLE: Duration = Duration::from_secs(3600);
/// A sender that is silent for so long has gone.
const SILENCE: Duration = Duration::from_secs(60);
// Each holds two blocks of a mebibyte at most while nobody sends.
const MOST: usize = 64;
const MOST_OF_ONE: usize = 32;
/// One that had no request for this long makes room for another.
const IN_THE_WAY: Duration = Duration::from_secs(120);

/// All of them; cheap to clone.
#[derive(Clone, Default)]
pub struct Uploads(Arc<Mutex<HashMap<String, Arc<Upload>>>>);

/// One upload.
pub struct Upload {
    pub id: String,
    repository: String,
    person_id: String,
    size_bytes: AtomicU64,
    used: Mutex<Instant>,
    /// Cancelled when another request goes on with the upload: the connection of the one before may hang without having ended.
    current: Mutex<CancellationToken>,
    receiving: Arc<tokio::sync::Mutex<Option<Receiving>>>,
}

/// Where somebody asks for an upload that is not theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    Unknown,
    OfAnother,
}

impl Uploads {
    /// A new one.
    ///
    /// # Errors
    /// `too_many_requests` when there are too many of them.
    pub fn open(&self, who: &Principal, repository: &str, receiving: Receiving) -> Result<Arc<Upload>> {
        let mut all = self.lock();
        let mine = |it: &Arc<Upload>| it.person_id == who.person_id;
        let is_full = all.len() >= MOST;
        if is_full || all.values().filter(|it| mine(it)).count() >= MOST_OF_ONE {
            // a person's own limit ends nobody else's
            all.retain(|_, it| it.idle() < IN_THE_WAY || !(is_full || mine(it)));
        }
        if all.len() >= MOST || all.values().filter(|it| mine(it)).count() >= MOST_OF_ONE {
            return Err(Error::new(
                ErrorCode::TooManyRequests,
                "Too many uploads are under way; finish some of them first.",
            ));
        }
        let upload = Arc::new(Upload {
            id: uuid::Uuid::new_v4().to_string(),
            repository: repository.to_owned(),
            person_id: who.person_id.clone(),
            size_bytes: AtomicU64::new(0),
            used: Mutex::new(Instant::now()),
            current: Mutex::default(),
            receiving: Arc::new(tokio::sync::Mutex::new(Some(receiving))),
        });
        all.insert(upload.id.clone(), upload.clone());
        Ok(upload)
    }

    /// The upload, if it is this person's and of this repository.
    pub fn find(&self, who: &Principal, repository: &str, id: &str) -> std::result::Result<Arc<Upload>, Missing> {
        let found = self.lock().get(id).cloned().ok_or(Missing::Unknown)?;
        if found.person_id != who.person_id {
            return Err(Missing::OfAnother);
        }
        if found.repository != repository {
            return Err(Missing::Unknown);
        }
        *found.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        Ok(found)
    }

    pub fn forget(&self, id: &str) {
        let gone = self.lock().remove(id);
        if let Some(gone) = gone {
            gone.take_over();
        }
    }

    /// Ends those that nobody goes on with.
    pub fn expire(&self) {
        self.lock().retain(|_, it| it.idle() < IDLE);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Upload>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one who goes on with an upload, alone.
pub struct Turn {
    upload: Arc<Upload>,
    receiving: OwnedMutexGuard<Option<Receiving>>,
    superseded: CancellationToken,
}

impl Upload {
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes.load(Ordering::Acquire)
    }

    fn idle(&self) -> Duration {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    fn take_over(&self) -> CancellationToken {
        let mine = CancellationToken::new();
        let before = std::mem::replace(&mut *self.current.lock().unwrap_or_else(PoisonError::into_inner), mine.clone());
        before.cancel();
        mine
    }

    /// Waits until the request before lets go, which it is told to.
    pub async fn turn(self: Arc<Self>) -> Turn {
        let superseded = self.take_over();
        let receiving = self.receiving.clone().lock_owned().await;
        Turn { upload: self, receiving, superseded }
    }
}

impl Turn {
    /// Takes a piece in. Whatever arrived stays, also when the rest does not come.
    ///
    /// # Errors
    /// `invalid` when it broke off, `too_large` above the limit, `not_found` when the upload ended meanwhile.
    pub async fn append<S, E>(&mut self, mut body: S, limit_bytes: u64) -> Result<()>
    where
        S: Stream<Item = std::result::Result<Bytes, E>> + Unpin,
        E: std::fmt::Display,
    {
        let receiving = self.receiving.as_mut().ok_or_else(over)?;
        loop {
            let next = tokio::select! {
                biased;
                () = self.superseded.cancelled() => return Err(Error::conflict("Another request went on with this upload.")),
                next = tokio::time::timeout(SILENCE, body.next()) => next,
            };
            let chunk = match next {
                Ok(Some(Ok(chunk))) => chunk,
                Ok(None) => return Ok(()),
                Ok(Some(Err(cause))) => return Err(Error::invalid(format!("The upload broke off: {cause}"))),
                Err(_) => return Err(Error::invalid("The upload broke off: nothing came for a minute.")),
            };
            if receiving.size_bytes() + chunk.len() as u64 > limit_bytes {
                return Err(Error::too_large(format!("The upload is larger than {limit_bytes} bytes.")));
            }
            receiving.push(&chunk).await?;
            self.upload.size_bytes.store(receiving.size_bytes(), Ordering::Release);
            *self.upload.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
    }

    /// What has arrived, to be kept; the upload is over.
    pub fn take(mut self) -> Result<Receiving> {
        self.receiving.take().ok_or_else(over)
    }
}

fn over() -> Error {
    Error::not_found("This upload has ended; begin another one.")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use futures_util::stream;

    use super::*;
    use crate::{accounts::Principal, db::testing::temporary, objects::Objects};

    fn person(id: &str) -> Principal {
        Principal { person_id: id.into(), username: id.into(), ..Principal::console() }
    }

    fn store() -> (tempfile::TempDir, Objects) {
        let (dir, db) = temporary();
        let objects = Objects::open(db, &dir.path().join("blobs")).unwrap();
        (dir, objects)
    }

    fn pieces(
        all: &[&'static str],
        ends: bool,
    ) -> impl Stream<Item = std::result::Result<Bytes, String>> + Unpin + use<> {
        let mut items: Vec<_> = all.iter().map(|text| Ok(Bytes::from_static(text.as_bytes()))).collect();
        if !ends {
            items.push(Err("cut".to_owned()));
        }
        stream::iter(items)
    }

    #[tokio::test]
    async fn what_arrived_before_the_cut_stays_and_the_rest_follows() {
        let (_dir, objects) = store();
        let uploads = Uploads::default();
        let upload = uploads.open(&person("ann"), "a", objects.receiving(())).unwrap();
        let mut turn = upload.clone().turn().await;
        assert!(turn.append(pieces(&["hello ", "wor"], false), 100).await.is_err());
        drop(turn);
        assert_eq!(upload.size_bytes(), 9);
        let mut turn = upload.clone().turn().await;
        turn.append(pieces(&["ld"], true), 100).await.unwrap();
        let received = turn.take().unwrap().end().await.unwrap();
        assert_eq!(received.size_bytes(), 11);
        assert!(upload.turn().await.take().is_err());
    }

    #[tokio::test]
    async fn a_request_that_hangs_gives_way_to_the_next() {
        let (_dir, objects) = store();
        let uploads = Uploads::default();
        let upload = uploads.open(&person("ann"), "a", objects.receiving(())).unwrap();
        let hanging = tokio::spawn({
            let upload = upload.clone();
            async move {
                let silent = pieces(&["abc"], true).chain(stream::pending());
                upload.turn().await.append(silent, 100).await
            }
        });
        while upload.size_bytes() < 3 {
            tokio::task::yield_now().await;
        }
        let mut turn = tokio::time::timeout(Duration::from_secs(5), upload.clone().turn()).await.unwrap();
        turn.append(pieces(&["def"], true), 100).await.unwrap();
        assert_eq!(hanging.await.unwrap().unwrap_err().code, ErrorCode::Conflict);
        assert_eq!(upload.size_bytes(), 6);
    }

    #[tokio::test]
    async fn an_upload_is_its_person_s_and_its_repository_s() {
        let (_dir, objects) = store();
        let uploads = Uploads::default();
        let upload = uploads.open(&person("ann"), "a", objects.receiving(())).unwrap();
        assert!(uploads.find(&person("ann"), "a", &upload.id).is_ok());
        assert_eq!(uploads.find(&person("bob"), "a", &upload.id).err(), Some(Missing::OfAnother));
        assert_eq!(uploads.find(&person("ann"), "b", &upload.id).err(), Some(Missing::Unknown));
        uploads.forget(&upload.id);
        assert_eq!(uploads.find(&person("ann"), "a", &upload.id).err(), Some(Missing::Unknown));
    }

    #[tokio::test]
    async fn their_number_is_bounded() {
        let (_dir, objects) = store();
        let uploads = Uploads::default();
        for _ in 0..MOST_OF_ONE {
            uploads.open(&person("ann"), "a", objects.receiving(())).unwrap();
        }
        let refused = uploads.open(&person("ann"), "a", objects.receiving(())).err().unwrap();
        assert_eq!(refused.code, ErrorCode::TooManyRequests);
        assert!(uploads.open(&person("bob"), "a", objects.receiving(())).is_ok());
    }
}
