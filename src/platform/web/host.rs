//! The page's side of the app: what `web/boot.js` offers, and the commands that come from there.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;

use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::prelude::*;

use crate::error::{Error, Result};

#[wasm_bindgen]
extern "C" {
    /// The object that the page hands over (`web/boot.js`, `start`).
    #[derive(Clone, Debug)]
    pub type Host;

    /// `webgpu` or `webgl`.
    #[wasm_bindgen(method, getter)]
    pub fn renderer(this: &Host) -> String;
    /// Whether the model must run on the CPU.
    #[wasm_bindgen(method, getter)]
    pub fn cpu(this: &Host) -> bool;
    /// Why there is no GPU and what to do about it; empty where there is one.
    #[wasm_bindgen(method, getter)]
    pub fn notice(this: &Host) -> String;
    #[wasm_bindgen(method, catch, js_name = loadModel)]
    async fn load_model(
        this: &Host,
        names: Vec<String>,
        progress: &Closure<dyn FnMut(String, f64, f64)>,
    ) -> std::result::Result<JsValue, JsValue>;
    #[wasm_bindgen(method, js_name = keptModel)]
    pub(super) fn kept_model(this: &Host) -> JsValue;
    #[wasm_bindgen(method, catch, js_name = chooseModel)]
    pub(super) async fn choose_model(this: &Host) -> std::result::Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = takeModel)]
    pub(super) async fn take_model(
        this: &Host,
        progress: &Closure<dyn FnMut(String, f64, f64)>,
    ) -> std::result::Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = readModel)]
    pub(super) async fn read_model(
        this: &Host,
        names: Vec<String>,
        progress: &Closure<dyn FnMut(String, f64, f64)>,
    ) -> std::result::Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = settleModel)]
    pub(super) async fn settle_model(this: &Host, good: bool) -> std::result::Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = forgetModel)]
    pub(super) async fn forget_model(this: &Host) -> std::result::Result<JsValue, JsValue>;
    #[wasm_bindgen(method)]
    fn cancel(this: &Host);
    #[wasm_bindgen(method)]
    fn publish(this: &Host, json: &str);
    #[wasm_bindgen(method)]
    fn crashed(this: &Host, message: &str);
}

#[derive(Default)]
struct AttachedPage {
    host: Option<Host>,
    wake: Option<eframe::egui::Context>,
    commands: VecDeque<(String, String)>,
    pictures: VecDeque<(String, Vec<u8>)>,
    models: VecDeque<Vec<PathBuf>>,
}

thread_local! {
    // A page has one thread and one app.
    static PAGE: RefCell<AttachedPage> = RefCell::default();
}

/// Makes `host` the page that everything here talks to.
pub(crate) fn attach(host: &Host) {
    PAGE.with_borrow_mut(|page| *page = AttachedPage { host: Some(host.clone()), ..AttachedPage::default() });
}

/// Commands wake this context from now on.
pub(crate) fn wake_with(context: &eframe::egui::Context) {
    PAGE.with_borrow_mut(|page| page.wake = Some(context.clone()));
}

/// Forgets the page.
pub(crate) fn detach() {
    PAGE.take();
}

/// Puts a command of the page into the queue and wakes the app.
pub(crate) fn push_command(name: String, value: String) {
    // Cancelling is for the page itself, and should not wait for a frame.
    if name == "cancel_download" {
        return cancel_fetch();
    }
    queue(|page| page.commands.push_back((name, value)));
}

/// Puts a picture of the page into the queue and wakes the app.
pub(crate) fn push_picture(name: String, bytes: Vec<u8>) {
    queue(|page| page.pictures.push_back((name, bytes)));
}

/// Puts the names of a model's files into the queue and wakes the app.
pub(crate) fn push_model(names: Vec<String>) {
    queue(|page| page.models.push_back(names.into_iter().map(PathBuf::from).collect()));
}

fn queue(push: impl FnOnce(&mut AttachedPage)) {
    let wake = PAGE.with_borrow_mut(|page| {
        push(page);
        page.wake.clone()
    });
    if let Some(context) = wake {
        context.request_repaint();
    }
}

