// The service worker: offline after the first visit, a new build at the next load, and nothing lost without it.

import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { check, equal } from "./harness.mjs";
import { serve } from "./server.mjs";

const controlled = (visit) => visit.until("the service worker", () => visit.page.evaluate(() => navigator.serviceWorker?.controller?.state ?? null), (state) => state === "activated");
const build = (visit) => visit.page.evaluate(() => document.querySelector('meta[name="dpar-build"]').content);

/** After one visit the server may go away: the page, the program and the model are there. */
async function offline({ lab, folder, note }) {
  const site = await serve(folder, "/some/where/");
  try {
    const visit = await lab.page();
    await visit.open(site.url);
    await visit.untilReady();
    await controlled(visit);
    await visit.context.setOffline(true);
    await site.close();
    const start = Date.now();
    await visit.open(site.url);
    await visit.untilReady();
    note(`model ready ${((Date.now() - start) / 1000).toFixed(1)} s after an offline reload`);
    await visit.open(`${site.url}?any=thing`);
    await visit.untilStarted();
    await visit.shot("offline");
    await visit.clean(site.url);
  } finally {
    await site.close();
  }
}

/** A new build installs itself beside the old one and shows at the next load. */
async function update({ lab, folder, note }) {
  const copy = await mkdtemp(join(tmpdir(), "dpar-update-"));
  await cp(folder, copy, { recursive: true });
  const site = await serve(copy);
  try {
    const visit = await lab.page();
    await visit.open(site.url);
    await visit.untilStarted();
    await controlled(visit);
    const before = await build(visit);
    // Another build by name; its other files are the same, as they mostly are.
    for (const file of ["index.html", "sw.js"]) {
      await writeFile(join(copy, file), (await readFile(join(copy, file), "utf8")).replaceAll(before, "feedfacefeedface"));
    }
    await visit.open(site.url);
    equal(await build(visit), before, "the first load after the update comes from the cache");
    await visit.until("the new build to be installed", () => visit.page.evaluate(() => caches.keys()), (names) => names.some((n) => n.includes("feedface")));
    await visit.until("the new worker", () => visit.page.evaluate(async () => {
      const r = await navigator.serviceWorker.getRegistration();
      return Boolean(r.active && !r.installing && !r.waiting);
    }), Boolean);
    await visit.open(site.url);
    equal(await build(visit), "feedfacefeedface", "the second load");
    await visit.untilStarted();
    const pages = (await visit.page.evaluate(() => caches.keys())).filter((name) => name.startsWith("dpar page"));
    equal(pages.length, 1, "builds that are kept");
    note("old build once more, then the new one, and only that is kept");
  } finally {
    await site.close();
    await rm(copy, { recursive: true });
  }
}

/** A half-published build is not taken: the old page goes on. */
async function update_broken({ lab, folder, note }) {
  const site = await serve(folder);
  try {
    const visit = await lab.page();
    await visit.open(site.url);
    await visit.untilStarted();
    await controlled(visit);
    const worker = (await readFile(join(folder, "sw.js"), "utf8")).replace(await build(visit), "0000000000000000");
    site.faults.push((path) => (path === "sw.js" ? { bytes: Buffer.from(worker) } : undefined));
    await visit.open(site.url);
    await visit.page.evaluate(async () => (await navigator.serviceWorker.getRegistration()).update().catch(() => {}));
    await visit.until("the new worker to give up", () => visit.page.evaluate(async () => {
      const r = await navigator.serviceWorker.getRegistration();
      return Boolean(r.active && !r.installing && !r.waiting);
    }), Boolean);
    await visit.open(site.url);
    await visit.untilStarted();
    const names = await visit.page.evaluate(() => caches.keys());
    check(!names.some((name) => name.includes("0000000000000000")), "the broken build is not kept");
    note("the page of the old build still starts");
  } finally {
    await site.close();
  }
}

/** Without service workers and without the Cache API everything else works. */
async function no_worker({ lab, folder, note }) {
  const site = await serve(folder);
  try {
    const visit = await lab.page("webgpu", {
      setup: (context) => context.addInitScript(() => {
        delete Navigator.prototype.serviceWorker;
        delete window.caches;
      }),
    });
    await visit.open(site.url);
    await visit.untilReady();
    note("the model loads");
    await visit.clean(site.url);
  } finally {
    await site.close();
  }
}

export const tests = { offline, update, update_broken, no_worker };
