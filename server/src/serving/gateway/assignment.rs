//! Which variant a request of a release gets, and how it ended there.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderValue;
use drydock_wire::serving::Assign;

use super::endpoint::{Aim, Endpoint};
use super::meter::Outcome;
use crate::accounts::Principal;
use crate::error::request_id;
use crate::serving::release::assign::Side;
use crate::serving::release::book::Book;

const COOKIE_LASTS_S: u64 = 365 * 24 * 3600;

/// A request that counts for one side of a release.
#[derive(Debug)]
pub struct Assigned {
    book: Arc<Book>,
    side: Side,
    /// To be set in the answer, so that the caller comes back with it.
    pub cookie: Option<HeaderValue>,
}

/// Where a request goes that asks for no revision.
pub fn assign(
    endpoint: &Endpoint,
    deployment: &str,
    who: &Principal,
    request: &HttpRequest,
) -> (Aim, Option<Assigned>) {
    let Some(book) = endpoint.book().filter(|book| book.is_running()) else { return (endpoint.aim(), None) };
    let Some((by, weight)) = book.shares() else {
        let aim = endpoint.aim();
        // a shadow counts pairs of answers instead
        let is_counted = book.shadow().is_none();
        return (aim, is_counted.then(|| Assigned::new(&book, Side::of(aim != Aim::Live), None)));
    };
    let (key, cookie) = key(by, deployment, who, request);
    let unit = book.unit(&key);
    if *by != Assign::Request {
        book.note_unit(unit);
    }
    let side = unit.side(weight);
    let aim = if side.is_candidate() { Aim::Trial(book.title.candidate) } else { Aim::Live };
    (aim, Some(Assigned::new(&book, side, cookie)))
}

/// What is assigned by, and the cookie to set where that is new.
fn key(by: &Assign, deployment: &str, who: &Principal, request: &HttpRequest) -> (String, Option<HeaderValue>) {
    match by {
        Assign::Caller => (who.username.clone(), None),
        Assign::Request => (request_id::current(), None),
        Assign::Header(header) => {
            let sent = request.headers().get(header.name.as_str());
            let sent = sent.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
            (sent.filter(|value| !value.is_empty()).unwrap_or_else(request_id::current), None)
        }
        Assign::Cookie(cookie) => {
            let sent = request.cookie(&cookie.name).map(|it| it.value().to_owned());
            if let Some(value) = sent.filter(|value| !value.is_empty()) {
                return (value, None);
            }
            let value = uuid::Uuid::new_v4().simple().to_string();
            let secure = if request.app_config().secure() { "; Secure" } else { "" };
            let name = &cookie.name;
            let text = format!(
                "{name}={value}; Path=/serve/{deployment}/; Max-Age={COOKIE_LASTS_S}; HttpOnly; SameSite=Lax{secure}"
            );
            let set = HeaderValue::from_str(&text).ok();
            (value, set)
        }
    }
}

impl Assigned {
    fn new(book: &Arc<Book>, side: Side, cookie: Option<HeaderValue>) -> Self {
        book.note_request(&request_id::current(), side);
        Self { book: book.clone(), side, cookie }
    }

    /// The request ended, answered by the revision of that number.
    pub fn ended(&self, number: i64, outcome: Outcome, is_cut: bool) {
        let stood_in = self.side.is_candidate() && number != self.book.title.candidate;
        if stood_in {
            // what the live one did for it is no merit of the candidate
            self.book.record(self.side, Outcome { status: None, took: None }, true);
        } else {
            self.book.record(self.side, outcome, is_cut);
        }
    }
}
