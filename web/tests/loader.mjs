// Downloads: interrupted, damaged, refused, kept, repaired. The real page, with a server that misbehaves.

import { check, equal } from "./harness.mjs";
import { serve } from "./server.mjs";

/** Every response under data/ by path. */
const fetched = (site) => site.log.filter((line) => line.path.startsWith("data/")).map((line) => line.path);
const shardsOf = (manifest, name) => manifest.files.find((file) => file.name === name).shards;

/** Entries of the loader's cache: addresses, and a way to damage one. */
const cached = (visit) => visit.page.evaluate(async () => {
  const name = (await caches.keys()).find((key) => key.startsWith("dpar data"));
  return name ? (await (await caches.open(name)).keys()).map((request) => new URL(request.url).pathname) : [];
});
const damage = (visit, path) => visit.page.evaluate(async (wanted) => {
  const name = (await caches.keys()).find((key) => key.startsWith("dpar data"));
  const cache = await caches.open(name);
  const request = (await cache.keys()).find((r) => r.url.endsWith(wanted));
  const bytes = new Uint8Array(await (await cache.match(request)).arrayBuffer());
  bytes[bytes.length >> 1] ^= 1;
  await cache.put(request, new Response(bytes));
}, path);

/** The program's download is cut: the page says so and offers to try again; that works. */
async function program_interrupted({ lab, folder, manifest, note }) {
  const site = await serve(folder);
  try {
    const [wasm] = shardsOf(manifest, "dpar_bg.wasm");
    site.faults.push((path) => (path === wasm.path ? { cutAfter: Math.floor(wasm.bytes / 2) } : undefined));
    const visit = await lab.page();
    await visit.open(site.url);
    const said = await visit.until("a sentence about it", () => visit.text("#failure"), (text) => text.includes("interrupted"));
    check(/interrupted after [0-9.]+ of [0-9.]+ MB/.test(said), `"${said}" says how far it got`);
    await visit.shot("interrupted");
    site.faults.length = 0;
    await visit.page.click("#retry");
    await visit.untilStarted();
    note(said.split("\n").filter(Boolean)[1]);
    await visit.clean(site.url);
  } finally {
    await site.close();
  }
}

/** A program that is not the manifest's is never run. */
async function program_damaged({ lab, folder, manifest, note }) {
  const site = await serve(folder);
  try {
    const [wasm] = shardsOf(manifest, "dpar_bg.wasm");
    site.faults.push((path) => (path === wasm.path ? { damage: 1000 } : undefined));
    const visit = await lab.page();
    await visit.open(site.url);
    const said = await visit.until("a sentence about it", () => visit.text("#failure"), (text) => text.includes("damaged"));
    equal(await visit.page.evaluate(() => window.dpar === undefined), true, "the program did not start");
    equal(await cached(visit), [], "nothing damaged is kept");
    note(said.split("\n").filter(Boolean)[1]);
  } finally {
    await site.close();
  }
}

/** A shard of the weights is cut: the app says so; trying again fetches only what is missing. */
async function weights_interrupted({ lab, folder, manifest, note }) {
  const site = await serve(folder);
  try {
    const shard = shardsOf(manifest, "dpar.safetensors").at(-1);
    site.faults.push((path) => (path === shard.path ? { cutAfter: 1_000_000 } : undefined));
    const visit = await lab.page();
    await visit.open(site.url);
    const state = await visit.untilState("the app to say so", (s) => /interrupted/.test(s.message ?? ""));
    await visit.shot("weights-interrupted");
    site.faults.length = 0;
    const before = fetched(site).length;
    await visit.command("reload_model");
    await visit.untilReady();
    const again = fetched(site).slice(before);
    check(again.includes(shard.path), "the cut shard was fetched again");
    check(!again.includes(shardsOf(manifest, "dpar.safetensors")[0].path), "a finished shard was not");
    note(`"${state.message}"; then ${again.length} of ${fetched(site).length - again.length} requests again`);
    await visit.clean(site.url);
  } finally {
    await site.close();
  }
}

