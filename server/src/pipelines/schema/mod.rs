//! A pipeline's YAML: read, checked with a line for each fault, and kept in a form that runs.

pub mod bodies;
mod checks;
mod document;
pub mod lines;
mod spec;
#[cfg(test)]
mod tests;

use drydock_wire::pipelines::Problem;

use document::Document;
use lines::{At, line_of};
pub use spec::{ScheduleSpec, Spec, Task, TriggerSpec};

/// Longer than anybody writes.
const MOST_BYTES: usize = 1 << 20;

/// Reads and checks a pipeline. What is read so far comes with the problems, for a graph beside the editor.
pub fn read(yaml: &str) -> (Option<Spec>, Vec<Problem>) {
    if yaml.len() > MOST_BYTES {
        return (None, vec![Problem { line: None, message: "The text is longer than 1 MiB.".into() }]);
    }
    let document: Document = match serde_yaml_ng::from_str(yaml) {
        Ok(document) => document,
        Err(cause) => return (None, vec![unreadable(yaml, &cause)]),
    };
    let (spec, problems) = checks::check(document, yaml);
    (Some(spec), problems)
}

/// The line, from 1, of a character as editors count: YAML's reader also breaks lines at a lone `\r`, U+0085, U+2028 and U+2029.
fn editors_line(yaml: &str, index: usize) -> Option<u32> {
    u32::try_from(yaml.chars().take(index).filter(|c| *c == '\n').count() + 1).ok()
}

fn unreadable(yaml: &str, cause: &serde_yaml_ng::Error) -> Problem {
    let said = cause.to_string();
    // The place is told beside it.
    let message = said.split(" at line ").next().unwrap_or(&said).to_owned();
    let line = cause.location().and_then(|place| editors_line(yaml, place.index()));
    // A fault of a task is told at the task's start by the reader; its key is nearer.
    let line = match message.split_once(": unknown field `") {
        Some((path, rest)) => {
            let field = rest.split('`').next().unwrap_or_default();
            let keys: Vec<At<'_>> = path.split('.').map(At::Key).chain([At::Key(field)]).collect();
            line_of(yaml, &keys).or(line)
        }
        None => line,
    };
    Problem { line, message: format!("{message}.") }
}
