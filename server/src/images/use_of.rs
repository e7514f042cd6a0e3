//! Who refers to an image, and how the engine of the box gets it.
//!
//! A job's image that begins with an address of the box is pinned when the job is submitted: its tag becomes
//! `name:tag@sha256:…`, so that the job runs the same bytes whenever it starts, and retention knows what it needs.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::OnceLock,
};

use drydock_wire::images::{ImageUse, ImageUser};

use super::{
    reference::{Digest, ImageName, Target},
    store,
};
use crate::{
    accounts::{
        Principal,
        projects::{self, Kind},
    },
    config::Listeners,
    db::Conn,
    error::{Error, Result},
};

/// The images that features above refer to, as their specs name them.
pub type WhoUses = fn(&mut Conn) -> Result<Vec<(String, ImageUse)>>;

static WHO_USES: OnceLock<WhoUses> = OnceLock::new();

/// Tells this feature whom to ask; at boot.
pub fn ask_who_uses(answer: WhoUses) {
    // A second call is a second server in one process (tests), with the same function.
    let _ = WHO_USES.set(answer);
}

/// All references to images of the box.
#[derive(Debug, Default)]
pub struct Uses(Vec<(ImageName, ImageUse)>);

impl Uses {
    pub fn load(conn: &mut Conn) -> Result<Self> {
        let all = WHO_USES.get().map_or_else(|| Ok(vec![]), |ask| ask(conn))?;
        let named = all.into_iter().filter_map(|(image, user)| Some((ImageName::parse(&image)?, user)));
        Ok(Self(named.filter(|(image, _)| image.host.is_some()).collect()))
    }

    #[cfg(test)]
    pub fn of_these(all: Vec<(&str, ImageUse)>) -> Self {
        Self(all.into_iter().filter_map(|(image, user)| Some((ImageName::parse(image)?, user))).collect())
    }

    /// Those of one repository by what is there for this person.
    pub fn seen_by(self, conn: &mut Conn, who: &Principal, repository: &str) -> Result<Self> {
        let mut seen = vec![];
        for (image, user) in self.0.into_iter().filter(|(image, _)| image.name == repository) {
            if sees(conn, who, &user)? {
                seen.push((image, user));
            }
        }
        Ok(Self(seen))
    }

    pub fn of_repository(&self, name: &str) -> Vec<ImageUse> {
        self.0.iter().filter(|(image, _)| image.name == name).map(|(_, user)| user.clone()).collect()
    }

    /// Of a manifest with this digest and these tags. What is pinned counts by its digest alone.
    pub fn of(&self, repository: &str, digest: &str, tags: &[String]) -> Vec<ImageUse> {
        let meant = |image: &ImageName| match &image.digest {
            Some(pinned) => pinned.as_str() == digest,
            None => tags.iter().any(|tag| tag == image.tag.as_deref().unwrap_or("latest")),
        };
        let of_it = self.0.iter().filter(|(image, _)| image.name == repository && meant(image));
        of_it.map(|(_, user)| user.clone()).collect()
    }
}

fn sees(conn: &mut Conn, who: &Principal, user: &ImageUse) -> Result<bool> {
    match user.kind {
        ImageUser::Job => projects::sees(conn, who, Kind::Job, &user.id),
        ImageUser::Deployment => projects::sees(conn, who, Kind::Deployment, &user.name),
    }
}

/// These uses with no name of what is not there for this person.
pub fn as_seen(conn: &mut Conn, who: &Principal, mut uses: Vec<ImageUse>) -> Result<Vec<ImageUse>> {
    for user in &mut uses {
        if !sees(conn, who, user)? {
            (user.id, user.name) = (String::new(), "of another project".into());
        }
    }
    Ok(uses)
}

/// The addresses under which clients know the registry of this box.
#[derive(Debug, Clone)]
pub struct Boxes {
    names: BTreeSet<String>,
    port: u16,
    /// Where the engine of the box finds it.
    pub engine_host: String,
}

impl Boxes {
    pub fn of(listeners: &Listeners) -> Self {
        let mut names: BTreeSet<String> = listeners.hosts.iter().map(|name| name.to_lowercase()).collect();
        names.extend(["localhost".into(), "127.0.0.1".into(), "[::1]".into()]);
        names.extend(drydock_appliance::devices::own_addresses().into_iter().map(written));
        if let Some(host) = drydock_appliance::devices::hostname().map(|name| name.to_lowercase()) {
            names.insert(format!("{host}.local"));
            names.insert(host);
        }
        let at = listeners.registry;
        Self { names, port: at.port(), engine_host: engine_host(at) }
    }

    /// Whether the image is of this box's registry.
    pub fn are_of(&self, image: &str) -> bool {
        image.split_once('/').is_some_and(|(host, _)| self.has(host))
    }

    /// The repository that the image is in, if it is of this box's registry.
    pub fn repository_of(&self, image: &str) -> Option<String> {
        self.are_of(image).then(|| ImageName::parse(image).map(|named| named.name)).flatten()
    }

