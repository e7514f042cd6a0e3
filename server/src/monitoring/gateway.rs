//! What the gateway counts, for `/metrics`: by deployment, and by replica.

use super::exposition::{Cumulative, Exposition, Kind};
use crate::clock;
use crate::serving::Gateway;
use crate::serving::gateway::{Pool, Replica};

/// Upper bounds of the latency histogram, in microseconds.
const BOUNDS_US: [u64; 12] =
    [1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000, 30_000_000];

/// Name, kind, help, and how to read it off a replica.
type Measure = (&'static str, Kind, &'static str, fn(&Replica) -> u64);

/// Everything of the gateway.
pub fn expose(text: &mut Exposition, gateway: &Gateway) {
    traffic(text, gateway);
    tokens(text, gateway);
    line(text, gateway);
    replicas(text, gateway);
}

fn traffic(text: &mut Exposition, gateway: &Gateway) {
    let now = clock::now_ms();
    let all: Vec<_> =
        gateway.endpoints().into_iter().map(|(name, endpoint)| (name, endpoint.meter.since_start(now))).collect();
    text.family("drydock_gateway_requests_total", Kind::Counter, "Predictions asked for, by how they were answered.");
    for (name, since_start) in &all {
        let classes = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
        for (class, count) in classes.iter().zip(since_start.by_class).filter(|(_, count)| *count > 0) {
            text.sample("drydock_gateway_requests_total", &[("deployment", name), ("answer", class)], count);
        }
    }
    text.family(
        "drydock_gateway_duration_seconds",
        Kind::Histogram,
        "From a request's arrival to its answer's last byte.",
    );
    for (name, since_start) in &all {
        let latency = &since_start.latency;
        let buckets = BOUNDS_US.map(|us| (us as f64 / 1e6, latency.count_up_to(us)));
        let of = Cumulative { buckets: &buckets, count: latency.total(), sum: latency.sum_us() as f64 / 1e6 };
        text.histogram("drydock_gateway_duration_seconds", &[("deployment", name)], &of);
    }
    text.family("drydock_gateway_ready", Kind::Gauge, "Whether a replica answers.");
    for (name, endpoint) in gateway.endpoints() {
        text.sample("drydock_gateway_ready", &[("deployment", &name)], u8::from(endpoint.is_ready()));
    }
}

fn tokens(text: &mut Exposition, gateway: &Gateway) {
    let all: Vec<_> = gateway.endpoints().into_iter().map(|(name, it)| (name, it.meter.tokens.since_start())).collect();
    let name = "drydock_gateway_tokens_total";
    text.family(
        name,
        Kind::Counter,
        "Tokens that OpenAI's API counted; completion_estimated: parts of streams that told none.",
    );
    for (deployment, counted) in all.iter().filter(|(_, it)| it.tokens.answers > 0) {
        let tokens = &counted.tokens;
        let kinds =
            [("prompt", tokens.prompt), ("completion", tokens.completion), ("completion_estimated", tokens.estimated)];
        for (kind, count) in kinds {
            text.sample(name, &[("deployment", deployment), ("kind", kind)], count);
        }
    }
    let name = "drydock_gateway_first_token_seconds";
    text.family(name, Kind::Histogram, "From a request's arrival to the first token of its stream.");
    for (deployment, counted) in all.iter().filter(|(_, it)| it.first_token.total() > 0) {
        let first = &counted.first_token;
        let buckets = BOUNDS_US.map(|us| (us as f64 / 1e6, first.count_up_to(us)));
        let of = Cumulative { buckets: &buckets, count: first.total(), sum: first.sum_us() as f64 / 1e6 };
        text.histogram(name, &[("deployment", deployment)], &of);
    }
}

fn line(text: &mut Exposition, gateway: &Gateway) {
    let all = gateway.endpoints();
    text.family("drydock_gateway_queued_requests", Kind::Gauge, "Requests that wait for room or for a replica.");
    for (name, endpoint) in &all {
        text.sample("drydock_gateway_queued_requests", &[("deployment", name)], endpoint.load().queued);
    }
    text.family("drydock_gateway_refused_total", Kind::Counter, "Requests that were not let in, by reason.");
    for (name, endpoint) in &all {
        for (why, count) in endpoint.refusals() {
            text.sample("drydock_gateway_refused_total", &[("deployment", name), ("reason", why.as_str())], count);
        }
    }
}

fn replicas(text: &mut Exposition, gateway: &Gateway) {
    let measures: [Measure; 4] = [
        (
            "drydock_gateway_replica_in_flight_requests",
            Kind::Gauge,
            "Requests that a replica has not answered yet.",
            |it| load(&it.in_flight),
        ),
        (
            "drydock_gateway_replica_requests_total",
            Kind::Counter,
            "Requests sent to a replica, retries among them.",
            |it| load(&it.requests),
        ),
        ("drydock_gateway_replica_ejections_total", Kind::Counter, "How often a replica was sent to rest.", |it| {
            load(&it.ejections)
        }),
        ("drydock_gateway_replica_resting", Kind::Gauge, "Whether it gets no requests for a while.", |it| {
            u64::from(it.is_resting(std::time::Instant::now()))
        }),
    ];
    let all: Vec<(String, Vec<std::sync::Arc<Pool>>)> =
        gateway.endpoints().into_iter().map(|(name, endpoint)| (name, endpoint.pools())).collect();
    for (metric, kind, help, read) in measures {
        text.family(metric, kind, help);
        for (name, pool) in all.iter().flat_map(|(name, pools)| pools.iter().map(move |pool| (name, pool))) {
            let revision = pool.number.to_string();
            for replica in pool.replicas() {
                let labels = [("deployment", name.as_str()), ("revision", &revision), ("replica", &replica.id)];
                text.sample(metric, &labels, read(&replica));
            }
        }
    }
}

fn load(counter: &std::sync::atomic::AtomicU64) -> u64 {
    counter.load(std::sync::atomic::Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use drydock_wire::serving::Protocol;

    use super::*;
    use crate::serving::gateway::{Answering, Kept, Model, Place, Target};

    #[test]
    fn every_reason_and_every_replica_has_its_line() {
        let gateway = Gateway::default();
        let place = |n: u16| Place { id: format!("c{n}"), address: ([127, 0, 0, 1], n).into() };
        let replica = Answering {
            revision_id: "r4".into(),
            number: 4,
            replicas: vec![place(1), place(2)],
            protocol: Protocol::Mlflow,
            model: Model { name: "wine".into(), version: 1, folder: "/nonexistent".into() },
        };
        let target = Target {
            deployment_id: "d".into(),
            deployment: "wine".into(),
            settings: Arc::default(),
            maker: "mia".into(),
            replica: Some(replica),
            is_coming: false,
            beside: vec![],
        };
        gateway.show(&[target], |_| Kept::default());
        let mut text = Exposition::default();
        expose(&mut text, &gateway);
        let text = super::super::exposition::testing::text(text);
        for line in [
            r#"drydock_gateway_queued_requests{deployment="wine"} 0"#,
            r#"drydock_gateway_refused_total{deployment="wine",reason="queue_full"} 0"#,
            r#"drydock_gateway_replica_in_flight_requests{deployment="wine",revision="4",replica="c2"} 0"#,
            r#"drydock_gateway_replica_resting{deployment="wine",revision="4",replica="c1"} 0"#,
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }
}
