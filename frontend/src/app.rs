//! The root of the page: what every part can reach, and every address there is.

use crate::{
    area, format, live,
    pages::{login, welcome},
    reactive::effect,
    shell,
    ui::{
        EmptyState, LinkButton, PageHead,
        theme::{self, Theme},
        toast::Toast,
    },
};
use drydock_wire::accounts::Me;
use leptos::{prelude::*, task::spawn_local};
use leptos_router::{
    Lazy, NavigateOptions,
    components::{ParentRoute, Route, Router, Routes},
    hooks::use_navigate,
    path,
};
use std::{cell::Cell, cell::RefCell, time::Duration};

/// Signals that live as long as the page. Reached with `app()` from anywhere, futures included.
#[derive(Clone, Copy)]
pub struct App {
    pub me: RwSignal<Option<Me>>,
    pub toasts: RwSignal<Vec<Toast>>,
    pub theme: RwSignal<Theme>,
    /// Now, in milliseconds; moves every ten seconds, for relative times.
    pub now: RwSignal<i64>,
    pub hints: [RwSignal<u64>; live::TOPICS.len()],
    /// Whether the event stream is up.
    pub connected: RwSignal<bool>,
    pub palette_open: RwSignal<bool>,
    pub drawer_open: RwSignal<bool>,
}

/// How long after the start the rest of the dashboard is fetched: later than the first page and its data.
const AREAS_AFTER: Duration = Duration::from_secs(3);

type Go = Box<dyn Fn(&str, NavigateOptions)>;

thread_local! {
    static APP: Cell<Option<App>> = const { Cell::new(None) };
    static GO: RefCell<Option<Go>> = const { RefCell::new(None) };
}

/// The page's signals.
pub fn app() -> App {
    match APP.get() {
        Some(app) => app,
        // only reached by a part used before `mount`, which is a mistake in this crate
        None => unreachable!("the app is not mounted"),
    }
}

/// Goes to an address of the dashboard, as a click on a link would. Works from futures and callbacks.
pub fn go(to: &str) {
    navigate(to, NavigateOptions::default());
}

/// Goes there without leaving the present address in the history.
pub fn go_instead(to: &str) {
    navigate(to, NavigateOptions { replace: true, ..Default::default() });
}

fn navigate(to: &str, options: NavigateOptions) {
    GO.with_borrow(|go| {
        if let Some(go) = go {
            go(to, options);
        }
    });
}

/// Draws the page.
pub fn mount() {
    crate::live::watch_sight();
    leptos::mount::mount_to_body(Root);
}

fn now_ms() -> i64 {
    js_sys::Date::now() as i64
}

