//! Waiting for something that happens soon, with a message that says what did not.

use std::{future::Future, time::Duration};

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

/// Asks again until the answer is `Some`.
///
/// # Errors
/// After `limit`, naming what was waited for and the last error; an error of `ask` is kept and asked again.
pub async fn until<T, F, Fut>(what: &str, limit: Duration, mut ask: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Option<T>>>,
{
    let end = Instant::now() + limit;
    let mut last = None;
    loop {
        match ask().await {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => {}
            Err(error) => last = Some(error),
        }
        if Instant::now() > end {
            match last {
                Some(error) => return Err(error.context(format!("after {limit:?}: {what}"))),
                None => bail!("after {limit:?}: {what}"),
            }
        }
        sleep(Duration::from_millis(150)).await;
    }
}
