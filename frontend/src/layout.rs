//! Where the nodes of a graph go when it is drawn from left to right. Pure, so that the host tests it.

/// Column and row of each node; edges are pairs of indices, from left to right where the graph has no circle.
pub fn places(nodes: usize, edges: &[(usize, usize)]) -> Vec<(usize, usize)> {
    arranged(&columns(nodes, edges), edges)
}

/// A graph whose long edges go around the nodes in between: through free places, one in each column.
#[derive(Debug, PartialEq, Eq)]
pub struct Routed {
    pub places: Vec<(usize, usize)>,
    /// For each edge the places that it passes.
    pub ways: Vec<Vec<(usize, usize)>>,
    /// Rows in use in each column, those of edges included.
    pub heights: Vec<usize>,
}

/// As `places`, with a way for each edge.
pub fn routed(nodes: usize, edges: &[(usize, usize)]) -> Routed {
    let mut columns = columns(nodes, edges);
    let (mut steps, mut chains) = (vec![], vec![]);
    for (from, to) in edges {
        let (mut last, mut chain) = (*from, vec![]);
        for column in columns[*from] + 1..columns[*to] {
            let between = columns.len();
            columns.push(column);
            steps.push((last, between));
            chain.push(between);
            last = between;
        }
        steps.push((last, *to));
        chains.push(chain);
    }
    let all = arranged(&columns, &steps);
    let mut heights = vec![0; columns.iter().max().map_or(0, |last| last + 1)];
    all.iter().for_each(|(column, row)| heights[*column] = heights[*column].max(row + 1));
    let ways = chains.iter().map(|chain| chain.iter().map(|node| all[*node]).collect()).collect();
    Routed { places: all[..nodes].to_vec(), ways, heights }
}

/// The rows within given columns.
fn arranged(columns: &[usize], edges: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let nodes = columns.len();
    let mut order: Vec<Vec<usize>> = vec![Vec::new(); columns.iter().max().map_or(0, |last| last + 1)];
    (0..nodes).for_each(|node| order[columns[node]].push(node));
    // A few sweeps: each node goes to the middle of its neighbours in the column before, then in the one after.
    for sweep in 0..6 {
        let rows = rows(nodes, &order);
        let forward = sweep % 2 == 0;
        for column in &mut order {
            let middle = |node: usize| {
                let near: Vec<usize> = edges
                    .iter()
                    .filter_map(|(from, to)| match forward {
                        true if *to == node => Some(rows[*from]),
                        false if *from == node => Some(rows[*to]),
                        _ => None,
                    })
                    .collect();
                if near.is_empty() { rows[node] as f64 } else { near.iter().sum::<usize>() as f64 / near.len() as f64 }
            };
            let mut keyed: Vec<(f64, usize)> = column.iter().map(|node| (middle(*node), *node)).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0).then(rows[a.1].cmp(&rows[b.1])));
            *column = keyed.into_iter().map(|(_, node)| node).collect();
        }
    }
    let rows = rows(nodes, &order);
    (0..nodes).map(|node| (columns[node], rows[node])).collect()
}

fn rows(nodes: usize, order: &[Vec<usize>]) -> Vec<usize> {
    let mut rows = vec![0; nodes];
    for column in order {
        column.iter().enumerate().for_each(|(row, node)| rows[*node] = row);
    }
    rows
}

/// The longest way from a source; then sources move right, beside what was made of them.
fn columns(nodes: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut column = vec![0; nodes];
    for _ in 0..nodes {
        let mut changed = false;
        for (from, to) in edges {
            // in a circle the columns would grow for ever
            if column[*to] <= column[*from] && column[*from] + 1 < nodes {
                column[*to] = column[*from] + 1;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    for node in 0..nodes {
        let is_source = edges.iter().all(|(_, to)| *to != node);
        let next = edges.iter().filter(|(from, _)| *from == node).map(|(_, to)| column[*to]).min();
        if let (true, Some(next)) = (is_source, next) {
            column[node] = next.saturating_sub(1);
        }
    }
    column
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_stands_right_of_what_it_was_made_of() {
        // dataset and commit into a run, the run into a version, the version into a deployment
        let edges = [(0, 2), (1, 2), (2, 3), (3, 4)];
        let placed = places(5, &edges);
        for (from, to) in edges {
            assert!(placed[from].0 < placed[to].0, "{placed:?}");
        }
        assert_eq!((placed[0].0, placed[1].0, placed[4].0), (0, 0, 3));
    }

    #[test]
    fn a_late_source_stands_beside_its_only_use() {
        let placed = places(4, &[(0, 1), (1, 2), (3, 2)]);
        assert_eq!(placed[3].0, 1);
    }

    #[test]
    fn no_two_nodes_share_a_place_not_even_in_a_circle() {
        let placed = places(6, &[(0, 1), (1, 2), (2, 0), (3, 1), (4, 5)]);
        for a in 0..6 {
            assert!((a + 1..6).all(|b| placed[a] != placed[b]), "{placed:?}");
        }
        assert!(places(0, &[]).is_empty());
    }

    #[test]
    fn a_long_edge_goes_around_what_lies_between() {
        // 0 → 1 → 2 → 3, and 0 → 3 beside them
        let routed = routed(4, &[(0, 1), (1, 2), (2, 3), (0, 3)]);
        assert_eq!(routed.ways[..3], [vec![], vec![], vec![]]);
        let way = &routed.ways[3];
        assert_eq!(way.iter().map(|p| p.0).collect::<Vec<_>>(), [1, 2]);
        assert!(way.iter().all(|place| !routed.places.contains(place)), "{routed:?}");
        assert_eq!(routed.heights, [1, 2, 2, 1]);
    }

    #[test]
    fn a_graph_of_no_edges_or_with_a_circle_is_drawn_all_the_same() {
        assert_eq!(routed(2, &[]).places, [(0, 0), (0, 1)]);
        let circle = routed(3, &[(0, 1), (1, 2), (2, 0)]);
        assert!((0..3).all(|a| (a + 1..3).all(|b| circle.places[a] != circle.places[b])));
        assert_eq!(routed(0, &[]).heights, Vec::<usize>::new());
    }

    #[test]
    fn a_wide_graph_has_its_middle_in_the_middle() {
        // one makes five, five make one
        let edges: Vec<(usize, usize)> = (1..6).flat_map(|n| [(0, n), (n, 6)]).collect();
        let routed = routed(7, &edges);
        assert_eq!(routed.heights, [1, 5, 1]);
    }

    #[test]
    fn crossings_are_undone() {
        // 0→3 and 1→2 cross in the given order
        let placed = places(4, &[(0, 3), (1, 2)]);
        assert_eq!(placed[0].1 < placed[1].1, placed[3].1 < placed[2].1);
    }
}
