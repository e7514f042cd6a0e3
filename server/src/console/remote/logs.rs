//! `drydock logs`: the search over what jobs, deployments, builds and Drydock wrote, and its live tail.

use std::time::Duration;

use clap::Args;
use drydock_wire::{
    logs::{LogAnswer, LogEntry},
    units,
};

use super::{At, say, segment, tell};
use crate::{
    client::{Client, LogTail},
    clock,
    error::{Error, Result},
    logs::plain,
};

/// The most that one answer of the server has.
const PAGE: usize = 1_000;

#[derive(Debug, Clone, Args)]
pub struct LogsFlags {
    #[command(flatten)]
    at: At,
    /// Words, "phrases", field:value, level:>=warn, job:NAME, deployment:NAME, OR, -not; everything if not said. After `--` where
    /// it begins with a dash.
    query: Vec<String>,
    /// Go on with the lines as they are written.
    #[arg(long, short)]
    follow: bool,
    /// How far back, such as 15m, 6h or 7d; all that is kept if not said.
    #[arg(long, value_parser = units::parse_seconds)]
    since: Option<u64>,
    /// error, or ">=warn"; several with commas.
    #[arg(long)]
    level: Option<String>,
    /// job, deployment, build or drydock; several with commas.
    #[arg(long)]
    kind: Option<String>,
    /// The newest so many lines.
    #[arg(long, short = 'n', default_value_t = 100)]
    lines: usize,
    /// A JSON object a line instead of text.
    #[arg(long)]
    json: bool,
}

/// Shows the lines, oldest first.
pub async fn logs(flags: LogsFlags) -> Result<()> {
    let client = flags.at.connect()?;
    let newest = shown(&client, &flags).await?;
    if !flags.follow {
        return Ok(());
    }
    let mut path = flags.path("/logs/tail");
    if let Some(newest) = newest {
        path += &format!("&after={newest}");
    }
    let mut tail = LogTail::<LogEntry>::at(&client, &path);
    while let Some(line) = tail.next().await {
        flags.say(&line)?;
    }
    Ok(())
}

/// Prints what was found; the newest line's id.
async fn shown(client: &Client, flags: &LogsFlags) -> Result<Option<u64>> {
    let (mut found, mut before): (Vec<LogEntry>, Option<String>) = (vec![], None);
    while found.len() < flags.lines {
        let mut path = flags.path("/logs");
        path += &format!("&limit={}", (flags.lines - found.len()).min(PAGE));
        if let Some(before) = &before {
            path += &format!("&before={before}");
        }
        let answer: LogAnswer = client.get(&path).await?;
        found.extend(answer.lines);
        before = answer.next;
        if before.is_none() {
            break;
        }
    }
    for line in found.iter().rev() {
        flags.say(line)?;
    }
    if found.is_empty() && flags.lines > 0 {
        tell("No line matches.");
    }
    Ok(found.iter().map(|line| line.id).max())
}

impl LogsFlags {
    fn path(&self, call: &str) -> String {
        let query: Vec<String> = self.query.iter().map(|word| quoted(word)).collect();
        let mut path = format!("{call}?q={}", segment(&query.join(" ")));
        for (name, value) in [("level", &self.level), ("kind", &self.kind)] {
            if let Some(value) = value {
                path += &format!("&{name}={}", segment(value));
            }
        }
        if let Some(since) = self.since {
            let since_ms = i64::try_from(Duration::from_secs(since).as_millis()).unwrap_or(i64::MAX);
            path += &format!("&from={}", clock::now_ms().saturating_sub(since_ms).max(0));
        }
        path
    }

    fn say(&self, line: &LogEntry) -> Result<()> {
        if self.json { say(&serde_json::to_string(line).map_err(Error::internal)?) } else { say(&plain(line)) }
    }
}

/// What the shell took the quotation marks from is a phrase again.
fn quoted(word: &str) -> String {
    let is_phrase = word.contains(char::is_whitespace) && !word.contains(['"', ':', '(']);
    let has_operator =
        word.split_whitespace().any(|part| ["OR", "AND", "NOT"].contains(&part) || part.starts_with('-'));
    if is_phrase && !has_operator { format!("\"{word}\"") } else { word.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_that_came_together_are_a_phrase() {
        assert_eq!(quoted("out of memory"), "\"out of memory\"");
        for whole in ["word", "a OR b", "a -b", "level:error x", "say \"a b\"", "(a b)"] {
            assert_eq!(quoted(whole), whole);
        }
    }
}
