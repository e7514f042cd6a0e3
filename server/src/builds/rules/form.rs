//! The Dockerfile of a form. It is shown before it is built, and can be gone on with by hand.

use drydock_wire::builds::BuildForm;

/// Where in the context the form's files are put.
/// Where what a form brings lies in the context.
pub const FOLDER: &str = ".drydock/";
pub const REQUIREMENTS: &str = ".drydock/requirements.txt";
pub const DEBS: &str = ".drydock/debs";
pub const CODE: &str = ".drydock/code";
/// The working directory of the image.
pub const HOME: &str = "/app";

/// Runs as root what has to, and leaves the user that the sandbox takes in any case.
pub fn dockerfile(form: &BuildForm) -> String {
    let base = form.base.as_deref().unwrap_or(drydock_appliance::RUNTIME_IMAGE);
    let mut out = format!("FROM {base}\nUSER root\n");
    if !form.debs.is_empty() {
        // dpkg sorts out their order itself; a part of what it needs that is missing is named in the log
        out += &format!("COPY {DEBS}/ /tmp/debs/\nRUN dpkg --install /tmp/debs/*.deb && rm -rf /tmp/debs\n");
    }
    if !form.requirements.is_empty() {
        out += &format!(
            "COPY {REQUIREMENTS} /tmp/requirements.txt\n\
             RUN python3 -m pip install --no-cache-dir -r /tmp/requirements.txt && rm /tmp/requirements.txt\n"
        );
    }
    let has_code = !form.code.is_empty() || form.code_folder.is_some();
    if let Some(folder) = &form.code_folder {
        out += &format!("COPY {}/ {HOME}/\n", folder.trim_end_matches('/'));
    }
    if !form.code.is_empty() {
        out += &format!("COPY {CODE}/ {HOME}/\n");
    }
    out += &format!("WORKDIR {HOME}\n");
    for (name, value) in &form.environment {
        out += &format!("ENV {name}={}\n", quoted(value));
    }
    if has_code && !form.environment.contains_key("PYTHONPATH") {
        out += &format!("ENV PYTHONPATH={HOME}\n");
    }
    out += "USER 10001:10001\n";
    if !form.command.is_empty() {
        let words = serde_json::to_string(&form.command).unwrap_or_default();
        out += &format!("CMD {words}\n");
    }
    out
}

fn quoted(value: &str) -> String {
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use drydock_wire::builds::BuildFile;

    use super::*;

    #[test]
    fn a_form_becomes_the_dockerfile_that_one_would_write() {
        let file = |path: &str| BuildFile { path: path.into(), digest: "d".into() };
        let form = BuildForm {
            base: None,
            requirements: vec!["polars>=1".into()],
            debs: vec![file("a.deb")],
            code: vec![file("train.py")],
            code_folder: None,
            environment: [("GREETING".to_owned(), "a \"b\" $c".to_owned())].into(),
            command: vec!["python3".into(), "train.py".into()],
        };
        let expected = "FROM drydock/runtime:1\nUSER root\nCOPY .drydock/debs/ /tmp/debs/\n\
            RUN dpkg --install /tmp/debs/*.deb && rm -rf /tmp/debs\nCOPY .drydock/requirements.txt /tmp/requirements.txt\n\
            RUN python3 -m pip install --no-cache-dir -r /tmp/requirements.txt && rm /tmp/requirements.txt\n\
            COPY .drydock/code/ /app/\nWORKDIR /app\nENV GREETING=\"a \\\"b\\\" \\$c\"\nENV PYTHONPATH=/app\nUSER 10001:10001\n\
            CMD [\"python3\",\"train.py\"]\n";
        assert_eq!(dockerfile(&form), expected);
        assert_eq!(
            dockerfile(&BuildForm::default()),
            "FROM drydock/runtime:1\nUSER root\nWORKDIR /app\nUSER 10001:10001\n"
        );
    }
}
