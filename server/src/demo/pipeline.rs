//! The sample lifecycle as a pipeline: data, rules and the YAML, sent like anybody could. Where `play` does each step itself, this leaves
//! them to the box, every week and when the data drift.

use drydock_wire::pipelines::{AppliedPipeline, ApplyPipeline};

use super::{sample, steps};
use crate::{client::Client, error::Result};

const YAML: &str = include_str!("pipeline.yaml");
/// The line of the YAML in whose place the program stands, with its indent.
const PLACE: &str = "          TRAIN_PY\n";

/// The YAML with the training program in it.
pub fn yaml() -> String {
    let program = std::str::from_utf8(sample::TRAIN).unwrap_or_default();
    let indented =
        program.lines().map(|line| if line.is_empty() { "\n".into() } else { format!("          {line}\n") });
    YAML.replace(PLACE, &indented.collect::<String>())
}

/// Sends data and rules, then the pipeline; a second time changes nothing.
pub async fn apply(client: &Client) -> Result<AppliedPipeline> {
    let version = steps::upload(client).await?.value;
    steps::check(client, version).await?;
    client.post("/pipelines", &ApplyPipeline { yaml: yaml() }).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_sample_is_a_good_pipeline_and_has_its_program() {
        let check = crate::pipelines::check(&yaml());
        assert_eq!(check.problems, []);
        let tasks: Vec<&str> = check.tasks.iter().map(|task| task.name.as_str()).collect();
        assert_eq!(tasks, ["check", "train", "good", "register", "deploy", "promote"]);
        assert!(yaml().contains("          def main():\n"));
    }
}
