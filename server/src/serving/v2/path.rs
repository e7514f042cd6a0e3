//! What a path under `/v2` asks for.

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    Server,
    Live,
    Ready,
    Model,
    ModelReady,
    Infer,
}

/// A call of the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub ask: Ask,
    /// Of calls about a model.
    pub model: Option<String>,
    pub version: Option<String>,
}

impl Call {
    /// Whether it is sent with POST.
    pub fn is_post(&self) -> bool {
        self.ask == Ask::Infer
    }
}

/// The call of these decoded segments, which come after `v2`; absent for a path that the protocol does not have.
pub fn call(segments: &[&str]) -> Option<Call> {
    let plain = |ask| Some(Call { ask, model: None, version: None });
    let (model, version, rest) = match segments {
        [] => return plain(Ask::Server),
        ["health", "live"] => return plain(Ask::Live),
        ["health", "ready"] => return plain(Ask::Ready),
        ["models", model, "versions", version, rest @ ..] => (model, Some((*version).to_owned()), rest),
        ["models", model, rest @ ..] => (model, None, rest),
        _ => return None,
    };
    let ask = match rest {
        [] => Ask::Model,
        ["ready"] => Ask::ModelReady,
        ["infer"] => Ask::Infer,
        _ => return None,
    };
    Some(Call { ask, model: Some((*model).to_owned()), version })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paths_of_the_protocol_and_no_others() {
        let ask = |path: &str| call(&path.split('/').filter(|part| !part.is_empty()).collect::<Vec<_>>());
        let of = |ask, version: Option<&str>| {
            Some(Call { ask, model: Some("wine".to_owned()), version: version.map(str::to_owned) })
        };
        assert_eq!(ask("").map(|it| it.ask), Some(Ask::Server));
        assert_eq!(ask("health/live").map(|it| it.ask), Some(Ask::Live));
        assert_eq!(ask("models/wine"), of(Ask::Model, None));
        assert_eq!(ask("models/wine/versions/3"), of(Ask::Model, Some("3")));
        assert_eq!(ask("models/wine/versions/3/ready"), of(Ask::ModelReady, Some("3")));
        assert_eq!(ask("models/wine/infer"), of(Ask::Infer, None));
        for other in ["models", "health", "models/wine/config", "repository/index", "models/wine/versions"] {
            assert_eq!(ask(other), None, "{other}");
        }
    }
}
