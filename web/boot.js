// What happens before the app: look for a GPU, fetch the program, start it on the canvas; or say in plain HTML why not.

import { Loader } from "./loader.js";
import { Mirror } from "./mirror.js";
import { OwnModels, modelIn } from "./models.js";
import { advice, hasWebgl2, probe } from "./probe.js";

/** The program's name in the manifest. */
const PROGRAM = "dpar_bg.wasm";

const meta = (name) => document.querySelector(`meta[name="${name}"]`)?.content ?? "";
const element = (id) => document.getElementById(id);
const base = new URL(".", document.baseURI).href;
/** Milliseconds since the page was opened, for the tests and the bench. */
const times = { boot: performance.now() };
window.dparTimes = times;

let running = null;
const models = new OwnModels();

main().catch(fail);

async function main() {
  for (const part of ["failure", "gallery"]) element(part).hidden = true;
  element("loading").hidden = false;
  if (typeof WebAssembly !== "object") throw new Hopeless("This browser cannot run WebAssembly, and the model is a WebAssembly program.", "Any current Chrome, Edge, Firefox or Safari can.");

  status("Looking for a GPU …");
  const looking = probe();
  // What can be drawn at all on WebGL2 need not wait for the GPU's answer.
  const fetching = (hasWebgl2() ? Promise.resolve() : looking.then(hopeful)).then(fetchProgram);
  fetching.catch(() => {}); // heard below
  const found = hopeful(await looking);
  times.probed = performance.now();
  element("notice").textContent = found.notice;
  element("notice").hidden = found.notice === "";
  const { manifest, loader, glue, files } = await fetching;
  times.downloaded = performance.now();

  status("Starting the program …", null);
  const program = await WebAssembly.compile(files[PROGRAM]);
  await glue.default({ module_or_path: program });
  times.compiled = performance.now();

  await start(glue, loader, manifest, found);
  times.started = performance.now();
  void loader.tidy().catch(() => {});
  serveOffline();
}

/** What was found, if it is enough to draw with. */
function hopeful(found) {
  if (!found.renderer) throw new Hopeless(found.notice, advice());
  return found;
}

async function fetchProgram() {
  const manifest = await fetchManifest();
  const loader = new Loader(base, manifest);
  const [glue, files] = await Promise.all([import(new URL(manifest.glue, base).href), loader.load([PROGRAM], showProgress)]);
  return { manifest, loader, glue, files };
}

/** Runs the app; on WebGL2 and the CPU after all where WebGPU was promised and does not work. */
async function start(glue, loader, manifest, found) {
  const mirror = new Mirror(element("mirror"), {
    command: (name, value) => running?.command(name, value),
    leave: () => element("app").focus(),
  });
  const host = {
    renderer: found.renderer,
    cpu: found.cpu,
    notice: found.notice,
    modelHash: manifest.modelHash,
    loadModel: (names, progress) => loader.load(names, progress),
    cancel: () => loader.cancel(),
    publish: (json) => mirror.publish(json),
    crashed: (message) => fail(new Crash(message)),
    keptModel: () => models.kept,
    chooseModel: () => models.choose(),
    takeModel: (progress) => models.take(progress),
    readModel: (names, progress) => models.read(names, progress),
    settleModel: (good) => models.settle(good),
    forgetModel: () => models.forget(),
  };
  const app = new glue.Dpar(host);
  try {
    // Its own size is what the renderer starts with.
    element("app").hidden = false;
    await app.start(element("app"));
  } catch (error) {
    app.destroy();
    const canvas = element("app");
    canvas.hidden = true;
    if (found.renderer !== "webgpu" || !found.webgl) throw new Hopeless(`The canvas could not be set up (${words(error)}).`, advice());
    // A canvas never changes its kind: the next try gets a new one.
    canvas.replaceWith(canvas.cloneNode(false));
    const notice = `This browser offers WebGPU but it did not start (${words(error)}), so the model runs on the CPU. ${advice()}`;
    return start(glue, loader, manifest, { renderer: "webgl", cpu: true, notice, webgl: true });
  }
  running = app;
  window.dpar = app;
  element("intro").hidden = true;
}

