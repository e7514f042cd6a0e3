//! The first words of a request or a response, for lists: of a chat the last message of the role that matters, of anything
//! else its JSON.

use super::value::Value;

/// Longer previews end in three dots.
const MAX_CHARS: usize = 1000;

/// A preview of what went in (`role` "user") or came out ("assistant").
pub fn preview(value: &Value, role: &str) -> String {
    let said = messages(value).and_then(|messages| last_words(&messages, role)).filter(|words| !words.is_empty());
    // MLflow shows a bare text with its quotes, as the JSON that it is.
    let text = said.unwrap_or_else(|| value.to_json());
    match text.char_indices().nth(MAX_CHARS) {
        None => text,
        Some(_) => text.chars().take(MAX_CHARS - 3).chain("...".chars()).collect(),
    }
}

/// The messages of the usual requests and responses of chat APIs.
fn messages(value: &Value) -> Option<Vec<&Value>> {
    for key in ["messages", "input", "output"] {
        if let Some(list) = value.get(key).and_then(Value::as_list).filter(|list| !list.is_empty()) {
            return Some(list.iter().filter(|item| is_message(item)).collect());
        }
        if key == "messages"
            && let Some(first) = value.get("choices").and_then(Value::as_list).and_then(|choices| choices.first())
            && let Some(message) = first.get("message").filter(|message| is_message(message))
        {
            return Some(vec![message]);
        }
    }
    messages(value.get("request")?)
}

fn is_message(item: &Value) -> bool {
    item.get("role").is_some() && item.get("content").is_some()
}

fn last_words(messages: &[&Value], role: &str) -> Option<String> {
    let of_role = |message: &&&Value| message.get("role").and_then(Value::as_text) == Some(role);
    let message = messages.iter().rev().find(of_role).or_else(|| messages.last())?;
    match message.get("content")? {
        Value::Text(text) => Some(text.clone()),
        Value::List(parts) => parts.iter().find_map(|part| match part {
            Value::Text(text) => Some(text.clone()),
            part => {
                let kind = part.get("type").and_then(Value::as_text)?;
                matches!(kind, "text" | "output_text").then(|| part.get("text")?.as_text().map(str::to_owned))?
            }
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(json: &str, role: &str) -> String {
        preview(&Value::parse(json).unwrap(), role)
    }

    #[test]
    fn a_chat_shows_the_last_words_of_the_role() {
        let chat = r#"{"messages": [{"role": "user", "content": "hi"}, {"role": "user", "content": [{"type": "text", "text": "you"}]},
            {"role": "assistant", "content": "yes"}]}"#;
        assert_eq!((of(chat, "user"), of(chat, "assistant")), ("you".into(), "yes".into()));
        assert_eq!(of(r#"{"choices": [{"message": {"role": "assistant", "content": "ok"}}]}"#, "assistant"), "ok");
        assert_eq!(of(r#"{"request": {"input": [{"role": "user", "content": "q"}]}}"#, "user"), "q");
    }

    #[test]
    fn anything_else_is_its_json_cut_short() {
        assert_eq!(of(r#"{"x": 1}"#, "user"), r#"{"x": 1}"#);
        assert_eq!(of(r#"{"messages": [1]}"#, "user"), r#"{"messages": [1]}"#);
        let long = of(&format!("\"{}\"", "é".repeat(2000)), "user");
        assert!(long.chars().count() == 1000 && long.ends_with("..."));
    }
}
