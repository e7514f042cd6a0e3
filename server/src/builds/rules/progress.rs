//! Docker's log of a build, line by line: which step it is at, and which images it made.

/// What was read so far.
#[derive(Debug, Default)]
pub struct Progress {
    /// "3 of 7: RUN pip install …"
    pub step: Option<String>,
    is_from: bool,
    is_cached: bool,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// The next step begins; `Progress::step` says which.
    Step,
    /// This build made an intermediate image, of this short id.
    Made(String),
    /// It took one from before.
    Used(String),
    Nothing,
}

const LONGEST_STEP: usize = 120;

impl Progress {
    pub fn read(&mut self, line: &str) -> Said {
        if let Some((number, instruction)) = line.strip_prefix("Step ").and_then(|rest| rest.split_once(" : ")) {
            let (at, all) = number.split_once('/').unwrap_or((number, "?"));
            let short: String = instruction.chars().take(LONGEST_STEP).collect();
            self.step = Some(format!("{at} of {all}: {short}"));
            self.is_from = instruction.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("FROM"));
            self.is_cached = false;
            return Said::Step;
        }
        match line.strip_prefix(" ---> ").map(str::trim) {
            Some("Using cache") => self.is_cached = true,
            Some(id) if is_id(id) && !self.is_from => {
                return if self.is_cached { Said::Used(id.to_owned()) } else { Said::Made(id.to_owned()) };
            }
            _ => {}
        }
        Said::Nothing
    }
}

fn is_id(text: &str) -> bool {
    (12..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_layers_are_read_from_the_log() {
        let mut progress = Progress::default();
        let said: Vec<Said> = [
            "Step 1/3 : FROM drydock/runtime:1",
            " ---> 35c02e71cca9",
            "Step 2/3 : ARG PIP_INDEX_URL",
            " ---> Using cache",
            " ---> 056cb5f0766b",
            "Step 3/3 : RUN pip install foo",
            " ---> Running in 7b1f2c4372b0",
            "Removing intermediate container 7b1f2c4372b0",
            " ---> c17cbdcf052a",
        ]
        .into_iter()
        .map(|line| progress.read(line))
        .filter(|said| *said != Said::Nothing)
        .collect();
        let expected =
            [Said::Step, Said::Step, Said::Used("056cb5f0766b".into()), Said::Step, Said::Made("c17cbdcf052a".into())];
        assert_eq!(said, expected, "the base is nobody's layer");
        assert_eq!(progress.step.as_deref(), Some("3 of 3: RUN pip install foo"));
    }
}
