//! kill -9 before and after every transaction of a canary, of a blue-green release and of a swap, while callers ask: the release goes on or goes back,
//! never half, and whoever is answered is answered well.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use drydock_tests::{Api, Load, Server, echo, until};
use reqwest::Method;
use serde_json::{Value, json};

const DEPLOYMENT: &str = "/api/v1/deployments/echo";
const RELEASE: &str = "/api/v1/deployments/echo/release";
const PREDICT: &str = "/serve/echo/predict";
const LIMIT: Duration = Duration::from_secs(180);
/// Each transaction is met from both sides.
const PLACES: [&str; 2] = ["kill-before-move=1", "kill-after-move=1"];
/// More transactions than a release can have; reaching it means that the rounds do not converge.
const MOST_MOVES: usize = 60;

/// A person who wants something of a release.
enum Person {
    /// Waits until the canary is through.
    Watches,
    /// Promotes green, switches back, and lets the warm one end.
    Promotes,
    SwitchesBack,
    Waits,
}

impl Person {
    /// Does what is to be done now; whether all is over.
    async fn acts(&mut self, server: &Server, admin: &Api) -> Result<bool> {
        let detail = admin.get(DEPLOYMENT).await?;
        let (first, second) = (state(&detail, 1), state(&detail, 2));
        match self {
            Self::Watches => Ok((second == "live" || second == "failed") && is_settled(server, &detail)?),
            Self::Promotes if second == "live" => {
                *self = Self::SwitchesBack;
                Ok(false)
            }
            Self::Promotes if second == "candidate" => {
                ensure!(revision_of_answer(admin, Some(2)).await? == "2", "green can be tried");
                admin.post(&format!("{RELEASE}/promote"), json!({})).await?;
                Ok(false)
            }
            Self::SwitchesBack if first == "warm" => {
                admin.post(&format!("{DEPLOYMENT}/rollback"), json!({ "revision": 1 })).await?;
                Ok(false)
            }
            Self::SwitchesBack if first == "live" => {
                *self = Self::Waits;
                Ok(false)
            }
            Self::Waits if second == "warm" => {
                server.alter("UPDATE revisions SET warm_until = 1 WHERE number = 2")?;
                Ok(false)
            }
            Self::Waits => Ok(is_settled(server, &detail)?),
            Self::Promotes | Self::SwitchesBack => Ok(false),
        }
    }
}

fn state(detail: &Value, number: i64) -> String {
    let all = detail["revisions"].as_array().into_iter().flatten();
    let found = all.filter(|one| one["number"] == number).find_map(|one| one["state"].as_str());
    found.unwrap_or("none").to_owned()
}

/// One revision is live and the other one over, well or badly, with all that it had.
fn is_settled(server: &Server, detail: &Value) -> Result<bool> {
    let mut states = [state(detail, 1), state(detail, 2)];
    states.sort();
    let is_over = states == ["live", "retired"] || states == ["failed", "live"];
    Ok(is_over && server.containers()?.len() == 1)
}

async fn revision_of_answer(api: &Api, wanted: Option<i64>) -> Result<String> {
    let mut request = api.request(Method::POST, PREDICT).json(&json!({}));
    if let Some(number) = wanted {
        request = request.header("X-Drydock-Revision", number);
    }
    let answer = request.send().await?;
    ensure!(answer.status() == 200, "{}", answer.status());
    Ok(answer.headers().get("x-drydock-revision").context("no revision")?.to_str()?.to_owned())
}

fn wish(version: u32, word: &str, release: &Value) -> Value {
    // all that come while two revisions swap wait in the line
    let mut wish = echo::serve(word, json!({ "limits": { "queue": 5000 } }));
    if word == "crashes" {
        wish["served_by"]["runtime"]["command"] = json!(["sh", "-c", "echo out of grapes; exit 7"]);
    }
    (wish["model"], wish["version"]) = (json!("wine"), json!(version.to_string()));
    if !release.is_null() {
        wish["release"] = release.clone();
    }
    wish
}

