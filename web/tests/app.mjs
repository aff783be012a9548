// The app itself, on WebGPU (SwiftShader): numbers of the text panel first, screenshots to look at second.

import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { check, equal, pending } from "./harness.mjs";
import { serve } from "./server.mjs";

const seconds = (start) => ((Date.now() - start) / 1000).toFixed(1);

/** First paint, program, first frame: from a sub-path, as a stranger's first visit. */
async function opens({ lab, folder, note }) {
  const site = await serve(folder, "/a/sub path/");
  try {
    const visit = await lab.page();
    await visit.open(site.url);
    check((await visit.page.title()).startsWith("DPAR"), "the title names it");
    const times = await visit.untilStarted(120_000);
    const paint = await visit.page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? null);
    check(paint !== null && paint < times.started, "the HTML was painted before the app");
    await visit.untilState("a published state", (s) => typeof s.phase === "string");
    check(await visit.page.evaluate(() => document.getElementById("intro").hidden), "the app has the page");
    await visit.shot("opens");
    const ms = (x) => `${Math.round(x)} ms`;
    note(`first paint ${ms(paint)}, GPU found ${ms(times.probed)}, program there ${ms(times.downloaded)}, compiled ${ms(times.compiled)}, app started ${ms(times.started)}`);
    await visit.clean(site.url);
  } finally {
    await site.close();
  }
}

/** A recorded run plays before the weights are there. */
async function recorded({ lab, folder, note }) {
  const site = await serve(folder);
  try {
    // The weights take their time, as they do over a network.
    site.faults.push((path) => (path.endsWith(".safetensors") ? { delayMs: 4_000 } : undefined));
    const visit = await lab.page();
    const start = Date.now();
    await visit.open(site.url);
    const first = await visit.untilState("a recorded run", (s) => s.phase === "recording" && s.token > 0, 30_000);
    const began = seconds(start);
    const later = await visit.untilState("a run that goes on", (s) => s.phase === "recording" && s.token > first.token + 10, 30_000);
    check(later.model === null, "the weights are still on their way");
    const coming = await visit.untilState("a total", (s) => s.progress?.total > 1 || s.model !== null, 60_000);
    check(coming.model === null && coming.progress.total <= 12.5e6, `at most 12.5 MB, not ${coming.progress?.total}, come before the first live picture`);
    await visit.shot("recorded");
    note(`it played ${began} s after the page opened, token ${later.token} after ${seconds(start)} s, weights at ${JSON.stringify(later.progress)}`);
    await visit.clean(site.url);
  } finally {
    await site.close();
  }
}

/** Live generation: the tokens of the reference run with the same class and seed. */
async function generates({ lab, folder, root, manifest, note }) {
  const { visit, site, state, reference, took } = await picture(lab, folder, root, manifest);
  const same = state.ids.filter((id, i) => id === reference.tokens[i]).length;
  const first = state.ids.findIndex((id, i) => id !== reference.tokens[i]);
  note(`${same} of ${state.total} tokens as in the reference run${first < 0 ? "" : `, the first other one at ${first}`}`);
  note(`${state.patches} patches, ${took} s, ${state.ms_per_token?.toFixed(1)} ms a token on "${state.device}"`);
  equal(same, state.total, "tokens as in the reference run");
  equal(await visit.page.locator('[data-key="patches"]').textContent(), String(state.patches), "patches in the text panel");
  await visit.clean(site.url);
}

/** What is saved is what its name says. */
async function exports_({ lab, folder, root, manifest, note }) {
  const { visit, site, state } = await picture(lab, folder, root, manifest);
  const png = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
  for (const [command, ending, magic] of [["export_png", ".png", png], ["export_overlay", ".png", png], ["export_gif", ".gif", [0x47, 0x49, 0x46, 0x38, 0x39, 0x61]]]) {
    const start = Date.now();
    const { name, bytes } = await visit.download(() => visit.command(command));
    const took = seconds(start);
    check(name.endsWith(ending), `${command} makes a ${ending}, not ${name}`);
    equal([...bytes.subarray(0, magic.length)], magic, `first bytes of ${name}`);
    const drawable = await visit.page.evaluate(async ([data, type]) => {
      const bitmap = await createImageBitmap(new Blob([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], { type }));
      return [bitmap.width, bitmap.height];
    }, [bytes.toString("base64"), `image/${ending.slice(1)}`]);
    note(`${name}: ${bytes.length} bytes, ${drawable.join(" x ")}, ${took} s`);
  }
  const { name, bytes } = await visit.download(() => visit.command("export_trace"));
  const trace = JSON.parse(bytes.toString("utf8"));
  equal(trace.runs[0].tokens, state.ids, `tokens in ${name}`);
  note(`${name}: ${bytes.length} bytes, the run's tokens`);
  await visit.clean(site.url);
}

