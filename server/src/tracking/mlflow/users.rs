//! `users/current` and `users/update-password`, as MLflow's basic-auth app has them, for one's own account. Other people's
//! accounts are the business of the native API.

use actix_web::web;
use serde_json::json;

use super::{Answer, Args, Who, ok};
use crate::{
    accounts::{self, Accounts, Via},
    error::Error,
};

pub fn configure(cfg: &mut web::ServiceConfig, base: &str) {
    cfg.service(web::resource(format!("{base}/users/current")).route(web::get().to(current)));
    cfg.service(web::resource(format!("{base}/users/update-password")).route(web::patch().to(update_password)));
}

async fn current(who: Who) -> Answer {
    who.view()?;
    let who = who.0;
    ok(json!({
        "user": {
            "id": who.person_id,
            "username": who.username,
            "is_admin": who.reach.on_box() == drydock_wire::accounts::Role::Admin,
        },
        "is_basic_auth": who.via == Via::Basic,
    }))
}

async fn update_password(accounts: web::Data<Accounts>, who: Who, args: Args) -> Answer {
    who.view()?;
    let who = who.0;
    let (username, new) = (args.required("username")?, args.required("password")?);
    if username != who.username {
        return Err(Error::forbidden("Permission denied: this changes one's own password only.").into());
    }
    let current = args
        .filled("current_password")?
        .ok_or_else(|| Error::invalid("Current password is required when changing your own password."))?;
    if current == new {
        return Err(Error::invalid("New password must differ from the current password.").into());
    }
    accounts::change_password(&accounts, &who, drydock_wire::accounts::ChangePassword { current, new }).await.map_err(
        |error| match error.message.as_str() {
            "The current password is wrong." => Error::invalid("Current password does not match."),
            _ => error,
        },
    )?;
    ok(json!({}))
}
