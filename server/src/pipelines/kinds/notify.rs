//! `notify`: a message through a webhook of the box, under the event `pipeline.notify`. Written with the task's row, so it is sent exactly if
//! the task is done; sending, trying again and giving up are the webhook's, whose log tells of it.

use serde_json::{Value, json};

use super::{super::schema::bodies::Notify, Outcome, read};
use crate::{accounts::Principal, db::Conn, error::Result, webhooks};

const EVENT: &str = "pipeline.notify";

pub fn start(conn: &mut Conn, who: &Principal, body: &Value, about: Value) -> Result<Outcome> {
    let wish: Notify = read(body)?;
    let data = json!({ "text": wish.text, "run": about, "data": wish.data });
    let (webhook, delivery) = webhooks::tell_one(conn, &who.project, &wish.webhook, EVENT, &data)?;
    Ok(Outcome::Done { outputs: json!({ "delivery": delivery }), subject: Some(format!("webhook/{webhook}")) })
}
