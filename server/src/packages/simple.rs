//! The pages that installers read: PEP 503 as HTML, PEP 691 with PEP 700 as JSON, metadata by itself after PEP 658 and 714.

use std::fmt::Write;

use serde_json::{Value, json};

use super::store::File;

/// What a client may be answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Json,
    Html,
    /// The same page, under the name that old clients ask for.
    PlainHtml,
}

impl Form {
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/vnd.pypi.simple.v1+json",
            Self::Html => "application/vnd.pypi.simple.v1+html",
            Self::PlainHtml => "text/html; charset=utf-8",
        }
    }

    /// What an `Accept` asks for; without one, what a browser can show. `None`: nothing that there is.
    pub fn wanted(accept: Option<&str>) -> Option<Self> {
        let Some(accept) = accept.filter(|text| !text.trim().is_empty()) else { return Some(Self::PlainHtml) };
        let mut best: Option<(f32, Self)> = None;
        for choice in accept.split(',') {
            let mut parts = choice.split(';').map(str::trim);
            let form = match parts.next().unwrap_or_default().to_ascii_lowercase().as_str() {
                "application/vnd.pypi.simple.v1+json" | "application/vnd.pypi.simple.latest+json" => Self::Json,
                "application/vnd.pypi.simple.v1+html" | "application/vnd.pypi.simple.latest+html" => Self::Html,
                "text/html" | "text/*" | "*/*" => Self::PlainHtml,
                _ => continue,
            };
            let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0_f32);
            if quality > 0.0 && best.is_none_or(|(known, _)| quality > known) {
                best = Some((quality, form));
            }
        }
        best.map(|(_, form)| form)
    }
}

/// All names.
pub fn projects(names: &[String], form: Form) -> String {
    match form {
        Form::Json => {
            let all: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
            json!({ "meta": { "api-version": "1.1" }, "projects": all }).to_string()
        }
        Form::Html | Form::PlainHtml => {
            let links: String =
                names.iter().map(|name| format!("<a href=\"{0}/\">{0}</a><br>\n", escaped(name))).collect();
            page("Packages", &links)
        }
    }
}

/// The files of one package.
pub fn project(name: &str, files: &[File], form: Form) -> String {
    match form {
        Form::Json => {
            let mut versions: Vec<&str> = files.iter().map(|file| file.version.as_str()).collect();
            versions.dedup();
            let all: Vec<Value> = files.iter().map(as_json).collect();
            json!({ "meta": { "api-version": "1.1" }, "name": name, "versions": versions, "files": all }).to_string()
        }
        Form::Html | Form::PlainHtml => page(name, &files.iter().map(as_link).collect::<String>()),
    }
}

/// From a project's page; it does not say a host, since the box has several names.
fn address(file: &File) -> String {
    format!("../../files/{}/{}", file.digest, crate::percent::encoded(&file.filename, ""))
}

fn as_json(file: &File) -> Value {
    let yanked = file.yanked.as_ref().map_or(json!(false), |reason| json!(reason));
    let metadata = json!({ "sha256": file.metadata });
    let mut told = json!({
        "filename": file.filename, "url": address(file), "hashes": { "sha256": file.digest }, "yanked": yanked,
        "core-metadata": metadata, "dist-info-metadata": metadata, "size": file.size_bytes,
        "upload-time": uploaded(file.uploaded_at),
    });
    if let Some(python) = &file.requires_python {
        told["requires-python"] = json!(python);
    }
    told
}

fn uploaded(at: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

fn as_link(file: &File) -> String {
    let mut link = format!("<a href=\"{}#sha256={}\"", address(file), file.digest);
    let mut attribute = |name: &str, value: &str| {
        // into a text it cannot fail
        let _ = write!(link, " {name}=\"{}\"", escaped(value));
    };
    if let Some(python) = &file.requires_python {
        attribute("data-requires-python", python);
    }
    if let Some(reason) = &file.yanked {
        attribute("data-yanked", reason);
    }
    let metadata = format!("sha256={}", file.metadata);
    attribute("data-core-metadata", &metadata);
    attribute("data-dist-info-metadata", &metadata);
    link + &format!(">{}</a><br>\n", escaped(&file.filename))
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html>\n<head>\n<meta name=\"pypi:repository-version\" content=\"1.1\">\n<title>{0}</title>\n</head>\n\
         <body>\n<h1>{0}</h1>\n{body}</body>\n</html>\n",
        escaped(title)
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#x27;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> File {
        File {
            package: 1,
            filename: "demo-1.0+cu1-py3-none-any.whl".into(),
            version: "1.0+cu1".into(),
            tags: "py3-none-any".into(),
            digest: "a".repeat(64),
            size_bytes: 7,
            requires_python: Some(">=3.9".into()),
            requires: "[]".into(),
            metadata: "b".repeat(64),
            yanked: Some("\"broken\" <b>".into()),
            uploaded_at: 1_795_000_000_123,
            uploaded_by: "ann".into(),
        }
    }

    #[test]
    fn a_page_says_all_that_installers_ask_and_nothing_of_it_is_markup() {
        let html = project("demo", &[file()], Form::Html);
        assert!(
            html.contains(&format!("href=\"../../files/{}/demo-1.0%2Bcu1-py3-none-any.whl#sha256=", "a".repeat(64)))
        );
        assert!(html.contains("data-requires-python=\"&gt;=3.9\""), "{html}");
        assert!(html.contains("data-yanked=\"&quot;broken&quot; &lt;b&gt;\""), "{html}");
        assert!(html.contains(&format!("data-core-metadata=\"sha256={}\"", "b".repeat(64))), "{html}");
        let read: Value = serde_json::from_str(&project("demo", &[file()], Form::Json)).unwrap_or_default();
        assert_eq!(read["versions"], json!(["1.0+cu1"]));
        assert_eq!(read["files"][0]["upload-time"], "2026-11-18T11:06:40.123000Z");
        assert_eq!(read["files"][0]["core-metadata"]["sha256"], "b".repeat(64));
        assert_eq!(read["files"][0]["yanked"], "\"broken\" <b>");
    }

    #[test]
    fn the_form_is_what_the_client_likes_best() {
        let pip = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01";
        for (accept, expected) in [
            (Some(pip), Some(Form::Json)),
            (Some("text/html;q=0.9, application/vnd.pypi.simple.latest+html"), Some(Form::Html)),
            (Some("*/*"), Some(Form::PlainHtml)),
            (None, Some(Form::PlainHtml)),
            (Some("application/json"), None),
            (Some("text/html;q=0"), None),
        ] {
            assert_eq!(Form::wanted(accept), expected, "{accept:?}");
        }
    }
}
