#![allow(clippy::unwrap_used)]
use super::*;

fn wheel(filename: &str, python: Option<&str>, requires: &[&str]) -> Candidate {
    let name = names::parse_wheel(filename).unwrap();
    Candidate {
        version: name.version,
        filename: filename.into(),
        tags: name.tags,
        requires_python: python.map(str::to_owned),
        requires: requires.iter().map(|it| (*it).to_owned()).collect(),
        yanked: false,
    }
}

fn index() -> Vec<Candidate> {
    vec![
        wheel(
            "app-1.0-py3-none-any.whl",
            None,
            &["lib>=1,<3", "gone; python_version < '3.9'", "win; sys_platform == 'win32'"],
        ),
        wheel("app-2.0-py3-none-any.whl", Some(">=3.12"), &[]),
        wheel("lib-1.0-py3-none-any.whl", None, &[]),
        wheel("lib-2.0-py3-none-any.whl", None, &["deep==1", "numpy", "torch>=2; extra == 'gpu'"]),
        wheel("lib-2.1rc1-py3-none-any.whl", None, &["never"]),
        wheel("lib-3.0-py3-none-any.whl", None, &["never"]),
        wheel("abi-1.0-cp312-cp312-manylinux_2_17_x86_64.whl", None, &[]),
    ]
}

fn searched(wanted: &[&str]) -> MissingPackages {
    let target = Target::parse(Some("3.11"), Some("manylinux_2_36_x86_64")).unwrap();
    let installed = BTreeMap::from([("numpy".to_owned(), Version::from_str("2.4.6").unwrap())]);
    let wheels = |name: &str| {
        Ok(index().into_iter().filter(|it| names::parse_wheel(&it.filename).unwrap().name == name).collect())
    };
    let wanted: Vec<_> = wanted.iter().map(|text| (ROOT.to_owned(), (*text).to_owned())).collect();
    Search { target: &target, installed: &installed, wheels }.run(&wanted).unwrap()
}

fn names_of(all: &MissingPackages) -> Vec<&str> {
    all.missing.iter().map(|one| one.name.as_str()).collect()
}

#[test]
fn every_missing_name_is_said_not_only_the_first() {
    let told = searched(&["App", "other>=1", "abi"]);
    assert_eq!(names_of(&told), ["abi", "deep", "other"]);
    let found: Vec<_> = told.found.iter().map(|it| format!("{} {}", it.name, it.version)).collect();
    assert_eq!(found, ["app 1.0", "lib 2.0", "numpy 2.4.6"]);
    let deep = &told.missing[1];
    assert_eq!((deep.requirement.as_str(), deep.why.as_str()), ("deep==1", "not on the box"));
    assert_eq!(deep.asked_by, ["lib 2.0"]);
    assert_eq!(told.missing[0].why, "1.0 is there for cp312-cp312-manylinux_2_17_x86_64 only");
}

#[test]
fn why_says_what_there_is_instead() {
    assert_eq!(searched(&["lib<1"]).missing[0].why, "the box has 1.0, 2.0, 2.1rc1, 3.0, none of them fits");
    assert_eq!(searched(&["app==2.0"]).missing[0].why, "2.0 is for other Pythons than 3.11");
    assert_eq!(searched(&["numpy<2"]).missing[0].why, "not on the box; the runtime image has 2.4.6");
}

#[test]
fn extras_bring_their_requirements_and_constraints_meet() {
    assert_eq!(names_of(&searched(&["lib[gpu]==2.0"])), ["deep", "torch"]);
    // the second constraint takes the choice back, and with it what 2.0 asked for
    assert_eq!(names_of(&searched(&["app", "lib<2"])), Vec::<&str>::new());
    assert!(searched(&["app", "lib==1.*,==3.0"]).missing[0].asked_by.contains(&"app 1.0".to_owned()));
}

#[test]
fn what_is_no_requirement_is_passed_over_and_said() {
    let (wanted, skipped) = read_file(
        "# all\napp==1.0 \\\n  --hash=sha256:00\n-r other.txt\nlib>=1 # newest\n./folder\ngit+https://x/y\nz @ https://x/z.whl\n\n",
    );
    assert_eq!(wanted, ["app==1.0", "lib>=1"]);
    assert_eq!(skipped, ["-r other.txt", "./folder", "git+https://x/y", "z @ https://x/z.whl"]);
    let deep = format!("a; {}python_version > '3'{}", "(".repeat(100_000), ")".repeat(100_000));
    assert!(requirement(&deep).is_none());
    assert_eq!(searched(&[&deep]).skipped.len(), 1);
}

#[test]
fn the_list_is_a_requirements_file_with_its_directions() {
    let list = searched(&["other>=1", "lib<1"]).list;
    assert!(list.contains("pip download") && list.contains("--platform manylinux_2_17_x86_64"), "{list}");
    let (wanted, skipped) = read_file(&list);
    assert_eq!((wanted, skipped.len()), (vec!["lib<1".to_owned(), "other>=1".to_owned()], 0));
}
