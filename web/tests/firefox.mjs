// node tests/firefox.mjs DIST: the page in a second engine, Firefox (`cargo xtask test firefox`), which has no WebGPU here:
// the app on WebGL2, the model on the CPU twins. Playwright drives only a Firefox of its own making; Puppeteer drives the
// one that is installed, over WebDriver BiDi. It gets a virtual screen, as it has no WebGL without one. `DPAR_FIREFOX`
// names another Firefox; screenshots go to DPAR_SHOTS (default: target/browser).

import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import puppeteer from "puppeteer-core";

import { ask, referenceRun } from "./app.mjs";
import { check, equal, Visit } from "./harness.mjs";
import { serve } from "./server.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const folder = resolve(process.argv[2] ?? join(root, "dist"));
const shots = process.env.DPAR_SHOTS ?? join(root, "target/browser");
const folders = (process.env.PATH ?? "").split(delimiter);
const executablePath = process.env.DPAR_FIREFOX ?? ["firefox-esr", "firefox"].flatMap((name) => folders.map((folder) => join(folder, name))).find(existsSync);
const wait = (ms) => new Promise((go) => setTimeout(go, ms));

/** The same visit; Puppeteer counts a page's requests and takes pictures its own way. */
class FoxVisit extends Visit {
  constructor(page) {
    super(page, { on: (...on) => page.on(...on), cookies: () => page.browserContext().cookies() }, shots);
    // An error that is logged as an object has no text until it is asked for it.
    page.on("console", async (message) => {
      const words = message.args().map((arg) => arg.evaluate((it) => String(it?.stack ? `${it}\n${it.stack}` : it)));
      const said = await Promise.all(words).catch((error) => [error.message]);
      if (message.text().includes("JSHandle@")) this.console.push(`${message.type()}: ${said.join(" ")}`);
    });
  }

  async shot(name) {
    await mkdir(shots, { recursive: true });
    await this.page.screenshot({ path: join(shots, `${name}.png`) });
  }
}

async function visit(browser) {
  const page = await browser.newPage();
  await page.setViewport({ width: 1280, height: 800 });
  await page.evaluateOnNewDocument(() => {
    window.breaches = [];
    addEventListener("securitypolicyviolation", (e) => window.breaches.push(`${e.violatedDirective}: ${e.blockedURI} ${e.sourceFile ?? ""}`));
  });
  return new FoxVisit(page);
}

