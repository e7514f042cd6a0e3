//! A request's fields, from query or JSON body, read as MLflow's protobuf does: int64 as number or text, NaN as text, an
//! absent body as empty. Errors have the texts that clients match.

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, http::Method, web};
use futures_util::future::LocalBoxFuture;
use serde_json::{Map, Value};

use super::failure::{Failure, Placed};
use crate::{
    accounts::{
        Accounts, Principal,
        projects::{self, subjects},
    },
    db::Db,
    error::{Error, Result},
    tracking::{Pair, Stage},
};

/// Bodies above this are refused; the largest field, a dataset's profile, is 16 MiB.
const BODY_LIMIT_BYTES: usize = 32 << 20;
pub const SEE_DOCS: &str = " See the API docs for more information about request parameters.";

/// The fields of one request.
#[derive(Debug, Clone, Default)]
pub struct Args {
    fields: Map<String, Value>,
    /// A query has texts alone: there, one value is a list of one, and a flag is a word.
    from_query: bool,
}

impl FromRequest for Args {
    type Error = Failure;
    type Future = LocalBoxFuture<'static, std::result::Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if request.method() == Method::GET {
            let (parsed, request) = (from_query(request.query_string()), request.clone());
            return Box::pin(async move { Ok(placed(&request, parsed?).await?) });
        }
        // As MLflow: what is not POST or PUT may come without a content type.
        let must_say = matches!(*request.method(), Method::POST | Method::PUT);
        let kind = request.headers().get("content-type").map(|kind| kind.to_str().unwrap_or("?").to_owned());
        let (body, request) = (web::Payload::from_request(request, payload), request.clone());
        Box::pin(async move {
            let body = body
                .await
                .map_err(|cause| Error::invalid(format!("The request broke off: {cause}")))?
                .to_bytes_limited(BODY_LIMIT_BYTES)
                .await
                .map_err(|_| Error::too_large(format!("The request is larger than {BODY_LIMIT_BYTES} bytes.")))?
                .map_err(|cause| Error::invalid(format!("The request broke off: {cause}")))?;
            Ok(placed(&request, Args::from_body(kind.as_deref(), must_say, &body)?).await?)
        })
    }
}

/// Leaves with the request in which project what its fields name is, for `Who` to ask.
///
/// # Errors
/// `not_found` for a thing of a project that is not there for who asks.
async fn placed(request: &HttpRequest, args: Args) -> Result<Args> {
    let (Some(accounts), Some(db)) = (request.app_data::<web::Data<Accounts>>(), request.app_data::<web::Data<Db>>())
    else {
        return Ok(args);
    };
    if !accounts.has_projects() {
        return Ok(args);
    }
    let mut subjects = subjects::of_mlflow_fields(request.path(), &args.fields)?;
    subjects.extend(subjects::of_request(request));
    let who = Principal::extract(request).await?;
    let who = db.read(move |conn| projects::enter_all(conn, who, subjects)).await?;
    request.extensions_mut().insert(Placed(who));
    Ok(args)
}

fn from_query(query: &str) -> Result<Args> {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(query)
        .map_err(|_| Error::invalid("The query string cannot be read."))?;
    let mut fields = Map::new();
    for (key, value) in pairs.into_inner() {
        match fields.get_mut(&key) {
            None => drop(fields.insert(key, Value::String(value))),
            Some(Value::Array(items)) => items.push(Value::String(value)),
            Some(first) => *first = Value::Array(vec![first.take(), Value::String(value)]),
        }
    }
    Ok(Args { fields, from_query: true })
}

/// `artifactLocation` as `artifact_location`: protobuf's JSON may spell a field either way.
fn snake(name: &str) -> Option<String> {
    name.contains(|c: char| c.is_ascii_uppercase()).then(|| {
        let mut spelt = String::with_capacity(name.len() + 4);
        for c in name.chars() {
            if c.is_ascii_uppercase() {
                spelt.push('_');
            }
            spelt.push(c.to_ascii_lowercase());
        }
        spelt
    })
}

/// "Missing value for required parameter 'path'. …"
pub fn missing(path: &str) -> Error {
    Error::invalid(format!("Missing value for required parameter '{path}'.{SEE_DOCS}"))
}

