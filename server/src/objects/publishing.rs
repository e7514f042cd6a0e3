//! Who has a content in hands: uploads that are about to note it in a row, or the sweep that removes it.
//!
//! Always holds: a content is being published (by any number of uploads) or being removed, never both. An upload enters
//! before its bytes get their name and leaves when its row is committed, however long a cluster takes between the two; the
//! sweep claims what it is about to remove, and leaves alone what it cannot claim. So content whose row is about to come
//! is never taken for garbage, and an upload never counts on bytes that go at this moment. Nobody waits for anything but
//! the same content.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Publishing(Arc<Shared>);

#[derive(Default)]
struct Shared {
    held: Mutex<HashMap<String, Held>>,
    left: Notify,
}

enum Held {
    Published { by: usize },
    Removed,
}

impl Publishing {
    /// Waits while the content is being removed; it is not removed until the answer is dropped.
    pub async fn enter(&self, digest: &str) -> Entered {
        loop {
            let left = self.0.left.notified();
            let mut left = std::pin::pin!(left);
            // before looking, so that no leave between the look and the wait is missed
            left.as_mut().enable();
            if self.try_enter(digest) {
                return Entered { publishing: self.clone(), digest: digest.to_owned() };
            }
            left.await;
        }
    }

    /// Those of these contents that nobody publishes: none can be published until the answer is dropped.
    pub fn claim(&self, digests: Vec<String>) -> Claimed {
        let mut held = self.held();
        let mut claimed = Vec::with_capacity(digests.len());
        for digest in digests {
            if !held.contains_key(&digest) {
                held.insert(digest.clone(), Held::Removed);
                claimed.push(digest);
            }
        }
        drop(held);
        Claimed { publishing: self.clone(), digests: claimed }
    }

    fn try_enter(&self, digest: &str) -> bool {
        match self.held().entry(digest.to_owned()).or_insert(Held::Published { by: 0 }) {
            Held::Published { by } => *by += 1,
            Held::Removed => return false,
        }
        true
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An upload has the content in hands.
pub(super) struct Entered {
    publishing: Publishing,
    digest: String,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut held = self.publishing.held();
        if let Some(Held::Published { by }) = held.get_mut(&self.digest) {
            *by -= 1;
            if *by == 0 {
                held.remove(&self.digest);
            }
        }
    }
}

/// The sweep has these in hands.
pub(super) struct Claimed {
    publishing: Publishing,
    digests: Vec<String>,
}

impl Claimed {
    pub fn digests(&self) -> &[String] {
        &self.digests
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        let mut held = self.publishing.held();
        for digest in &self.digests {
            held.remove(digest);
        }
        drop(held);
        self.publishing.0.left.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    #[tokio::test]
    async fn what_is_published_cannot_be_claimed() {
        let publishing = Publishing::default();
        let (one, two) = (publishing.enter("a").await, publishing.enter("a").await);
        assert_eq!(publishing.claim(names(&["a", "b"])).digests(), ["b"]);
        drop(one);
        assert!(publishing.claim(names(&["a"])).digests().is_empty(), "the other upload still has it");
        drop(two);
        assert_eq!(publishing.claim(names(&["a"])).digests(), ["a"]);
        assert!(publishing.held().is_empty());
    }

    #[tokio::test]
    async fn an_upload_waits_for_the_removal_of_the_same_content_alone() {
        let publishing = Publishing::default();
        let claimed = publishing.claim(names(&["a", "b"]));
        drop(publishing.enter("c").await);
        let waiting = tokio::spawn({
            let publishing = publishing.clone();
            async move { drop(publishing.enter("a").await) }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!waiting.is_finished());
        drop(claimed);
        assert!(tokio::time::timeout(Duration::from_secs(5), waiting).await.is_ok());
    }
}
