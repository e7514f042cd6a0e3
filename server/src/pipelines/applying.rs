//! Applying a pipeline's YAML: a new version when it says something else than the one before, with its schedules and triggers.
//!
//! Always holds: code that a version names is kept as long as the pipeline (`jobs::CODE_BUCKET`, `pipeline-{id}/…`); schedules and triggers
//! start runs in the name of whoever applied last, so that nobody's changes run with somebody else's rights.

use std::collections::HashMap;

use drydock_wire::pipelines::{AppliedPipeline, PipelineCheck, Problem, TaskKind, TriggerKind};
use serde_json::{Value, json};

use super::{
    schema::{self, ScheduleSpec, Spec, TriggerSpec},
    starting,
    store::{
        self, PipelineRow, VersionRow,
        starts::{self, ScheduleRow, TriggerRow, word},
    },
    views,
};
use crate::{
    accounts::{
        self, Authorized, Principal, action,
        limits::{self, Asked},
        projects::{self, Kind},
        secrets,
    },
    app::App,
    clock, datasets,
    db::Conn,
    error::{Error, Result},
    jobs, objects,
};

/// Of one file written into the YAML.
const MOST_FILE_BYTES: usize = 1 << 20;

/// Says what is wrong, without applying.
pub fn check(yaml: &str) -> PipelineCheck {
    let (spec, problems) = schema::read(yaml);
    PipelineCheck {
        problems,
        name: spec.as_ref().map(|spec| spec.name.clone()),
        tasks: spec.map(|spec| spec.shapes()).unwrap_or_default(),
    }
}

/// Makes the YAML the pipeline's newest version, and the pipeline if there is none.
///
/// # Errors
/// `invalid` with the first problem and its line; `not_found` for code that nobody uploaded.
pub async fn apply(app: &App, auth: &Authorized<action::Launch>, yaml: String) -> Result<AppliedPipeline> {
    let (spec, problems) = schema::read(&yaml);
    let mut spec = match (spec, problems.as_slice()) {
        (Some(spec), []) => spec,
        (_, problems) => return Err(refusal(problems)),
    };
    let written = keep_files(app, &mut spec).await?;
    let who = auth.principal().clone();
    let app_key = app.box_key.clone();
    let name = spec.name.clone();
    let apply = move |conn: &mut Conn| {
        let (created, tokens) = apply_on(conn, &app_key, &who, (&yaml, &spec, &written))?;
        let mut pipeline = views::detail(conn, &spec.name, None)?;
        for trigger in &mut pipeline.triggers {
            trigger.token = tokens.get(&trigger.id).cloned();
        }
        Ok(AppliedPipeline { created, pipeline })
    };
    let applied = app.db.write(apply).await?;
    app.events.publish(drydock_wire::events::Topic::Pipelines, Some(&name));
    Ok(applied)
}

fn refusal(problems: &[Problem]) -> Error {
    let said = |problem: &Problem| match problem.line {
        Some(line) => format!("Line {line}: {}", problem.message),
        None => problem.message.clone(),
    };
    let more = problems.len().saturating_sub(1);
    let first = problems.first().map(said).unwrap_or_default();
    Error::invalid(if more == 0 { first } else { format!("{first} (and {more} more)") })
}

/// Turns files that are written into the YAML into code; their digests.
async fn keep_files(app: &App, spec: &mut Spec) -> Result<Vec<String>> {
    let mut written = vec![];
    for task in spec.tasks.iter_mut().filter(|task| task.kind == TaskKind::Job) {
        let Some(body) = task.body.as_object_mut() else { continue };
        let Some(files) = body.shift_remove("files") else { continue };
        let wrong = || Error::invalid(format!("{}: files: write them as {{ train.py: \"…\" }}.", task.name));
        let mut code = match body.shift_remove("code") {
            Some(Value::Array(code)) => code,
            Some(_) => return Err(Error::invalid(format!("{}: code: write a list of path and digest.", task.name))),
            None => vec![],
        };
        for (path, text) in files.as_object().ok_or_else(wrong)? {
            let text = text.as_str().filter(|text| text.len() <= MOST_FILE_BYTES).ok_or_else(wrong)?;
            let kept = app.objects.put_bytes(text.to_owned().into()).await?;
            code.push(json!({ "path": path, "digest": kept.digest }));
            written.push(kept.digest);
        }
        body.insert("code".into(), Value::Array(code));
    }
    Ok(written)
}