/// "Invalid value … for parameter 'path' supplied: …"
pub fn mistyped(path: &str, value: &Value) -> Error {
    let kind = match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    };
    Error::invalid(format!(
        "Invalid value {value} for parameter '{path}' supplied:  Hint: Value was of type '{kind}'.{SEE_DOCS}"
    ))
}

/// A text; absent, null and empty are alike, as in protobuf.
pub fn text_of(value: Option<&Value>, path: &str) -> Result<Option<String>> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(mistyped(path, other)),
    }
}

/// A 64-bit integer, as number or text.
pub fn int_of(value: Option<&Value>, path: &str) -> Result<Option<i64>> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    let whole = |number: f64| (number.fract() == 0.0 && number.abs() < 9.3e18).then_some(number as i64);
    let read = match value {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().and_then(whole)),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    read.map(Some).ok_or_else(|| mistyped(path, value))
}

/// A double, as number or text; NaN and infinities come as texts.
pub fn float_of(value: Option<&Value>, path: &str) -> Result<Option<f64>> {
    let Some(value) = value.filter(|value| !value.is_null() && **value != "") else { return Ok(None) };
    let read = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    read.map(Some).ok_or_else(|| mistyped(path, value))
}

impl Args {
    /// The fields of a body.
    ///
    /// # Errors
    /// `invalid` for a missing or foreign content type, where the method asks for one.
    pub fn from_body(kind: Option<&str>, must_say: bool, body: &[u8]) -> Result<Self> {
        match kind.map(|kind| kind.split(';').next().unwrap_or("").trim()) {
            None if must_say => return Err(Error::invalid("Bad Request. Content-Type header is missing.")),
            Some(kind) if must_say && kind != "application/json" => {
                return Err(Error::invalid("Bad Request. Content-Type must be one of ['application/json']."));
            }
            _ => {}
        }
        if is_crowded(body) {
            return Err(Error::too_large(format!(
                "The JSON body has more than {MAX_MEMBERS} members; send it in several requests."
            )));
        }
        let mut value: Value = serde_json::from_slice(body).unwrap_or_default();
        // Old clients sent JSON within JSON.
        if let Value::String(inner) = &value {
            value = serde_json::from_str(inner).unwrap_or_default();
        }
        match value {
            Value::Object(fields) => Self::of(fields),
            _ => Ok(Self::default()),
        }
    }

    /// Fields under their own names.
    ///
    /// # Errors
    /// `invalid` when one is spelt twice.
    pub fn of(mut fields: Map<String, Value>) -> Result<Self> {
        let camel: Vec<(String, String)> =
            fields.keys().filter_map(|name| Some((name.clone(), snake(name)?))).collect();
        for (name, spelt) in camel {
            if fields.contains_key(&spelt) {
                return Err(Error::invalid(format!(
                    "Request specifies both '{spelt}' and '{name}'; provide only one of them."
                )));
            }
            if let Some(value) = fields.remove(&name) {
                fields.insert(spelt, value);
            }
        }
        Ok(Self { fields, from_query: false })
    }

    pub fn text(&self, key: &str) -> Result<Option<String>> {
        text_of(self.fields.get(key), key)
    }

    /// The text, which must be there and not empty.
    pub fn required(&self, key: &str) -> Result<String> {
        self.text(key)?.filter(|text| !text.is_empty()).ok_or_else(|| missing(key))
    }

    /// The text if it is there and not empty.
    pub fn filled(&self, key: &str) -> Result<Option<String>> {
        Ok(self.text(key)?.filter(|text| !text.is_empty()))
    }

    /// The run's id under its new or its old name.
    pub fn run_id(&self) -> Result<String> {
        match self.filled("run_id")? {
            Some(id) => Ok(id),
            None => self.filled("run_uuid")?.ok_or_else(|| missing("run_id")),
        }
    }

    pub fn int(&self, key: &str) -> Result<Option<i64>> {
        int_of(self.fields.get(key), key)
    }

    pub fn float(&self, key: &str) -> Result<Option<f64>> {
        float_of(self.fields.get(key), key)
    }