/** The link of the finished picture, opened elsewhere (and on the CPU), draws the same tokens. */
async function link({ lab, folder, root, manifest, note }) {
  const { visit, site, state } = await picture(lab, folder, root, manifest);
  check(state.link.length > 8, `"${state.link}" is a link`);
  const part = state.link.replace(/^.*#/, "");
  equal(await visit.page.evaluate(() => location.hash.slice(1)), part, "the address bar");
  const other = await lab.page("both");
  await other.open(`${site.url}?cpu#${part}`);
  const ready = await other.untilReady();
  equal([ready.seed, ready.class], [state.seed, state.class], "seed and class by the link");
  if (ready.phase !== "running") await other.command("generate");
  const again = await other.untilState("the same picture", (s) => s.phase === "done" && s.ids !== null, 300_000);
  equal(again.ids, state.ids, "tokens by the link");
  note(`#${part}: all ${again.ids.length} tokens again, on "${again.device}"`);
}

/** The threshold slider, moved with the mouse on the canvas: more patches to the left, fewer to the right. */
async function slider({ lab, folder, root, manifest, note }) {
  const { visit, site, state } = await picture(lab, folder, root, manifest);
  const place = (await visit.state()).places?.threshold;
  if (!place) pending("the app does not say where its slider is (`places.threshold`)");
  const [x, y, width] = place;
  // The histogram, below the line that names it.
  const at = (share) => [x + width * share, y + 64];
  const counts = [];
  await visit.page.mouse.move(...at(0.7));
  await visit.page.mouse.down();
  for (const share of [0.9, 0.6, 0.3]) {
    const before = (await visit.state()).threshold;
    await visit.page.mouse.move(...at(share), { steps: 8 });
    await visit.untilState("the threshold to follow", (s) => s.threshold !== before, 20_000);
    await visit.page.waitForTimeout(500);
    const now = await visit.state();
    counts.push({ threshold: now.threshold, patches: now.patches, ms: now.regrid_ms });
  }
  await visit.page.mouse.up();
  await visit.shot("slider");
  note(counts.map((c) => `${c.threshold.toFixed(2)} nats: ${c.patches} patches${c.ms == null ? "" : ` (${c.ms.toFixed(1)} ms)`}`).join(", "));
  check(counts[0].patches < counts[1].patches && counts[1].patches < counts[2].patches, "a lower threshold means more patches");
  equal((await visit.state()).tokens, state.tokens, "tokens: nothing was drawn again");
  await visit.clean(site.url);
}

/** An own picture: chosen, cut into patches, and completed below its upper half (on the CPU, which is faster here). */
async function own_image({ lab, folder, root, note }) {
  const site = await serve(folder);
  try {
    const visit = await lab.page("both");
    await visit.open(`${site.url}?cpu`);
    await visit.untilReady();
    const choose = async () => {
      const [chooser] = await Promise.all([visit.page.waitForEvent("filechooser", { timeout: 20_000 }), visit.command("open_image")]);
      await chooser.setFiles(join(root, "assets/readme/overlay.png"));
    };
    // What reads pictures is fetched for the first one, and only once it is there.
    const encoders = () => visit.requests.filter((url) => url.includes("vq_encoder")).length;
    equal(encoders(), 0, "requests for the tokenizer's encoder before there is a picture");
    site.faults.push((path) => (path.includes("vq_encoder") ? { status: 404 } : undefined));
    await choose();
    const refused = await visit.untilState("the app to say that it cannot be fetched", (s) => /404/.test(s.message ?? ""));
    check(refused.source !== "own", "no picture without it");
    site.faults.length = 0;
    const before = encoders();
    await choose();
    const own = await visit.untilState("the picture's patches", (s) => s.source === "own" && s.tokens === s.total && s.patches > 0, 120_000);
    check(own.patches > 1 && own.patches < own.total, "some tokens share a patch");
    await visit.page.waitForTimeout(1000);
    await visit.shot("own-image");
    await visit.command("threshold", 3);
    const lower = await visit.untilState("the grid to follow", (s) => s.threshold === 3 && s.patches !== own.patches, 30_000);
    check(lower.patches > own.patches, "a lower threshold means more patches");
    await visit.command("keep_rows", 8);
    await visit.command("complete");
    const done = await visit.untilState("the completed picture", (s) => s.source === "run" && s.phase === "done" && s.ids !== null, 240_000);
    await visit.page.waitForTimeout(1000);
    await visit.shot("own-image-completed");

    // The same picture from the clipboard. (A real one holds no file in a headless browser, so the event is made.)
    const picture = [...await readFile(join(root, "assets/readme/overlay.png"))];
    await visit.page.evaluate((content) => {
      const clipboardData = new DataTransfer();
      clipboardData.items.add(new File([new Uint8Array(content)], "image.png", { type: "image/png" }));
      window.dispatchEvent(new ClipboardEvent("paste", { clipboardData, cancelable: true }));
    }, picture);
    const pasted = await visit.untilState("the pasted picture", (s) => s.source === "own" && s.patches === lower.patches, 120_000);
    equal(pasted.tokens, pasted.total, "tokens of the pasted picture");
    equal(encoders() - before, 1, "requests for the encoder, two pictures");
    note(`${own.patches} patches at ${own.threshold} nats, ${lower.patches} at 3, completed to ${done.tokens} tokens`);
    await visit.clean(site.url);
  } finally {
    await site.close();
  }
}

/** A first link to a strip, a wall, and one of its pictures taken: each is what it is alone (on the CPU, which is faster here). */
async function many({ lab, folder, note }) {
  const site = await serve(folder);
  try {
    const visit = await lab.page("both");
    await visit.open(`${site.url}?cpu#class=owl&seed=3&view=grid,strip&span=0.5`);
    const strip = await visit.untilState("the strip", (s) => s.phase === "done" && s.tiles?.every((said) => said.endsWith("for 256")), 240_000);
    equal([strip.view.strip, strip.tiles.length], ["0.5", 5], "what the link asks for");
    await visit.command("difference", "on");
    await visit.page.waitForTimeout(3000);
    await visit.shot("strip");
    const start = Date.now();
    await visit.command("wall", 4);
    const wall = await visit.untilState("the wall", (s) => s.view.wall === "4" && s.phase === "done", 240_000);
    equal(wall.tiles.map((said) => said.split(":")[0]), ["seed 3", "seed 4", "seed 5", "seed 6"], "seeds");
    const took = seconds(start);
    await visit.page.waitForTimeout(3000);
    await visit.shot("wall");
    await visit.command("tile", 2);
    const taken = await visit.untilState("one of them", (s) => s.source === "run" && s.phase === "done" && s.seed === 5);
    await visit.command("redraw");
    await visit.untilState("it alone", (s) => s.phase === "running", 20_000);
    const alone = await visit.untilState("it alone", (s) => s.phase === "done" && s.ids !== null, 120_000);
    equal(alone.ids, taken.ids, "the taken picture drawn alone");
    check(wall.tiles[2].includes(` ${alone.patches} `), `${alone.patches} patches, as under it on the wall: ${wall.tiles[2]}`);
    note(`four pictures after ${took} s, ${taken.ms_per_token.toFixed(1)} ms a token of one; alone ${alone.ms_per_token.toFixed(1)}`);
    await visit.clean(site.url);
  } finally {
    await site.close();
  }
}

/** What waits for the baseline's weights is drawn when they are there: a first link to a comparison, and Generate where one is remembered. */
async function waits({ lab, folder, note }) {
  const site = await serve(folder);
  try {
    // That both are drawn is what is wanted here: to their ends it takes minutes on a software GPU.
    const both = (s) => s.phase === "running" && s.compare?.tokens > 8 && s.tokens > 8;
    const first = await lab.page();
    await first.open(`${site.url}#class=heart&seed=7&view=compare,grid`);
    const linked = await first.untilState("the link's comparison", both, 300_000);
    equal([linked.class, linked.seed, linked.view.compare, linked.source], ["heart", 7, true, "run"], "what the link asks for");
    await first.shot("first-link-compares");
    await first.clean(site.url);
    const remembered = { setup: (context) => context.addInitScript(() => localStorage.setItem("dpar", JSON.stringify({ compare: true, toured: true, class: "owl", seed: 3 }))) };
    const second = await lab.page("webgpu", remembered);
    await second.open(site.url);
    await second.untilReady();
    await second.command("generate");
    const drawn = await second.untilState("the remembered comparison", both, 300_000);
    equal([drawn.class, drawn.seed], ["owl", 3], "what was chosen on an earlier visit");
    note("a first link to a comparison, and Generate with one remembered, wait for the baseline's weights");
    await second.clean(site.url);
  } finally {
    await site.close();
  }
}

/** The text panel by keyboard alone: visible where the focus is, and its controls work. */
async function keyboard({ lab, folder, note }) {
  const site = await serve(folder);
  try {
    const visit = await lab.page();
    await visit.open(site.url);
    const ready = await visit.untilReady();
    const size = () => visit.page.evaluate(() => document.querySelector("#mirror .panel").getBoundingClientRect().width);
    check((await size()) <= 1, "nobody sees the panel before");
    await visit.page.keyboard.press("F6");
    check((await size()) > 200, "the panel shows when the keyboard is in it");
    await visit.shot("keyboard");
    const panel = await visit.page.evaluate(() => ({
      commands: new Set([...document.querySelectorAll("#mirror [data-command]")].map((control) => control.dataset.command)).size,
      unlabelled: [...document.querySelectorAll("#mirror dd")].filter((dd) => dd.previousElementSibling.textContent === dd.dataset.key).map((dd) => dd.dataset.key),
      bare: [...document.querySelectorAll("#mirror label")].filter((label) => label.textContent.trim() === "").length,
    }));
    check(panel.commands >= 60, `every command has a control: ${panel.commands}`);
    equal([panel.unlabelled, panel.bare], [[], 0], "figures and controls without words");
    const control = (command) => visit.page.locator(`#mirror [data-command="${command}"]`);
    await control("threshold").focus();
    await visit.page.keyboard.press("ArrowRight");
    await visit.page.keyboard.press("ArrowRight");
    const moved = await visit.untilState("the threshold to follow", (s) => s.threshold !== ready.threshold, 20_000);
    await control("class").fill("0.7 owl + 0.3 panda");
    await visit.page.keyboard.press("Tab");
    await visit.untilState("the mix", (s) => s.class === "0.7 owl + 0.3 panda", 20_000);
    await control("class").fill("zebra crossing");
    await visit.page.keyboard.press("Tab");
    const said = await visit.untilState("what is wrong with it", (s) => s.message?.includes("nearest:"), 20_000);
    equal(said.class, "0.7 owl + 0.3 panda", "what was asked for before");
    await control("seed").fill("77");
    await visit.page.keyboard.press("Tab");
    await visit.untilState("the seed to follow", (s) => s.seed === 77, 20_000);
    equal(await visit.text('[data-key="seed"]'), "77", "seed in the panel");
    await visit.page.keyboard.press("F6");
    check((await size()) <= 1, "and goes when the keyboard leaves");
    equal(await visit.page.evaluate(() => document.activeElement.id === "app" || document.activeElement.tagName === "INPUT"), true, "the canvas has the keyboard");
    note(`threshold ${ready.threshold} to ${moved.threshold} by arrow keys, seed 77 typed`);
    await visit.clean(site.url);
  } finally {
    await site.close();
  }
}

/** The device goes away in the middle of a run: it pauses, makes a new one and draws the same picture to its end. */
async function device_lost({ lab, folder, root, manifest, note }) {
  const site = await serve(folder);
  try {
    const reference = await referenceRun(root);
    const visit = await lab.page("webgpu", {
      setup: (context) => context.addInitScript(() => {
        window.devices = [];
        const request = GPUAdapter.prototype.requestDevice;
        GPUAdapter.prototype.requestDevice = async function (...args) {
          const device = await request.apply(this, args);
          window.devices.push(device);
          return device;
        };
      }),
    });
    await visit.open(`${site.url}?gpu`);
    await visit.untilReady();
    await ask(visit, manifest, reference);
    await visit.command("generate");
    await visit.untilState("the middle of the run", (s) => s.phase === "running" && s.tokens > 40, 240_000);
    const start = Date.now();
    const at = (await visit.state()).tokens;
    await visit.page.evaluate(() => window.devices.forEach((device) => device.destroy()));
    await visit.until("a new device", () => visit.page.evaluate(() => window.devices.length), (n) => n > 1, 20_000).catch(() => pending("the app makes no new device yet"));
    const on = await visit.untilState("the run to go on", (s) => s.phase === "running" && s.tokens > at, 60_000);
    note(`lost at token ${at}, at ${on.tokens} again after ${seconds(start)} s`);
    const done = await visit.untilState("a finished picture", (s) => s.phase === "done" && s.ids !== null, 300_000);
    equal(done.ids.filter((id, i) => id === reference.tokens[i]).length, done.total, "tokens as in the reference run");
    equal([done.class, done.seed], [manifest.classes[reference.cls], reference.seed], "the controls");
    await visit.shot("device-lost");
  } finally {
    await site.close();
  }
}

/** A phone's width, dark. */
async function phone({ lab, folder, note }) {
  const site = await serve(folder);
  try {
    const visit = await lab.page("dense", { context: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true, colorScheme: "dark" } });
    site.faults.push((path) => (path.endsWith(".wasm") ? { delayMs: 1500 } : undefined));
    await visit.open(site.url);
    await visit.page.waitForTimeout(600);
    await visit.shot("phone-loading");
    await visit.untilReady();
    await visit.page.waitForTimeout(1500);
    await visit.shot("phone");
    const wide = await visit.page.evaluate(() => document.documentElement.scrollWidth);
    equal(wide, 390, "width of the page");
    const places = Object.entries((await visit.state()).places ?? {});
    equal(places.filter(([, [x, , width]]) => x + width > 390).map(([name]) => name), [], "parts that are wider than the screen");
    const [x, y] = (await visit.state()).places.what;
    await visit.page.touchscreen.tap(x + 40, y + 13);
    await visit.page.waitForTimeout(1500);
    await visit.shot("phone-picker");
    equal(await visit.page.evaluate(() => document.activeElement.tagName), "CANVAS", "no keyboard covers the list");
    note(`nothing is wider than the screen, ${places.length} parts looked at`);
  } finally {
    await site.close();
  }
}

