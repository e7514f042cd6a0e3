//! How far a move is, on the console: counts, bytes and rate, at most every two seconds.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use super::Content;

const EVERY: Duration = Duration::from_secs(2);

pub struct Progress {
    began: Instant,
    told: Instant,
    count: u64,
    bytes: u64,
    sent_bytes: u64,
    all_count: usize,
    all_bytes: u64,
}

impl Progress {
    pub fn of(contents: &[Content]) -> Progress {
        let now = Instant::now();
        let all_bytes = contents.iter().map(|content| content.size_bytes).sum();
        Progress { began: now, told: now, count: 0, bytes: 0, sent_bytes: 0, all_count: contents.len(), all_bytes }
    }

    /// One more is done; `was_sent` when its bytes travelled.
    pub fn done(&mut self, size_bytes: u64, was_sent: bool) {
        self.count += 1;
        self.bytes += size_bytes;
        self.sent_bytes += if was_sent { size_bytes } else { 0 };
        if self.told.elapsed() >= EVERY {
            self.told = Instant::now();
            let _ = writeln!(std::io::stdout(), "{}", self.line());
        }
    }

    fn line(&self) -> String {
        let rate = self.sent_bytes as f64 / self.began.elapsed().as_secs_f64().max(0.001) / 1e6;
        let (bytes, all) = (self.bytes as f64 / 1e9, self.all_bytes as f64 / 1e9);
        format!("{} of {} contents, {bytes:.2} of {all:.2} GB, {rate:.0} MB/s", self.count, self.all_count)
    }
}