    fn has(&self, host: &str) -> bool {
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => (name, port),
            _ => return false,
        };
        port.parse() == Ok(self.port) && self.names.contains(&name.to_lowercase())
    }
}

/// Docker speaks to loopback without a certificate that it knows; elsewhere it has to trust the box's.
fn engine_host(at: SocketAddr) -> String {
    let ip = if at.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { at.ip() };
    format!("{}:{}", written(ip), at.port())
}

fn written(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// The image's name with the digest that it has now, if it is of this box; else as it is.
///
/// # Errors
/// `refused` when the box has no such image.
pub fn pin(conn: &mut Conn, boxes: &Boxes, image: &str) -> Result<String> {
    let Some((host, _)) = image.split_once('/').filter(|(host, _)| boxes.has(host)) else {
        return Ok(image.to_owned());
    };
    let named =
        ImageName::parse(image).ok_or_else(|| Error::refused(format!("image: {image} is no name of an image.")))?;
    let target = match &named.digest {
        Some(digest) => Target::Digest(digest.clone()),
        None => Target::Tag(named.tag.clone().unwrap_or_else(|| "latest".into())),
    };
    let Some(found) = store::manifests::lookup(conn, &named.name, &target)? else {
        return Err(Error::refused(format!(
            "image: the registry of this box has no {}; push it first, or look at what there is under Images.",
            image.strip_prefix(&format!("{host}/")).unwrap_or(image)
        )));
    };
    let tag = named.tag.map(|tag| format!(":{tag}")).unwrap_or_default();
    Ok(format!("{host}/{}{tag}@{}", named.name, found.name))
}

/// As `pin`, for somebody.
///
/// # Errors
/// As `pin`; `not_found` for an image of a repository that is not there for them.
pub fn pin_for(conn: &mut Conn, who: &Principal, boxes: &Boxes, image: &str) -> Result<String> {
    if let Some(repository) = boxes.repository_of(image) {
        projects::see(conn, who, Kind::Repository, &repository)?;
    }
    pin(conn, boxes, image)
}

/// How the engine is asked for a pinned image, if it is of this box.
pub fn pulled_as(boxes: &Boxes, image: &str) -> Option<String> {
    let is_ours = image.split_once('/').is_some_and(|(host, _)| boxes.has(host));
    let pinned = ImageName::parse(image).and_then(|it| it.digest.map(|digest| (it.name, digest)));
    let (name, digest) = pinned.filter(|_| is_ours)?;
    Some(format!("{}/{name}@{}", boxes.engine_host, Digest::as_str(&digest)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn boxes() -> Boxes {
        Boxes {
            names: ["localhost", "box.lan", "10.0.0.1"].map(str::to_owned).into(),
            port: 5000,
            engine_host: "127.0.0.1:5000".into(),
        }
    }

    #[test]
    fn only_this_box_s_registry_is_this_box() {
        for good in ["localhost:5000", "BOX.lan:5000", "10.0.0.1:5000"] {
            assert!(boxes().has(good), "{good}");
        }
        for bad in ["localhost", "localhost:5001", "other:5000", "box.lan:", "team", "localhost:5000x"] {
            assert!(!boxes().has(bad), "{bad}");
        }
    }

    #[test]
    fn the_engine_asks_by_digest_over_loopback() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let asked = pulled_as(&boxes(), &format!("box.lan:5000/team/app:1@{digest}"));
        assert_eq!(asked, Some(format!("127.0.0.1:5000/team/app@{digest}")));
        assert_eq!(pulled_as(&boxes(), "drydock/runtime:1"), None);
        assert_eq!(pulled_as(&boxes(), &format!("other.lan:5000/app@{digest}")), None);
        assert_eq!(engine_host("0.0.0.0:5000".parse().unwrap()), "127.0.0.1:5000");
        assert_eq!(engine_host("10.0.0.1:5000".parse().unwrap()), "10.0.0.1:5000");
    }

    #[test]
    fn a_pinned_reference_counts_by_digest_and_any_other_by_tag() {
        let digest = |letter: &str| format!("sha256:{}", letter.repeat(64));
        let user = |id: &str| ImageUse { kind: ImageUser::Job, id: id.into(), name: id.into(), running: false };
        let pinned = format!("localhost:5000/a:1@{}", digest("a"));
        let uses = Uses::of_these(vec![
            (&pinned, user("j1")),
            ("localhost:5000/a", user("j2")),
            ("localhost:5000/b", user("j3")),
        ]);
        let ids = |all: Vec<ImageUse>| all.into_iter().map(|it| it.id).collect::<Vec<_>>();
        assert_eq!(ids(uses.of("a", &digest("a"), &[])), ["j1"]);
        assert_eq!(ids(uses.of("a", &digest("b"), &["1".into(), "latest".into()])), ["j2"]);
        assert_eq!(ids(uses.of_repository("a")), ["j1", "j2"]);
    }
}
