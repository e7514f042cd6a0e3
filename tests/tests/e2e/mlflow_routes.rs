//! Every route of MLflow 3.17.2's server, from a recording of its router: each is answered, but for those that the manual lists as
//! left out, which are answered as MLflow answers what it does not know.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use drydock_tests::{Api, Server};
use reqwest::Method;
use serde_json::json;

const ROUTES: &str = include_str!("../../fixtures/mlflow-routes-3.17.tsv");
const MANUAL: &str = include_str!("../../../docs/manual.md");

/// What is left out: the beginning of its path, and the words that the manual has for it.
const LEFT_OUT: [(&str, &str); 10] = [
    ("/api/2.0/mlflow/get-online-trace-details", "`get-online-trace-details`"),
    ("/api/2.0/mlflow/unified-traces", "`unified-traces`"),
    ("/api/3.0/mlflow/datasets/", "evaluation datasets"),
    ("/api/3.0/mlflow/gateway/", "the AI gateway"),
    ("/api/3.0/mlflow/issues", "issues and issue detection"),
    ("/api/3.0/mlflow/label-schemas/", "label schemas"),
    ("/api/3.0/mlflow/prompt-optimization/", "prompt optimisation"),
    ("/api/3.0/mlflow/review-queues/", "review queues"),
    ("/api/3.0/mlflow/scorers/", "scorers and online scoring"),
    ("/api/3.0/mlflow/workspaces", "workspaces"),
];

/// The recorded routes, one method each, with something in place of what they have in angle brackets.
fn routes() -> Vec<(Method, String)> {
    let lines = ROUTES.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('\t'));
    let each = pairs.flat_map(|(methods, path)| methods.split(',').map(move |method| (method, path)));
    each.map(|(method, path)| (method.parse().unwrap_or(Method::GET), filled(path))).collect()
}

fn filled(path: &str) -> String {
    let part = |part: &str| if part.starts_with('<') { "none".to_owned() } else { part.to_owned() };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// Status and body, without what is of this one answer.
async fn answer(api: &Api, method: &Method, path: &str) -> Result<(u16, String)> {
    let mut request = api.request(method.clone(), path);
    if *method != Method::GET {
        request = request.json(&json!({}));
    }
    let answer = request.send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

#[tokio::test]
async fn every_route_of_mlflow_is_answered_or_listed_as_left_out() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let unknown = answer(&admin, &Method::GET, "/api/2.0/mlflow/nobody-knows").await?;
    assert!(unknown.0 == 404 && unknown.1.contains("The requested URL was not found"), "{unknown:?}");
    let routes = routes();
    assert!(routes.len() > 190, "{} routes", routes.len());
    let (mut wrong, mut met) = (vec![], BTreeSet::new());
    for (method, path) in &routes {
        let left_out = LEFT_OUT.iter().find(|(start, _)| path.starts_with(start));
        if let Some((start, _)) = left_out {
            met.insert(*start);
        }
        // MLflow's own page asks for the same under /ajax-api.
        for path in [path.clone(), path.replacen("/api/", "/ajax-api/", 1)] {
            let told = answer(&admin, method, &path).await?;
            let known = told.1 != unknown.1 && told.0 != 405 && told.0 < 500;
            if known == left_out.is_some() || (left_out.is_some() && told != unknown) {
                wrong.push(format!("{method} {path}: {} {}", told.0, told.1.chars().take(80).collect::<String>()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} routes:\n{}", wrong.len(), routes.len(), wrong.join("\n"));
    assert_eq!(met.len(), LEFT_OUT.len(), "something is listed that MLflow does not have");
    Ok(())
}

#[test]
fn what_is_left_out_is_in_the_manual() -> Result<()> {
    let (_, rest) = MANUAL.split_once("**Left out**").context("the manual's list")?;
    let listed = rest.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    for (path, words) in LEFT_OUT {
        assert!(listed.contains(words), "{path}: {words} is not in the manual's list");
    }
    Ok(())
}
