//! The books of the releases that are measured, which the gateway writes into.

use std::sync::{Arc, PoisonError};

use super::{Gateway, admission};
use crate::accounts::Principal;
use crate::error::{Error, Result};
use crate::serving::release::Opened;
use crate::serving::release::book::Book;

impl Gateway {
    /// Makes these the releases that are measured. A book whose release is not among them is closed, and stays until it is
    /// written.
    pub fn measure(&self, opened: Vec<Opened>) {
        let mut books = self.shared.books.write().unwrap_or_else(PoisonError::into_inner);
        for book in books.values() {
            if !opened.iter().any(|it| it.title.release_id == book.title.release_id) {
                book.close();
            }
        }
        let mut current = Vec::new();
        for one in opened {
            let id = one.title.release_id.clone();
            let made = || Arc::new(Book::open(one.title, one.kept.unwrap_or_default()));
            let book = books.entry(id).or_insert_with(made);
            book.set_running(one.is_running);
            current.push(book.clone());
        }
        for (_, endpoint) in self.endpoints() {
            endpoint.set_book(current.iter().find(|book| book.title.deployment_id == endpoint.deployment_id).cloned());
        }
    }

    /// The book of that release, until it is over and written.
    pub fn book(&self, release_id: &str) -> Option<Arc<Book>> {
        self.shared.books.read().unwrap_or_else(PoisonError::into_inner).get(release_id).cloned()
    }

    /// Every book that is not over and written.
    pub fn books(&self) -> Vec<Arc<Book>> {
        self.shared.books.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The book is over and written.
    pub fn forget_book(&self, release_id: &str) {
        self.shared.books.write().unwrap_or_else(PoisonError::into_inner).remove(release_id);
    }

    /// Whether that person may call the deployment.
    ///
    /// # Errors
    /// `not_found` without such a deployment, `forbidden` where it names other callers.
    pub fn check_caller(&self, deployment: &str, who: &Principal) -> Result<()> {
        let unknown = || Error::not_found(format!("There is no deployment '{deployment}'."));
        let endpoint = self.endpoint(deployment).ok_or_else(unknown)?;
        admission::check_caller(&endpoint.rules(), deployment, who)
    }
}
