// What the tests share: browsers of three kinds, pages that notice every breach, and waiting for the app's state.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { chromium } from "playwright-core";

const COMMON = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
/** Flags by what the browser shall have; the first set is the one that really draws a WebGPU canvas without a GPU. */
const KINDS = {
  webgpu: ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan", "--use-vulkan=swiftshader", "--use-angle=vulkan"],
  // A screen of twice the pixels; an emulated one does not reach the canvas (devicePixelContentBoxSize).
  dense: ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan", "--use-vulkan=swiftshader", "--use-angle=vulkan", "--force-device-scale-factor=2"],
  // WebGL2 to draw with and a WebGPU that answers but whose canvas stays white.
  both: ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
  webgl: ["--disable-features=WebGPU,WebGPUService", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
  nothing: ["--disable-features=WebGPU,WebGPUService", "--disable-3d-apis", "--disable-gpu"],
};

export class Lab {
  #browsers = new Map();
  #open = [];
  #kept = new Map();

  /** `out`: where screenshots go. */
  constructor(out) {
    this.out = out;
  }

  /** A page in a fresh profile; closed with the test. `kind` as in KINDS; `setup(context)` before it opens anything. */
  async page(kind = "webgpu", { context: options = {}, setup } = {}) {
    if (!this.#browsers.has(kind)) {
      const executablePath = process.env.DPAR_CHROMIUM ?? "/usr/bin/chromium";
      this.#browsers.set(kind, chromium.launch({ executablePath, headless: true, args: [...COMMON, ...KINDS[kind]] }));
    }
    const browser = await this.#browsers.get(kind);
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, acceptDownloads: true, ...options });
    this.#open.push(context);
    await setup?.(context);
    await context.addInitScript(() => {
      window.breaches = [];
      addEventListener("securitypolicyviolation", (e) => window.breaches.push(`${e.violatedDirective}: ${e.blockedURI} ${e.sourceFile ?? ""}`));
    });
    const page = await context.newPage();
    return new Visit(page, context, this.out);
  }

  /** Ends what a test has opened, but for what `once` keeps. */
  async tidy() {
    for (const context of this.#open.splice(0)) await context.close();
  }

  /** What several tests use, made once by the first that asks: drawing a picture on a software GPU takes its time. */
  async once(name, make) {
    if (!this.#kept.has(name)) {
      this.#kept.set(name, await make());
      this.#open.length = 0;
    }
    return this.#kept.get(name);
  }

  async close() {
    for (const { site } of this.#kept.values()) await site?.close();
    for (const browser of this.#browsers.values()) await (await browser).close();
  }
}

/** A page and what it has done. */
export class Visit {
  constructor(page, context, out) {
    Object.assign(this, { page, context, out, console: [], errors: [], requests: [] });
    page.on("console", (message) => this.console.push(`${message.type()}: ${message.text()}`));
    page.on("pageerror", (error) => this.errors.push(String(error)));
    // The context's: the service worker's requests are among them.
    context.on("request", (request) => this.requests.push(request.url()));
  }

  async open(url) {
    await this.page.goto(url, { waitUntil: "domcontentloaded" });
  }

  /** The app's published state, or undefined. */
  state() {
    return this.page.evaluate(() => window.dparState);
  }

  command(name, value = "") {
    return this.page.evaluate(([n, v]) => window.dpar.command(n, v), [name, String(value)]);
  }

  /** Waits until `wanted(value of read)` and returns it; on time-out says what was there instead. */
  async until(what, read, wanted, ms = 60_000) {
    const end = Date.now() + ms;
    let value;
    for (;;) {
      value = await read().catch((error) => `(${error.message})`);
      if (wanted(value)) return value;
      if (Date.now() > end) break;
      await new Promise((go) => setTimeout(go, 50));
    }
    const shown = JSON.stringify(value)?.slice(0, 900);
    throw new Error(`waited ${ms / 1000} s for ${what}; there is ${shown}; console: ${this.console.slice(-6).join(" | ").slice(0, 900)}; errors: ${this.errors.join(" | ").slice(0, 500)}`);
  }

  /** Waits for a state of the app. */
  untilState(what, wanted, ms) {
    return this.until(what, () => this.state(), (state) => state && typeof state === "object" && wanted(state), ms);
  }

  untilStarted(ms = 60_000) {
    return this.until("the app to start", () => this.page.evaluate(() => window.dparTimes ?? null), (t) => t?.started, ms);
  }

  /** Waits for a model that is ready to draw. */
  untilReady(ms = 120_000) {
    return this.untilState("a loaded model", (s) => s.model !== null && s.progress === null && !["loading", "error"].includes(s.phase), ms);
  }

  text(selector) {
    return this.page.locator(selector).innerText();
  }

  async shot(name) {
    await mkdir(this.out, { recursive: true });
    await this.page.screenshot({ scale: "device", path: join(this.out, `${name}.png`) });
  }

  /** Nothing from elsewhere, nothing against the policy, no uncaught error. */
  async clean(url) {
    const origin = new URL(url).origin;
    const strangers = this.requests.filter((r) => !r.startsWith(`${origin}/`) && !r.startsWith(`blob:${origin}/`) && !r.startsWith("data:"));
    equal(strangers, [], "requests to other hosts");
    equal(await this.page.evaluate(() => window.breaches), [], "breaches of the Content-Security-Policy");
    equal(this.console.filter((line) => /Content Security Policy/i.test(line)), [], "console lines about the policy");
    equal(this.errors, [], "uncaught errors");
    equal(await this.context.cookies(), [], "cookies");
  }

  /** Saves a download and returns its bytes. */
  async download(start, name) {
    const [download] = await Promise.all([this.page.waitForEvent("download", { timeout: 60_000 }), start()]);
    const stream = await download.createReadStream();
    const parts = [];
    for await (const part of stream) parts.push(part);
    const bytes = Buffer.concat(parts);
    await mkdir(this.out, { recursive: true });
    await writeFile(join(this.out, name ?? download.suggestedFilename()), bytes);
    return { name: download.suggestedFilename(), bytes };
  }
}

export function check(condition, what) {
  if (!condition) throw new Error(`not so: ${what}`);
}

export function equal(found, wanted, what) {
  const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)];
  if (a !== b) throw new Error(`${what}: ${a?.slice(0, 1200)}, wanted ${b?.slice(0, 1200)}`);
}

/** Ends a test that waits for something the app does not have: reported, not a failure. */
export class Pending extends Error {}

export function pending(what) {
  throw new Pending(what);
}
