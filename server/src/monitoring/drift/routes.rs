//! Drift over HTTP: parse, authorize, call, wrap.

use actix_web::{get, web};
use drydock_wire::drift::{DriftCorrection, DriftReport, DriftTest};
use utoipa_actix_web::service_config::ServiceConfig;

use super::datasets::{self, Question};
use super::{Settings, is_for_numbers, is_for_words};
use crate::accounts::{Principal, action, authorize};
use crate::app::App;
use crate::error::{Error, Result};

/// Mounts the routes under `/api/v1`.
pub fn configure(config: &mut ServiceConfig<'_>) {
    config.service(of_dataset).configure(super::live::configure);
}

#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct DriftQuery {
    /// A number, a tag or `latest`; absent: the parent of `current`.
    reference: Option<String>,
    /// Absent: the latest.
    current: Option<String>,
    /// One table alone.
    file: Option<String>,
    correction: Option<DriftCorrection>,
    /// A p-value below it is drift; 0.05.
    p_value: Option<f64>,
    /// A distance from it on is drift; 0.1.
    distance: Option<f64>,
    /// Of the compared columns, from which on the table has drifted; 0.5.
    share: Option<f64>,
    /// For every column of numbers, instead of the choice by size.
    number_test: Option<DriftTest>,
    /// For every column of words.
    word_test: Option<DriftTest>,
}

/// Whether the columns of a version are spread as in another.
#[utoipa::path(tag = "datasets", params(DriftQuery), responses((status = 200, body = DriftReport)))]
#[get("/datasets/{name}/drift")]
async fn of_dataset(
    app: web::Data<App>,
    who: Principal,
    name: web::Path<String>,
    query: web::Query<DriftQuery>,
) -> Result<web::Json<DriftReport>> {
    let auth = authorize(&who, action::View, &who.project)?;
    let settings = settings(&query)?;
    let query = query.into_inner();
    let current = query.current.unwrap_or_else(|| "latest".to_owned());
    let question = Question { dataset: name.into_inner(), reference: query.reference, current, file: query.file };
    Ok(web::Json(datasets::drift(&app, &auth, question, settings).await?))
}

fn settings(query: &DriftQuery) -> Result<Settings> {
    let usual = Settings::default();
    let settings = Settings {
        correction: query.correction.unwrap_or_default(),
        p_value: query.p_value.unwrap_or(usual.p_value),
        distance: query.distance.unwrap_or(usual.distance),
        drift_share: query.share.unwrap_or(usual.drift_share),
        number_test: query.number_test,
        word_test: query.word_test,
    };
    if !(settings.p_value > 0.0 && settings.p_value < 1.0) {
        return Err(Error::invalid("p_value is a probability between 0 and 1; 0.05 is usual."));
    }
    if !(settings.distance > 0.0 && settings.distance.is_finite()) {
        return Err(Error::invalid("distance is a number above 0; 0.1 is usual."));
    }
    if !(settings.drift_share > 0.0 && settings.drift_share <= 1.0) {
        return Err(Error::invalid("share is a part of the columns above 0 and up to 1; 0.5 is usual."));
    }
    if settings.number_test.is_some_and(|test| !is_for_numbers(test)) {
        return Err(Error::invalid(
            "number_test is kolmogorov_smirnov, wasserstein, jensen_shannon or population_stability.",
        ));
    }
    if settings.word_test.is_some_and(|test| !is_for_words(test)) {
        return Err(Error::invalid("word_test is chi_squared, jensen_shannon or population_stability."));
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused_with_what_would() {
        assert_eq!(settings(&DriftQuery::default()).unwrap(), Settings::default());
        let refused = |query: DriftQuery| settings(&query).unwrap_err().message;
        assert!(refused(DriftQuery { p_value: Some(1.5), ..Default::default() }).contains("0.05"));
        assert!(refused(DriftQuery { p_value: Some(f64::NAN), ..Default::default() }).contains("p_value"));
        assert!(refused(DriftQuery { distance: Some(0.0), ..Default::default() }).contains("distance"));
        assert!(refused(DriftQuery { share: Some(2.0), ..Default::default() }).contains("share"));
        let chi = Some(DriftTest::ChiSquared);
        assert!(refused(DriftQuery { number_test: chi, ..Default::default() }).contains("wasserstein"));
        assert!(settings(&DriftQuery { word_test: chi, ..Default::default() }).is_ok());
        let smirnov = Some(DriftTest::KolmogorovSmirnov);
        assert!(refused(DriftQuery { word_test: smirnov, ..Default::default() }).contains("chi_squared"));
    }
}
