//! `/metrics`, for Prometheus and whoever reads its text or OpenMetrics.

use actix_web::{HttpRequest, HttpResponse, web};

use super::exposition::{Format, render};
use super::gather::gather;
use crate::accounts::{self, Accounts, action};
use crate::app::App;
use crate::error::{Error, Result};
use crate::serving::Gateway;

/// Everything that is measured. A program on the box itself may read it as it is, others sign in.
pub async fn scrape(
    app: web::Data<App>,
    accounts: web::Data<Accounts>,
    gateway: web::Data<Gateway>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    if !is_from_this_box(&request) {
        let who = accounts::identify(&accounts, &request).await?;
        let auth = accounts::authorize(&who, action::View, &who.project)?;
        if !auth.principal().reach.sees_all() {
            return Err(Error::forbidden(
                "These figures name deployments of every project; ask with the token of somebody who sees them all.",
            ));
        }
    }
    let accept = request.headers().get("accept").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let format = Format::accepted(accept);
    let families = gather(&app, &gateway).await?;
    Ok(HttpResponse::Ok()
        .content_type(format.content_type())
        .insert_header(("vary", "accept"))
        .body(render(&families, format)))
}

/// A proxy on the box passes on requests of others, and says so.
fn is_from_this_box(request: &HttpRequest) -> bool {
    let relayed = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
    request.peer_addr().is_some_and(|peer| peer.ip().is_loopback())
        && !relayed.iter().any(|name| request.headers().contains_key(*name))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn only_a_direct_caller_on_the_box_needs_no_login() {
        let from =
            |peer: &str| TestRequest::get().peer_addr(([127, 0, 0, 1], 1).into()).insert_header(("x-test", peer));
        assert!(is_from_this_box(&from("direct").to_http_request()));
        let relayed = from("relayed").insert_header(("x-forwarded-for", "10.0.0.9")).to_http_request();
        assert!(!is_from_this_box(&relayed));
        let remote = TestRequest::get().peer_addr(([10, 0, 0, 9], 1).into()).to_http_request();
        assert!(!is_from_this_box(&remote));
        assert!(!is_from_this_box(&TestRequest::get().to_http_request()));
    }
}
