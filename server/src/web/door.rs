//! What every request passes on its way in and every answer on its way out. One middleware: each costs the gateway an
//! allocation and a move of the whole request.

use actix_web::{
    Error as ActixError,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
};

use super::{guard, patience, room};
use crate::accounts::projects;

/// The middleware of all faces that actix serves.
pub async fn door(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, ActixError> {
    guard::check(&request)?;
    room::check(&request)?;
    patience::watch(&mut request);
    projects::take_parameter(&mut request);
    let secure = request.app_config().secure();
    let mut response = next.call(request).await?;
    guard::harden(&mut response, secure);
    Ok(response)
}