    pub fn flag(&self, key: &str) -> Result<bool> {
        match self.fields.get(key) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(value)) => Ok(*value),
            Some(Value::String(text)) if self.from_query && text.eq_ignore_ascii_case("true") => Ok(true),
            Some(Value::String(text)) if self.from_query && text.eq_ignore_ascii_case("false") => Ok(false),
            Some(Value::String(text)) if self.from_query => {
                Err(Error::invalid(format!("Invalid boolean value: {text}, must be 'true' or 'false'.")))
            }
            Some(other) => Err(mistyped(key, other)),
        }
    }

    /// The list; empty when absent.
    pub fn list(&self, key: &str) -> Result<&[Value]> {
        match self.fields.get(key) {
            None | Some(Value::Null) => Ok(&[]),
            Some(Value::Array(items)) => Ok(items),
            Some(other) => Err(mistyped(key, other)),
        }
    }

    /// A list of texts; in a query, one value is a list of one.
    pub fn texts(&self, key: &str) -> Result<Vec<String>> {
        match self.fields.get(key) {
            Some(Value::String(one)) if self.from_query => Ok(vec![one.clone()]),
            value => {
                let texts: Option<Vec<String>> =
                    self.list(key)?.iter().map(|item| item.as_str().map(str::to_owned)).collect();
                texts.ok_or_else(|| mistyped(key, value.unwrap_or(&Value::Null)))
            }
        }
    }

    /// A list of `{"key", "value"}`.
    pub fn pairs(&self, key: &str) -> Result<Vec<Pair>> {
        pairs_of(self.list(key)?, key)
    }

    /// Experiment ids; they are numbers in texts.
    pub fn experiment_ids(&self, key: &str) -> Result<Vec<i64>> {
        self.texts(key)?.iter().map(|text| crate::tracking::rules::experiment_id(text)).collect()
    }

    /// The experiment's id, required.
    pub fn experiment_id(&self) -> Result<i64> {
        crate::tracking::rules::experiment_id(&self.required("experiment_id")?)
    }

    /// A view type, by name or number; active things when absent.
    pub fn stage(&self, key: &str) -> Result<Stage> {
        match self.fields.get(key) {
            None | Some(Value::Null) => Ok(Stage::Active),
            Some(value) => match value.as_str().map_or_else(|| value.to_string(), str::to_owned).as_str() {
                "ACTIVE_ONLY" | "1" => Ok(Stage::Active),
                "DELETED_ONLY" | "2" => Ok(Stage::Deleted),
                "ALL" | "3" => Ok(Stage::All),
                _ => Err(mistyped(key, value)),
            },
        }
    }

    /// A field as it came.
    pub fn raw(&self, key: &str) -> Option<&Value> {
        self.fields.get(key)
    }
}

/// Keys with values that one request may carry: they are written in one transaction, and everybody else waits for it.
const MAX_PAIRS: usize = 10_000;

/// Values that a body may have, in lists and objects together. What is read takes many times the memory of its text.
const MAX_MEMBERS: usize = 250_000;

/// Whether a body has more values than anybody sends: told by the marks between them, before any of them is read.
fn is_crowded(body: &[u8]) -> bool {
    if body.len() < MAX_MEMBERS {
        return false;
    }
    let (mut marks, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b',' | b'[' | b'{' if !in_text => marks += 1,
            _ => {}
        }
    }
    marks > MAX_MEMBERS
}

