// Fetches the files that the manifest lists (the wasm, the weights), in shards, and hands out only bytes whose SHA-256
// is the manifest's. A shard is kept in the Cache API after its check, so an interrupted download goes on at the shard
// it had reached, and everything is there offline. What comes out of the cache is checked again: a damaged entry is
// thrown away and downloaded anew.

import { sha256 } from "./sha256.js";

/** A server that sends nothing for this long is given up. */
const SILENCE_MS = 30_000;
/** Progress is reported at most this often (and always at the end). */
const REPORT_MS = 40;

/**
 * The manifest: `{ build, modelHash, classes, vocabSize, files: [{ name, bytes, shards: [{ path, bytes, sha256 }] }] }`,
 * paths relative to the page.
 */
export class Loader {
  #base;
  #files;
  #running = new Set();
  #cache;

  /** @param base the page's folder, as an absolute address */
  constructor(base, manifest) {
    this.#base = base;
    this.#files = new Map(manifest.files.map((file) => [file.name, file]));
    this.#cache = openCache(`dpar data ${new URL(base).pathname}`);
  }

  /** How many bytes these files have together. */
  total(names) {
    return names.reduce((sum, name) => sum + this.#file(name).bytes, 0);
  }

  /**
   * The files by name. `progress(phase, done, total)`, bytes: "check" while what is in the cache is read and checked,
   * then "download"; `done` goes on from what was found.
   * @throws Error with one sentence; name "AbortError" after `cancel()`.
   */
  async load(names, progress = () => {}) {
    const files = names.map((name) => this.#file(name));
    const control = new AbortController();
    this.#running.add(control);
    try {
      const parts = files.flatMap((file) => {
        const bytes = new Uint8Array(file.bytes);
        let at = 0;
        return file.shards.map((shard, i) => {
          const room = bytes.subarray(at, (at += shard.bytes));
          const label = file.shards.length > 1 ? `${file.name} (part ${i + 1} of ${file.shards.length})` : file.name;
          return { file, shard, room, bytes, label };
        });
      });
      await this.#fill(parts, control.signal, reporter(progress, this.total(names)));
      return Object.fromEntries(parts.map(({ file, bytes }) => [file.name, bytes]));
    } catch (error) {
      throw control.signal.aborted ? cancelled() : error;
    } finally {
      this.#running.delete(control);
    }
  }

  /** Stops every `load` under way; what has arrived and was checked is kept. */
  cancel() {
    for (const control of this.#running) control.abort();
  }

  /** Removes what other versions of the page have left in the cache. */
  async tidy() {
    const cache = await this.#cache;
    if (!cache) return;
    const ours = new Set();
    for (const file of this.#files.values()) for (const shard of file.shards) ours.add(this.#address(shard));
    for (const request of await cache.keys()) if (!ours.has(request.url)) await cache.delete(request);
  }

  async #fill(parts, signal, report) {
    const missing = [];
    let done = 0;
    for (const part of parts) {
      if (await this.#recall(part, signal)) report("check", (done += part.shard.bytes));
      else missing.push(part);
    }
    for (const part of missing) {
      await this.#download(part, signal, (arrived) => report("download", done + arrived));
      done += part.shard.bytes;
      report("download", done);
    }
    report(missing.length > 0 ? "download" : "check", done, true);
  }

  /** Reads a shard from the cache into its room, if it is there and whole. */
  async #recall({ shard, room, label }, signal) {
    const cache = await this.#cache;
    signal.throwIfAborted();
    if (!cache) return false;
    const address = this.#address(shard);
    try {
      const kept = await cache.match(address);
      if (!kept) return false;
      const bytes = new Uint8Array(await kept.arrayBuffer());
      if (bytes.length === shard.bytes && (await sha256(bytes)) === shard.sha256) {
        room.set(bytes);
        return true;
      }
      console.warn(`dpar: ${label} in the browser's cache is damaged, it will be downloaded again`);
      await cache.delete(address);
    } catch (error) {
      // A cache that cannot be read is as good as none.
      console.warn(`dpar: the browser's cache failed (${error})`);
    }
    signal.throwIfAborted();
    return false;
  }

  async #download({ shard, room, label }, signal, arrived) {
    const cache = await this.#cache;
    // What is kept here need not be kept by the browser as well.
    let how = cache ? "no-store" : "default";
    for (;;) {
      await receive(this.#address(shard), label, room, how, signal, arrived);
      if ((await sha256(room)) === shard.sha256) break;
      signal.throwIfAborted();
      if (how !== "default") {
        throw new Error(`${label} arrived damaged (its SHA-256 is not the manifest's) and was not used; try again, and if that does not help the site is broken.`);
      }
      how = "reload"; // the damage may be in the browser's own cache
    }
    try {
      await cache?.put(this.#address(shard), new Response(room, { headers: { "content-type": "application/octet-stream" } }));
    } catch (error) {
      // No room: the page works, only not offline.
      console.warn(`dpar: ${label} could not be kept for the next visit (${error})`);
    }
  }

  #file(name) {
    const file = this.#files.get(name);
    if (!file) throw new Error(`This page has no file called ${name}.`);
    return file;
  }

  #address(shard) {
    return new URL(shard.path, this.#base).href;
  }
}

/** Fetches what people know as `label` into `room`; `arrived` hears how many (decoded) bytes there are. */
async function receive(address, label, room, how, signal, arrived) {
  const stalled = new AbortController();
  let timer;
  const listen = () => {
    clearTimeout(timer);
    timer = setTimeout(() => stalled.abort(), SILENCE_MS);
  };
  const stop = () => stalled.abort();
  signal.addEventListener("abort", stop);
  let at = 0;
  try {
    signal.throwIfAborted();
    listen();
    const response = await fetch(address, { signal: stalled.signal, cache: how });
    if (!response.ok) {
      const why = response.status === 404 ? "; reload the page, there may be a new version of it" : "; try again later";
      throw new Refused(`${label} could not be downloaded: the server answered ${response.status}${why}.`);
    }
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      listen();
      if (at + value.length > room.length) {
        stalled.abort();
        throw new Refused(`${label} is longer than the manifest says and was not used; reload the page, there may be a new version of it.`);
      }
      room.set(value, at);
      arrived((at += value.length));
    }
  } catch (error) {
    if (signal.aborted) throw cancelled();
    if (error instanceof Refused) throw error;
    const why = stalled.signal.aborted ? `nothing arrived for ${SILENCE_MS / 1000} seconds` : "the connection failed";
    throw interrupted(label, at, room.length, why);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
  if (at < room.length) throw interrupted(label, at, room.length, "the server stopped early");
}

/** An answer that is a complete sentence already. */
class Refused extends Error {}

function interrupted(label, at, total, why) {
  const mb = (bytes) => (bytes / 1e6).toFixed(1);
  return new Error(`The download of ${label} was interrupted after ${mb(at)} of ${mb(total)} MB (${why}); check the connection and try again, whatever was finished is kept.`);
}

function cancelled() {
  return new DOMException("The download was cancelled; whatever was finished is kept.", "AbortError");
}

function reporter(progress, total) {
  let last = -Infinity;
  return (phase, done, always = false) => {
    const now = performance.now();
    if (!always && now - last < REPORT_MS) return;
    last = now;
    progress(phase, done, total);
  };
}

/** The cache, or nothing where the browser has none to give (plain http, private windows, no room). */
async function openCache(name) {
  try {
    return (await globalThis.caches?.open(name)) ?? null;
  } catch {
    return null;
  }
}
