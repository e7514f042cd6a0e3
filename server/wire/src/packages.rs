//! Wheels of the Python package index. Installers read them at `/pypi/simple/` (PEP 503, 658, 691, 700); this is the dashboard's view.
//! Names are normalized: `My_Package` is `my-package`.

wire! {
    /// `GET /api/v1/packages?search=&page=&limit=` answers a `Page` of these, by name. `search` is part of a name or summary.
    pub struct PackageSummary {
        /// Normalized, as addresses have it.
        pub name: String,
        /// As its metadata writes it.
        pub shown: String,
        /// One line of its newest version's metadata.
        pub summary: Option<String>,
        /// The newest version that is not yanked; a final one if there is one.
        pub latest: Option<String>,
        pub version_count: u64,
        pub file_count: u64,
        pub size_bytes: u64,
        /// The latest upload.
        pub uploaded_at: i64,
        pub uploaded_by: String,
    }

    /// `GET /api/v1/packages/{name}`. `DELETE` of the same removes it with all its files.
    pub struct PackageDetail {
        pub summary: PackageSummary,
        /// Newest version first.
        pub files: Vec<PackageFile>,
        /// Packages of the box that ask for this one.
        pub needed_by: Vec<PackageNeed>,
    }

    /// `PUT /api/v1/packages/{filename}` with a wheel's bytes answers this: 201, or 200 when the same bytes were there already; other
    /// bytes under a name that is taken are a 409, since installers rely on a file that never changes.
    /// `DELETE /api/v1/packages/{name}/{filename}` removes it.
    pub struct PackageFile {
        pub filename: String,
        pub version: String,
        pub size_bytes: u64,
        /// Of the bytes: 64 hex digits.
        pub sha256: String,
        pub requires_python: Option<String>,
        /// As `Requires-Dist` says, with markers.
        pub requires: Vec<String>,
        /// `cp311-cp311-manylinux_2_28_x86_64`, `py3-none-any`, …
        pub tags: String,
        /// Why nobody should install it any more; installers take it only when exactly this version is asked for.
        pub yanked: Option<String>,
        pub uploaded_at: i64,
        pub uploaded_by: String,
        /// Below the box's address.
        pub url: String,
    }

    /// `POST /api/v1/packages/{name}/{filename}/yank`; `DELETE` of the same takes it back.
    pub struct YankFile {
        pub reason: String,
    }

    /// One file's requirement.
    pub struct PackageNeed {
        pub name: String,
        pub version: String,
        /// As its metadata says.
        pub requirement: String,
    }

    /// `GET /api/v1/package-index?python=&platform=`: the whole, and what its own packages ask for in vain.
    pub struct PackageIndex {
        pub package_count: u64,
        pub file_count: u64,
        pub size_bytes: u64,
        /// Path below the box's address that `pip --index-url` is given.
        pub path: String,
        pub missing: MissingPackages,
    }

    /// `POST /api/v1/packages/missing`: what an installation of these would lack. pip stops at the first name that it does not
    /// find; this names all. The same as `text/plain` (by `Accept`) is the list to take to a connected machine.
    pub struct AskMissing {
        /// Lines as a requirements file has them.
        pub requirements: String,
        /// `3.11` when absent, as the runtime image has it.
        #[serde(default)]
        pub python: Option<String>,
        /// `manylinux_2_36_x86_64` when absent, as the runtime image's Debian 12 is.
        #[serde(default)]
        pub platform: Option<String>,
        /// Whether what the runtime image has installed counts as there; yes when absent.
        #[serde(default)]
        pub runtime: Option<bool>,
    }

    pub struct MissingPackages {
        pub python: String,
        pub platform: String,
        /// What the box has, one version each.
        pub found: Vec<FoundPackage>,
        pub missing: Vec<MissingPackage>,
        /// Lines that are no requirements (options, addresses, paths) and were not looked at.
        pub skipped: Vec<String>,
        /// A requirements file for the connected side, with the commands to fetch and to bring the wheels as comments; empty
        /// when nothing is missing.
        pub list: String,
    }

    pub struct FoundPackage {
        pub name: String,
        pub version: String,
        /// The wheel; absent when the runtime image has it installed.
        pub filename: Option<String>,
    }

    pub struct MissingPackage {
        pub name: String,
        /// `numpy>=2,<3`, everything that is asked of it together.
        pub requirement: String,
        /// Who asks: names with versions, or `requirements`.
        pub asked_by: Vec<String>,
        /// "not on the box", "only 1.26.4 for other Pythons", …
        pub why: String,
    }
}
