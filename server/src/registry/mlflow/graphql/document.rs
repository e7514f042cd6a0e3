//! From a document's text to the fields it wants: fragments spread, variables filled in, every name checked against the schema.
//! Pure; whatever is wrong is said as MLflow's server says it.

use std::collections::BTreeMap;

use graphql_parser::query::{
    Definition, Directive, Document, Field, FragmentDefinition, OperationDefinition, Selection, SelectionSet,
    VariableDefinition, parse_query,
};
use serde_json::{Map, Value};

use super::{
    schema::{Kind, MUTATION, QUERY, Type},
    variables::{Filled, MAX_ARGUMENT_BYTES},
};

const MAX_ROOT_FIELDS: usize = 10;
const MAX_ALIASES: usize = 10;
const MAX_DEPTH: usize = 10;
const MAX_SELECTIONS: usize = 1000;

/// One field that is wanted, under `key` in the answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    pub key: String,
    pub name: String,
    pub arguments: Map<String, Value>,
    pub fields: Vec<Wanted>,
}

pub type Problems = Vec<String>;

/// The root fields that the document's operation wants; `data` has them in this order.
pub fn read(text: &str, operation: Option<&str>, variables: &Map<String, Value>) -> Result<Vec<Wanted>, Problems> {
    let document = parse_query::<String>(text).map_err(|error| vec![syntax(&error)])?;
    let (root, selections, declared) = chosen(&document, operation)?;
    let mut reader = Reader {
        fragments: BTreeMap::new(),
        values: Filled::new(declared, variables)?,
        seen: 0,
        left: MAX_ARGUMENT_BYTES,
    };
    for definition in &document.definitions {
        if let Definition::Fragment(fragment) = definition {
            reader.fragments.insert(&fragment.name, fragment);
        }
    }
    let fields = reader.fields(selections, 1)?;
    check_size(&fields)?;
    let mut problems = Vec::new();
    check(&fields, root, &mut problems);
    if problems.is_empty() { Ok(fields) } else { Err(problems) }
}

fn syntax(error: &graphql_parser::query::ParseError) -> String {
    let text = error.to_string();
    format!("Syntax Error: {}", text.trim_start_matches("query parse error: ").replace('\n', " "))
}

type Chosen<'a> = (&'static Type, &'a SelectionSet<'a, String>, &'a [VariableDefinition<'a, String>]);

fn chosen<'a>(document: &'a Document<'a, String>, name: Option<&str>) -> Result<Chosen<'a>, Problems> {
    let all: Vec<&OperationDefinition<'a, String>> = document
        .definitions
        .iter()
        .filter_map(|definition| match definition {
            Definition::Operation(operation) => Some(operation),
            Definition::Fragment(_) => None,
        })
        .collect();
    let found = match (name, all.as_slice()) {
        (Some(name), all) => all.iter().find(|operation| name_of(operation) == Some(name)),
        (None, [only]) => Some(only),
        (None, _) => {
            return Err(vec!["Must provide operation name if query contains multiple operations.".into()]);
        }
    };
    match found {
        Some(OperationDefinition::SelectionSet(set)) => Ok((&QUERY, set, &[])),
        Some(OperationDefinition::Query(query)) => Ok((&QUERY, &query.selection_set, &query.variable_definitions)),
        Some(OperationDefinition::Mutation(one)) => Ok((&MUTATION, &one.selection_set, &one.variable_definitions)),
        Some(OperationDefinition::Subscription(_)) => {
            Err(vec!["Schema is not configured to execute subscription operation.".into()])
        }
        None => Err(vec![format!("Unknown operation named '{}'.", name.unwrap_or_default())]),
    }
}

fn name_of<'a>(operation: &'a OperationDefinition<'a, String>) -> Option<&'a str> {
    match operation {
        OperationDefinition::Query(query) => query.name.as_deref(),
        OperationDefinition::Mutation(mutation) => mutation.name.as_deref(),
        OperationDefinition::Subscription(subscription) => subscription.name.as_deref(),
        OperationDefinition::SelectionSet(_) => None,
    }
}

struct Reader<'a> {
    fragments: BTreeMap<&'a str, &'a FragmentDefinition<'a, String>>,
    values: Filled,
    /// Fields read so far; spread fragments count each time.
    seen: usize,
    /// Bytes that arguments may still take.
    left: usize,
}

impl<'a> Reader<'a> {
    fn fields(&mut self, set: &'a SelectionSet<'a, String>, depth: usize) -> Result<Vec<Wanted>, Problems> {
        if depth > MAX_DEPTH {
            return Err(vec![format!("Query exceeds maximum depth of {MAX_DEPTH}")]);
        }
        let mut found = Vec::new();
        self.collect(set, depth, &mut Vec::new(), &mut found)?;
        Ok(found)
    }

