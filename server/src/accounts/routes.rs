//! HTTP of accounts: parse, authorize, call, wrap.

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, SameSite},
    delete, get, patch, post, web,
};
use drydock_wire::{
    Page,
    accounts::{
        AuditEntry, ChangePassword, CompleteSetup, CreatePerson, CreateToken, CreatedToken, Login, LoginAttempt, Me,
        PasswordLink, Person, PersonDetail, Session, SetupState, Token, UpdatePerson, UsePasswordLink,
    },
    storage::{CreateS3Key, CreatedS3Key, S3Key},
};
use utoipa_actix_web::service_config::ServiceConfig;

use super::{Accounts, Entered, Principal, SESSION_COOKIES, action, address_text, audit, authorize};
use crate::{db::Db, error::Result};

/// Mounts the routes under `/api/v1`.
pub fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(setup_state)
        .service(complete_setup)
        .service(login)
        .service(logout)
        .service(me)
        .service(change_password)
        .service(list_sessions)
        .service(end_session)
        .service(list_tokens)
        .service(create_token)
        .service(delete_token)
        .service(list_s3_keys)
        .service(create_s3_key)
        .service(delete_s3_key)
        .service(list_people)
        .service(create_person)
        .service(get_person)
        .service(update_person)
        .service(end_sessions_of)
        .service(end_token_of)
        .service(make_password_link)
        .service(use_password_link)
        .service(own_logins)
        .service(audit_trail)
        .configure(super::projects::configure);
}

#[utoipa::path(tag = "accounts", security(()), responses((status = 200, body = SetupState)))]
#[get("/setup")]
async fn setup_state(accounts: web::Data<Accounts>) -> Result<web::Json<SetupState>> {
    Ok(web::Json(accounts.setup_state().await?))
}

#[utoipa::path(tag = "accounts", security(()), responses((status = 200, body = Me), (status = 409)))]
#[post("/setup")]
async fn complete_setup(
    accounts: web::Data<Accounts>,
    request: HttpRequest,
    wish: web::Json<CompleteSetup>,
) -> Result<HttpResponse> {
    let (from, agent) = caller(&request);
    let entered = super::complete_setup(&accounts, wish.into_inner(), &from, &agent).await?;
    Ok(welcome(&request, entered))
}

#[utoipa::path(tag = "accounts", security(()), responses((status = 200, body = Me), (status = 401), (status = 429)))]
#[post("/login")]
async fn login(accounts: web::Data<Accounts>, request: HttpRequest, wish: web::Json<Login>) -> Result<HttpResponse> {
    let (from, agent) = caller(&request);
    let entered = super::login(&accounts, wish.into_inner(), &from, &agent).await?;
    Ok(welcome(&request, entered))
}

fn caller(request: &HttpRequest) -> (String, String) {
    let agent = request.headers().get("user-agent").and_then(|value| value.to_str().ok()).unwrap_or("");
    (address_text(request.peer_addr().map(|peer| peer.ip())), agent.to_owned())
}

fn is_tls(request: &HttpRequest) -> bool {
    request.app_config().secure()
}

fn session_cookie(request: &HttpRequest, value: String) -> Cookie<'static> {
    let secure = is_tls(request);
    let name = if secure { SESSION_COOKIES[0] } else { SESSION_COOKIES[1] };
    Cookie::build(name, value).path("/").http_only(true).secure(secure).same_site(SameSite::Strict).finish()
}

fn welcome(request: &HttpRequest, entered: Entered) -> HttpResponse {
    HttpResponse::Ok().cookie(session_cookie(request, entered.secret)).json(view(&entered.who))
}

fn view(who: &Principal) -> Me {
    Me {
        username: who.username.clone(),
        role: who.reach.on_box(),
        role_here: Some(who.role),
        via: who.via.as_str().to_owned(),
        project: who.reach.bound().map(str::to_owned),
    }
}

#[utoipa::path(tag = "accounts", responses((status = 204)))]
#[post("/logout")]
async fn logout(accounts: web::Data<Accounts>, request: HttpRequest, who: Principal) -> Result<HttpResponse> {
    if let Some(id) = &who.session_id {
        super::logout(&accounts, &who, id).await?;
    }
    let mut gone = session_cookie(&request, String::new());
    gone.make_removal();
    Ok(HttpResponse::NoContent().cookie(gone).finish())
}

