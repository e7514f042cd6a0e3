//! The graph while it grows: nodes by key, edges once each, a limit, and at the end sources before what was made of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use drydock_wire::lineage::{Edge, Lineage, Node, NodeKind};

/// More nodes than this help nobody.
pub const MOST_NODES: usize = 300;

/// What a node is and its id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub kind: NodeKind,
    pub id: String,
}

impl Key {
    pub fn new(kind: NodeKind, id: impl Into<String>) -> Self {
        Self { kind, id: id.into() }
    }

    /// `kind/id`, as the wire has it.
    pub fn text(&self) -> String {
        format!("{}/{}", self.kind.as_str(), self.id)
    }
}

/// An edge from a source to what was made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub from: Key,
    pub to: Key,
    pub label: &'static str,
    pub past: bool,
}

impl Link {
    pub fn new(from: Key, label: &'static str, to: Key) -> Self {
        Self { from, to, label, past: false }
    }
}

#[derive(Debug, Default)]
pub struct Graph {
    links: BTreeMap<(Key, Key), (&'static str, bool)>,
    keys: BTreeSet<Key>,
    pub truncated: bool,
}

impl Graph {
    /// Whether the key is new and there is room for it.
    pub fn reach(&mut self, key: &Key) -> bool {
        if self.keys.contains(key) {
            return false;
        }
        if self.keys.len() >= MOST_NODES {
            self.truncated = true;
            return false;
        }
        self.keys.insert(key.clone())
    }

    pub fn link(&mut self, link: Link) {
        let known = self.links.entry((link.from, link.to)).or_insert((link.label, link.past));
        known.1 &= link.past;
    }

    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter()
    }

    /// The answer; `describe` tells what a person reads about a node.
    pub fn finish(self, start: &Key, mut nodes: Vec<Node>) -> Lineage {
        let edges: Vec<Edge> = self
            .links
            .iter()
            .filter(|((from, to), _)| self.keys.contains(from) && self.keys.contains(to))
            .map(|((from, to), (label, past))| Edge {
                from: from.text(),
                to: to.text(),
                label: (*label).to_owned(),
                past: *past,
            })
            .collect();
        let depth = depths(&nodes, &edges);
        nodes.sort_by_key(|node| (depth.get(&node.key).copied().unwrap_or(0), node.kind, node.key.clone()));
        Lineage { start: start.text(), nodes, edges, truncated: self.truncated }
    }
}

/// Length of the longest way from a source; a circle (models that were trained on each other's output) ends it.
fn depths(nodes: &[Node], edges: &[Edge]) -> HashMap<String, usize> {
    let mut depth: HashMap<String, usize> = nodes.iter().map(|node| (node.key.clone(), 0)).collect();
    for _ in 0..nodes.len().min(MOST_NODES) {
        let mut changed = false;
        for edge in edges {
            let from = depth.get(&edge.from).copied().unwrap_or(0);
            if let Some(to) = depth.get_mut(&edge.to).filter(|to| **to <= from && from < nodes.len()) {
                *to = from + 1;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    depth
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(key: &Key) -> Node {
        Node {
            key: key.text(),
            kind: key.kind,
            id: key.id.clone(),
            title: key.id.clone(),
            detail: String::new(),
            href: None,
        }
    }

    fn key(kind: NodeKind, id: &str) -> Key {
        Key::new(kind, id)
    }

    fn answer(graph: Graph, start: &Key) -> Lineage {
        let nodes = graph.keys().map(node).collect();
        graph.finish(start, nodes)
    }

    #[test]
    fn sources_come_before_what_was_made_of_them_and_each_edge_once() {
        let (data, run, version) =
            (key(NodeKind::Dataset, "d:1"), key(NodeKind::Run, "r"), key(NodeKind::Version, "m:1"));
        let mut graph = Graph::default();
        for one in [&version, &run, &data] {
            assert!(graph.reach(one) && !graph.reach(one));
        }
        graph.link(Link::new(run.clone(), "logged", version.clone()));
        graph.link(Link::new(data.clone(), "trained", run.clone()));
        graph.link(Link::new(data.clone(), "trained", run.clone()));
        let made = answer(graph, &version);
        assert_eq!(made.nodes.iter().map(|n| n.id.as_str()).collect::<Vec<_>>(), ["d:1", "r", "m:1"]);
        assert_eq!((made.edges.len(), made.truncated), (2, false));
    }

    #[test]
    fn a_circle_and_a_flood_both_end() {
        let mut graph = Graph::default();
        let (a, b) = (key(NodeKind::Run, "a"), key(NodeKind::Run, "b"));
        graph.reach(&a);
        graph.reach(&b);
        graph.link(Link::new(a.clone(), "read", b.clone()));
        graph.link(Link::new(b.clone(), "read", a.clone()));
        for n in 0..MOST_NODES + 5 {
            graph.reach(&key(NodeKind::Job, &n.to_string()));
        }
        let made = answer(graph, &a);
        assert_eq!((made.nodes.len(), made.truncated), (MOST_NODES, true));
    }

    #[test]
    fn what_is_still_so_is_not_past() {
        let (v, d) = (key(NodeKind::Version, "m:1"), key(NodeKind::Deployment, "x"));
        let mut graph = Graph::default();
        graph.reach(&v);
        graph.reach(&d);
        graph.link(Link { past: true, ..Link::new(v.clone(), "served by", d.clone()) });
        graph.link(Link::new(v.clone(), "served by", d.clone()));
        assert!(!answer(graph, &v).edges[0].past);
    }
}
