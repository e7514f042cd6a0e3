//! A revision on trial beside the live one.

use super::*;
use crate::serving::gateway::endpoint::is_turn_of;

/// The live revision with others beside it.
fn point_beside(gateway: &Gateway, live: (&str, SocketAddr), others: &[(&str, SocketAddr, u32)]) {
    let of = |revision: &str, address| answering(revision, address, PathBuf::from("/nonexistent"));
    let beside = others.iter().map(|(revision, address, weight)| (of(revision, *address), *weight)).collect();
    let replica = Some(of(live.0, live.1));
    let target = Target {
        deployment_id: "d".into(),
        deployment: "wine".into(),
        settings: Arc::default(),
        maker: "ada".into(),
        replica,
        is_coming: false,
        beside,
    };
    gateway.show(&[target], |_| Kept::default());
}

#[test]
fn a_weight_is_exact_over_a_hundred_requests_and_evenly_spread() {
    for weight in 1..=99 {
        let turns: Vec<u64> = (0..300).filter(|turn| is_turn_of(weight, *turn)).collect();
        for hundred in 0..3 {
            let of_hundred = turns.iter().filter(|turn| **turn / 100 == hundred).count();
            assert_eq!(of_hundred, weight as usize, "{weight} %");
        }
        let gaps = turns.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(gaps.max().unwrap_or_default() <= 100_u64.div_ceil(u64::from(weight)), "{weight} %");
    }
}

#[actix_web::test]
async fn a_revision_on_trial_gets_its_share_and_is_reached_by_its_number() {
    let (gateway, url) = front(Limits::default());
    let (live, green) = (model("live", Duration::ZERO).0, model("green", Duration::ZERO).0);
    let client = reqwest::Client::new();
    let ask = || client.post(format!("{url}/serve/wine/invocations")).body("{}");
    let share = async || {
        let mut green = 0;
        for _ in 0..100 {
            let answer = ask().send().await.unwrap();
            let number = answer.headers().get(REVISION_HEADER).unwrap().clone();
            let text = answer.text().await.unwrap();
            assert_eq!(number, if text == "green" { "2" } else { "1" });
            green += usize::from(text == "green");
        }
        green
    };
    for weight in [0, 5, 25] {
        point_beside(&gateway, ("r1", live), &[("r2", green, weight)]);
        assert_eq!(share().await, weight as usize);
        let asked = ask().header(REVISION_HEADER, "2").send().await.unwrap();
        assert_eq!(asked.text().await.unwrap(), "green");
    }
    // 30 by weight and 3 by number; the last of them may still be counted
    for _ in 0..100 {
        if gateway.counts("r2").requests == 33 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!((gateway.counts("r2").requests, gateway.counts("r2").failed), (33, 0));
    gateway.count_anew("r2");
    assert_eq!(gateway.counts("r2").requests, 0);
    for (asked, status) in [("3", 404), ("two", 400)] {
        assert_eq!(ask().header(REVISION_HEADER, asked).send().await.unwrap().status(), status);
    }
}

#[actix_web::test]
async fn who_met_a_broken_revision_on_trial_is_answered_by_the_live_one() {
    let (gateway, url) = front(Limits::default());
    let live = model("live", Duration::ZERO).0;
    // a port that was free a moment ago, then one that takes the request and hangs up
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = reqwest::Client::new();
    for (revision, broken) in [("r2", closed), ("r3", rude_model(vec![]).await)] {
        point_beside(&gateway, ("r1", live), &[(revision, broken, 50)]);
        for _ in 0..100 {
            let answer = client.post(format!("{url}/serve/wine/invocations")).body("{}").send().await.unwrap();
            assert_eq!(answer.text().await.unwrap(), "live");
        }
        assert_eq!((gateway.counts(revision).requests, gateway.counts(revision).failed), (50, 50));
    }
    assert_eq!(totals(&gateway), (200, 0));
}