/// Whether there is a new version, and tokens of new webhooks by trigger.
fn apply_on(
    conn: &mut Conn,
    box_key: &secrets::BoxKey,
    who: &Principal,
    (yaml, spec, written): (&str, &Spec, &[String]),
) -> Result<(bool, HashMap<String, String>)> {
    let now = clock::now_ms();
    let known = store::find(conn, &spec.name)?;
    // the name is in the YAML and not in the address
    if known.is_some() {
        projects::may(conn, who, action::Launch, Kind::Pipeline, &spec.name)?;
    }
    let before = match &known {
        Some(row) => Some(store::version(conn, row, row.last_version)?),
        None => None,
    };
    if before.as_ref().is_some_and(|before| before.yaml == yaml) {
        return Ok((false, HashMap::new()));
    }
    let row = match known {
        Some(row) => PipelineRow { last_version: row.last_version + 1, updated_at: now, ..row },
        None => PipelineRow {
            id: uuid::Uuid::now_v7().simple().to_string(),
            name: spec.name.clone(),
            paused: false,
            last_version: 1,
            last_run: 0,
            created_at: now,
            updated_at: now,
        },
    };
    if before.is_some() {
        store::update(conn, &row)?
    } else {
        store::insert(conn, &who.project, &row)?
    }
    let version = VersionRow {
        pipeline_id: row.id.clone(),
        version: row.last_version,
        yaml: yaml.to_owned(),
        spec: serde_json::to_string(spec).map_err(Error::internal)?,
        author_id: who.person_id.clone(),
        created_at: now,
    };
    store::insert_version(conn, &version)?;
    link_code(conn, who, &row, (spec, written), now)?;
    let before = before.map(|before| before.spec()).transpose()?;
    schedules(conn, who, &row, spec, before.as_deref(), now)?;
    let tokens = triggers(conn, box_key, who, &row, spec)?;
    let detail = json!({ "version": row.last_version, "tasks": spec.tasks.len() });
    accounts::audit(conn, who, "pipeline.apply", &format!("pipeline/{}", row.name), detail)?;
    Ok((true, tokens))
}

/// Where a pipeline's code is kept.
pub fn code_prefix(id: &str) -> String {
    format!("pipeline-{id}/")
}

fn link_code(
    conn: &mut Conn,
    who: &Principal,
    row: &PipelineRow,
    (spec, written): (&Spec, &[String]),
    now: i64,
) -> Result<()> {
    for task in spec.tasks.iter().filter(|task| task.kind == TaskKind::Job) {
        let files = task.body.get("code").and_then(Value::as_array).into_iter().flatten();
        let snapshot = task.body.get("snapshot").into_iter();
        for (place, file) in files.chain(snapshot).enumerate() {
            let Some(digest) = file.get("digest").and_then(Value::as_str) else { continue };
            let is_known = written.iter().any(|known| known == digest)
                || objects::store::has(conn, jobs::CODE_BUCKET, digest)?
                || datasets::owns_upload(conn, &who.person_id, digest)?;
            if !is_known {
                return Err(Error::not_found(format!("{}: upload its code first ({digest}).", task.name)));
            }
            let key = format!("{}{}/{}/{place}", code_prefix(&row.id), row.last_version, task.name);
            objects::store::link(conn, jobs::CODE_BUCKET, &key, digest, now)?;
        }
    }
    Ok(())
}

fn schedules(
    conn: &mut Conn,
    who: &Principal,
    row: &PipelineRow,
    spec: &Spec,
    before: Option<&Spec>,
    now: i64,
) -> Result<()> {
    let known = starts::schedules_of(conn, &row.id)?;
    // Edits made since stay, where the YAML says nothing new; so does what was added beside it.
    let unchanged = before.is_some_and(|before| before.schedules == spec.schedules);
    for old in &known {
        let is_taken_over = !unchanged && spec.schedules.iter().any(|wanted| wanted.name == old.name);
        if is_taken_over {
            continue;
        }
        if !unchanged && !old.by_hand {
            starts::delete_schedule(conn, &old.id)?;
            continue;
        }
        if old.by_hand {
            fits(spec, old)?;
        }
        starts::put_schedule(conn, &ScheduleRow { person_id: who.person_id.clone(), ..old.clone() })?;
        limits::keep(conn, who, Asked::Schedule, &old.id)?;
    }
    if unchanged {
        return Ok(());
    }
    for wanted in &spec.schedules {
        let old = known.iter().find(|old| old.name == wanted.name);
        let made = schedule(row, who, wanted, old, now)?;
        starts::put_schedule(conn, &made)?;
        limits::keep(conn, who, Asked::Schedule, &made.id)?;
    }
    Ok(())
}