#[component]
fn Root() -> impl IntoView {
    let state = App {
        me: RwSignal::new(None),
        toasts: RwSignal::new(vec![]),
        theme: RwSignal::new(Theme::load()),
        now: RwSignal::new(now_ms()),
        hints: live::TOPICS.map(|_| RwSignal::new(0)),
        connected: RwSignal::new(true),
        palette_open: RwSignal::new(false),
        drawer_open: RwSignal::new(false),
    };
    APP.set(Some(state));
    set_interval(move || state.now.set(now_ms()), Duration::from_secs(10));
    effect(move || state.theme.get().apply());
    theme::follow_system(state.theme);
    set_timeout(|| spawn_local(area::fetch_all()), AREAS_AFTER);
    if let Some(boot) = document().get_element_by_id("boot") {
        boot.remove();
    }
    view! {
        <Router>
            <KeepNavigate/>
            <Routes fallback=|| view! { <main id="main"><NotFound/></main> }>
                <Route path=path!("/setup") view={Lazy::<area::Setup>::new()}/>
                <Route path=path!("/login") view=login::LoginPage/>
                <Route path=path!("/welcome") view=welcome::WelcomePage/>
                <ParentRoute path=path!("") view=shell::Shell>
                    <Route path=path!("") view={Lazy::<area::Overview>::new()}/>
                    <Route path=path!("runs") view={Lazy::<area::Runs>::new()}/>
                    <Route path=path!("runs/:id") view={Lazy::<area::Run>::new()}/>
                    <Route path=path!("compare") view={Lazy::<area::Compare>::new()}/>
                    <Route path=path!("traces") view={Lazy::<area::Traces>::new()}/>
                    <Route path=path!("traces/:id") view={Lazy::<area::Trace>::new()}/>
                    <Route path=path!("models") view={Lazy::<area::Models>::new()}/>
                    <Route path=path!("models/:name") view={Lazy::<area::Model>::new()}/>
                    <Route path=path!("lineage/:kind/:id") view={Lazy::<area::Lineage>::new()}/>
                    <Route path=path!("buckets") view={Lazy::<area::Buckets>::new()}/>
                    <Route path=path!("buckets/:name") view={Lazy::<area::Bucket>::new()}/>
                    <Route path=path!("datasets") view={Lazy::<area::Datasets>::new()}/>
                    <Route path=path!("datasets/:name") view={Lazy::<area::Dataset>::new()}/>
                    <Route path=path!("images") view={Lazy::<area::Images>::new()}/>
                    <Route path=path!("images/repository") view={Lazy::<area::Repository>::new()}/>
                    <Route path=path!("images/manifest") view={Lazy::<area::Manifest>::new()}/>
                    <Route path=path!("packages") view={Lazy::<area::Packages>::new()}/>
                    <Route path=path!("packages/:name") view={Lazy::<area::Package>::new()}/>
                    <Route path=path!("builds") view={Lazy::<area::Builds>::new()}/>
                    <Route path=path!("builds/new") view={Lazy::<area::NewBuild>::new()}/>
                    <Route path=path!("builds/:id") view={Lazy::<area::Build>::new()}/>
                    <Route path=path!("logs") view={Lazy::<area::Logs>::new()}/>
                    <Route path=path!("queue") view={Lazy::<area::Queue>::new()}/>
                    <Route path=path!("monitoring") view={Lazy::<area::Monitoring>::new()}/>
                    <Route path=path!("devices") view={Lazy::<area::Devices>::new()}/>
                    <Route path=path!("jobs") view={Lazy::<area::Jobs>::new()}/>
                    <Route path=path!("jobs/new") view={Lazy::<area::NewJob>::new()}/>
                    <Route path=path!("jobs/:id") view={Lazy::<area::Job>::new()}/>
                    <Route path=path!("sweeps") view={Lazy::<area::Sweeps>::new()}/>
                    <Route path=path!("sweeps/:id") view={Lazy::<area::Sweep>::new()}/>
                    <Route path=path!("pipelines") view={Lazy::<area::Pipelines>::new()}/>
                    <Route path=path!("pipelines/new") view={Lazy::<area::NewPipeline>::new()}/>
                    <Route path=path!("pipelines/:name") view={Lazy::<area::Pipeline>::new()}/>
                    <Route path=path!("pipelines/:name/runs/:id") view={Lazy::<area::PipelineRun>::new()}/>
                    <Route path=path!("deployments") view={Lazy::<area::Deployments>::new()}/>
                    <Route path=path!("deployments/:name") view={Lazy::<area::Deployment>::new()}/>
                    <Route path=path!("store") view={Lazy::<area::Store>::new()}/>
                    <Route path=path!("trash") view={Lazy::<area::Trash>::new()}/>
                    <Route path=path!("settings") view={Lazy::<area::Settings>::new()}/>
                    <Route path=path!("*any") view=NotFound/>
                </ParentRoute>
            </Routes>
            <crate::ui::toast::Toasts/>
        </Router>
    }
}

/// Keeps the router's navigate function where futures can reach it.
#[component]
fn KeepNavigate() -> impl IntoView {
    let navigate = use_navigate();
    GO.set(Some(Box::new(move |to, options| navigate(to, options))));
}

#[component]
fn NotFound() -> impl IntoView {
    view! {
        <section class="page">
            <PageHead title="Page not found"/>
            <EmptyState icon="circle-alert" title="There is nothing at this address" text="It may be old or mistyped.">
                <LinkButton href="/">"Go to the overview"</LinkButton>
            </EmptyState>
        </section>
    }
}

/// The title of the window: `text · Drydock`.
pub fn set_title(text: &str) {
    document().set_title(&format!("{text} · Drydock"));
}

/// How long ago `at` was; reactive, moves by itself.
pub fn ago(at: i64) -> String {
    format::ago(at, app().now.get())
}
