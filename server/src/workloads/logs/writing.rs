//! Logs that come from no container: of builds, of tasks of pipelines.

use super::{kept, mask::Masks, name_of, unreadable};
use crate::{
    app::App,
    clock,
    error::{Error, Result},
    spool::{Bounds, Kind, Line, Spool},
};

/// Writes one log. It is read with the same functions as a container's, under the same two names.
pub struct Writer {
    app: App,
    owner: String,
    number: i64,
    spool: Spool,
    masks: Masks,
}

impl Writer {
    /// Begins a log, or goes on with it after a crash. Each of `secrets` shows as `***`.
    ///
    /// # Errors
    /// `conflict` while somebody else writes it.
    pub async fn open(app: &App, owner: &str, number: i64, secrets: &[String]) -> Result<Self> {
        let bounds = Bounds::of(app.config.limits.log_bytes);
        let mut spool = app.spools.write(&name_of(owner, number), bounds).await?;
        spool.begin("").await.map_err(unreadable)?;
        let masks = Masks::new(secrets.iter().map(String::as_str))?;
        Ok(Self { app: app.clone(), owner: owner.to_owned(), number, spool, masks })
    }

    /// A line as of standard output; a text of several lines is several.
    pub async fn line(&mut self, text: &str) -> Result<()> {
        self.append(Kind::Out, text).await
    }

    /// The same as of standard error.
    pub async fn error_line(&mut self, text: &str) -> Result<()> {
        self.append(Kind::Error, text).await
    }

    async fn append(&mut self, kind: Kind, text: &str) -> Result<()> {
        let at_ns = clock::now_ms().saturating_mul(1_000_000);
        for line in text.trim_end_matches(['\r', '\n']).split('\n') {
            let text = self.masks.hide(line.trim_end_matches('\r')).into_owned();
            self.spool.push(&Line { at_ns, kind, text });
        }
        self.spool.flush().await.map_err(unreadable)
    }

    /// Nothing more comes: stores all of it and gives the digest, for `link_kept` in the transaction of the end.
    pub async fn keep(mut self) -> Result<String> {
        self.spool.complete().await.map_err(unreadable)?;
        let name = name_of(&self.owner, self.number);
        let reader = self.app.spools.read(&name, 0).await;
        let reader = reader.ok_or_else(|| Error::internal(anyhow::anyhow!("the log {name} is not there")))?;
        kept::put(&self.app, &self.owner, self.number, reader).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        app::testing::app_in,
        workloads::logs::{Query, Span, last_text, link_kept, page, search, text},
    };
    use futures_util::TryStreamExt;

    async fn all(body: crate::workloads::logs::Body) -> String {
        let parts: Vec<bytes::Bytes> = body.try_collect().await.unwrap();
        String::from_utf8(parts.concat()).unwrap()
    }

    fn query(text: &str) -> Query {
        Query { text: text.into(), regex: false, case: false, span: Span::all(), limit: 10 }
    }

    #[tokio::test]
    async fn a_log_reads_the_same_while_it_is_written_and_when_it_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let limits = crate::config::Limits { log_bytes: 6 << 20, ..Default::default() };
        let app = app_in(dir.path(), limits);
        let mut log = Writer::open(&app, "build", 1, &["hunter2hunter2".into()]).await.unwrap();
        log.line("the password is hunter2hunter2\nand more\n").await.unwrap();
        log.error_line("WARNING: old").await.unwrap();
        let filler = "x".repeat(500);
        for n in 0..20 {
            let block: Vec<String> = (0..1_000).map(|k| format!("{} {filler}", n * 1_000 + k)).collect();
            log.line(&block.join("\n")).await.unwrap();
        }
        let whole = all(text(&app, "build", 1, Span::all()).await.unwrap()).await;
        assert!(whole.starts_with("the password is ***\nand more\nWARNING: old\n0 x"), "{}", &whole[..60]);
        assert!(whole.contains("lines are left out here") && whole.len() < 7 << 20, "{}", whole.len());
        let looks = async || {
            let found = search(&app, "build", 1, query("warning")).await.unwrap();
            let nines = search(&app, "build", 1, Query { regex: true, ..query("^1999[0-9] ") }).await.unwrap();
            let span = Span { from: 19_990, to: Some(19_995) };
            let few = search(&app, "build", 1, Query { span, limit: 3, ..query("xx") }).await.unwrap();
            let page = page(&app, "build", 1, 2, 2).await.unwrap();
            let end = all(last_text(&app, "build", 1, 2).await.unwrap()).await;
            let part = all(text(&app, "build", 1, Span { from: 1, to: Some(3) }).await.unwrap()).await;
            (found, nines, few, (page.lines, page.next, page.total), end, part)
        };
        let written = looks().await;
        assert_eq!((written.0.hits[0].seq, written.0.total), (2, 20_003));
        assert_eq!(written.1.hits.iter().map(|hit| hit.seq).collect::<Vec<_>>(), (19_993..20_003).collect::<Vec<_>>());
        assert_eq!((written.2.hits.len(), written.2.next), (3, Some(19_993)));
        assert_eq!((written.3.0[0].seq, written.3.1), (2, Some(4)));
        assert!(written.4.starts_with("19998 x") && written.5 == "and more\nWARNING: old\n");
        let digest = log.keep().await.unwrap();
        app.db.write(move |conn| link_kept(conn, "build", 1, &digest)).await.unwrap();
        app.spools.remove("build-1").await.unwrap();
        assert_eq!(looks().await, written);
        assert_eq!(all(text(&app, "build", 1, Span::all()).await.unwrap()).await, whole);
        assert!(search(&app, "build", 1, Query { regex: true, ..query("(") }).await.is_err());
    }
}