#[utoipa::path(tag = "accounts", responses((status = 200, body = Me)))]
#[get("/me")]
async fn me(who: Principal) -> web::Json<Me> {
    web::Json(view(&who))
}

#[utoipa::path(tag = "accounts", responses((status = 204)))]
#[post("/me/password")]
async fn change_password(
    accounts: web::Data<Accounts>,
    who: Principal,
    wish: web::Json<ChangePassword>,
) -> Result<HttpResponse> {
    super::change_password(&accounts, &who, wish.into_inner()).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[utoipa::path(tag = "accounts", responses((status = 200, body = [Session])))]
#[get("/sessions")]
async fn list_sessions(accounts: web::Data<Accounts>, who: Principal) -> Result<web::Json<Vec<Session>>> {
    Ok(web::Json(super::sessions(&accounts, &who).await?))
}

#[utoipa::path(tag = "accounts", responses((status = 204)))]
#[delete("/sessions/{id}")]
async fn end_session(accounts: web::Data<Accounts>, who: Principal, id: web::Path<String>) -> Result<HttpResponse> {
    super::logout(&accounts, &who, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[utoipa::path(tag = "accounts", responses((status = 200, body = [Token])))]
#[get("/tokens")]
async fn list_tokens(db: web::Data<Db>, who: Principal) -> Result<web::Json<Vec<Token>>> {
    let auth = authorize(&who, action::View, &who.project)?;
    Ok(web::Json(super::tokens(&db, &auth).await?))
}

#[utoipa::path(tag = "accounts", responses((status = 201, body = CreatedToken)))]
#[post("/tokens")]
async fn create_token(db: web::Data<Db>, who: Principal, wish: web::Json<CreateToken>) -> Result<HttpResponse> {
    let auth = authorize(&who, action::View, &who.project)?;
    Ok(HttpResponse::Created().json(super::create_token(&db, &auth, wish.into_inner()).await?))
}

#[utoipa::path(tag = "accounts", responses((status = 204)))]
#[delete("/tokens/{id}")]
async fn delete_token(db: web::Data<Db>, who: Principal, id: web::Path<String>) -> Result<HttpResponse> {
    let auth = authorize(&who, action::View, &who.project)?;
    super::delete_token(&db, &auth, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Whose keys.
#[derive(serde::Deserialize, utoipa::IntoParams)]
struct KeysQuery {
    /// Everybody's, for an admin.
    #[serde(default)]
    all: bool,
}

#[utoipa::path(tag = "accounts", params(KeysQuery), responses((status = 200, body = [S3Key])))]
#[get("/s3-keys")]
async fn list_s3_keys(
    db: web::Data<Db>,
    who: Principal,
    query: web::Query<KeysQuery>,
) -> Result<web::Json<Vec<S3Key>>> {
    let auth = authorize(&who, action::View, &who.project)?;
    Ok(web::Json(super::list_s3_keys(&db, &auth, query.all).await?))
}

#[utoipa::path(tag = "accounts", responses((status = 201, body = CreatedS3Key)))]
#[post("/s3-keys")]
async fn create_s3_key(
    accounts: web::Data<Accounts>,
    who: Principal,
    wish: web::Json<CreateS3Key>,
) -> Result<HttpResponse> {
    let auth = authorize(&who, action::View, &who.project)?;
    Ok(HttpResponse::Created().json(super::create_s3_key(&accounts, &auth, wish.into_inner()).await?))
}

#[utoipa::path(tag = "accounts", responses((status = 204)))]
#[delete("/s3-keys/{access_key}")]
async fn delete_s3_key(db: web::Data<Db>, who: Principal, access_key: web::Path<String>) -> Result<HttpResponse> {
    let auth = authorize(&who, action::View, &who.project)?;
    super::delete_s3_key(&db, &auth, &access_key).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[utoipa::path(tag = "accounts", responses((status = 200, body = [Person])))]
#[get("/people")]
async fn list_people(db: web::Data<Db>, who: Principal) -> Result<web::Json<Vec<Person>>> {
    let auth = authorize(&who, action::Administer, &who.project)?;
    Ok(web::Json(super::people(&db, &auth).await?))
}

#[utoipa::path(tag = "accounts", responses((status = 201, body = Person)))]
#[post("/people")]
async fn create_person(db: web::Data<Db>, who: Principal, wish: web::Json<CreatePerson>) -> Result<HttpResponse> {
    let auth = authorize(&who, action::Administer, &who.project)?;
    Ok(HttpResponse::Created().json(super::create_person(&db, &auth, wish.into_inner()).await?))
}

#[utoipa::path(tag = "accounts", responses((status = 200, body = PersonDetail)))]
#[get("/people/{username}")]
async fn get_person(db: web::Data<Db>, who: Principal, username: web::Path<String>) -> Result<web::Json<PersonDetail>> {
    let auth = authorize(&who, action::Administer, &who.project)?;
    Ok(web::Json(super::person(&db, &auth, &username).await?))
}

/// Logs the person out everywhere.
#[utoipa::path(tag = "accounts", responses((status = 204)))]
#[delete("/people/{username}/sessions")]
async fn end_sessions_of(db: web::Data<Db>, who: Principal, username: web::Path<String>) -> Result<HttpResponse> {
    let auth = authorize(&who, action::Administer, &who.project)?;
    super::end_sessions(&db, &auth, &username).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[utoipa::path(tag = "accounts", responses((status = 204)))]
#[delete("/people/{username}/tokens/{id}")]
async fn end_token_of(db: web::Data<Db>, who: Principal, path: web::Path<(String, String)>) -> Result<HttpResponse> {
    let auth = authorize(&who, action::Administer, &who.project)?;
    super::end_token(&db, &auth, &path.0, &path.1).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// A link with which the person sets a password, once, within a day.
#[utoipa::path(tag = "accounts", responses((status = 201, body = PasswordLink)))]
#[post("/people/{username}/password-link")]
async fn make_password_link(db: web::Data<Db>, who: Principal, username: web::Path<String>) -> Result<HttpResponse> {
    let auth = authorize(&who, action::Administer, &who.project)?;
    Ok(HttpResponse::Created().json(super::make_link(&db, &auth, &username).await?))
}

#[utoipa::path(tag = "accounts", security(()), responses((status = 204), (status = 403), (status = 429)))]
#[post("/password-link")]
async fn use_password_link(
    accounts: web::Data<Accounts>,
    request: HttpRequest,
    wish: web::Json<UsePasswordLink>,
) -> Result<HttpResponse> {
    let (from, _) = caller(&request);
    super::use_link(&accounts, wish.into_inner(), &from).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Who came in with one's own name, or tried to.
#[utoipa::path(tag = "accounts", responses((status = 200, body = [LoginAttempt])))]
#[get("/me/logins")]
async fn own_logins(db: web::Data<Db>, who: Principal) -> Result<web::Json<Vec<LoginAttempt>>> {
    authorize(&who, action::View, &who.project)?;
    Ok(web::Json(super::own_logins(&db, &who).await?))
}

#[utoipa::path(tag = "accounts", responses((status = 200, body = Person)))]
#[patch("/people/{username}")]
async fn update_person(
    db: web::Data<Db>,
    who: Principal,
    username: web::Path<String>,
    wish: web::Json<UpdatePerson>,
) -> Result<web::Json<Person>> {
    let auth = authorize(&who, action::Administer, &who.project)?;
    Ok(web::Json(super::update_person(&db, &auth, &username, wish.into_inner()).await?))
}

/// Which part of the audit trail.
#[derive(serde::Deserialize, utoipa::IntoParams)]
struct AuditQuery {
    /// `next` of the page before.
    page: Option<i64>,
    /// 1 to 200; 50 when absent.
    limit: Option<i64>,
    /// Words that stand in the name, the address, the action, the subject or the detail; all of them.
    q: Option<String>,
    /// From then on, in milliseconds since 1970.
    from: Option<i64>,
    /// Until then, in milliseconds since 1970.
    until: Option<i64>,
}

#[utoipa::path(tag = "accounts", params(AuditQuery), responses((status = 200, body = Page<AuditEntry>)))]
#[get("/audit")]
async fn audit_trail(
    db: web::Data<Db>,
    who: Principal,
    query: web::Query<AuditQuery>,
) -> Result<web::Json<Page<AuditEntry>>> {
    let auth = authorize(&who, action::Administer, &who.project)?;
    let query = query.into_inner();
    let words = query.q.unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    let search = audit::Search { before: query.page, words, from: query.from, until: query.until };
    let (items, total) = super::audit_trail(&db, &auth, search, query.limit.unwrap_or(50)).await?;
    let next = items.last().filter(|entry| entry.id > 1).map(|entry| entry.id.to_string());
    Ok(web::Json(Page { items, total: u64::try_from(total).unwrap_or(0), next }))
}
