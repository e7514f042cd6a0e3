//! One class, one meaning: the dashboard's style sheets are one file in the end, and a class that two parts of it give rules to for
//! themselves is a rule that one of them did not want.

use std::collections::BTreeMap;

use super::source::root;

/// A rule at the top of a sheet: its line and its selectors.
type Rule = (usize, Vec<String>);

/// The rules of a sheet that stand in no at-rule.
fn rules(css: &str) -> Vec<Rule> {
    let (mut found, mut prelude, mut depth, mut line) = (vec![], String::new(), 0, 1);
    for c in without_comments(css).chars() {
        match c {
            '{' => {
                if depth == 0 && !prelude.trim_start().starts_with('@') {
                    found.push((line, selectors(&prelude)));
                }
                depth += 1;
                prelude.clear();
            }
            '}' => {
                depth -= 1;
                prelude.clear();
            }
            ';' => prelude.clear(),
            _ => prelude.push(c),
        }
        line += usize::from(c == '\n');
    }
    found
}

/// The same with as many lines.
fn without_comments(css: &str) -> String {
    let (mut plain, mut rest) = (String::new(), css);
    while let Some((before, after)) = rest.split_once("/*") {
        let (comment, after) = after.split_once("*/").unwrap_or((after, ""));
        plain.push_str(before);
        plain.extend(comment.chars().filter(|c| *c == '\n'));
        rest = after;
    }
    plain + rest
}

/// Parted at commas that stand in no parentheses.
fn selectors(prelude: &str) -> Vec<String> {
    let (mut all, mut one, mut depth) = (vec![], String::new(), 0);
    for c in prelude.chars() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        if c == ',' && depth == 0 { all.push(std::mem::take(&mut one)) } else { one.push(c) }
    }
    all.push(one);
    all.iter().map(|one| one.trim().to_owned()).collect()
}

fn is_bare_class(selector: &str) -> bool {
    let name = selector.strip_prefix('.');
    name.is_some_and(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'))
}

/// Classes with rules of their own at several places. What a group of classes shares may stand before what each has to itself.
fn twice(sheets: &[(String, String)]) -> Vec<String> {
    let mut places: BTreeMap<String, Vec<(&str, usize, bool)>> = BTreeMap::new();
    for (name, css) in sheets {
        for (line, selectors) in rules(css) {
            let is_alone = selectors.len() == 1;
            for class in selectors.into_iter().filter(|selector| is_bare_class(selector)) {
                places.entry(class).or_default().push((name, line, is_alone));
            }
        }
    }
    let is_double = |at: &[(&str, usize, bool)]| {
        at.iter().any(|(file, ..)| *file != at[0].0) || at.iter().filter(|(.., is_alone)| *is_alone).count() > 1
    };
    let told = |at: &[(&str, usize, bool)]| {
        at.iter().map(|(file, line, _)| format!("{file}:{line}")).collect::<Vec<_>>().join(", ")
    };
    places.iter().filter(|(_, at)| is_double(at)).map(|(class, at)| format!("{class}: {}", told(at))).collect()
}

#[test]
fn no_class_has_rules_of_its_own_at_two_places() {
    let mut sheets: Vec<(String, String)> = std::fs::read_dir(root().join("frontend/style"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().extension().is_some_and(|ending| ending == "css"))
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), std::fs::read_to_string(entry.path()).unwrap()))
        .collect();
    sheets.sort();
    assert!(sheets.len() > 3, "the style sheets are elsewhere");
    let found = twice(&sheets);
    assert!(found.is_empty(), "the later rule wins over the earlier, wherever it is:\n{}", found.join("\n"));
}

#[test]
fn a_class_that_two_sheets_style_is_found_and_a_group_is_none() {
    let sheet = |name: &str, css: &str| (name.to_owned(), css.to_owned());
    let one =
        ".a, .b { x: y }\n/* .c { } */\n.b { x: z }\n@media (x) { .b { x: q } }\n.d .e { } .e:hover { }\n.f { } .f { }";
    let two = "\n.a { x: y }\n.e { }\n:is(.b, .g) { }";
    let found = twice(&[sheet("one", one), sheet("two", two)]);
    assert_eq!(found, [".a: one:1, two:2", ".f: one:6, one:6"]);
}