/// Key-value pairs, each with a key.
pub fn pairs_of(items: &[Value], path: &str) -> Result<Vec<Pair>> {
    if items.len() > MAX_PAIRS {
        return Err(Error::invalid(format!("'{path}' has {} entries; at most {MAX_PAIRS} go at once.", items.len())));
    }
    let mut pairs = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let key_path = format!("{path}[{index}].key");
        let key =
            text_of(item.get("key"), &key_path)?.filter(|key| !key.is_empty()).ok_or_else(|| missing(&key_path))?;
        let value = text_of(item.get("value"), &format!("{path}[{index}].value"))?.unwrap_or_default();
        pairs.push((key, value));
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn args(json: &str) -> Args {
        Args::from_body(Some("application/json; charset=utf-8"), true, json.as_bytes()).unwrap()
    }

    #[test]
    fn a_body_of_too_many_values_is_refused_before_it_is_read() {
        let of = |count: usize, value: &str| format!("{{\"a\":[{}]}}", vec![value; count].join(","));
        let refused = Args::from_body(None, false, of(MAX_MEMBERS + 1, "0").as_bytes()).unwrap_err();
        assert_eq!(refused.code, drydock_wire::ErrorCode::TooLarge);
        for fine in [of(MAX_MEMBERS / 2, "0"), of(10, &format!("\"{}\\\"\"", "[,".repeat(MAX_MEMBERS)))] {
            assert!(Args::from_body(None, false, fine.as_bytes()).unwrap().raw("a").is_some());
        }
    }

    #[test]
    fn missing_and_mistyped_fields_have_mlflows_texts() {
        let error = args(r#"{"name": 123}"#).required("name").unwrap_err().message;
        assert_eq!(
            error,
            "Invalid value 123 for parameter 'name' supplied:  Hint: Value was of type 'int'. See the API docs for more \
             information about request parameters."
        );
        for body in ["{}", r#"{"name": ""}"#, "no json", "[]"] {
            let error = args(body).required("name").unwrap_err().message;
            assert!(error.starts_with("Missing value for required parameter 'name'."), "{body}");
        }
    }

    #[test]
    fn numbers_come_as_numbers_or_texts() {
        let all = args(r#"{"a": "9007199254740993", "b": 5, "c": 5.0, "d": "x", "e": "NaN", "f": "-Infinity"}"#);
        assert_eq!(all.int("a").unwrap(), Some(9_007_199_254_740_993));
        assert_eq!((all.int("b").unwrap(), all.int("c").unwrap(), all.int("z").unwrap()), (Some(5), Some(5), None));
        assert!(all.int("d").is_err() && all.float("d").is_err());
        assert!(all.float("e").unwrap().unwrap().is_nan());
        assert_eq!(all.float("f").unwrap(), Some(f64::NEG_INFINITY));
    }

    #[test]
    fn a_double_is_read_to_the_last_bit() {
        // Shortest forms that a reader of 64 bits of digits gets wrong.
        for text in
            ["9.5367431640625e-7", "5e-324", "0.30000000000000004", "1.7976931348623157e308", "-122.416294033786585"]
        {
            let read = args(&format!("{{\"v\": {text}}}")).float("v").unwrap().unwrap();
            assert_eq!(read.to_bits(), text.parse::<f64>().unwrap().to_bits(), "{text}");
        }
    }

    #[test]
    fn queries_repeat_keys_for_lists() {
        let one = from_query("run_ids=a&metric_key=m").unwrap();
        assert_eq!(one.texts("run_ids").unwrap(), ["a"]);
        let many = from_query("run_ids=a&run_ids=b&run_ids=c&filter=name%3D%27x+y%27").unwrap();
        assert_eq!(many.texts("run_ids").unwrap(), ["a", "b", "c"]);
        assert_eq!(many.required("filter").unwrap(), "name='x y'");
    }

    #[test]
    fn a_post_without_a_content_type_is_refused_and_a_delete_is_not() {
        for body in [&b"{}"[..], b""] {
            let error = Args::from_body(None, true, body).unwrap_err().message;
            assert_eq!(error, "Bad Request. Content-Type header is missing.");
        }
        assert!(Args::from_body(Some("text/plain"), true, b"{}").is_err());
        assert!(Args::from_body(None, false, b"").is_ok());
    }

    #[test]
    fn fields_may_be_spelt_as_protobuf_spells_them_but_not_twice() {
        assert_eq!(args(r#"{"experimentId": "7"}"#).required("experiment_id").unwrap(), "7");
        let twice = Args::from_body(Some("application/json"), true, br#"{"run_id": "a", "runId": "b"}"#).unwrap_err();
        assert_eq!(twice.message, "Request specifies both 'run_id' and 'runId'; provide only one of them.");
    }

    #[test]
    fn a_body_has_kinds_where_a_query_has_texts() {
        assert!(args(r#"{"a": "x"}"#).texts("a").is_err() && args(r#"{"a": "true"}"#).flag("a").is_err());
        assert!(args(r#"{"a": [1]}"#).texts("a").unwrap_err().message.contains("Invalid value [1]"));
        let query = from_query("a=true").unwrap();
        assert!(query.flag("a").unwrap());
        assert_eq!(query.texts("a").unwrap(), ["true"]);
    }

    #[test]
    fn old_run_ids_and_double_encoded_bodies_are_read() {
        assert_eq!(args(r#"{"run_uuid": "r"}"#).run_id().unwrap(), "r");
        assert_eq!(args(r#""{\"run_id\": \"q\"}""#).run_id().unwrap(), "q");
    }
}
