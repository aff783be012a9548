// Less than a GPU: WebGL2 with the model on the CPU, and a page that says why where there is nothing at all.

import { check, equal } from "./harness.mjs";
import { serve } from "./server.mjs";

/** A browser without WebGPU: the same app on WebGL2, the model on the CPU, said plainly. */
async function no_webgpu({ lab, folder, note }) {
  const site = await serve(folder);
  try {
    const visit = await lab.page("webgl", { setup: (context) => context.addInitScript(() => delete Navigator.prototype.gpu) });
    await visit.open(site.url);
    const notice = await visit.until("the notice", () => visit.page.locator("#notice").textContent(), (text) => text !== "", 20_000);
    check(/WebGPU/.test(notice) && /CPU/.test(notice) && /chrome:\/\/flags|settings/.test(notice), `"${notice}" says what is missing and what to do`);
    const state = await visit.untilReady();
    check(/webgl|opengl/i.test(state.renderer), `drawn with WebGL2, not with "${state.renderer}"`);
    check(/CPU/.test(state.device), `the model runs on the CPU, not on "${state.device}"`);
    await visit.shot("no-webgpu");
    await visit.clean(site.url);
  } finally {
    await site.close();
  }
}

/** `?cpu` on a browser that has WebGPU. */
async function cpu_forced({ lab, folder, note }) {
  const site = await serve(folder);
  try {
    const visit = await lab.page("both");
    await visit.open(`${site.url}?cpu`);
    const state = await visit.untilReady();
    check(await visit.page.evaluate(async () => Boolean(await navigator.gpu?.requestAdapter())), "there is a GPU to be left alone");
    check(/webgl|opengl/i.test(state.renderer), `drawn with WebGL2, not with "${state.renderer}"`);
    check(/CPU/.test(state.device), `the model runs on the CPU, not on "${state.device}"`);
    await drawn(visit, note);
    await visit.shot("cpu");
    const [before, after] = await visit.page.evaluate(drawn_without_frames, 10_000);
    check(before.tokens < 256, `nothing is shown while no frame is drawn, yet there were ${before.tokens} tokens`);
    check(after.frames - before.frames <= 3, `${after.frames - before.frames} frames were drawn`);
    equal([after.phase, after.tokens], ["done", 256], "the twins draw between frames");
    await visit.clean(site.url);
  } finally {
    await site.close();
  }
}

/** In the page: begins a picture, then lets the browser draw no frame for a while; the last state before that and the first after it. */
async function drawn_without_frames(ms) {
  const later = (ms) => new Promise((done) => setTimeout(done, ms));
  window.dpar.command("generate", "");
  while (!(window.dparState.phase === "running" && window.dparState.tokens > 0 && window.dparState.tokens < 200)) await later(5);
  const held = [];
  const request = window.requestAnimationFrame;
  window.requestAnimationFrame = (frame) => held.push(frame);
  await later(ms);
  window.requestAnimationFrame = request;
  const before = window.dparState;
  held.forEach((frame) => window.requestAnimationFrame(frame));
  while (window.dparState === before) await later(1);
  return [before, window.dparState];
}

/** WebGPU is there, but its adapter never comes. */
async function adapter_refused({ lab, folder, note }) {
  const site = await serve(folder);
  try {
    const visit = await lab.page("both", { setup: (context) => context.addInitScript(() => { GPU.prototype.requestAdapter = async () => null; }) });
    await visit.open(site.url);
    const state = await visit.untilReady();
    check(/webgl|opengl/i.test(state.renderer), `drawn with WebGL2, not with "${state.renderer}"`);
    const notice = await visit.page.locator("#notice").textContent();
    check(/no GPU to offer/.test(notice), `"${notice}" says so`);
    note(notice);
  } finally {
    await site.close();
  }
}

/** WebGPU is promised, and then gives no device: the app starts on WebGL2 after all. */
async function device_refused({ lab, folder, note }) {
  const site = await serve(folder);
  try {
    const visit = await lab.page("both", {
      setup: (context) => context.addInitScript(() => { GPUAdapter.prototype.requestDevice = async () => { throw new Error("device refused by the test"); }; }),
    });
    await visit.open(site.url);
    const state = await visit.untilReady();
    check(/webgl|opengl/i.test(state.renderer), `drawn with WebGL2, not with "${state.renderer}"`);
    check(/CPU/.test(state.device), `the model runs on the CPU, not on "${state.device}"`);
    note("it started on WebGL2 and the CPU");
  } finally {
    await site.close();
  }
}

/** Neither WebGPU nor WebGL2: plain HTML that says why and shows a run. */
async function nothing({ lab, folder, note }) {
  const site = await serve(folder);
  try {
    const visit = await lab.page("nothing");
    await visit.open(site.url);
    const said = await visit.until("the reason", () => visit.text("#failure"), (text) => text.includes("WebGL2"));
    await visit.page.locator("#gallery img").scrollIntoViewIfNeeded();
    await visit.until("the picture", () => visit.page.evaluate(() => document.querySelector("#gallery img").naturalWidth), (width) => width > 0);
    equal(site.log.filter((line) => line.path.startsWith("data/")), [], "downloads for nothing");
    await visit.shot("nothing");
    note(said.split("\n").filter(Boolean)[1]);
    await visit.clean(site.url);
  } finally {
    await site.close();
  }
}

/** JavaScript off: the page still says what it is. */
async function no_script({ lab, folder, note }) {
  const site = await serve(folder);
  try {
    const visit = await lab.page("webgl", { context: { javaScriptEnabled: false } });
    await visit.open(site.url);
    await visit.page.locator("noscript img").waitFor();
    check((await visit.text("main")).includes("JavaScript is switched off"), "it says why");
    await visit.shot("no-script");
    note("reason and picture are there");
  } finally {
    await site.close();
  }
}

/** Draws a picture on the CPU. */
async function drawn(visit, note) {
  const start = Date.now();
  await visit.command("generate");
  const state = await visit.untilState("a finished picture", (s) => s.phase === "done" && s.tokens === s.total && s.ids !== null, 240_000);
  note(`${state.total} tokens in ${((Date.now() - start) / 1000).toFixed(1)} s on "${state.device}", ${state.ms_per_token?.toFixed(1)} ms a token`);
  return state;
}

export const tests = { no_webgpu, cpu_forced, adapter_refused, device_refused, nothing, no_script };
