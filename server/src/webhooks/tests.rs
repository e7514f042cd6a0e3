//! What the rows promise, on a real database.

#![allow(clippy::unwrap_used)]

use drydock_wire::webhooks::DeliveryState;
use serde_json::json;

use super::{
    Outcome, store,
    store::{DeliveryRow, WebhookRow},
};
use crate::db::{Conn, testing::connection};

fn webhook(conn: &mut Conn, id: &str, status: &str, events: &[&str]) {
    let row = WebhookRow {
        id: id.into(),
        name: id.into(),
        url: "https://hooks.example/x".into(),
        description: String::new(),
        status: status.into(),
        sealed_secret: None,
        created_at: 1,
        created_by: "ann".into(),
        updated_at: 1,
    };
    store::insert(conn, "default", &row, events).unwrap();
}

fn outcome(error: Option<&str>) -> Outcome {
    Outcome {
        status: Some(500),
        answer: Some("oh".into()),
        error: error.map(str::to_owned),
        may_recover: true,
        retry_after_s: None,
        took_ms: 3,
    }
}

#[test]
fn only_active_webhooks_that_listen_are_told() {
    let mut conn = connection();
    webhook(&mut conn, "a", store::ACTIVE, &["model_version.created", "prompt.created"]);
    webhook(&mut conn, "off", store::DISABLED, &["model_version.created"]);
    super::tell(&mut conn, "model_version.created", &json!({"name": "wine"})).unwrap();
    super::tell(&mut conn, "registered_model.created", &json!({})).unwrap();
    super::tell(&mut conn, "", &json!({})).unwrap();
    let due = store::due(&mut conn, i64::MAX, 10, 10).unwrap();
    assert_eq!(due.iter().map(|one| one.webhook.as_str()).collect::<Vec<_>>(), ["a"]);
    let body: serde_json::Value = serde_json::from_str(&due[0].body).unwrap();
    assert_eq!((body["entity"].as_str(), body["data"]["name"].as_str()), (Some("model_version"), Some("wine")));
}

#[test]
fn a_slow_receiver_keeps_no_other_waiting() {
    let mut conn = connection();
    webhook(&mut conn, "slow", store::ACTIVE, &[]);
    webhook(&mut conn, "quick", store::ACTIVE, &[]);
    for at in 0..20 {
        store::insert_delivery(&mut conn, &DeliveryRow::new("slow", "prompt.created", "{}".into(), at)).unwrap();
    }
    store::insert_delivery(&mut conn, &DeliveryRow::new("quick", "prompt.created", "{}".into(), 50)).unwrap();
    let due = store::due(&mut conn, 100, 4, 32).unwrap();
    assert_eq!(due.len(), 5);
    assert!(due.iter().any(|one| one.webhook == "quick"));
    assert_eq!(store::next_due(&mut conn, 10).unwrap(), Some(11));
}

#[test]
fn an_attempt_is_noted_while_the_message_waits_and_not_afterwards() {
    let mut conn = connection();
    webhook(&mut conn, "a", store::ACTIVE, &[]);
    let row = DeliveryRow::new("a", "prompt.created", "{}".into(), 5);
    store::insert_delivery(&mut conn, &row).unwrap();
    store::note(&mut conn, &row.id, &outcome(Some("500")), DeliveryState::Due, (10, 1_010)).unwrap();
    let seen = store::delivery(&mut conn, "a", &row.id).unwrap().unwrap().view();
    assert_eq!((seen.delivery.attempts, seen.delivery.due_at), (1, Some(1_010)));
    assert!(store::due(&mut conn, 1_009, 4, 32).unwrap().is_empty());
    store::give_up(&mut conn, "a", "switched off").unwrap();
    store::note(&mut conn, &row.id, &outcome(None), DeliveryState::Delivered, (20, 20)).unwrap();
    let seen = store::delivery(&mut conn, "a", &row.id).unwrap().unwrap().view();
    assert_eq!((seen.delivery.state, seen.delivery.error.as_deref()), (DeliveryState::Failed, Some("switched off")));
    assert!(store::send_again(&mut conn, "a", &row.id, 30).unwrap());
    assert!(!store::send_again(&mut conn, "a", &row.id, 30).unwrap(), "it waits already");
    assert!(!store::send_again(&mut conn, "other", &row.id, 30).unwrap());
}

#[test]
fn what_was_read_before_an_attempt_ended_is_known_as_old() {
    let mut conn = connection();
    webhook(&mut conn, "a", store::ACTIVE, &[]);
    let row = DeliveryRow::new("a", "prompt.created", "{}".into(), 5);
    store::insert_delivery(&mut conn, &row).unwrap();
    let read = store::due(&mut conn, 100, 4, 32).unwrap().remove(0);
    assert!(store::still_waits(&mut conn, &read).unwrap());
    // Put off: the attempt that was read is over, the next one is another.
    store::note(&mut conn, &row.id, &outcome(Some("500")), DeliveryState::Due, (10, 20)).unwrap();
    assert!(!store::still_waits(&mut conn, &read).unwrap());
    let read = store::due(&mut conn, 100, 4, 32).unwrap().remove(0);
    assert!(store::still_waits(&mut conn, &read).unwrap());
    store::note(&mut conn, &row.id, &outcome(None), DeliveryState::Delivered, (30, 30)).unwrap();
    assert!(!store::still_waits(&mut conn, &read).unwrap());
}

#[test]
fn the_log_is_read_by_state_and_forgotten_by_age_but_nothing_that_waits_is() {
    let mut conn = connection();
    webhook(&mut conn, "a", store::ACTIVE, &[]);
    for at in [1, 2, 3] {
        let row = DeliveryRow::new("a", "prompt.created", "{}".into(), at);
        store::insert_delivery(&mut conn, &row).unwrap();
        if at > 1 {
            store::note(&mut conn, &row.id, &outcome(None), DeliveryState::Delivered, (at, at)).unwrap();
        }
    }
    let (rows, total) = store::log(&mut conn, "a", Some(DeliveryState::Delivered), (0, 1)).unwrap();
    assert_eq!((rows.len(), rows[0].created_at, total), (1, 3, 2));
    store::forget(&mut conn, 3).unwrap();
    assert_eq!(store::log(&mut conn, "a", None, (0, 10)).unwrap().1, 2);
    store::delete(&mut conn, "a").unwrap();
    assert!(store::due(&mut conn, 100, 4, 32).unwrap().is_empty());
}
