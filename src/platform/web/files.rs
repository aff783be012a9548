//! Files in a browser: chosen through an input element, saved as downloads.

use eframe::egui::DroppedFileHandle;
use js_sys::{Array, Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, BlobPropertyBag, Document, File, HtmlAnchorElement, HtmlInputElement, Url};

use super::host::sentence;
use crate::error::{Error, Result};

/// Lets a person choose a file; its name and content, or `None` where they changed their mind.
///
/// Browsers open the dialog only shortly after a click or a key press.
///
/// # Errors
/// [`Error::Image`] where it cannot be read.
pub async fn open_file(_kind: &'static str, extensions: &'static [&'static str]) -> Result<Option<(String, Vec<u8>)>> {
    let bad = |file: &str, e: &JsValue| Error::Image {
        file: file.to_owned(),
        problem: format!("cannot be read ({})", sentence(e)),
    };
    let input: HtmlInputElement = element("input").map_err(|e| bad("file", &e))?;
    input.set_type("file");
    input.set_accept(&extensions.iter().map(|e| format!(".{e}")).collect::<Vec<_>>().join(","));
    let answered = Promise::new(&mut |done, _| {
        input.set_onchange(Some(&done));
        // An older browser without this event leaves the promise waiting for ever, which costs nothing.
        input.set_oncancel(Some(&done));
    });
    input.click();
    JsFuture::from(answered).await.map_err(|e| bad("file", &e))?;
    let Some(file) = input.files().and_then(|files| files.get(0)) else { return Ok(None) };
    let bytes = read(&file).await.map_err(|e| bad(&file.name(), &e))?;
    Ok(Some((file.name(), bytes)))
}

/// Reads a file that was let go over the page.
///
/// # Errors
/// [`Error::Image`] where it cannot be read.
pub async fn read_dropped(file: DroppedFileHandle) -> Result<Option<(String, Vec<u8>)>> {
    let name = file.path().display().to_string();
    let bytes = file.bytes_async().await;
    let bytes = bytes.map_err(|e| Error::Image { file: name.clone(), problem: format!("cannot be read ({e})") })?;
    Ok(Some((name, bytes)))
}

async fn read(file: &File) -> std::result::Result<Vec<u8>, JsValue> {
    Ok(Uint8Array::new(&JsFuture::from(file.array_buffer()).await?).to_vec())
}

/// Offers a file as a download; its name. (A browser does not say what became of it.)
///
/// # Errors
/// [`Error::Output`] where the browser refuses.
pub async fn save_file(name: String, bytes: Vec<u8>) -> Result<Option<String>> {
    match offer(&name, &bytes) {
        Ok(()) => Ok(Some(name)),
        Err(e) => Err(Error::Output { file: name, problem: sentence(&e) }),
    }
}

fn offer(name: &str, bytes: &[u8]) -> std::result::Result<(), JsValue> {
    let kind = BlobPropertyBag::new();
    kind.set_type(mime(name));
    let blob = Blob::new_with_u8_array_sequence_and_options(&Array::of1(&Uint8Array::from(bytes)), &kind)?;
    let url = Url::create_object_url_with_blob(&blob)?;
    let link: HtmlAnchorElement = element("a")?;
    link.set_href(&url);
    link.set_download(name);
    link.click();
    // The download has its own hold on the data once it has begun; a minute is plenty for that.
    let release = Closure::once_into_js(move || Url::revoke_object_url(&url));
    let window = web_sys::window().ok_or("there is no window")?;
    window.set_timeout_with_callback_and_timeout_and_arguments_0(release.unchecked_ref(), 60_000)?;
    Ok(())
}

fn mime(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("png") => "image/png",
        Some("gif") => "image/gif",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    }
}

fn element<T: JsCast>(tag: &str) -> std::result::Result<T, JsValue> {
    let document: Document = web_sys::window().and_then(|w| w.document()).ok_or("there is no page")?;
    document.create_element(tag)?.dyn_into().map_err(|_| format!("<{tag}> is something else here").into())
}