const html = readFileSync(join(folder, "index.html"), "utf8");
const manifest = JSON.parse(readFileSync(join(folder, /name="dpar-manifest" content="([^"]+)"/.exec(html)[1]), "utf8"));
const seconds = (start) => ((Date.now() - start) / 1000).toFixed(1);
const note = (text) => console.log(`   firefox: ${text}`);

/** One visit after another, each step with what it needs of the one before. */
async function story(browser, site) {
  const start = Date.now();
  const reference = await referenceRun(root);
  const fox = await visit(browser);
  // The weights take their time, as they do over a network.
  site.faults.push((path) => (path.endsWith(".safetensors") ? { delayMs: 4_000 } : undefined));
  await fox.open(site.url);
  const times = await fox.untilStarted(120_000);
  note(`${await browser.version()}; program there ${Math.round(times.downloaded)} ms, compiled ${Math.round(times.compiled)}, app started ${Math.round(times.started)}`);
  const first = await fox.untilState("a recorded run", (s) => s.phase === "recording" && s.token > 0, 60_000);
  const later = await fox.untilState("a run that goes on", (s) => s.phase === "recording" && s.token > first.token + 10, 60_000);
  note(`the recorded run at token ${later.token} after ${seconds(start)} s, ${later.model === null ? "the weights on their way" : "the model there"}`);
  site.faults.length = 0;

  const ready = await fox.untilReady(180_000);
  check(/webgl|opengl/i.test(ready.renderer), `drawn with WebGL2, not with "${ready.renderer}"`);
  check(/CPU/.test(ready.device), `the model runs on the CPU, not on "${ready.device}"`);
  const notice = await fox.page.$eval("#notice", (e) => e.textContent);
  check(/WebGPU/.test(notice) && /about:config/.test(notice), `"${notice}" says what is missing and what to do`);
  note(`model ready after ${seconds(start)} s on "${ready.device}", ${ready.renderer}`);

  const begun = Date.now();
  await ask(fox, manifest, reference);
  await fox.command("generate");
  const done = await fox.untilState("a finished picture", (s) => s.phase === "done" && s.ids !== null && s.tokens === s.total, 300_000);
  equal(done.ids, reference.tokens, "tokens of the reference run");
  note(`${done.total} tokens as in the reference run, ${done.patches} patches, ${seconds(begun)} s, ${done.ms_per_token?.toFixed(1)} ms a token`);
  await wait(1500);
  await fox.shot("firefox");

  await slide(fox, done);
  const link = (await fox.state()).link.replace(/^.*#/, "");
  await fox.clean(site.url);
  noComplaints(fox);
  await fox.page.close();
  await follow(browser, site, link, reference);
}

/** The threshold slider, with the mouse on the canvas. */
async function slide(fox, done) {
  const [x, y, width] = (await fox.state()).places.threshold;
  const at = (share) => [x + width * share, y + 64]; // the histogram, below the line that names it
  const counts = [];
  await fox.page.mouse.move(...at(0.7));
  await fox.page.mouse.down();
  for (const share of [0.9, 0.6, 0.3]) {
    const before = (await fox.state()).threshold;
    await fox.page.mouse.move(...at(share), { steps: 8 });
    await fox.untilState("the threshold to follow", (s) => s.threshold !== before, 20_000);
    await wait(500);
    const now = await fox.state();
    counts.push({ threshold: now.threshold, patches: now.patches });
  }
  await fox.page.mouse.up();
  check(counts[0].patches < counts[1].patches && counts[1].patches < counts[2].patches, `a lower threshold means more patches: ${JSON.stringify(counts)}`);
  equal((await fox.state()).ids, done.ids, "tokens: nothing was drawn again");
  note(counts.map((c) => `${c.threshold.toFixed(2)} nats: ${c.patches} patches`).join(", "));
}

/** The picture's link, in a new tab: the same picture. */
async function follow(browser, site, link, reference) {
  const other = await visit(browser);
  await other.open(`${site.url}#${link}`);
  const ready = await other.untilReady(180_000);
  equal([ready.seed, ready.class], [reference.seed, manifest.classes[reference.cls]], "seed and class by the link");
  if (ready.phase !== "running") await other.command("generate");
  const again = await other.untilState("the link's picture", (s) => s.phase === "done" && s.ids !== null && s.tokens === s.total, 300_000);
  equal(again.ids, reference.tokens, "tokens by the link");
  note(`#${link}: ${again.total} tokens again`);
  await other.clean(site.url);
  noComplaints(other);
}

/** What the console must not hold. Firefox warns of much that is not ours; only errors count. */
function noComplaints(fox) {
  equal(fox.console.filter((line) => /^error:/.test(line)), [], "errors in the console");
  const warned = fox.console.filter((line) => /^warn/.test(line));
  if (warned.length) note(`warnings in the console: ${warned.join(" | ").slice(0, 600)}`);
}

/** Xvfb on a display that is free; elsewhere than on Linux the system's own screen. */
async function screen() {
  const { WAYLAND_DISPLAY, ...env } = process.env; // Firefox would prefer it
  if (process.platform !== "linux") return { env, close: () => {} };
  const server = spawn("Xvfb", ["-displayfd", "3", "-screen", "0", "1400x1000x24", "-nolisten", "tcp"], { stdio: ["ignore", "ignore", "ignore", "pipe"] });
  const number = await new Promise((found, lost) => {
    server.stdio[3].once("data", (data) => found(String(data).trim()));
    server.once("error", (error) => lost(new Error(`Xvfb could not be started (${error.message})`)));
    server.once("exit", () => lost(new Error("Xvfb ended at once")));
  });
  return { env: { ...env, DISPLAY: `:${number}` }, close: () => server.kill() };
}

if (!executablePath) {
  console.error("firefox.mjs finds no Firefox; install it, or name it with DPAR_FIREFOX");
  process.exit(2);
}
const begin = Date.now();
let failed = null;
const closed = []; // what has to be closed, in this order
try {
  const display = await screen();
  closed.push(() => display.close());
  const site = await serve(folder);
  closed.unshift(() => site.close());
  const browser = await puppeteer.launch({ browser: "firefox", executablePath, headless: false, protocolTimeout: 300_000, env: display.env });
  closed.unshift(() => browser.close());
  await story(browser, site);
} catch (error) {
  failed = error;
}
for (const close of closed) await close();
console.log(`   firefox: ${failed ? `FAILED: ${failed.message}` : "passed"} in ${seconds(begin)} s; a screenshot in ${shots}`);
process.exit(failed ? 1 : 0);
