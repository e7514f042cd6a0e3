//! Lineage: from a deployment back to version, logged model, run, code and data, and forward again. Stands above the
//! features whose things it links and asks them; keeps nothing of its own and changes nothing, so it cannot be out of date.

mod graph;
mod routes;
mod steps;

use std::collections::VecDeque;

use drydock_wire::datasets::DatasetUse;
use drydock_wire::lineage::{Lineage, NodeKind};

pub use routes::configure;

use crate::{
    accounts::{Authorized, Principal, action, projects},
    app::App,
    db::Conn,
    error::{Error, Result},
};
use graph::{Graph, Key, Link};

/// Everything that led to the thing, and everything that came of it.
///
/// # Errors
/// `invalid` for a kind that there is not, `not_found` for a thing that is not there.
pub async fn of(app: &App, auth: &Authorized<action::View>, kind: &str, id: String) -> Result<Lineage> {
    let kind = NodeKind::parse(kind).ok_or_else(|| {
        Error::invalid(format!(
            "'{kind}' has no lineage. Ask for dataset, input, commit, source, job, run, logged_model, version or deployment."
        ))
    })?;
    let who = auth.principal().clone();
    app.db.read(move |conn| on_conn(conn, &who, &Key::new(kind, id))).await
}

fn on_conn(conn: &mut Conn, who: &Principal, start: &Key) -> Result<Lineage> {
    if !steps::describe(conn, start)?.0 {
        let form = match start.kind {
            NodeKind::Version | NodeKind::Dataset => " Write it as name:number.",
            NodeKind::Input => " Write it as name@digest.",
            _ => "",
        };
        return Err(Error::not_found(format!("There is no {} {}.{form}", start.kind.word().to_lowercase(), start.id)));
    }
    let mut graph = Graph::default();
    graph.reach(start);
    walk(conn, Some(who), &mut graph, start, steps::back, |link| &link.from)?;
    walk(conn, Some(who), &mut graph, start, steps::forward, |link| &link.to)?;
    let keys: Vec<Key> = graph.keys().cloned().collect();
    let nodes = keys.iter().map(|key| steps::describe(conn, key).map(|(_, node)| node)).collect::<Result<_>>()?;
    Ok(graph.finish(start, nodes))
}

/// For `datasets`: jobs, runs, registered versions, deployments and other datasets that came of a dataset's version; of what is not
/// there for `who`, once that there is something.
pub fn users_of_dataset(conn: &mut Conn, who: &Principal, name: &str, version: i64) -> Result<Vec<DatasetUse>> {
    let start = Key::new(NodeKind::Dataset, format!("{name}:{version}"));
    let mut graph = Graph::default();
    graph.reach(&start);
    walk(conn, None, &mut graph, &start, steps::forward, |link| &link.to)?;
    let keys: Vec<Key> = graph.keys().cloned().collect();
    let mut found = vec![];
    for key in keys {
        let kind = match key.kind {
            NodeKind::Job => "job",
            NodeKind::Run => "run",
            NodeKind::Version => "model",
            NodeKind::Deployment => "deployment",
            // a later version of the same dataset may well go along with this one
            NodeKind::Dataset if steps::numbered(&key.id).is_some_and(|(other, _)| other != name) => "dataset",
            _ => continue,
        };
        let (is_there, node) = steps::describe(conn, &key)?;
        if is_there && !sees(conn, who, &key)? {
            let hidden =
                DatasetUse { version, kind: "something".into(), title: "of another project".into(), href: None };
            if !found.contains(&hidden) {
                found.push(hidden);
            }
        } else if is_there {
            found.push(DatasetUse { version, kind: kind.into(), title: node.title, href: node.href });
        }
    }
    Ok(found)
}

fn sees(conn: &mut Conn, who: &Principal, key: &Key) -> Result<bool> {
    match projects::subjects::of_lineage(key.kind.as_str(), &key.id) {
        Some(subject) => projects::sees(conn, who, subject.kind, &subject.key),
        None => Ok(true),
    }
}

/// Goes on from the start in one direction until nothing new comes; past nothing that is not there for `who`.
fn walk(
    conn: &mut Conn,
    who: Option<&Principal>,
    graph: &mut Graph,
    start: &Key,
    step: fn(&mut Conn, &Key) -> Result<Vec<Link>>,
    next: fn(&Link) -> &Key,
) -> Result<()> {
    let mut waiting = VecDeque::from([start.clone()]);
    while let Some(key) = waiting.pop_front() {
        for link in step(conn, &key)? {
            let other = next(&link).clone();
            if let Some(who) = who
                && !sees(conn, who, &other)?
            {
                continue;
            }
            if graph.reach(&other) {
                waiting.push_back(other);
            }
            graph.link(link);
        }
    }
    Ok(())
}
