//! The project that the dashboard shows: kept by the browser, told to the server with each request, changed by loading the page anew,
//! since everything on it may be of another project then.

use leptos::prelude::window;

const KEY: &str = "drydock.project";
/// The header that tells the server.
pub const HEADER: &str = "x-drydock-project";

/// Its id; none: all that the person may see.
pub fn chosen() -> Option<String> {
    let storage = window().local_storage().ok().flatten()?;
    storage.get_item(KEY).ok().flatten().filter(|id| !id.is_empty())
}

/// Shows another project, or all with none.
pub fn choose(id: Option<&str>) {
    if let Ok(Some(storage)) = window().local_storage() {
        let _ = match id {
            Some(id) => storage.set_item(KEY, id),
            None => storage.remove_item(KEY),
        };
    }
    let _ = window().location().reload();
}
