//! The last lines of a replica's log, for the reason why it failed.

use futures_util::StreamExt;

use super::container;
use crate::{app::App, error::Result, workloads};

/// How much of a failed revision's log its reason quotes.
const QUOTED_LINES: usize = 6;
const QUOTED_BYTES: usize = 1200;

/// The reason, with what the container printed last, if anything.
pub async fn added_to(app: &App, replica: &str, why: String) -> String {
    let last = read(app, replica).await.unwrap_or_default();
    if last.is_empty() { why } else { format!("{why} Its last lines:\n{last}") }
}

async fn read(app: &App, replica: &str) -> Result<String> {
    let id = replica.to_owned();
    let generation = app.db.read(move |conn| container::generation(conn, &id)).await?;
    let mut body = workloads::logs::last_text(app, replica, generation, QUOTED_LINES as u64).await?;
    let mut kept: Vec<u8> = Vec::new();
    while let Some(Ok(part)) = body.next().await {
        kept.extend_from_slice(&part);
        let surplus = kept.len().saturating_sub(4 * QUOTED_BYTES);
        kept.drain(..surplus);
    }
    Ok(last_lines(&String::from_utf8_lossy(&kept)))
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines[lines.len().saturating_sub(QUOTED_LINES)..].join("\n");
    let surplus = last.chars().count().saturating_sub(QUOTED_BYTES);
    last.chars().skip(surplus).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_quotes_the_last_lines_and_stays_short() {
        let text: String = (0..50).map(|n| format!("line {n}\n\n")).collect();
        assert_eq!(last_lines(&text), "line 44\nline 45\nline 46\nline 47\nline 48\nline 49");
        assert_eq!(last_lines(&"ä".repeat(5000)).chars().count(), QUOTED_BYTES);
        assert_eq!(last_lines(""), "");
    }
}
