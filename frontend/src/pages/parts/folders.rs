//! Where in a tree of folders one is.

use leptos::prelude::*;

/// The way from the top to a folder, which ends in `/`, and to the file in it that is looked at. Each step is a link.
#[component]
pub fn FolderPath(
    /// What the top is called.
    #[prop(into)]
    top: Signal<String>,
    /// Empty: the top.
    #[prop(into)]
    folder: Signal<String>,
    /// Its name; empty: the folder itself.
    #[prop(into)]
    file: Signal<String>,
    /// The address of a folder.
    #[prop(into)]
    href: Callback<String, String>,
) -> impl IntoView {
    let steps = move || {
        let mut so_far = String::new();
        folder.with(|folder| {
            let each = |part: &str| {
                so_far.push_str(part);
                (part.trim_end_matches('/').to_owned(), so_far.clone())
            };
            folder.split_inclusive('/').map(each).collect::<Vec<_>>()
        })
    };
    let drawn = move || {
        let file = file.get();
        let mut all = vec![(top.get(), String::new())];
        all.extend(steps());
        let here = if file.is_empty() { all.len() } else { all.len() + 1 };
        let linked = all.into_iter().enumerate().map(|(i, (label, to))| match i + 1 == here {
            true => view! { <li><span aria-current="page">{label}</span></li> }.into_any(),
            false => view! { <li><a href=href.run(to)>{label}</a></li> }.into_any(),
        });
        let at = (!file.is_empty()).then(|| view! { <li><span aria-current="page">{file}</span></li> });
        view! { {linked.collect_view()}{at} }
    };
    view! { <nav class="folders" aria-label="Folder"><ol>{drawn}</ol></nav> }
}
