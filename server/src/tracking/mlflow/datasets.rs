//! `experiments/search-datasets`: the datasets that the runs of some experiments declared. Clients know it under two
//! spellings, one of which lacks a slash.

use actix_web::web;
use serde_json::{Value, json};

use super::{Answer, Args, Who, ok};
use crate::{
    accounts::{Authorized, action},
    app::App,
    error::{Error, Result},
    tracking,
};

const MAX_EXPERIMENTS: usize = 20;

pub fn configure(cfg: &mut web::ServiceConfig, prefix: &str) {
    for spelling in ["/mlflow", "mlflow"] {
        let path = format!("{prefix}{spelling}/experiments/search-datasets");
        cfg.service(web::resource(path).route(web::post().to(search)));
    }
}

async fn search(app: web::Data<App>, who: Who, args: Args) -> Answer {
    ok(found(&app, &who.view()?, &args).await?)
}

/// `{"dataset_summaries": […]}`.
pub async fn found(app: &App, auth: &Authorized<action::View>, args: &Args) -> Result<Value> {
    let texts = match args.raw("experiment_ids") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect(),
        Some(_) => Vec::new(),
    };
    if texts.is_empty() {
        return Err(Error::invalid("SearchDatasets request must specify at least one experiment_id."));
    }
    if texts.len() > MAX_EXPERIMENTS {
        return Err(Error::invalid(format!(
            "SearchDatasets request cannot specify more than {MAX_EXPERIMENTS} experiment_ids. Received {} \
             experiment_ids.",
            texts.len()
        )));
    }
    let ids = texts.iter().map(|text| tracking::rules::experiment_id(text)).collect::<Result<Vec<_>>>()?;
    let all: Vec<Value> = tracking::dataset_summaries(app, auth, ids)
        .await?
        .into_iter()
        .map(|one| {
            let mut view =
                json!({"experiment_id": one.experiment_id.to_string(), "name": one.name, "digest": one.digest});
            if let Some(context) = one.context {
                view["context"] = json!(context);
            }
            view
        })
        .collect();
    Ok(if all.is_empty() { json!({}) } else { json!({"dataset_summaries": all}) })
}