pub(super) fn host() -> Option<Host> {
    PAGE.with_borrow(|page| page.host.clone())
}

/// The commands (name, value) that the page has sent since the last call, in order. A changed address after the `#`
/// comes as the command `link` with what follows the `#`.
pub fn take_commands() -> Vec<(String, String)> {
    PAGE.with_borrow_mut(|page| page.commands.drain(..).collect())
}

/// The pictures (name, content of the file) that were pasted into the page since the last call.
pub fn take_pictures() -> Vec<(String, Vec<u8>)> {
    PAGE.with_borrow_mut(|page| page.pictures.drain(..).collect())
}

/// The models (names of their files) that were let go over the page since the last call.
pub fn take_models() -> Vec<Vec<PathBuf>> {
    PAGE.with_borrow_mut(|page| page.models.drain(..).collect())
}

/// Gives the app's state (JSON) to the page, for its text panel and the tests.
pub fn publish(state: &str) {
    if let Some(host) = host() {
        host.publish(state);
    }
}

/// Tells the page that the program has panicked and why.
pub(crate) fn crashed(message: &str) {
    // A panic inside of this module may hold the page; then the console has to do.
    let host = PAGE.try_with(|page| page.try_borrow().ok().and_then(|p| p.host.clone()));
    if let Ok(Some(host)) = host {
        host.crashed(message);
    }
}

/// Stops the fetches under way; they end with an error.
pub fn cancel_fetch() {
    if let Some(host) = host() {
        host.cancel();
    }
}

/// A link as people pass it on: this page's address with it.
pub fn address(link: &str) -> String {
    let here = web_sys::window().and_then(|w| w.location().href().ok()).unwrap_or_default();
    let page = here.split('#').next().unwrap_or_default();
    format!("{page}#{}", link.trim_start_matches('#'))
}

/// Writes `link` (with or without `#`) into the address bar, without a new entry in the history.
pub fn set_link(link: &str) {
    let Some(window) = web_sys::window() else { return };
    let Ok(history) = window.history() else { return };
    if let Err(e) =
        history.replace_state_with_url(&JsValue::NULL, "", Some(&format!("#{}", link.trim_start_matches('#'))))
    {
        // Browsers limit how often: the next change brings the address up to date.
        log::debug!("the address was not changed: {}", sentence(&e));
    }
}

/// What a page calls with its progress.
pub(super) fn heard(progress: impl Fn(String, u64, u64) + 'static) -> Closure<dyn FnMut(String, f64, f64)> {
    Closure::new(move |phase: String, done: f64, total: f64| progress(phase, done as u64, total as u64))
}

/// Fetches files that the page's manifest names, checked against their SHA-256; `progress` hears of every step.
///
/// # Errors
/// [`Error::Download`] with the page's sentence.
pub async fn fetch(names: &[&str], progress: impl Fn(String, u64, u64) + 'static) -> Result<HashMap<String, Vec<u8>>> {
    let host = host().ok_or_else(|| Error::Internal("there is no page to fetch it".into()))?;
    let heard = heard(progress);
    let wanted = names.iter().map(|name| (*name).to_owned()).collect();
    let found = host.load_model(wanted, &heard).await.map_err(|e| Error::Download(sentence(&e)))?;
    names
        .iter()
        .map(|name| {
            let value = Reflect::get(&found, &(*name).into()).map_err(|e| Error::Download(sentence(&e)))?;
            let bytes: Uint8Array =
                value.dyn_into().map_err(|_| Error::Internal(format!("the page did not hand over {name}")))?;
            Ok(((*name).to_owned(), bytes.to_vec()))
        })
        .collect()
}

/// A JavaScript error as the sentence it carries.
pub(crate) fn sentence(error: &JsValue) -> String {
    let message = Reflect::get(error, &"message".into()).ok().and_then(|m| m.as_string());
    message.or_else(|| error.as_string()).unwrap_or_else(|| format!("{error:?}"))
}
