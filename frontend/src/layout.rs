//! Where the nodes of a graph go when it is drawn from left to right. Pure, so that the host tests it.

/// Column and row of each node; edges are pairs of indices, from left to right where the graph has no circle.
pub fn places(nodes: usize, edges: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let columns = columns(nodes, edges);
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
    fn crossings_are_undone() {
        // 0→3 and 1→2 cross in the given order
        let placed = places(4, &[(0, 3), (1, 2)]);
        assert_eq!(placed[0].1 < placed[1].1, placed[3].1 < placed[2].1);
    }
}
