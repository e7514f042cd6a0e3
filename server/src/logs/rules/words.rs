//! The words of a text, the same for what is taken in and for what is asked: runs of letters and digits, in small letters. Scripts
//! that have no spaces give each sign as a word.

/// Longer words are cut: whoever asks for one in full finds it.
pub const LONGEST_WORD: usize = 80;

/// The words in their order, each with where it begins and ends.
pub fn words(text: &str) -> impl Iterator<Item = (std::ops::Range<usize>, String)> {
    Words { text, at: 0 }
}

/// The same, without places.
pub fn plain(text: &str) -> Vec<String> {
    words(text).map(|(_, word)| word).collect()
}

struct Words<'a> {
    text: &'a str,
    at: usize,
}

impl Iterator for Words<'_> {
    type Item = (std::ops::Range<usize>, String);

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.at + self.text[self.at..].find(char::is_alphanumeric)?;
        let rest = &self.text[start..];
        let end = match rest.chars().next() {
            Some(sign) if stands_alone(sign) => start + sign.len_utf8(),
            _ => rest.find(|c: char| !c.is_alphanumeric() || stands_alone(c)).map_or(self.text.len(), |at| start + at),
        };
        self.at = end;
        let mut word = String::new();
        for letter in self.text[start..end].chars().flat_map(char::to_lowercase) {
            if word.len() + letter.len_utf8() > LONGEST_WORD {
                break;
            }
            word.push(letter);
        }
        Some((start..end, word))
    }
}

/// Chinese, Japanese, Korean, Thai.
fn stands_alone(sign: char) -> bool {
    matches!(u32::from(sign), 0x0E00..=0x0E7F | 0x3040..=0x30FF | 0x3400..=0x9FFF | 0xAC00..=0xD7AF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_runs_of_letters_and_digits() {
        assert_eq!(plain("Epoch 3/10: val_loss=0.25"), ["epoch", "3", "10", "val", "loss", "0", "25"]);
        assert_eq!(plain("Überlauf! 模型x"), ["überlauf", "模", "型", "x"]);
        assert_eq!(plain(&"a".repeat(200)), ["a".repeat(LONGEST_WORD)]);
        assert!(plain(" -- ").is_empty());
    }
}
