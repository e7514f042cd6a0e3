//! The fields of the index, and the documents that lines become.

use drydock_wire::logs::LogEntry;
use serde::{Deserialize, Serialize};
use tantivy::{
    TantivyDocument,
    schema::{FAST, Field, INDEXED, IndexRecordOption, Schema, TextFieldIndexing, TextOptions, Value},
    tokenizer::{TextAnalyzer, Token, TokenStream, Tokenizer},
};

use super::Incoming;
use crate::logs::rules::words;

/// Name of our tokenizer in the schema.
const WORDS: &str = "drydock_words";
/// Of a label's value so much is looked at.
const LABEL_BYTES: usize = 256;
/// Low bits of a key that tell lines of the same instant apart.
const NUMBER_BITS: u32 = 22;

/// The schema's fields. A change of them is a new version of the index (`super::VERSION`).
#[derive(Debug, Clone, Copy)]
pub struct Fields {
    /// Instant and number in one: what lines are ordered by.
    pub key: Field,
    /// Rises with every line that is taken in.
    pub number: Field,
    pub seq: Field,
    /// 0: none, then 1 for trace and so on.
    pub level: Field,
    pub source: Field,
    pub kind: Field,
    pub owner: Field,
    pub name: Field,
    pub project: Field,
    pub stream: Field,
    pub message: Field,
    /// `key=value`.
    pub label: Field,
    /// All of the line, to be shown.
    pub line: Field,
}

/// What is stored of a line.
#[derive(Debug, Serialize, Deserialize)]
pub struct Stored {
    pub source: String,
    pub entry: LogEntry,
}

pub fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    let exact = TextOptions::default().set_indexing_options(
        TextFieldIndexing::default()
            .set_tokenizer("raw")
            .set_index_option(IndexRecordOption::Basic)
            .set_fieldnorms(false),
    );
    let full = TextOptions::default().set_indexing_options(
        TextFieldIndexing::default()
            .set_tokenizer(WORDS)
            .set_index_option(IndexRecordOption::WithFreqsAndPositions)
            .set_fieldnorms(false),
    );
    let fields = Fields {
        key: schema.add_u64_field("key", FAST),
        number: schema.add_u64_field("number", FAST),
        seq: schema.add_u64_field("seq", FAST),
        level: schema.add_u64_field("level", FAST | INDEXED),
        source: schema.add_text_field("source", exact.clone()),
        kind: schema.add_text_field("kind", exact.clone()),
        owner: schema.add_text_field("owner", exact.clone()),
        name: schema.add_text_field("name", exact.clone()),
        project: schema.add_text_field("project", exact.clone()),
        stream: schema.add_text_field("stream", exact.clone()),
        message: schema.add_text_field("message", full),
        label: schema.add_text_field("label", exact),
        line: schema.add_text_field("line", TextOptions::default().set_stored()),
    };
    (schema.build(), fields)
}

pub fn register(index: &tantivy::Index) {
    index.tokenizers().register(WORDS, TextAnalyzer::from(OurWords));
}

/// The key of a line of that instant with that number.
pub fn key(at_ms: i64, number: u64) -> u64 {
    first_key(at_ms) | (number & ((1 << NUMBER_BITS) - 1))
}

/// The lowest key of that instant.
pub fn first_key(at_ms: i64) -> u64 {
    u64::try_from(at_ms).unwrap_or(0).min((1 << (63 - NUMBER_BITS)) - 1) << NUMBER_BITS
}

/// The instant of a key.
pub fn at_of(key: u64) -> i64 {
    i64::try_from(key >> NUMBER_BITS).unwrap_or(i64::MAX)
}

/// The form in which a label can be looked for.
pub fn label(key: &str, value: &str) -> String {
    let mut term = format!("{key}={value}").to_lowercase();
    let end = (0..=LABEL_BYTES.min(term.len())).rev().find(|at| term.is_char_boundary(*at)).unwrap_or(0);
    term.truncate(end);
    term
}

impl Fields {
    pub fn document(&self, line: Incoming, number: u64) -> Result<TantivyDocument, serde_json::Error> {
        let Incoming { source, mut entry } = line;
        entry.id = number;
        let mut document = TantivyDocument::default();
        document.add_u64(self.key, key(entry.at, number));
        document.add_u64(self.number, number);
        document.add_u64(self.seq, entry.seq);
        document.add_u64(self.level, entry.level.map_or(0, |level| level as u64 + 1));
        document.add_text(self.source, &*source);
        document.add_text(self.kind, entry.kind.as_str());
        document.add_text(self.owner, &entry.owner);
        document.add_text(self.name, entry.name.to_lowercase());
        document.add_text(self.project, &entry.project);
        document.add_text(self.stream, &entry.stream);
        document.add_text(self.message, &entry.message);
        for one in &entry.labels {
            // whoever looks for a word finds it in the fields, too
            document.add_text(self.message, &one.value);
            document.add_text(self.label, label(&one.key, &one.value));
        }
        document.add_text(self.line, serde_json::to_string(&Stored { source: source.to_string(), entry })?);
        Ok(document)
    }

    pub fn stored(&self, document: &TantivyDocument) -> Option<Stored> {
        serde_json::from_str(document.get_first(self.line)?.as_str()?).ok()
    }
}

#[derive(Clone)]
struct OurWords;

struct OurStream<'a> {
    words: Box<dyn Iterator<Item = (std::ops::Range<usize>, String)> + 'a>,
    token: Token,
}

impl Tokenizer for OurWords {
    type TokenStream<'a> = OurStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> OurStream<'a> {
        OurStream { words: Box::new(words::words(text)), token: Token::default() }
    }
}

impl TokenStream for OurStream<'_> {
    fn advance(&mut self) -> bool {
        let Some((place, word)) = self.words.next() else { return false };
        self.token.position = self.token.position.wrapping_add(1);
        (self.token.offset_from, self.token.offset_to, self.token.text) = (place.start, place.end, word);
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}
