//! Who may call a deployment, and how often.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use drydock_wire::ErrorCode;
use drydock_wire::accounts::Role;
use drydock_wire::serving::Rate;

use super::endpoint::Rules;
use crate::accounts::Principal;
use crate::error::{Error, Result};

/// More callers than this are remembered only while they have to be.
const MANY: usize = 10_000;
/// A rate below this is none.
const SLOWEST: f64 = 1e-6;

/// The token buckets of a deployment's callers.
#[derive(Debug, Default)]
pub struct Buckets {
    by_caller: Mutex<HashMap<String, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

/// How a caller stands with its rate after a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    burst: u32,
    remaining: u32,
    /// Until all of the burst is there again.
    full_after: Duration,
    /// From nothing to all of it.
    window: Duration,
    /// The request came too early by so much.
    pub wait: Option<Duration>,
}

/// Whether `who` may call: everyone, unless callers are named; its maker and administrators always.
pub fn check_caller(rules: &Rules, deployment: &str, who: &Principal) -> Result<()> {
    let callers = &rules.settings.callers;
    let is_named = || callers.contains(&who.username) || who.username == rules.maker;
    if callers.is_empty() || who.role == Role::Admin || is_named() {
        return Ok(());
    }
    Err(Error::forbidden(format!(
        "'{deployment}' may be called by certain users, and {} is none of them; {} or an administrator can add you to its callers.",
        who.username, rules.maker
    )))
}

/// The refusal of a request that came too early.
pub fn too_many(deployment: &str, rate: &Rate) -> Error {
    let text = format!(
        "More than {} requests per second to '{deployment}', with {} at once after a pause; wait as long as Retry-After says.",
        rate.per_second, rate.burst
    );
    Error::new(ErrorCode::TooManyRequests, text)
}

impl Buckets {
    /// One request of that caller.
    pub fn take(&self, caller: &str, rate: &Rate, now: Instant) -> Standing {
        let (per_second, burst) = (rate.per_second.max(SLOWEST), f64::from(rate.burst.max(1)));
        let mut buckets = self.by_caller.lock().unwrap_or_else(PoisonError::into_inner);
        let grown = |it: &Bucket| (it.tokens + now.duration_since(it.at).as_secs_f64() * per_second).min(burst);
        if buckets.len() > MANY {
            buckets.retain(|_, it| grown(it) < burst);
        }
        let mut tokens = buckets.get(caller).map_or(burst, grown);
        let is_early = tokens < 1.0;
        let wait = is_early.then(|| seconds((1.0 - tokens) / per_second));
        if !is_early {
            tokens -= 1.0;
        }
        match buckets.get_mut(caller) {
            Some(bucket) => *bucket = Bucket { tokens, at: now },
            None => drop(buckets.insert(caller.to_owned(), Bucket { tokens, at: now })),
        }
        Standing {
            burst: rate.burst.max(1),
            remaining: tokens as u32,
            full_after: seconds((burst - tokens) / per_second),
            window: seconds(burst / per_second),
            wait,
        }
    }
}

impl Standing {
    /// Tells the caller, in the headers that most clients know and in those of the coming standard.
    pub fn tell(&self, response: &mut HttpResponse) {
        let (full_after, window) = (whole_seconds(self.full_after), whole_seconds(self.window));
        let headers = response.headers_mut();
        let counts = [
            ("x-ratelimit-limit", u64::from(self.burst)),
            ("x-ratelimit-remaining", u64::from(self.remaining)),
            ("x-ratelimit-reset", full_after),
        ];
        for (name, count) in counts {
            headers.insert(HeaderName::from_static(name), HeaderValue::from(count));
        }
        let texts = [
            ("ratelimit-policy", format!("\"caller\";q={};w={window}", self.burst)),
            ("ratelimit", format!("\"caller\";r={};t={full_after}", self.remaining)),
        ];
        for (name, text) in texts {
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        if let Some(wait) = self.wait {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait).max(1)));
        }
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::sync::Arc;

    use drydock_wire::serving::ServingSettings;

    use super::*;

    #[test]
    fn a_burst_passes_then_one_by_one_and_each_caller_has_its_own() {
        let (buckets, rate, now) = (Buckets::default(), Rate { per_second: 2.0, burst: 3 }, Instant::now());
        let left: Vec<u32> = (0..3).map(|_| buckets.take("ann", &rate, now).remaining).collect();
        assert_eq!(left, [2, 1, 0]);
        assert_eq!(buckets.take("ann", &rate, now).wait, Some(Duration::from_millis(500)));
        assert_eq!(buckets.take("bob", &rate, now).wait, None);
        let later = now + Duration::from_millis(500);
        assert_eq!(buckets.take("ann", &rate, later).wait, None);
        assert!(buckets.take("ann", &rate, later).wait.is_some());
        let standing = buckets.take("ann", &rate, now + Duration::from_secs(3600));
        assert_eq!((standing.remaining, standing.full_after, standing.window), (2, seconds(0.5), seconds(1.5)));
    }

    #[test]
    fn who_is_not_named_is_told_whom_to_ask() {
        let settings = ServingSettings { callers: vec!["ann".into()], ..ServingSettings::default() };
        let rules = Rules { settings: Arc::new(settings), maker: "mia".into() };
        let may = |name: &str, role| {
            let who = Principal { username: name.into(), role, ..Principal::console() };
            check_caller(&rules, "wine", &who)
        };
        assert!(may("ann", Role::Viewer).is_ok() && may("mia", Role::Engineer).is_ok());
        assert!(may("root", Role::Admin).is_ok());
        let refused = may("bob", Role::Engineer).unwrap_err();
        assert!(refused.code == ErrorCode::Forbidden && refused.message.contains("bob"), "{refused}");
        assert!(
            check_caller(&Rules::default(), "wine", &Principal { role: Role::Viewer, ..Principal::console() }).is_ok()
        );
    }
}
