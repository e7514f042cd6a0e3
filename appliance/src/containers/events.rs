//! Docker's events, as a hint that a look at the box is worth while. They say which container, and no more: what is there is always
//! asked for.

use std::collections::HashMap;

use bollard::{models::EventMessage, query_parameters::EventsOptionsBuilder};
use futures_util::{Stream, StreamExt, future, stream};

use super::{engine::Engine, sandbox::LABEL_INSTANCE};

impl Engine {
    /// The container's id for each change of one of this instance. Ends when the connection breaks, or at once when there is none:
    /// the caller waits a little and subscribes again, and looks at the box then, since events in between are lost.
    pub fn events(&self, instance: &str) -> impl Stream<Item = String> + Send + Unpin + 'static {
        let engine = self.clone();
        let filters = HashMap::from([
            ("type".to_owned(), vec!["container".to_owned()]),
            ("label".to_owned(), vec![format!("{LABEL_INSTANCE}={instance}")]),
            // without the noise of probes run inside
            ("event".to_owned(), ["create", "start", "die", "oom", "destroy"].map(str::to_owned).to_vec()),
        ]);
        stream::once(async move {
            let Ok(docker) = engine.docker().await else { return stream::empty().boxed() };
            let options = EventsOptionsBuilder::default().filters(&filters).build();
            let events = docker.events(Some(options));
            events
                .take_while(|event| future::ready(event.is_ok()))
                .filter_map(|event| future::ready(event.ok().map(container_of)))
                .boxed()
        })
        .flatten()
        .boxed()
    }
}

fn container_of(event: EventMessage) -> String {
    event.actor.and_then(|actor| actor.id).unwrap_or_default()
}
