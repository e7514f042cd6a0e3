//! Answers with an object's bytes for a browser.

use actix_web::{HttpRequest, HttpResponse};

use super::reading::Found;
use crate::{
    app::App,
    download::{self, File},
    error::Result,
};

pub async fn answer(app: &App, request: &HttpRequest, found: &Found) -> Result<HttpResponse> {
    let asked = File {
        path: &found.row.key,
        content_type: &served_type(&found.row.key),
        etag: format!("\"{}\"", found.row.etag),
        size_bytes: found.row.size(),
    };
    download::answer(request, asked, async |from, to| found.stream(&app.db, &app.objects, (from, to)).await).await
}

/// Pictures by their name's ending, for previews; anything else is bytes, whatever its sender called it.
fn served_type(key: &str) -> String {
    let guessed = mime_guess::from_path(key).first().filter(|mime| mime.type_() == mime_guess::mime::IMAGE);
    guessed.map_or_else(|| "application/octet-stream".to_owned(), |mime| mime.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_a_picture_keeps_its_type() {
        assert_eq!(served_type("a/b.PNG"), "image/png");
        assert_eq!(served_type("a/b.html"), "application/octet-stream");
        assert_eq!(served_type("png"), "application/octet-stream");
    }
}
