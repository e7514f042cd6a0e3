//! The areas of the dashboard that are modules of their own. The page starts with the frame and login; an area is
//! fetched when one of its pages is first opened, or a moment after the first page stands.

use crate::{
    pages,
    ui::{Button, EmptyState, PageHead},
};
use leptos::{
    prelude::*,
    wasm_split::{SplitLoaderError, wasm_split},
};
use leptos_router::LazyRoute;

// Few areas on purpose: what some of them share becomes a module per combination, so that nine areas make two hundred small files,
// seven ninety.

/// A page of an area: a split point for `wasm_split` and the route's view. `$fetch` loads the area's module without drawing.
macro_rules! lazy_page {
    ($area:ident, $route:ident, $draw:ident, $fetch:ident, $page:path) => {
        #[wasm_split($area, wasm_split_path = ::leptos::wasm_split, preload($fetch), fallible)]
        fn $draw() -> Result<AnyView, SplitLoaderError> {
            Ok($page().into_any())
        }

        pub struct $route;

        impl LazyRoute for $route {
            fn data() -> Self {
                Self
            }

            async fn view(_: Self) -> AnyView {
                $draw().await.unwrap_or_else(|_| NotLoaded().into_any())
            }
        }
    };
}

lazy_page!(home, Overview, draw_overview, fetch_overview, pages::overview::OverviewPage);
lazy_page!(home, Setup, draw_setup, fetch_setup, pages::setup::SetupPage);
lazy_page!(runs, Runs, draw_runs, fetch_runs, pages::runs::RunsPage);
lazy_page!(runs, Run, draw_run, fetch_run, pages::runs::RunPage);
lazy_page!(runs, Compare, draw_compare, fetch_compare, pages::runs::ComparePage);
lazy_page!(models, Models, draw_models, fetch_models, pages::models::ModelsPage);
lazy_page!(models, Traces, draw_traces, fetch_traces, pages::traces::TracesPage);
lazy_page!(models, Trace, draw_trace, fetch_trace, pages::traces::TracePage);
lazy_page!(models, Model, draw_model, fetch_model, pages::models::ModelPage);
lazy_page!(models, Lineage, draw_lineage, fetch_lineage, pages::lineage::LineagePage);
lazy_page!(data, Buckets, draw_buckets, fetch_buckets, pages::buckets::BucketsPage);
lazy_page!(data, Bucket, draw_bucket, fetch_bucket, pages::buckets::BucketPage);
lazy_page!(data, Datasets, draw_datasets, fetch_datasets, pages::datasets::DatasetsPage);
lazy_page!(data, Dataset, draw_dataset, fetch_dataset, pages::datasets::DatasetPage);
lazy_page!(data, Images, draw_images, fetch_images, pages::images::ImagesPage);
lazy_page!(data, Repository, draw_repository, fetch_repository, pages::images::RepositoryPage);
lazy_page!(data, Manifest, draw_manifest, fetch_manifest, pages::images::ManifestPage);
lazy_page!(work, Jobs, draw_jobs, fetch_jobs, pages::jobs::JobsPage);
lazy_page!(work, NewJob, draw_new_job, fetch_new_job, pages::jobs::NewJobPage);
lazy_page!(work, Job, draw_job, fetch_job, pages::jobs::JobPage);
lazy_page!(work, Sweeps, draw_sweeps, fetch_sweeps, pages::sweeps::SweepsPage);
lazy_page!(work, Sweep, draw_sweep, fetch_sweep, pages::sweeps::SweepPage);
lazy_page!(work, Deployments, draw_deployments, fetch_deployments, pages::deployments::DeploymentsPage);
lazy_page!(work, Deployment, draw_deployment, fetch_deployment, pages::deployments::DeploymentPage);
lazy_page!(machine, Packages, draw_packages, fetch_packages, pages::packages::PackagesPage);
lazy_page!(machine, Package, draw_package, fetch_package, pages::packages::PackagePage);
lazy_page!(machine, Builds, draw_builds, fetch_builds, pages::builds::BuildsPage);
lazy_page!(machine, NewBuild, draw_new_build, fetch_new_build, pages::builds::NewBuildPage);
lazy_page!(machine, Build, draw_build, fetch_build, pages::builds::BuildPage);
lazy_page!(machine, Logs, draw_logs, fetch_logs, pages::logs::LogsPage);
lazy_page!(machine, Queue, draw_queue, fetch_queue, pages::queue::QueuePage);
lazy_page!(machine, Devices, draw_devices, fetch_devices, pages::devices::DevicesPage);
lazy_page!(machine, Monitoring, draw_monitoring, fetch_monitoring, pages::monitoring::MonitoringPage);
lazy_page!(flow, Pipelines, draw_pipelines, fetch_pipelines, pages::pipelines::PipelinesPage);
lazy_page!(flow, NewPipeline, draw_new_pipeline, fetch_new_pipeline, pages::pipelines::NewPipelinePage);
lazy_page!(flow, Pipeline, draw_pipeline, fetch_pipeline, pages::pipelines::PipelinePage);
lazy_page!(flow, PipelineRun, draw_pipeline_run, fetch_pipeline_run, pages::pipelines::PipelineRunPage);
lazy_page!(data, Settings, draw_settings, fetch_settings, pages::settings::SettingsPage);
lazy_page!(data, Store, draw_store, fetch_store, pages::store::StorePage);
lazy_page!(data, Trash, draw_trash, fetch_trash, pages::trash::TrashPage);

/// Fetches every area, one after the other, so that opening its pages later needs no waiting. What fails is asked for again when
/// it is opened.
pub async fn fetch_all() {
    let _ = fetch_overview().await;
    let _ = fetch_runs().await;
    let _ = fetch_jobs().await;
    let _ = fetch_pipelines().await;
    let _ = fetch_models().await;
    let _ = fetch_datasets().await;
    let _ = fetch_packages().await;
}

/// After an upgrade of the box, a page that stood open asks for modules that are no more.
#[component]
fn NotLoaded() -> impl IntoView {
    let reload = move |_| drop(window().location().reload());
    view! {
        <section class="page">
            <PageHead title="This page could not be loaded"/>
            <EmptyState
                icon="circle-alert"
                title="The box did not send this part of the dashboard"
                text="It may be unreachable, or it was upgraded while this window was open. Reload the page to go on."
            >
                <Button on_press=reload>"Reload"</Button>
            </EmptyState>
        </section>
    }
}
