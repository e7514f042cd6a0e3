//! Fields of forms: a label, the control, and a note that turns into what is wrong.

use crate::reactive::memo;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

/// A rule about a value, as `drydock_wire::validate` has them.
pub type Check = fn(&str) -> Result<(), &'static str>;

/// A line of text. What is wrong shows once the field was left or `tried` (a submit) is set.
#[component]
pub fn Field(
    id: &'static str,
    #[prop(into)] label: String,
    value: RwSignal<String>,
    #[prop(optional, into)] hint: String,
    #[prop(optional)] check: Option<Check>,
    #[prop(optional, into)] tried: Option<Signal<bool>>,
    /// What the server said about this field.
    #[prop(optional, into)]
    refused: Option<Signal<Option<String>>>,
    #[prop(default = "text")] kind: &'static str,
    #[prop(default = "off")] autocomplete: &'static str,
    #[prop(optional, into)] placeholder: String,
    #[prop(optional)] mono: bool,
    #[prop(optional)] autofocus: bool,
    #[prop(optional)] disabled: bool,
    /// Id of a `Suggestions`.
    #[prop(optional)]
    list: Option<&'static str>,
) -> impl IntoView {
    let left = RwSignal::new(false);
    let error = memo(move || {
        let shown = left.get() || tried.is_some_and(|t| t.get());
        let own = check.filter(|_| shown).and_then(|check| value.with(|v| check(v).err()));
        own.map(str::to_owned).or_else(|| refused.and_then(|r| r.get()))
    });
    view! {
        <div class="field" class:invalid=move || error.with(Option::is_some)>
            <label for=id>{label}</label>
            <input id=id name=id type=kind class:mono=mono bind:value=value autocomplete=autocomplete placeholder=placeholder
                autofocus=autofocus disabled=disabled list=list spellcheck="false" autocapitalize="off"
                on:blur=move |_| note_left(value, left)
                aria-invalid=move || error.with(Option::is_some).then_some("true") aria-describedby=format!("{id}-note")/>
            <p id=format!("{id}-note") class="note" aria-live="polite">{move || error.get().unwrap_or_else(|| hint.clone())}</p>
        </div>
    }
}

/// A field that was left with something in it may say what is wrong. The browser also sends `blur` while a closing dialog takes
/// the field away, when its signals are gone already.
fn note_left(value: RwSignal<String>, left: RwSignal<bool>) {
    if value.try_with_untracked(|v| !v.is_empty()) == Some(true) {
        let _ = left.try_set(true);
    }
}

/// Several lines.
#[component]
pub fn TextArea(
    id: &'static str,
    #[prop(into)] label: String,
    value: RwSignal<String>,
    #[prop(optional, into)] hint: String,
    #[prop(optional, into)] refused: Option<Signal<Option<String>>>,
    #[prop(default = 6)] rows: u32,
    #[prop(optional)] mono: bool,
) -> impl IntoView {
    let error = move || refused.and_then(|r| r.get());
    view! {
        <div class="field" class:invalid=move || error().is_some()>
            <label for=id>{label}</label>
            <textarea id=id name=id rows=rows class:mono=mono bind:value=value spellcheck="false" autocapitalize="off"
                aria-invalid=move || error().is_some().then_some("true") aria-describedby=format!("{id}-note")></textarea>
            <p id=format!("{id}-note") class="note" aria-live="polite">{move || error().unwrap_or_else(|| hint.clone())}</p>
        </div>
    }
}

/// One of several: pairs of value and text; reactive, since they usually come from the server.
#[component]
pub fn SelectField(
    id: &'static str,
    #[prop(into)] label: String,
    value: RwSignal<String>,
    #[prop(into)] options: Signal<Vec<(String, String)>>,
    #[prop(optional, into)] hint: String,
    #[prop(optional)] disabled: bool,
) -> impl IntoView {
    view! {
        <div class="field">
            <label for=id>{label}</label>
            <select id=id name=id disabled=disabled aria-describedby=format!("{id}-note")
                prop:value=move || { options.track(); value.get() }
                on:change:target=move |e| value.set(e.target().value())>
                {move || options.get().into_iter().map(|(v, text)| {
                    let chosen = v == value.get_untracked();
                    view! { <option value=v selected=chosen>{text}</option> }
                }).collect_view()}
            </select>
            <p id=format!("{id}-note") class="note">{hint}</p>
        </div>
    }
}

/// What a field offers while one types in it; anything else may be typed, too.
#[component]
pub fn Suggestions(id: &'static str, #[prop(into)] values: Signal<Vec<String>>) -> impl IntoView {
    view! { <datalist id=id>{move || values.get().into_iter().map(|v| view! { <option value=v></option> }).collect_view()}</datalist> }
}

/// One of a few that are all in sight. Nothing is chosen beforehand where `value` is empty: it must be said.
#[component]
pub fn Choice(
    /// Of the field; also the name that the buttons share.
    id: &'static str,
    #[prop(into)] label: String,
    value: RwSignal<String>,
    /// Pairs of value and text.
    options: Vec<(&'static str, String)>,
    #[prop(optional, into)] tried: Option<Signal<bool>>,
    /// What to do while nothing is chosen.
    #[prop(default = "Choose one.")]
    missing: &'static str,
) -> impl IntoView {
    let unsaid = memo(move || tried.is_some_and(|t| t.get()) && value.with(String::is_empty));
    let option = move |(this, text): (&'static str, String)| {
        view! {
            <label class="check"><input type="radio" name=id value=this prop:checked=move || value.with(|v| v == this)
                on:change=move |_| value.set(this.to_owned())/><span>{text}</span></label>
        }
    };
    view! {
        <fieldset class="field choice" class:invalid=move || unsaid.get() aria-describedby=format!("{id}-note")>
            <legend>{label}</legend>
            {options.into_iter().map(option).collect_view()}
            <p id=format!("{id}-note") class="note" aria-live="polite">{move || if unsaid.get() { missing } else { "" }}</p>
        </fieldset>
    }
}

/// Goes to the first field that says what is wrong with it, and unfolds the section that it is in.
pub fn focus_wrong() {
    request_animation_frame(|| {
        let wrong = ".field.invalid > :is(input, textarea, select), .choice.invalid input";
        let field = document().query_selector(wrong).ok().flatten();
        if let Some(field) = field.and_then(|field| field.dyn_into::<web_sys::HtmlElement>().ok()) {
            if let Ok(Some(folded)) = field.closest("details:not([open])") {
                let _ = folded.set_attribute("open", "");
            }
            let _ = field.focus();
        }
    });
}
