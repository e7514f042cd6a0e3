//! Traces of an experiment: a folder each below its `traces`, with the spans among the artifacts.

use std::{fs, path::Path};

use drydock_wire::import::{ForeignAssessment, ForeignTrace};
use serde::de::DeserializeOwned;

use super::{
    super::{
        Batch, Unread, Whole,
        trace_info::{self, AssessmentInfo, LOCATION_TAG, SPANS_FILE, TraceInfo},
    },
    Folder, Read, name_of, subfolders,
};
use crate::error::Result;

const HEAD: &str = "trace_info.yaml";

/// A small file of YAML.
fn yaml<T: DeserializeOwned>(path: &Path) -> Read<T> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", name_of(path)))?;
    serde_yaml_ng::from_str(&text).map_err(|error| format!("{}: {error}", name_of(path)))
}

impl Folder {
    pub fn trace_ids(&self, experiment: &str) -> Result<Vec<String>> {
        let dirs = subfolders(&self.dir_of(experiment).join("traces"));
        // A client makes the folder before the head: one without is no trace yet.
        Ok(dirs.iter().filter(|dir| dir.join(HEAD).exists()).map(|dir| name_of(dir).to_owned()).collect())
    }

    pub fn traces(&self, experiment: &str, ids: &[String]) -> Batch<ForeignTrace> {
        let mut batch = Batch::default();
        for id in ids {
            match self.trace(&self.dir_of(experiment).join("traces").join(id), id) {
                Ok(trace) => batch.things.push(trace),
                Err(why) => batch.unread.push(Unread::new(format!("trace {id}"), why)),
            }
        }
        batch
    }

    fn trace(&self, dir: &Path, id: &str) -> Read<Whole<ForeignTrace>> {
        let info: TraceInfo = yaml(&self.places.allowed(&dir.join(HEAD))?)?;
        let named = info.id().unwrap_or_default();
        if named != id {
            return Err(format!("its {HEAD} names another trace, {named}"));
        }
        let keeps_file = info.is_version_2();
        let mut trace = info.trace(id)?;
        trace.metadata = self.pairs(&dir.join("request_metadata"))?;
        trace_info::set_tags(&mut trace, self.pairs(&dir.join("tags"))?);
        let mut unread = Vec::new();
        trace.assessments = self.assessments(&dir.join("assessments"), id, &mut unread)?;
        let uri = trace.tags.iter().find(|tag| tag.key == LOCATION_TAG).map(|tag| tag.value.clone());
        let of = format!("trace {id}");
        let (mut files, missed) = self.artifacts(&dir.join("artifacts"), &uri.unwrap_or_default(), id, &of);
        unread.extend(missed);
        if let Some(at) = files.iter().position(|file| file.path == SPANS_FILE) {
            let read = trace_info::spans_on_disk(&files[at]);
            if !keeps_file {
                files.remove(at);
            }
            match read {
                Ok(spans) => trace.spans = spans,
                Err(why) => unread.push(Unread::new(format!("{of}, spans"), why)),
            }
        }
        Ok(Whole { thing: trace, files, unread })
    }

    fn assessments(&self, dir: &Path, id: &str, unread: &mut Vec<Unread>) -> Read<Vec<ForeignAssessment>> {
        let mut found = Vec::new();
        for (name, path) in self.leaves(dir)? {
            let Some(assessment) = name.strip_suffix(".yaml") else { continue };
            match yaml(&path).and_then(|info: AssessmentInfo| info.assessment(Some(assessment))) {
                Ok(one) => found.push(one),
                Err(why) => unread.push(Unread::new(format!("trace {id}, assessment {assessment}"), why)),
            }
        }
        found.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(found)
    }
}
