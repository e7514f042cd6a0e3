//! From a document's text to the fields it wants: fragments spread, variables filled in, every name checked against the schema.
//! Pure; whatever is wrong is said as MLflow's server says it.

use std::collections::BTreeMap;

use graphql_parser::query::{
    Definition, Directive, Document, Field, FragmentDefinition, OperationDefinition, Selection, SelectionSet,
    Type as Asked, Value as Literal, VariableDefinition, parse_query,
};
use serde_json::{Map, Number, Value};

use super::schema::{Kind, MUTATION, QUERY, Type};

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

type Problems = Vec<String>;

/// The root fields that the document's operation wants; `data` has them in this order.
pub fn read(text: &str, operation: Option<&str>, variables: &Map<String, Value>) -> Result<Vec<Wanted>, Problems> {
    let document = parse_query::<String>(text).map_err(|error| vec![syntax(&error)])?;
    let (root, selections, declared) = chosen(&document, operation)?;
    let mut reader = Reader { fragments: BTreeMap::new(), values: filled(declared, variables)?, seen: 0 };
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

/// The declared variables with their values; absent ones are left out.
fn filled(
    declared: &[VariableDefinition<'_, String>],
    given: &Map<String, Value>,
) -> Result<Map<String, Value>, Problems> {
    let mut values = Map::new();
    for variable in declared {
        let value = match given.get(&variable.name) {
            Some(value) => Some(value.clone()),
            None => variable.default_value.as_ref().map(|value| plain(value, &Map::new())),
        };
        let needed = matches!(variable.var_type, Asked::NonNullType(_));
        match value {
            None if needed => {
                return Err(vec![format!(
                    "Variable '${}' of required type '{}' was not provided.",
                    variable.name, variable.var_type
                )]);
            }
            Some(Value::Null) if needed => {
                return Err(vec![format!(
                    "Variable '${}' of non-null type '{}' must not be null.",
                    variable.name, variable.var_type
                )]);
            }
            Some(value) => drop(values.insert(variable.name.clone(), value)),
            None => {}
        }
    }
    Ok(values)
}

/// A literal as JSON, variables filled in.
fn plain(literal: &Literal<'_, String>, values: &Map<String, Value>) -> Value {
    match literal {
        Literal::Variable(name) => values.get(name).cloned().unwrap_or(Value::Null),
        Literal::Int(number) => number.as_i64().map_or(Value::Null, Value::from),
        Literal::Float(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
        Literal::String(text) | Literal::Enum(text) => Value::String(text.clone()),
        Literal::Boolean(value) => Value::Bool(*value),
        Literal::Null => Value::Null,
        Literal::List(items) => items.iter().map(|item| plain(item, values)).collect(),
        Literal::Object(fields) => {
            Value::Object(fields.iter().map(|(name, value)| (name.clone(), plain(value, values))).collect())
        }
    }
}

struct Reader<'a> {
    fragments: BTreeMap<&'a str, &'a FragmentDefinition<'a, String>>,
    values: Map<String, Value>,
    /// Fields read so far; spread fragments count each time.
    seen: usize,
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
        let arguments =
            field.arguments.iter().map(|(name, value)| (name.clone(), plain(value, &self.values))).collect();
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
            let holds = directive
                .arguments
                .iter()
                .any(|(name, value)| name == "if" && plain(value, &self.values).as_bool().unwrap_or(false));
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
    fn fields_may_be_skipped() {
        let text = "query Q($y: Boolean!) { test { output @include(if: $y) __typename @skip(if: $y) } }";
        let variables = json!({"y": true}).as_object().unwrap().clone();
        let names: Vec<String> =
            read(text, None, &variables).unwrap()[0].fields.iter().map(|field| field.name.clone()).collect();
        assert_eq!(names, ["output"]);
    }
}
