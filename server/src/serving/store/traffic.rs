//! Rows of minutes of traffic, and a deployment's totals.

use diesel::prelude::*;

use super::DeploymentRow;
use crate::{
    db::{
        Conn,
        schema::serving::{deployments, gateway_minutes},
    },
    error::{Error, Result},
    serving::{
        gateway::{Kept, histogram::Histogram, meter::Minute},
        tokens,
    },
};

/// Traffic of a deployment since that instant.
pub fn kept_traffic(conn: &mut Conn, deployment: &DeploymentRow, since: i64) -> Result<Kept> {
    let rows: Vec<(i64, i64, i64, Vec<u8>)> = gateway_minutes::table
        .filter(gateway_minutes::deployment_id.eq(&deployment.id))
        .filter(gateway_minutes::at.ge(since))
        .select((gateway_minutes::at, gateway_minutes::requests, gateway_minutes::errors, gateway_minutes::histogram))
        .load(conn)
        .map_err(Error::internal)?;
    let unsigned = |count: i64| u64::try_from(count).unwrap_or_default();
    let minute = |(at, requests, errors, histogram): (i64, i64, i64, Vec<u8>)| {
        let latency = Histogram::decode(&histogram).unwrap_or_default();
        (at, Minute { requests: unsigned(requests), errors: unsigned(errors), latency })
    };
    Ok(Kept {
        minutes: rows.into_iter().map(minute).collect(),
        total_requests: unsigned(deployment.total_requests),
        total_errors: unsigned(deployment.total_errors),
        tokens: tokens::kept(conn, &deployment.id, since)?,
    })
}

/// Writes whole minutes and totals; writing the same again changes nothing. A deployment that is gone is left alone.
pub fn keep_traffic(conn: &mut Conn, deployment_id: &str, kept: &Kept) -> Result<()> {
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let totals = (
        deployments::total_requests.eq(signed(kept.total_requests)),
        deployments::total_errors.eq(signed(kept.total_errors)),
    );
    let row = deployments::table.find(deployment_id);
    if diesel::update(row).set(totals).execute(conn).map_err(Error::internal)? == 0 {
        return Ok(());
    }
    for (at, minute) in &kept.minutes {
        let values = (
            gateway_minutes::deployment_id.eq(deployment_id),
            gateway_minutes::at.eq(at),
            gateway_minutes::requests.eq(signed(minute.requests)),
            gateway_minutes::errors.eq(signed(minute.errors)),
            gateway_minutes::histogram.eq(minute.latency.encode()),
        );
        diesel::replace_into(gateway_minutes::table).values(values).execute(conn).map_err(Error::internal)?;
    }
    tokens::keep(conn, deployment_id, &kept.tokens)
}

/// Forgets minutes before that instant.
pub fn prune_traffic(conn: &mut Conn, before: i64) -> Result<()> {
    let old = gateway_minutes::table.filter(gateway_minutes::at.lt(before));
    diesel::delete(old).execute(conn).map_err(Error::internal)?;
    tokens::prune(conn, before)
}