/** A page with the reference run's picture, drawn on the GPU: made once, shared by the tests that look at it. */
function picture(lab, folder, root, manifest) {
  return lab.once("picture", async () => {
    const site = await serve(folder);
    const reference = await referenceRun(root);
    const visit = await lab.page();
    await visit.open(`${site.url}?gpu`);
    const ready = await visit.untilReady();
    check(!/CPU \(no GPU/.test(ready.device), `a GPU is used, not "${ready.device}"`);
    await ask(visit, manifest, reference);
    const start = Date.now();
    await visit.command("generate");
    await visit.untilState("the middle of the run", (s) => s.phase === "running" && s.tokens > 100, 240_000);
    await visit.shot("generating");
    const state = await visit.untilState("a finished picture", (s) => s.phase === "done" && s.ids !== null && s.tokens === s.total, 300_000);
    const took = seconds(start);
    await visit.page.waitForTimeout(1500);
    await visit.shot("generated");
    return { site, visit, state, reference, took };
  });
}

/** A run of the PyTorch reference. */
export async function referenceRun(root) {
  return JSON.parse(await readFile(join(root, "tests/fixtures/v1/runs.json"), "utf8"))[0];
}

export async function ask(visit, manifest, reference) {
  await visit.command("class", manifest.classes[reference.cls]);
  await visit.command("seed", reference.seed);
  await visit.command("threshold", reference.threshold);
}

// In this order: the slider moves the threshold of the shared picture.
export const tests = { opens, recorded, generates, exports: exports_, link, slider, own_image, many, waits, keyboard, device_lost, phone };
