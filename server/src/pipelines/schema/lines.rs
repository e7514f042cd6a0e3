//! Which line of a YAML text says something: found by keys, since the values were read without their places.

/// A step into the document.
#[derive(Debug, Clone, Copy)]
pub enum At<'a> {
    Key(&'a str),
    /// The n-th entry of a list, from 0.
    Entry(usize),
}

struct Line<'a> {
    number: u32,
    indent: usize,
    /// Without indent; a `- ` at its start is still there.
    text: &'a str,
}

/// The line on which the path's last step that can be found stands; 1 is the first.
pub fn line_of(yaml: &str, path: &[At<'_>]) -> Option<u32> {
    let all: Vec<Line<'_>> = yaml
        .lines()
        .zip(1..)
        .map(|(line, number)| Line { number, indent: line.len() - line.trim_start().len(), text: line.trim() })
        .filter(|line| !line.text.is_empty() && !line.text.starts_with('#') && line.text != "---")
        .collect();
    let (mut range, mut found) = (&all[..], None);
    for step in path {
        let at = match step {
            At::Key(key) => block_key(range, key).or_else(|| flow_key(range, key)),
            At::Entry(n) => entry(range, *n),
        };
        let Some(at) = at else { break };
        found = Some(range[at].number);
        range = below(range, at);
    }
    found
}

fn block_key(range: &[Line<'_>], key: &str) -> Option<usize> {
    let least = |line: &&Line<'_>| line.indent + dash(line.text);
    // The first line may be that of the key around it, when its content stands in braces behind it.
    let indent = range.iter().skip_while(|line| line.text.ends_with('}')).map(|line| least(&line)).min()?;
    range.iter().position(|line| least(&line) == indent && starts_with_key(&line.text[dash(line.text)..], key))
}

/// Length of a list's dash with what follows it.
fn dash(text: &str) -> usize {
    text.strip_prefix("- ").map_or(0, |rest| text.len() - rest.trim_start().len())
}

fn starts_with_key(text: &str, key: &str) -> bool {
    let bare = [format!("{key}:"), format!("\"{key}\":"), format!("'{key}':")];
    bare.iter().any(|start| {
        text.strip_prefix(start.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
    })
}

fn flow_key(range: &[Line<'_>], key: &str) -> Option<usize> {
    range.iter().position(|line| {
        let starts = line.text.match_indices(['{', ',']).map(|(at, _)| at + 1).chain([0]);
        starts.into_iter().any(|at| starts_with_key(line.text[at..].trim_start(), key))
    })
}

fn entry(range: &[Line<'_>], n: usize) -> Option<usize> {
    let is_entry = |line: &Line<'_>| line.text == "-" || line.text.starts_with("- ");
    let indent = range.iter().filter(|line| is_entry(line)).map(|line| line.indent).min()?;
    let entries = range.iter().enumerate().filter(|(_, line)| is_entry(line) && line.indent == indent);
    entries.map(|(at, _)| at).nth(n)
}

/// The lines of the value that stands at `range[at]`, that line among them.
fn below<'a, 'b>(range: &'a [Line<'b>], at: usize) -> &'a [Line<'b>] {
    let first = &range[at];
    let is_dashed = dash(first.text) > 0;
    let end = range[at + 1..]
        .iter()
        .position(|line| {
            line.indent < first.indent || line.indent == first.indent && (is_dashed || !line.text.starts_with('-'))
        })
        .map_or(range.len(), |n| at + 1 + n);
    // A key whose value starts on the next line is not part of that value.
    let start = if is_dashed || first.text.contains(['{', '[']) || end == at + 1 { at } else { at + 1 };
    &range[start..end]
}

#[cfg(test)]
mod tests {
    use super::At::{Entry, Key};
    use super::*;

    const YAML: &str = "\
name: x
# tasks: not here
tasks:
  check: { validate: { dataset: wine } }
  train:
    needs: [check]
    job:
      command: [a]
      env:
        needs: \"1\"
  'last': { needs: [train],
            gate: { run: x } }
schedules:
- { cron: a }
- cron: b
  zone: UTC
";

    #[test]
    fn keys_lead_to_their_line() {
        for (path, wanted) in [
            (vec![Key("name")], Some(1)),
            (vec![Key("tasks")], Some(3)),
            (vec![Key("tasks"), Key("check")], Some(4)),
            (vec![Key("tasks"), Key("check"), Key("validate"), Key("dataset")], Some(4)),
            (vec![Key("tasks"), Key("train"), Key("needs")], Some(6)),
            (vec![Key("tasks"), Key("train"), Key("job"), Key("env"), Key("needs")], Some(10)),
            (vec![Key("tasks"), Key("train"), Key("when")], Some(5)),
            (vec![Key("tasks"), Key("last"), Key("gate")], Some(12)),
            (vec![Key("schedules"), Entry(0)], Some(14)),
            (vec![Key("schedules"), Entry(1), Key("zone")], Some(16)),
            (vec![Key("nothing")], None),
        ] {
            assert_eq!(line_of(YAML, &path), wanted, "{path:?}");
        }
    }
}