    fn collect(
        &mut self,
        set: &'a SelectionSet<'a, String>,
        depth: usize,
        within: &mut Vec<&'a str>,
        found: &mut Vec<Wanted>,
    ) -> Result<(), Problems> {
        for selection in &set.items {
            self.seen += 1;
            if self.seen > MAX_SELECTIONS {
                return Err(vec![format!("Query exceeds maximum total selections of {MAX_SELECTIONS}")]);
            }
            match selection {
                Selection::Field(field) if self.is_wanted(&field.directives) => {
                    let wanted = self.field(field, depth)?;
                    merge(found, wanted);
                }
                Selection::InlineFragment(inline) if self.is_wanted(&inline.directives) => {
                    self.collect(&inline.selection_set, depth, within, found)?;
                }
                Selection::FragmentSpread(spread) if self.is_wanted(&spread.directives) => {
                    let name = spread.fragment_name.as_str();
                    let Some(fragment) = self.fragments.get(name).copied() else {
                        return Err(vec![format!("Unknown fragment '{name}'.")]);
                    };
                    if within.contains(&name) {
                        return Err(vec![format!("Cannot spread fragment '{name}' within itself.")]);
                    }
                    within.push(name);
                    self.collect(&fragment.selection_set, depth, within, found)?;
                    within.pop();
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn field(&mut self, field: &'a Field<'a, String>, depth: usize) -> Result<Wanted, Problems> {
        // Only root fields have arguments in this schema.
        let arguments = match depth {
            1 => field
                .arguments
                .iter()
                .map(|(name, value)| Ok((name.clone(), self.values.plain(value, &mut self.left)?)))
                .collect::<Result<_, Problems>>()?,
            _ => Map::new(),
        };
        let fields = match field.selection_set.items.is_empty() {
            true => Vec::new(),
            false => self.fields(&field.selection_set, depth + 1)?,
        };
        let key = field.alias.clone().unwrap_or_else(|| field.name.clone());
        Ok(Wanted { key, name: field.name.clone(), arguments, fields })
    }

    /// By `@include` and `@skip`; other directives (`@component`) say nothing about it.
    fn is_wanted(&self, directives: &[Directive<'_, String>]) -> bool {
        directives.iter().all(|directive| {
            let holds = directive.arguments.iter().any(|(name, value)| name == "if" && self.values.holds(value));
            match directive.name.as_str() {
                "include" => holds,
                "skip" => !holds,
                _ => true,
            }
        })
    }
}

/// Adds a field; one that is there already under the same key gets the new one's fields.
fn merge(found: &mut Vec<Wanted>, wanted: Wanted) {
    match found.iter_mut().find(|known| known.key == wanted.key && known.name == wanted.name) {
        Some(known) => wanted.fields.into_iter().for_each(|field| merge(&mut known.fields, field)),
        None => found.push(wanted),
    }
}

fn check_size(fields: &[Wanted]) -> Result<(), Problems> {
    let over = |most: usize, what: &str, found: usize, variable: &str| {
        Err(vec![format!(
            "GraphQL queries should have at most {most} {what}, got {found} {what}. To increase the limit, set the {variable} \
             environment variable."
        )])
    };
    if fields.len() > MAX_ROOT_FIELDS {
        return over(MAX_ROOT_FIELDS, "root fields", fields.len(), "MLFLOW_SERVER_GRAPHQL_MAX_ROOT_FIELDS");
    }
    let aliases = most_aliases(fields);
    if aliases > MAX_ALIASES {
        return over(MAX_ALIASES, "aliases", aliases, "MLFLOW_SERVER_GRAPHQL_MAX_ALIASES");
    }
    Ok(())
}

fn most_aliases(fields: &[Wanted]) -> usize {
    let here = fields.iter().filter(|field| field.key != field.name).count();
    fields.iter().map(|field| most_aliases(&field.fields)).fold(here, usize::max)
}

/// Every name is one of the type's, leaves have no fields and all else has some.
fn check(fields: &[Wanted], within: &Type, problems: &mut Problems) {
    for field in fields.iter().filter(|field| field.name != "__typename") {
        let Some(kind) = within.field(&field.name) else {
            problems.push(format!("Cannot query field '{}' on type '{}'.", field.name, within.name));
            continue;
        };
        match kind {
            Kind::One(inner) | Kind::Many(inner) | Kind::Nothing(inner) if field.fields.is_empty() => {
                problems.push(format!(
                    "Field '{0}' of type '{1}' must have a selection of subfields. Did you mean '{0} {{ ... }}'?",
                    field.name, inner.name
                ));
            }
            Kind::One(inner) | Kind::Many(inner) | Kind::Nothing(inner) => check(&field.fields, inner, problems),
            _ if !field.fields.is_empty() => {
                problems.push(format!("Field '{}' must not have a selection since it has no subfields.", field.name));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn problem(text: &str) -> String {
        read(text, None, &Map::new()).unwrap_err().join("; ")
    }

    #[test]
    fn fragments_are_spread_and_variables_filled_in() {
        let text = "query Q($d: MlflowGetRunInput!) { one: mlflowGetRun(input: $d) { run { ...F info { runName } } } } \
                    fragment F on MlflowRunExtension { info { runId ... on MlflowRunInfo { status } } }";
        let variables = json!({"d": {"runId": "r"}}).as_object().unwrap().clone();
        let fields = read(text, None, &variables).unwrap();
        assert_eq!((fields[0].key.as_str(), fields[0].name.as_str()), ("one", "mlflowGetRun"));
        assert_eq!(fields[0].arguments["input"], json!({"runId": "r"}));
        let info: Vec<&str> = fields[0].fields[0].fields[0].fields.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(info, ["runId", "status", "runName"]);
    }

    #[test]
    fn what_is_wrong_is_said_as_mlflow_says_it() {
        assert_eq!(problem("{ nope }"), "Cannot query field 'nope' on type 'Query'.");
        assert!(problem("{ mlflowGetRun(input: {runId: \"x\"}) }").contains("must have a selection of subfields"));
        assert!(problem("{ test { output { x } } }").contains("has no subfields"));
        assert!(problem("query Q($d: X!) { test { output } }").contains("'$d' of required type 'X!' was not provided"));
        assert!(problem("query A { test { output } } query B { test { output } }").contains("operation name"));
        assert!(problem("{ test { ...F } } fragment F on Test { ...F }").contains("within itself"));
        assert!(problem("{ test { ...F } }").contains("Unknown fragment 'F'"));
        assert!(problem("this is not").starts_with("Syntax Error"));
        assert!(problem("").starts_with("Syntax Error") || problem("").contains("operation"));
    }

    #[test]
    fn what_a_query_costs_is_bounded() {
        let many: String = (0..12).map(|i| format!("a{i}: test {{ output }} ")).collect();
        assert!(problem(&format!("{{ {many} }}")).contains("at most 10 root fields, got 12"));
        let aliases: String = (0..12).map(|i| format!("a{i}: output ")).collect();
        assert!(problem(&format!("{{ test {{ {aliases} }} }}")).contains("at most 10 aliases, got 12"));
        let deep = format!("{{ {} x {} }}", "test { ".repeat(20), "} ".repeat(20));
        assert!(problem(&deep).contains("maximum depth") || problem(&deep).starts_with("Syntax Error"));
        // Fragments that spread fragments: 2^20 fields in 20 lines.
        let bomb: String = (0..20)
            .map(|i| format!("fragment F{i} on Test {{ ...F{0} ...F{0} }} ", i + 1))
            .chain(["fragment F20 on Test { output } { test { ...F0 } }".to_owned()])
            .collect();
        assert!(problem(&bomb).contains("maximum total selections"));
    }

    #[test]
    fn a_variable_may_not_be_named_until_memory_ends() {
        let variables = json!({"v": "x".repeat(1 << 20)}).as_object().unwrap().clone();
        let of = |uses: usize| {
            let items = "$v ".repeat(uses);
            read(&format!("query Q($v: X) {{ test(a: [{items}]) {{ output }} }}"), None, &variables)
        };
        assert_eq!(of(20).unwrap()[0].arguments["a"].as_array().unwrap().len(), 20);
        assert!(of(40).unwrap_err()[0].contains("bytes once the variables are filled in"));
        // The same by many fields, which are merged only after they were read.
        let fields = "test(a: $v) { output } ".repeat(40);
        assert!(read(&format!("query Q($v: X) {{ {fields} }}"), None, &variables).is_err());
    }

    #[test]
    fn fields_may_be_skipped() {
        let text = "query Q($y: Boolean!) { test { output @include(if: $y) __typename @skip(if: $y) } }";
        let variables = json!({"y": true}).as_object().unwrap().clone();
        let names: Vec<String> =
            read(text, None, &variables).unwrap()[0].fields.iter().map(|field| field.name.clone()).collect();
        assert_eq!(names, ["output"]);
    }
}
