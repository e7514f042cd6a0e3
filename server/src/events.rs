//! Hints that something changed, from features to the browsers that look. Never the thing itself, never durable:
//! a receiver that fell behind is told to look at everything again.

use drydock_wire::events::{Event, Topic};
use tokio::sync::broadcast;

/// The bus. Cheap to clone.
#[derive(Clone)]
pub struct Events {
    sender: broadcast::Sender<Event>,
}

impl Default for Events {
    fn default() -> Self {
        let (sender, _) = broadcast::channel(1024);
        Self { sender }
    }
}

impl Events {
    /// Tells every listener that `topic` (its item `id`, if only one) changed.
    pub fn publish(&self, topic: Topic, id: Option<&str>) {
        // An error only says that nobody listens.
        let _ = self.sender.send(Event { topic, id: id.map(str::to_owned) });
    }

    /// Events from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.sender.subscribe()
    }
}
