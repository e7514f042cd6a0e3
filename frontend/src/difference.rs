//! What changed between two texts, by words. Pure, so that the host tests it.

/// A piece of the two texts, in reading order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Same(String),
    Gone(String),
    New(String),
}

/// Above this many comparisons the changed part is shown as replaced as a whole.
const MOST: usize = 1_500_000;

/// The pieces; those of a kind that follow each other are one.
pub fn difference(before: &str, after: &str) -> Vec<Piece> {
    let (old, new) = (words(before), words(after));
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    let mut pieces = Vec::new();
    old[..head].iter().for_each(|word| push(&mut pieces, Piece::Same, word));
    middle(&old[head..old.len() - tail], &new[head..new.len() - tail], &mut pieces);
    old[old.len() - tail..].iter().for_each(|word| push(&mut pieces, Piece::Same, word));
    pieces
}

/// Words with the white space after them.
fn words(text: &str) -> Vec<&str> {
    text.split_inclusive(char::is_whitespace).collect()
}

fn middle(old: &[&str], new: &[&str], pieces: &mut Vec<Piece>) {
    let (n, m) = (old.len(), new.len());
    if n.saturating_mul(m) > MOST {
        old.iter().for_each(|word| push(pieces, Piece::Gone, word));
        new.iter().for_each(|word| push(pieces, Piece::New, word));
        return;
    }
    // common[i][j]: length of the longest common sequence of old[i..] and new[j..]
    let mut common = vec![0u32; (n + 1) * (m + 1)];
    let at = |i: usize, j: usize| i * (m + 1) + j;
    for i in (0..n).rev() {
        for j in (0..m).rev() {
            common[at(i, j)] = match old[i] == new[j] {
                true => common[at(i + 1, j + 1)] + 1,
                false => common[at(i + 1, j)].max(common[at(i, j + 1)]),
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < n || j < m {
        if i < n && j < m && old[i] == new[j] {
            push(pieces, Piece::Same, old[i]);
            (i, j) = (i + 1, j + 1);
        } else if j == m || (i < n && common[at(i + 1, j)] >= common[at(i, j + 1)]) {
            push(pieces, Piece::Gone, old[i]);
            i += 1;
        } else {
            push(pieces, Piece::New, new[j]);
            j += 1;
        }
    }
}

fn push(pieces: &mut Vec<Piece>, kind: fn(String) -> Piece, word: &str) {
    match (pieces.last_mut(), kind(String::new())) {
        (Some(Piece::Same(text)), Piece::Same(_))
        | (Some(Piece::Gone(text)), Piece::Gone(_))
        | (Some(Piece::New(text)), Piece::New(_)) => text.push_str(word),
        _ => pieces.push(kind(word.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_changed_word_is_all_that_is_marked() {
        let pieces = difference("trained on 500 rows of 2024", "trained on 700 rows of 2024");
        assert_eq!(
            pieces,
            [
                Piece::Same("trained on ".into()),
                Piece::Gone("500 ".into()),
                Piece::New("700 ".into()),
                Piece::Same("rows of 2024".into())
            ]
        );
    }

    #[test]
    fn both_texts_can_be_put_together_again() {
        for (a, b) in [("", ""), ("", "a b"), ("a b", ""), ("a b c d", "b x d e"), ("x\ny\n\nz", "y\nz w")] {
            let (mut old, mut new) = (String::new(), String::new());
            for piece in difference(a, b) {
                match piece {
                    Piece::Same(text) => {
                        old.push_str(&text);
                        new.push_str(&text);
                    }
                    Piece::Gone(text) => old.push_str(&text),
                    Piece::New(text) => new.push_str(&text),
                }
            }
            assert_eq!((old.as_str(), new.as_str()), (a, b));
        }
    }

    #[test]
    fn a_very_long_change_is_shown_as_a_whole() {
        let (a, b) = ("a ".repeat(2_000), "b ".repeat(2_000));
        assert_eq!(difference(&a, &b), [Piece::Gone(a.clone()), Piece::New(b.clone())]);
    }
}
