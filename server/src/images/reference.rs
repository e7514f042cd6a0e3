//! Names as the OCI distribution specification has them: repositories, tags, digests, paths of the API, and the references that
//! people write (`box:5000/team/app:1`). Pure; nothing here knows what exists.

use crate::percent;

/// `sha256:` or `sha512:` with as many lower-case hexadecimal digits as it has.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(String);

impl Digest {
    pub fn parse(text: &str) -> Option<Self> {
        let (algorithm, hex) = text.split_once(':')?;
        let length = match algorithm {
            "sha256" => 64,
            "sha512" => 128,
            _ => return None,
        };
        let good = hex.len() == length && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        good.then(|| Self(text.to_owned()))
    }

    /// Of these bytes, by SHA-256.
    pub fn of_sha256(hex: &str) -> Self {
        Self(format!("sha256:{hex}"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn hex(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, hex)| hex)
    }

    pub fn is_sha512(&self) -> bool {
        self.0.starts_with("sha512:")
    }
}

/// How a manifest is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Tag(String),
    Digest(Digest),
}

impl Target {
    pub fn parse(text: &str) -> Option<Self> {
        if text.contains(':') {
            return Digest::parse(text).map(Self::Digest);
        }
        is_tag(text).then(|| Self::Tag(text.to_owned()))
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`, several with slashes between, 255 letters at most.
pub fn is_name(name: &str) -> bool {
    name.len() <= 255 && name.split('/').all(is_component)
}

fn is_component(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    if !is_letter(*first) || !is_letter(*last) {
        return false;
    }
    let separators = text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    separators
        .filter(|part| !part.is_empty())
        .all(|part| matches!(part, "." | "_" | "__") || part.bytes().all(|byte| byte == b'-'))
}

/// `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`
pub fn is_tag(text: &str) -> bool {
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    first && text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// What a path below `/v2/` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    Base,
    Token,
    Catalog,
    Tags { name: String },
    Manifest { name: String, target: Target },
    Blob { name: String, digest: Digest },
    Uploads { name: String },
    Upload { name: String, id: String },
    Referrers { name: String, digest: Digest },
}

impl Resource {
    /// The repository that it is of.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Base | Self::Token | Self::Catalog => None,
            Self::Tags { name }
            | Self::Manifest { name, .. }
            | Self::Blob { name, .. }
            | Self::Uploads { name }
            | Self::Upload { name, .. }
            | Self::Referrers { name, .. } => Some(name),
        }
    }
}

/// Why a path names nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadPath {
    Name,
    Digest,
    Tag,
    Unknown,
}

/// Reads a path as the client sent it, still percent-encoded, without `/v2/`.
pub fn parse_path(tail: &str) -> Result<Resource, BadPath> {
    match tail {
        "" => return Ok(Resource::Base),
        "token" => return Ok(Resource::Token),
        "_catalog" => return Ok(Resource::Catalog),
        _ => {}
    }
    let parts: Vec<String> = tail.split('/').map(decoded).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let name = |length: usize| {
        let name = parts.get(..length).unwrap_or_default().join("/");
        if is_name(&name) { Ok(name) } else { Err(BadPath::Name) }
    };
    let before = |count: usize| parts.len().saturating_sub(count);
    let digest = |text: &str| Digest::parse(text).ok_or(BadPath::Digest);
    match parts.as_slice() {
        [_, .., "tags", "list"] => Ok(Resource::Tags { name: name(before(2))? }),
        [_, .., "blobs", "uploads", ""] => Ok(Resource::Uploads { name: name(before(3))? }),
        [_, .., "blobs", "uploads", id] => Ok(Resource::Upload { name: name(before(3))?, id: (*id).to_owned() }),
        [_, .., "blobs", "uploads"] => Ok(Resource::Uploads { name: name(before(2))? }),
        [_, .., "blobs", text] => Ok(Resource::Blob { name: name(before(2))?, digest: digest(text)? }),
        [_, .., "referrers", text] => Ok(Resource::Referrers { name: name(before(2))?, digest: digest(text)? }),
        [_, .., "manifests", text] => {
            let bad = if text.contains(':') { BadPath::Digest } else { BadPath::Tag };
            Ok(Resource::Manifest { name: name(before(2))?, target: Target::parse(text).ok_or(bad)? })
        }
        // a digest with slashes in it
        _ if ["/blobs/sha", "/manifests/sha", "/referrers/sha"].iter().any(|part| tail.contains(part)) => {
            Err(BadPath::Digest)
        }
        _ => Err(BadPath::Unknown),
    }
}

fn decoded(part: &str) -> String {
    if part.contains('%') { percent::decoded(part) } else { part.to_owned() }
}

/// An image as people name it: `[host/]name[:tag][@digest]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageName {
    /// `box:5000`, where it says one.
    pub host: Option<String>,
    pub name: String,
    pub tag: Option<String>,
    pub digest: Option<Digest>,
}

impl ImageName {
    pub fn parse(text: &str) -> Option<Self> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(Digest::parse(digest)?)),
            None => (text, None),
        };
        let (host, rest) = match rest.split_once('/') {
            // docker's own rule for what is a host
            Some((host, rest)) if host == "localhost" || host.contains(['.', ':']) => (Some(host.to_owned()), rest),
            _ => (None, rest),
        };
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) => (name, Some(tag.to_owned())),
            None => (rest, None),
        };
        let good = is_name(name) && tag.as_deref().is_none_or(is_tag);
        good.then(|| Self { host, name: name.to_owned(), tag, digest })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_follow_the_grammar() {
        for good in ["a", "a/b", "team/app-1", "a__b", "a---b", "a.b/c_d", "0", &"a".repeat(255)] {
            assert!(is_name(good), "{good}");
        }
        for bad in [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            "A",
            "a/B",
            "-a",
            "a-",
            "a..b",
            "a___b",
            "a.-b",
            "..",
            "a/../b",
            "é",
            "a b",
            "a%2fb",
            &"a".repeat(256),
        ] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn tags_and_digests_are_whole() {
        for good in ["latest", "1.0_a-b", "_x", "V2", &"a".repeat(128)] {
            assert!(is_tag(good), "{good}");
        }
        for bad in ["", ".a", "-a", "a b", "a/b", "a:b", &"a".repeat(129)] {
            assert!(!is_tag(bad), "{bad}");
        }
        let hex = "0123456789abcdef".repeat(4);
        assert!(Digest::parse(&format!("sha256:{hex}")).is_some());
        assert!(Digest::parse(&format!("sha512:{hex}{hex}")).unwrap().is_sha512());
        for bad in [
            "sha256:../../x".to_owned(),
            format!("sha512:{hex}"),
            format!("SHA256:{hex}"),
            format!("md5:{hex}"),
            format!("sha256:{}", hex.to_uppercase()),
            hex.clone(),
            format!("sha256:{hex}\n"),
        ] {
            assert!(Digest::parse(&bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn paths_are_read_from_their_end() {
        let digest = Digest::of_sha256(&"a".repeat(64));
        let name = |text: &str| text.to_owned();
        let blob = |text: &str| Ok(Resource::Blob { name: name(text), digest: digest.clone() });
        assert_eq!(parse_path(&format!("a/b/blobs/{}", digest.as_str())), blob("a/b"));
        assert_eq!(parse_path(&format!("a/blobs/{}", digest.as_str().replace(':', "%3A"))), blob("a"));
        assert_eq!(parse_path(&format!("blobs/blobs/{}", digest.as_str())), blob("blobs"));
        assert_eq!(parse_path("a/blobs/uploads/"), Ok(Resource::Uploads { name: name("a") }));
        assert_eq!(parse_path("a/blobs/uploads/x"), Ok(Resource::Upload { name: name("a"), id: name("x") }));
        assert_eq!(parse_path("tags/tags/list"), Ok(Resource::Tags { name: name("tags") }));
        let tag = Target::Tag(name("latest"));
        assert_eq!(parse_path("a/manifests/latest"), Ok(Resource::Manifest { name: name("a"), target: tag }));
        for bad in ["a/blobs/sha256:../../x", "a/blobs/sha256:%2e%2e%2f%2e%2e%2fx", "a/manifests/sha256:1"] {
            assert_eq!(parse_path(bad), Err(BadPath::Digest), "{bad}");
        }
        assert_eq!(parse_path("a/../b/manifests/latest"), Err(BadPath::Name));
        assert_eq!(parse_path("%2e%2e/manifests/latest"), Err(BadPath::Name));
        assert_eq!(parse_path("a/manifests/.x"), Err(BadPath::Tag));
        assert_eq!(parse_path("manifests/latest"), Err(BadPath::Unknown));
        assert_eq!(parse_path("a/b"), Err(BadPath::Unknown));
    }

    #[test]
    fn an_image_s_name_has_a_host_only_where_docker_says_so() {
        let parse = |text: &str| ImageName::parse(text).unwrap();
        assert_eq!(parse("drydock/runtime:1").host, None);
        assert_eq!(parse("localhost:5000/a/b:1").host.as_deref(), Some("localhost:5000"));
        assert_eq!(parse("localhost:5000/a/b").name, "a/b");
        assert_eq!(parse("box.lan/a:x").tag.as_deref(), Some("x"));
        let digest = format!("sha256:{}", "a".repeat(64));
        let both = parse(&format!("localhost:5000/a:1@{digest}"));
        assert_eq!((both.tag.as_deref(), both.digest.unwrap().as_str()), (Some("1"), digest.as_str()));
        assert!(ImageName::parse("localhost:5000/A:1").is_none() && ImageName::parse("a@sha256:1").is_none());
    }
}