/** A damaged shard is refused, and a missing file named. */
async function weights_damaged({ lab, folder, manifest, note }) {
  const site = await serve(folder);
  try {
    const [shard] = shardsOf(manifest, "entropy.safetensors");
    site.faults.push((path) => (path === shard.path ? { damage: shard.bytes - 1 } : undefined));
    const visit = await lab.page();
    await visit.open(site.url);
    const damaged = await visit.untilState("the app to refuse it", (s) => /damaged/.test(s.message ?? ""));
    check(damaged.device === "" || damaged.phase !== "running", "it is not used");
    equal((await cached(visit)).filter((path) => path.endsWith(shard.path)), [], "a damaged shard is not kept");
    site.faults[0] = (path) => (path === shard.path ? { status: 404 } : undefined);
    await visit.command("reload_model");
    const missing = await visit.untilState("the app to name the file", (s) => /404/.test(s.message ?? ""));
    note(`"${damaged.message}"`, `"${missing.message}"`);
  } finally {
    await site.close();
  }
}

/** A second visit downloads nothing; a damaged entry of the cache is noticed and fetched again. */
async function cache_repaired({ lab, folder, manifest, note }) {
  const site = await serve(folder);
  try {
    const visit = await lab.page();
    await visit.open(site.url);
    await visit.untilReady();
    const first = fetched(site).length;
    await visit.open(site.url);
    await visit.untilReady();
    equal(fetched(site).slice(first), [], "a second visit's downloads");
    const [wasm] = shardsOf(manifest, "dpar_bg.wasm");
    const [vq] = shardsOf(manifest, "vq.safetensors");
    await damage(visit, wasm.path);
    await damage(visit, vq.path);
    await visit.open(site.url);
    await visit.untilReady();
    equal(fetched(site).slice(first).sort(), [vq.path, wasm.path].sort(), "what was fetched after the damage");
    await visit.open(site.url);
    await visit.untilReady();
    equal(fetched(site).length, first + 2, "downloads after the repair");
    note(`${first} files on the first visit, 0 on the second, exactly the 2 damaged ones on the third, 0 on the fourth`);
    await visit.clean(site.url);
  } finally {
    await site.close();
  }
}

/** What another version has left in the cache goes away. */
async function cache_tidied({ lab, folder, note }) {
  const site = await serve(folder);
  try {
    const visit = await lab.page();
    await visit.open(site.url);
    await visit.untilReady();
    await visit.page.evaluate(async () => {
      const name = (await caches.keys()).find((key) => key.startsWith("dpar data"));
      await (await caches.open(name)).put("./data/old.0000.bin", new Response("old"));
    });
    await visit.open(site.url);
    await visit.untilStarted();
    await visit.until("the old entry to go", () => cached(visit), (paths) => !paths.some((path) => path.includes("old.0000")));
    note(`${(await cached(visit)).length} entries are left`);
  } finally {
    await site.close();
  }
}

/** The page's own SHA-256, for pages without crypto.subtle, against the browser's. */
async function hashes_agree({ lab, folder, note }) {
  const site = await serve(folder);
  try {
    const visit = await lab.page();
    await visit.open(site.url);
    const script = await visit.page.evaluate(() => [...document.querySelectorAll("link[rel=modulepreload]")].map((l) => l.href).find((href) => href.includes("sha256")));
    const wrong = await visit.page.evaluate(async (address) => {
      const { digestHere } = await import(address);
      const wrong = [];
      for (const length of [0, 1, 55, 56, 63, 64, 65, 119, 120, 1000, 300_001]) {
        const bytes = new Uint8Array(length).map((_, i) => (i * 131 + length) & 255);
        const wanted = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
        if (String(digestHere(bytes)) !== String(wanted)) wrong.push(length);
      }
      return wrong;
    }, script);
    equal(wrong, [], "lengths with another digest");
    note("11 lengths up to 300 kB");
  } finally {
    await site.close();
  }
}

export const tests = { hashes_agree, program_interrupted, program_damaged, weights_interrupted, weights_damaged, cache_repaired, cache_tidied };