/// A server whose deployment has revision 1 live.
async fn first_is_live() -> Result<(Server, Api)> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    echo::small_model(&admin, "wine", 2).await?;
    admin.put(DEPLOYMENT, wish(1, "good", &Value::Null)).await?;
    until("revision 1 is live", LIMIT, || async {
        Ok((state(&admin.get(DEPLOYMENT).await?, 1) == "live").then_some(()))
    })
    .await?;
    Ok((server, admin))
}

/// Kills around each transaction until all is over; how many there were.
async fn kill_at_every_move(server: &mut Server, admin: &Api, person: &mut Person) -> Result<usize> {
    for moves in 0..MOST_MOVES {
        for place in PLACES {
            server.kill9().await?;
            server.set_environment(&[("DRYDOCK_FAILPOINT", place)]);
            server.launch().await?;
            if !dies_or_is_over(server, admin, person).await? {
                server.kill9().await?;
                server.set_environment(&[]);
                server.launch().await?;
                return Ok(moves);
            }
        }
    }
    anyhow::bail!("{MOST_MOVES} moves and still not through: {:#}", admin.get(DEPLOYMENT).await?)
}

/// False when all is over without the server having died.
async fn dies_or_is_over(server: &mut Server, admin: &Api, person: &mut Person) -> Result<bool> {
    let end = tokio::time::Instant::now() + LIMIT;
    while tokio::time::Instant::now() < end {
        if server.has_ended()? {
            return Ok(true);
        }
        // it may die of what is asked
        if person.acts(server, admin).await.unwrap_or(false) {
            return server.ends_within(Duration::from_secs(6)).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("neither killed nor through after {LIMIT:?}: {:#}", admin.get(DEPLOYMENT).await?)
}

/// The whole of one release, to a model server with that word; what its history says, newest first.
async fn release(word: &str, plan: Value, mut person: Person, live: i64) -> Result<(usize, Vec<Value>)> {
    let (mut server, admin) = first_is_live().await?;
    let load = Load::start(&admin, PREDICT, 25);
    admin.put(DEPLOYMENT, wish(2, word, &plan)).await?;
    let moves = kill_at_every_move(&mut server, &admin, &mut person).await?;
    until("nothing is left over", LIMIT, || async {
        let detail = admin.get(DEPLOYMENT).await?;
        Ok(is_settled(&server, &detail)?.then_some(()))
    })
    .await?;
    let seen = load.stop().await?;
    println!("killed before and after each of {moves} moves; {} answers, {:?}", seen.latencies.len(), seen.by_revision);
    // nobody listens while the server is down; but what is answered is an answer, if only of a bad model
    let failed: Vec<&String> = seen.failed.iter().filter(|one| !one.ends_with(" bad")).collect();
    ensure!(failed.is_empty(), "{} failed, the first: {:?}", failed.len(), failed.first());
    ensure!(seen.by_revision.keys().all(|number| number == "1" || number == "2"), "{:?}", seen.by_revision);
    one_is_left(&server, &admin, live).await?;
    let page = admin.get(RELEASE).await?;
    ensure!(page["current"].is_null(), "{page:#}");
    Ok((moves, page["history"].as_array().context("no history")?.clone()))
}

async fn one_is_left(server: &Server, admin: &Api, live: i64) -> Result<()> {
    let detail = admin.get(DEPLOYMENT).await?;
    ensure!(state(&detail, live) == "live", "{detail:#}");
    ensure!(revision_of_answer(admin, None).await? == live.to_string());
    ensure!(server.containers()?.iter().all(|one| one.state == "running"));
    for (query, expected) in [
        ("SELECT count(*) FROM revisions", 2),
        ("SELECT count(*) FROM replicas", 1),
        ("SELECT count(*) FROM workloads WHERE kind = 'revision' AND desired = 'running'", 1),
        ("SELECT count(*) FROM releases WHERE ended_at IS NULL", 0),
    ] {
        let found = server.count(query)?;
        ensure!(found == expected, "{query}: {found} instead of {expected}");
    }
    let folders = std::fs::read_dir(server.data_dir().join("run/revisions"))?.count();
    ensure!(folders == 1, "{folders} folders of model files");
    Ok(())
}

/// What was written of a release is there once.
fn events(release: &Value) -> Result<Vec<String>> {
    let all: Vec<String> = release["events"]
        .as_array()
        .context("no events")?
        .iter()
        .map(|event| event["what"].as_str().unwrap_or_default().to_owned())
        .collect();
    let mut once = all.clone();
    once.sort();
    once.dedup();
    ensure!(once.len() == all.len(), "something was done twice: {all:#?}");
    Ok(all)
}

#[tokio::test]
async fn a_canary_that_is_killed_at_every_step_is_promoted() -> Result<()> {
    let steps = json!([{ "weight": 30, "hold_s": 1 }, { "weight": 60, "hold_s": 1 }]);
    let analysis = json!({ "min_requests": 3 });
    let plan = json!({ "strategy": "canary", "steps": steps, "analysis": analysis, "keep_old_s": 1 });
    let (moves, history) = release("better", plan, Person::Watches, 2).await?;
    // placing, an answer, the candidate, a step, the promotion; then the old one drains, ends and is forgotten
    ensure!(moves >= 8, "only {moves} moves were met: the failpoint counts something else");
    ensure!(history.len() == 1 && history[0]["state"] == "promoted", "{history:#?}");
    ensure!(events(&history[0])?.len() == 4, "{:#}", history[0]);
    Ok(())
}

#[tokio::test]
async fn a_bad_canary_that_is_killed_at_every_step_goes_back() -> Result<()> {
    let steps = json!([{ "weight": 50, "hold_s": 1 }]);
    let plan = json!({ "strategy": "canary", "steps": steps, "analysis": { "min_requests": 3, "max_failures": 1 } });
    let (moves, history) = release("bad", plan, Person::Watches, 1).await?;
    // placing, an answer, the candidate, the way back; then it is withdrawn and forgotten
    ensure!(moves >= 6, "only {moves} moves were met: the failpoint counts something else");
    ensure!(history.len() == 1 && history[0]["state"] == "rolled_back", "{history:#?}");
    ensure!(history[0]["reason"].as_str().is_some_and(|why| why.starts_with("success rate")), "{history:#?}");
    ensure!(events(&history[0])?.len() == 3, "{:#}", history[0]);
    Ok(())
}

#[tokio::test]
async fn a_swap_that_is_killed_at_every_step_goes_on() -> Result<()> {
    let (moves, history) = release("better", json!({ "strategy": "recreate" }), Person::Watches, 2).await?;
    // placing, stepping aside, stopping, parking with the start of the next one, an answer, its promotion; then the old one is forgotten
    ensure!(moves >= 8, "only {moves} moves were met: the failpoint counts something else");
    ensure!(history.len() == 1 && history[0]["state"] == "promoted", "{history:#?}");
    ensure!(events(&history[0])?.len() == 4, "{:#}", history[0]);
    Ok(())
}

#[tokio::test]
async fn a_bad_swap_that_is_killed_at_every_step_goes_back() -> Result<()> {
    let (moves, history) = release("crashes", json!({ "strategy": "recreate" }), Person::Watches, 1).await?;
    // as above until it starts; then it fails, and the old one starts and answers
    ensure!(moves >= 8, "only {moves} moves were met: the failpoint counts something else");
    ensure!(history.len() == 1 && history[0]["state"] == "rolled_back", "{history:#?}");
    ensure!(history[0]["reason"].as_str().is_some_and(|why| why.contains("out of grapes")), "{history:#?}");
    events(&history[0]).map(drop)
}

#[tokio::test]
async fn a_blue_green_release_that_is_killed_at_every_step_is_switched_and_switched_back() -> Result<()> {
    let plan = json!({ "strategy": "blue_green" });
    let (moves, history) = release("better", plan, Person::Promotes, 1).await?;
    ensure!(moves >= 8, "only {moves} moves were met: the failpoint counts something else");
    ensure!(history.iter().all(|one| one["state"] == "promoted"), "{history:#?}");
    // the switch back is an entry of its own, and there once
    ensure!(history.len() == 2 && history[0]["revision"] == 1 && history[1]["revision"] == 2, "{history:#?}");
    history.iter().try_for_each(|one| events(one).map(drop))
}
