// What this browser has for us: WebGPU, or at least WebGL2; and what a person can do about it.

/** Some drivers never answer. */
const PATIENCE_MS = 8_000;

/**
 * `{ renderer: "webgpu" | "webgl" | null, cpu, notice, webgl }`; a null renderer means there is nothing to draw with.
 */
export async function probe() {
  const webgl = hasWebgl2();
  const onCpu = (notice) => ({ renderer: webgl ? "webgl" : null, cpu: true, notice, webgl });
  const forced = new URLSearchParams(location.search).has("cpu");
  const lacking = forced ? "" : await noWebgpu();
  if (!forced && lacking === null) return { renderer: "webgpu", cpu: false, notice: "", webgl };
  if (!webgl) {
    const why = forced ? "Without the GPU (?cpu in the address) it needs WebGL2, and this browser has none." : `${lacking} There is no WebGL2 either, so there is nothing to draw with.`;
    return onCpu(why);
  }
  if (forced) return onCpu("The model runs on the CPU because the address asks for it (?cpu).");
  return onCpu(`${lacking} The model runs on the CPU instead: slower, but the same pictures. ${advice()}`);
}

/** Why there is no WebGPU, as one sentence; null where there is. */
async function noWebgpu() {
  if (!navigator.gpu) return window.isSecureContext ? "This browser does not offer WebGPU, so the GPU cannot be used." : "Browsers offer the GPU only to pages opened over https or from this very computer, and this one came over plain http.";
  try {
    const patience = new Promise((_, reject) => setTimeout(() => reject(new Error("it did not answer")), PATIENCE_MS));
    const adapter = await Promise.race([navigator.gpu.requestAdapter({ powerPreference: "high-performance" }), patience]);
    return adapter ? null : "This browser knows WebGPU but has no GPU to offer.";
  } catch (error) {
    return `This browser knows WebGPU but its GPU failed (${error.message}).`;
  }
}

/** Whether there is WebGL2; asked once. */
export function hasWebgl2() {
  return (webgl2 ??= tryWebgl2());
}

let webgl2;

function tryWebgl2() {
  try {
    const context = document.createElement("canvas").getContext("webgl2");
    // It would count against the number of contexts a page may have.
    context?.getExtension("WEBGL_lose_context")?.loseContext();
    return context !== null;
  } catch {
    return false;
  }
}

/** What to do for a GPU, in this browser. */
export function advice() {
  if (!window.isSecureContext) return "Open the page over https, or from a server on this computer (http://localhost).";
  const agent = navigator.userAgent;
  const linux = /Linux/.test(agent) && !/Android/.test(agent);
  if (/Firefox\//.test(agent)) {
    return "For the GPU: Firefox has WebGPU on Windows from version 141 and on newer Macs from 145; elsewhere set dom.webgpu.enabled to true on the about:config page, or use Chrome or Edge.";
  }
  if (/Edg\/|Chrome\/|Chromium\//.test(agent)) {
    const name = /Edg\//.test(agent) ? "edge" : "chrome";
    if (linux) return `For the GPU: open ${name}://flags, enable “Unsafe WebGPU Support” and “Vulkan”, start the browser again, and see ${name}://gpu for what it found.`;
    return `For the GPU: turn on “Use graphics acceleration when available” in the settings under System, bring browser and graphics driver up to date, and see ${name}://gpu for what it found.`;
  }
  if (/Safari\//.test(agent)) {
    return "For the GPU: Safari has WebGPU from version 26 (macOS 26, iOS 26); in versions 18 it can be switched on under Settings, Feature Flags (on iOS: Settings, Apps, Safari, Advanced).";
  }
  return "For the GPU: use a current Chrome, Edge, Firefox or Safari.";
}