/// A schedule that the YAML does not know of must be able to start runs of the new version.
fn fits(spec: &Spec, row: &ScheduleRow) -> Result<()> {
    let made = starting::parameters(spec, row.parameters()?);
    made.map(drop).map_err(|words| {
        Error::invalid(format!(
            "{words} The schedule {}, which was added beside the YAML, could start nothing: change or remove it first.",
            row.name
        ))
    })
}

fn schedule(
    row: &PipelineRow,
    who: &Principal,
    wanted: &ScheduleSpec,
    old: Option<&ScheduleRow>,
    now: i64,
) -> Result<ScheduleRow> {
    let same_times = old.filter(|old| old.cron == wanted.cron && old.zone == wanted.zone);
    Ok(ScheduleRow {
        id: old.map_or_else(|| uuid::Uuid::now_v7().simple().to_string(), |old| old.id.clone()),
        pipeline_id: row.id.clone(),
        name: wanted.name.clone(),
        cron: wanted.cron.clone(),
        zone: wanted.zone.clone(),
        catch_up: word(wanted.catch_up)?,
        parameters: serde_json::to_string(&wanted.parameters).map_err(Error::internal)?,
        paused: old.is_some_and(|old| old.paused),
        person_id: who.person_id.clone(),
        // Other times begin now.
        done_until: same_times.map_or(now, |old| old.done_until),
        by_hand: false,
    })
}

fn triggers(
    conn: &mut Conn,
    box_key: &secrets::BoxKey,
    who: &Principal,
    row: &PipelineRow,
    spec: &Spec,
) -> Result<HashMap<String, String>> {
    let mut known = starts::triggers_of(conn, &row.id)?;
    let mut tokens = HashMap::new();
    for wanted in &spec.triggers {
        see_subject(conn, who, wanted)?;
        let kind = word(wanted.kind)?;
        let state = wanted.state.map(|state| state.as_str().to_owned());
        let parameters = serde_json::to_string(&wanted.parameters).map_err(Error::internal)?;
        let same = |old: &TriggerRow| (&old.kind, &old.subject, &old.state) == (&kind, &wanted.subject, &state);
        if let Some(at) = known.iter().position(same) {
            let old = known.swap_remove(at);
            limits::keep(conn, who, Asked::Trigger, &old.id)?;
            starts::save_trigger(conn, &TriggerRow { parameters, person_id: who.person_id.clone(), ..old })?;
            continue;
        }
        let (made, token) = trigger(box_key, who, row, wanted)?;
        tokens.extend(token.map(|token| (made.id.clone(), token)));
        limits::keep(conn, who, Asked::Trigger, &made.id)?;
        starts::insert_trigger(conn, &TriggerRow { kind, state, parameters, ..made })?;
    }
    known.iter().try_for_each(|old| starts::delete_trigger(conn, &old.id))?;
    Ok(tokens)
}

/// A trigger listens to what is there for who applies it.
fn see_subject(conn: &mut Conn, who: &Principal, wanted: &TriggerSpec) -> Result<()> {
    let first = wanted.subject.split(['@', '/', ':']).next().unwrap_or_default();
    let kind = match wanted.kind {
        TriggerKind::DatasetVersion => Kind::Dataset,
        TriggerKind::Pipeline => Kind::Pipeline,
        TriggerKind::Drift => Kind::Deployment,
        _ => Kind::Model,
    };
    projects::see(conn, who, kind, first)
}

fn trigger(
    box_key: &secrets::BoxKey,
    who: &Principal,
    row: &PipelineRow,
    wanted: &TriggerSpec,
) -> Result<(TriggerRow, Option<String>)> {
    let token = match wanted.kind {
        TriggerKind::Webhook => Some(secrets::new_secret("ddh_")?),
        _ => None,
    };
    let made = TriggerRow {
        id: uuid::Uuid::now_v7().simple().to_string(),
        pipeline_id: row.id.clone(),
        kind: String::new(),
        subject: wanted.subject.clone(),
        state: None,
        parameters: String::new(),
        sealed_token: token.as_deref().map(|token| box_key.seal(token)).transpose()?,
        person_id: who.person_id.clone(),
    };
    Ok((made, token))
}
