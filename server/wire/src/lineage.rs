//! Where things come from and what became of them, as a graph.

wire! {
    /// `GET /api/v1/lineage/{kind}/{id}`: everything that led to the thing and everything that came of it.
    pub struct Lineage {
        /// Key of the node that was asked for.
        pub start: String,
        /// Sources before what was made of them.
        pub nodes: Vec<Node>,
        pub edges: Vec<Edge>,
        /// There is more than is shown.
        pub truncated: bool,
    }

    pub struct Node {
        /// `{kind}/{id}`.
        pub key: String,
        pub kind: NodeKind,
        pub id: String,
        /// What a person calls it.
        pub title: String,
        /// A line below the title.
        pub detail: String,
        /// Its page in the dashboard, if it has one.
        pub href: Option<String>,
    }

    /// What a node is.
    #[derive(Copy, Eq, Hash, PartialOrd, Ord)]
    #[serde(rename_all = "snake_case")]
    pub enum NodeKind {
        /// A version of a Drydock dataset: `name:3`.
        Dataset,
        /// A dataset that a run declared through MLflow: `name@digest`.
        Input,
        /// A commit of the code.
        Commit,
        /// The file or notebook that ran.
        Source,
        /// A job, with its snapshot of code.
        Job,
        Run,
        /// A model as MLflow 3 logs it: `m-…`.
        LoggedModel,
        /// A version of a registered model: `name:3`.
        Version,
        Deployment,
    }

    pub struct Edge {
        /// Key of the source.
        pub from: String,
        /// Key of what was made of it.
        pub to: String,
        /// "trained on", "logged".
        pub label: String,
        /// It was so once: a deployment that serves another version now.
        #[serde(default)]
        pub past: bool,
    }
}

impl NodeKind {
    /// The word in addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dataset => "dataset",
            Self::Input => "input",
            Self::Commit => "commit",
            Self::Source => "source",
            Self::Job => "job",
            Self::Run => "run",
            Self::LoggedModel => "logged_model",
            Self::Version => "version",
            Self::Deployment => "deployment",
        }
    }

    /// The word that people read.
    pub fn word(self) -> &'static str {
        match self {
            Self::Dataset => "Dataset",
            Self::Input => "Data input",
            Self::Commit => "Commit",
            Self::Source => "Source",
            Self::Job => "Job",
            Self::Run => "Run",
            Self::LoggedModel => "Logged model",
            Self::Version => "Model version",
            Self::Deployment => "Deployment",
        }
    }

    /// The kind of that word.
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Dataset,
            Self::Input,
            Self::Commit,
            Self::Source,
            Self::Job,
            Self::Run,
            Self::LoggedModel,
            Self::Version,
            Self::Deployment,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == text)
    }
}
