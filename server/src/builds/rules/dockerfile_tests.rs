#![allow(clippy::unwrap_used)]
use super::*;

fn read(text: &str) -> Dockerfile {
    Dockerfile::parse(text, &BTreeMap::new()).unwrap()
}

fn refused(text: &str) -> String {
    Dockerfile::parse(text, &BTreeMap::new()).unwrap_err().message
}

fn args() -> String {
    format!("ARG {}\n", ARGUMENTS.join(" "))
}

#[test]
fn each_stage_gets_the_arguments_and_nothing_else_changes() {
    let text = "# syntax=docker/dockerfile:1\n# a comment\nFROM base AS one\nRUN pip install \\\n  # inside\n\n  foo \\\n  bar\nFROM --platform=linux/amd64 one\nCOPY . .\n";
    let expected = format!(
        "# syntax=docker/dockerfile:1\n# a comment\nFROM base AS one\n{0}RUN pip install \\\n  # inside\n\n  foo \\\n  bar\nFROM --platform=linux/amd64 one\n{0}COPY . .\n",
        args()
    );
    assert_eq!(read(text).rewritten(&BTreeMap::new()), expected);
    assert_eq!(read(text).runs().collect::<Vec<_>>(), ["pip install   foo   bar"]);
}

#[test]
fn images_are_named_once_and_stages_are_none() {
    let text = "FROM a:1 as Build\nFROM scratch\nCOPY --from=build /x /x\nCOPY --chown=1 --from=b:2 /y /y\nCOPY --from=0 /z /z\nFROM a:1\nFROM BUILD\n";
    assert_eq!(read(text).images(), ["a:1", "b:2"]);
}

#[test]
fn images_are_replaced_by_what_the_box_has() {
    let has = BTreeMap::from([
        ("box:5000/a:1".to_owned(), "127.0.0.1:5000/a@sha256:1".to_owned()),
        ("b:2".to_owned(), "b@sha256:2".to_owned()),
    ]);
    let text =
        "FROM --platform=x \\\n box:5000/a:1 \\\n as s\nCOPY --from=b:2 --chown=1:1 /y /z\nRUN echo box:5000/a:1\n";
    let expected = format!(
        "FROM 127.0.0.1:5000/a@sha256:1 AS s\n{}COPY --from=b@sha256:2 --chown=1:1 /y /z\nRUN echo box:5000/a:1\n",
        args()
    );
    assert_eq!(read(text).rewritten(&has), expected);
}

#[test]
fn a_base_may_be_an_argument() {
    let text = "ARG TAG=1 \nARG BASE=\"img:${TAG}\"\nFROM ${BASE:-other} AS x\nFROM $BASE${MORE:+-slim}\n";
    assert_eq!(read(text).images(), ["img:1"]);
    let given = BTreeMap::from([("TAG".to_owned(), "7".to_owned())]);
    assert_eq!(Dockerfile::parse(text, &given).unwrap().images(), ["img:7"]);
    assert!(refused("ARG BASE\nFROM $BASE\n").contains("no value"));
}

#[test]
fn another_mark_goes_on_where_the_first_line_says_so() {
    let text = "# escape=`\nFROM a\nRUN one `\n two\nRUN three \\\nRUN four\n";
    assert_eq!(read(text).runs().collect::<Vec<_>>(), ["one  two", "three \\", "four"]);
    assert_eq!(read("FROM a\nRUN x \\").runs().collect::<Vec<_>>(), ["x"]);
}

#[test]
fn what_would_be_fetched_from_elsewhere_is_refused() {
    for text in [
        "FROM a\nADD https://x/y /y\n",
        "FROM a\nadd --chown=1 HTTP://x/y /y\n",
        "FROM a\nADD [\"https://x/y\", \"/y\"]\n",
        "FROM a\nADD git@github.com:x/y.git /y\n",
        "FROM a\nADD \\\n # inside\n https://x /y\n",
        "FROM a\nARG U\nADD $U /y\n",
        "FROM a\nONBUILD ADD http://x /y\n",
    ] {
        assert!(refused(text).contains("COPY it"), "{text}");
    }
    assert_eq!(read("FROM a\nADD x.tar /\n").images(), ["a"]);
}

#[test]
fn what_needs_buildkit_is_said_before_docker_is_asked() {
    assert!(refused("FROM a\nRUN --mount=type=cache,target=/x pip install y\n").contains("BuildKit"));
    assert!(refused("FROM a\nRUN <<EOF\nls\nEOF\n").contains("BuildKit"));
    assert!(refused("FROM a\nCOPY <<'E' /x\nE\n").contains("BuildKit"));
    assert_eq!(read("FROM a\nRUN echo $((1 << 2)) && cat<<1\n").images(), ["a"]);
}

#[test]
fn what_is_no_dockerfile_is_said_with_its_line() {
    assert!(refused("RUN x\nFROM a\n").contains("Line 1"));
    assert!(refused("").contains("no FROM"));
    assert!(refused("# only\n").contains("no FROM"));
    assert!(refused("FROM\n").contains("needs the name"));
    assert!(refused("FROM a\0").contains("no text"));
}

/// Any text: read or refused, and what is read comes out with every line of it that names no image.
#[test]
fn any_text_is_read_or_refused() {
    let pieces =
        ["FROM a", "\\", "\n", "# x", "RUN", " y ", "ARG", "$", "${", "}", "COPY --from=", "<<", "ADD", "\t", "`", "é"];
    let mut seed = 3_u64;
    for _ in 0..5000 {
        let mut text = String::new();
        for _ in 0..(seed % 12) + 2 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text += pieces[(seed >> 33) as usize % pieces.len()];
        }
        if let Ok(read) = Dockerfile::parse(&text, &BTreeMap::new()) {
            let out = read.rewritten(&BTreeMap::new());
            assert!(text.lines().all(|line| out.contains(line)), "{text:?} became {out:?}");
        }
    }
}
