//! Which web pages may use a bucket from a browser.

use drydock_wire::storage::CorsRule;

use super::refusals;
use crate::error::Result;

const METHODS: [&str; 5] = ["GET", "PUT", "POST", "DELETE", "HEAD"];

/// # Errors
/// `invalid` with the rule that is wrong.
pub fn check(rules: &[CorsRule]) -> Result<()> {
    if rules.len() > 100 {
        return Err(refusals::invalid_argument("At most 100 CORS rules fit."));
    }
    for rule in rules {
        if rule.allowed_origins.is_empty() || rule.allowed_methods.is_empty() {
            return Err(refusals::invalid_argument("A CORS rule names at least one origin and one method."));
        }
        if let Some(wrong) = rule.allowed_methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
            return Err(refusals::invalid_argument(format!("{wrong} is none of GET, PUT, POST, DELETE, HEAD.")));
        }
        let patterns = rule.allowed_origins.iter().chain(&rule.allowed_headers);
        if let Some(wrong) = patterns.into_iter().find(|pattern| pattern.matches('*').count() > 1) {
            return Err(refusals::invalid_argument(format!("{wrong} has more than one *.")));
        }
    }
    Ok(())
}

/// The first rule that lets a page of `origin` do `method` with these headers.
pub fn allowing<'a>(rules: &'a [CorsRule], origin: &str, method: &str, headers: &[&str]) -> Option<&'a CorsRule> {
    rules.iter().find(|rule| {
        rule.allowed_origins.iter().any(|pattern| matches(pattern, origin))
            && rule.allowed_methods.iter().any(|allowed| allowed == method)
            && headers.iter().all(|header| {
                rule.allowed_headers.iter().any(|pattern| matches(&pattern.to_lowercase(), &header.to_lowercase()))
            })
    })
}

/// `*` stands for any text, once.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => text.len() >= head.len() + tail.len() && text.starts_with(head) && text.ends_with(tail),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn rule(origin: &str, method: &str, header: &str) -> CorsRule {
        CorsRule {
            allowed_origins: vec![origin.into()],
            allowed_methods: vec![method.into()],
            allowed_headers: vec![header.into()],
            expose_headers: vec![],
            max_age_s: None,
        }
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let rules = [rule("http://a.lan", "GET", "x-one"), rule("http://*.lan", "PUT", "*")];
        assert_eq!(allowing(&rules, "http://a.lan", "GET", &["X-One"]), Some(&rules[0]));
        assert_eq!(allowing(&rules, "http://a.lan", "GET", &["x-two"]), None);
        assert_eq!(allowing(&rules, "http://b.lan", "PUT", &["content-type", "x-y"]), Some(&rules[1]));
        assert_eq!(allowing(&rules, "http://.lan", "PUT", &[]), Some(&rules[1]));
        assert_eq!(allowing(&rules, "http://b.lan.evil", "PUT", &[]), None);
    }

    #[test]
    fn a_rule_that_cannot_work_is_refused() {
        assert!(check(&[rule("http://*", "GET", "*")]).is_ok());
        assert!(check(&[rule("http://*.*", "GET", "*")]).is_err());
        assert!(check(&[rule("*", "PATCH", "*")]).is_err());
    }
}