/** The list of files and their hashes; small, and the page's own: its name is in the HTML. */
async function fetchManifest() {
  try {
    const response = await fetch(new URL(meta("dpar-manifest"), base));
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    return await response.json();
  } catch (error) {
    throw new Error(`The list of the program's files could not be downloaded (${words(error)}); check the connection and try again.`);
  }
}

function showProgress(phase, done, total) {
  const mb = (bytes) => (bytes / 1e6).toFixed(1);
  status(phase === "check" ? "Checking what an earlier visit has left …" : `Downloading the program: ${mb(done)} of ${mb(total)} MB`, done / total);
}

/** `share`: 0 to 1, or null while nobody can know. */
function status(text, share = 0) {
  if (element("status").textContent !== text) element("status").textContent = text;
  if (share === null) element("bar").removeAttribute("value");
  else element("bar").value = share;
}

/** Nothing to retry: the browser lacks something. */
class Hopeless extends Error {
  constructor(message, help) {
    super(message);
    this.help = help;
  }
}

/** The program stopped by itself; only a new page can run it again. */
class Crash extends Error {}

function fail(error) {
  console.error(error);
  const crashed = error instanceof Crash || error instanceof WebAssembly.RuntimeError;
  const hopeless = error instanceof Hopeless;
  running = null;
  element("app").hidden = true;
  element("loading").hidden = true;
  element("intro").hidden = false;
  element("failure").hidden = false;
  element("failure-title").textContent = hopeless ? "This browser cannot show it" : crashed ? "The program stopped" : "The download failed";
  element("failure-text").textContent = crashed ? `${words(error)}. This is a defect of the program; loading the page again usually helps.` : words(error);
  element("failure-help").textContent = error.help ?? "";
  element("failure-help").hidden = !error.help;
  element("gallery").hidden = !hopeless;
  element("retry").textContent = crashed ? "Load the page again" : "Try again";
  element("retry").onclick = () => (crashed || hopeless ? location.reload() : main().catch(fail));
  // A connection that comes back is tried without being asked.
  if (!crashed && !hopeless) window.addEventListener("online", () => !element("failure").hidden && main().catch(fail), { once: true });
}

function words(error) {
  return String(error?.message ?? error).replace(/\s+/g, " ").trim();
}

/** After the app has started, so that it does not compete with its downloads. No worker, no offline: all else works. */
function serveOffline() {
  if (meta("dpar-build") === "dev" || !("serviceWorker" in navigator)) return;
  navigator.serviceWorker.register(new URL("./sw.js", base), { scope: base, updateViaCache: "none" }).catch((error) => {
    console.warn(`dpar: no offline use (${words(error)})`);
  });
}

window.addEventListener("keydown", (event) => {
  if (event.key !== "F6" || !running) return;
  event.preventDefault();
  event.stopPropagation();
  const panel = element("mirror");
  if (panel.contains(document.activeElement)) element("app").focus();
  else panel.querySelector("button")?.focus();
}, { capture: true });

/** A picture from the clipboard; text is the program's own affair. */
window.addEventListener("paste", async (event) => {
  const file = [...(event.clipboardData?.files ?? [])].find((f) => f.type.startsWith("image/"));
  if (!file || !running) return;
  event.preventDefault();
  const bytes = new Uint8Array(await file.arrayBuffer());
  running?.picture("from the clipboard", bytes);
}, { capture: true });

/** A model that is let go over the page; pictures are the program's own affair. */
window.addEventListener("drop", (event) => {
  const found = running && modelIn(event.dataTransfer);
  if (!found) return;
  event.preventDefault();
  event.stopPropagation();
  // The program believes that the files still hover.
  element("app").dispatchEvent(new DragEvent("dragleave"));
  found.then((files) => running?.model(models.bring(files)), (error) => console.warn(`dpar: ${words(error)}`));
}, { capture: true });

window.addEventListener("error", ({ error }) => {
  if (error instanceof WebAssembly.RuntimeError) fail(error);
});
