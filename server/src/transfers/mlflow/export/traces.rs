//! Traces: a folder each below their experiment's `traces`.

use std::path::Path;

use drydock_wire::import::{ForeignTrace, ImportOutcome};

use super::{
    super::{
        report::Kind,
        source::{Whole, trace_info::SPANS_FILE},
        written,
    },
    BATCH, Export, disk,
};
use crate::{error::Result, traces::names};

impl Export<'_> {
    pub(super) async fn traces(&mut self, experiment: &str, dir: &Path) -> Result<()> {
        let ids = self.source.trace_ids(experiment).await?;
        let dir = dir.join("traces");
        let (plain, odd): (Vec<String>, Vec<String>) = ids.into_iter().partition(|id| written::is_plain(id));
        for id in odd {
            self.report.refuse(Kind::Traces, &format!("trace {id}"), "its id is no name of a folder");
        }
        let (there, absent): (Vec<String>, Vec<String>) = plain.into_iter().partition(|id| dir.join(id).is_dir());
        for id in &there {
            self.there(Kind::Traces, &dir.join(id))?;
        }
        for some in absent.chunks(BATCH) {
            let batch = self.source.traces(experiment, some.to_vec()).await?;
            self.report.unread(Kind::Traces, batch.unread);
            for trace in batch.things {
                self.trace(experiment, &dir, trace).await?;
            }
        }
        Ok(())
    }

    async fn trace(&mut self, experiment: &str, dir: &Path, trace: Whole<ForeignTrace>) -> Result<()> {
        let Whole { thing, mut files, unread } = trace;
        // Written from the spans, so that it names them in today's form.
        files.retain(|file| file.path != SPANS_FILE);
        let place = written::begin(dir, &thing.id).map_err(disk)?;
        let artifacts = dir.join(&thing.id).join("artifacts");
        let refused = written::trace(&place, experiment, &thing, &artifacts).map_err(disk)?;
        let of = format!("trace {}", thing.id);
        let mut fetched = self.files(&of, &place.join("artifacts"), files).await?;
        fetched.missed |= !unread.is_empty();
        self.report.unread(Kind::Spans, unread);
        if !self.finish((Kind::Traces, &of), (dir, &thing.id), (Kind::Assessments, refused), fetched)? {
            return Ok(());
        }
        self.report.count(Kind::Traces, ImportOutcome::Imported, 1);
        self.report.count(Kind::Spans, ImportOutcome::Imported, thing.spans.len());
        self.report.count(Kind::Assessments, ImportOutcome::Imported, thing.assessments.len());
        let own = thing.metadata.iter().find(|pair| pair.key == names::RUN).map(|pair| &pair.value);
        for run in thing.runs.iter().filter(|run| Some(*run) != own) {
            let text = format!("{of} was linked to the run {run}; a folder has no place for that");
            self.report.note(text);
        }
        Ok(())
    }
}
