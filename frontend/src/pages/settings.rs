//! Settings: one's own account, tokens and sessions; for engineers secrets and webhooks; for admins also people and the audit trail.

mod account;
mod audit;
mod moving;
mod people;
mod projects;
mod s3_keys;
mod secrets;
mod tokens;
mod webhooks;

use crate::{
    session::{may, use_me},
    ui::{PageHead, Tabs, url::param},
};
use drydock_wire::accounts::Role;
use leptos::prelude::*;

#[component]
pub fn SettingsPage() -> impl IntoView {
    let tab = param("tab", "account");
    let admin = untrack(|| may(Role::Admin));
    let mut tabs = vec![
        ("account", "Account".to_owned()),
        ("tokens", "API tokens".into()),
        ("s3-keys", "S3 keys".into()),
        ("sessions", "Sessions".into()),
        ("projects", "Projects".into()),
    ];
    let engineer = untrack(|| may(Role::Engineer));
    if engineer {
        tabs.extend([
            ("secrets", "Secrets".to_owned()),
            ("webhooks", "Webhooks".to_owned()),
            ("moving", "Import and export".into()),
        ]);
    }
    if admin {
        tabs.extend([("people", "People".into()), ("audit", "Audit trail".into())]);
    }
    let sub = || use_me().map(|me| format!("Signed in as {}, {}", me.username, me.role.as_str()));
    view! {
        <section class="page">
            <PageHead title="Settings" sub=sub/>
            <Tabs param=tab label="Settings" tabs/>
            <div role="tabpanel" class="stack" aria-label="Settings">
                {move || match tab.get().as_str() {
                    "tokens" => view! { <tokens::Tokens/> }.into_any(),
                    "s3-keys" => view! { <s3_keys::S3Keys/> }.into_any(),
                    "moving" => view! { <moving::Moving/> }.into_any(),
                    "sessions" => view! { <account::Sessions/> }.into_any(),
                    "projects" => view! { <projects::Projects/> }.into_any(),
                    "secrets" if engineer => view! { <secrets::Secrets/> }.into_any(),
                    "webhooks" if engineer => view! { <webhooks::Webhooks/> }.into_any(),
                    "people" if admin => view! { <people::People/> }.into_any(),
                    "audit" if admin => view! { <audit::Audit/> }.into_any(),
                    _ => view! { <account::Account/> }.into_any(),
                }}
            </div>
        </section>
    }
}
