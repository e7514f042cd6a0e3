//! Taking files of a package back: yanked for new installations, or removed.

use crate::{
    api::{self, seg},
    format,
    ui::{Button, ConfirmDialog, Dialog, Field, Look, Tone, act, opened_by, toast},
};
use drydock_wire::packages::{PackageFile, YankFile};
use leptos::prelude::*;

fn path(package: &str, file: &str) -> String {
    format!("/packages/{}/{}", seg(package), seg(file))
}

fn check_reason(text: &str) -> Result<(), &'static str> {
    match text.trim() {
        "" => Err("Say why, for whoever wonders what became of it."),
        text if text.len() > 500 => Err("At most 500 characters."),
        _ => Ok(()),
    }
}

/// Asks for the reason, then yanks.
#[component]
pub fn YankDialog(#[prop(into)] package: Signal<String>, yanking: RwSignal<Option<PackageFile>>) -> impl IntoView {
    let open = opened_by(yanking);
    let title = "Yank this wheel?";
    view! {
        <Dialog open title>
            {move || yanking.get_untracked().map(|file| view! { <YankForm package=package.get_untracked() file open/> })}
        </Dialog>
    }
}

#[component]
fn YankForm(package: String, file: PackageFile, open: RwSignal<bool>) -> impl IntoView {
    let reason = RwSignal::new(String::new());
    let (busy, tried) = (RwSignal::new(false), RwSignal::new(false));
    let name = file.filename.clone();
    let submit = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        tried.set(true);
        let wish = YankFile { reason: reason.get_untracked().trim().to_owned() };
        if check_reason(&wish.reason).is_err() {
            return;
        }
        let to = format!("{}/yank", path(&package, &file.filename));
        let done = file.filename.clone();
        let call = async move { api::post::<_, PackageFile>(&to, &wish).await };
        act(busy, "The wheel was not yanked", call, move |_| {
            open.set(false);
            toast(Tone::Good, "Yanked", &done);
        });
    };
    view! {
        <form novalidate on:submit=submit>
            <div class="modal-text">
                <p class="mono wrap">{name}</p>
                <p>"pip and uv leave it out from now on, unless exactly this version is asked for: what pins it goes on working. It can be taken back."</p>
            </div>
            <Field id="yank-reason" label="Why" value=reason check=check_reason tried=tried placeholder="Wrong results on batches of one"/>
            <div class="actions">
                <Button on_press=move |_| open.set(false)>"Cancel"</Button>
                <Button look=Look::DangerSolid submit=true busy>"Yank it"</Button>
            </div>
        </form>
    }
}

/// Offers the wheel to installers again.
pub fn take_back(package: String, file: String, busy: RwSignal<bool>) {
    let to = format!("{}/yank", path(&package, &file));
    act(busy, "The yank was not taken back", async move { api::delete(&to).await }, move |()| {
        toast(Tone::Good, "Offered again", &file);
    });
}

/// Removes one file for good.
#[component]
pub fn RemoveFile(
    #[prop(into)] package: Signal<String>,
    removing: RwSignal<Option<PackageFile>>,
    /// Called when it is gone.
    #[prop(into)]
    done: Callback<()>,
) -> impl IntoView {
    let (open, busy) = (opened_by(removing), RwSignal::new(false));
    let name = Signal::derive(move || removing.with(|f| f.as_ref().map(|f| f.filename.clone())).unwrap_or_default());
    let size = move || removing.with(|f| f.as_ref().map(|f| format::bytes(f.size_bytes))).unwrap_or_default();
    let confirm = move |()| {
        let file = name.get_untracked();
        let to = path(&package.get_untracked(), &file);
        act(busy, "The wheel was not deleted", async move { api::delete(&to).await }, move |()| {
            open.set(false);
            toast(Tone::Good, "Wheel deleted", &file);
            done.run(());
        });
    };
    view! {
        <ConfirmDialog open title="Delete this wheel?" name=name action="Delete the wheel" on_confirm=confirm busy=busy>
            <p>{move || format!("Its {} go for good. What pins this version cannot be installed any more, by jobs and builds neither; to keep that working, yank it instead.", size())}</p>
        </ConfirmDialog>
    }
}
