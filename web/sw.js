// Offline after the first visit. Keeps the page itself (HTML, JS, CSS) by build; the wasm and the weights are kept by
// loader.js, which checks them at every use. A page is served from one build only: a new build installs itself beside
// the running one, whole or not at all, and the next load of the page uses it.

// `cargo xtask dist` writes these two: the build's name, and [path, SHA-256] of what a visit needs.
const BUILD = "dev";
const SHELL = [];

const scope = new URL(self.registration.scope);
const PREFIX = `dpar page ${scope.pathname} `;
const NAME = PREFIX + BUILD;
const PATHS = new Set(SHELL.map(([path]) => path));

self.addEventListener("install", (event) => {
  event.waitUntil(install());
});

self.addEventListener("activate", (event) => {
  // The first visit is served from here on, too: its pictures and its reload need no network.
  event.waitUntil(self.clients.claim());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== scope.origin || !url.pathname.startsWith(scope.pathname)) return;
  const path = url.pathname.slice(scope.pathname.length);
  if (request.mode === "navigate") {
    if (path === "" || path === "index.html") event.respondWith(page(request));
  } else if (PATHS.has(path)) {
    event.respondWith(kept(path, request));
  } else if (!path.startsWith("data/") && path !== "sw.js") {
    event.respondWith(older(request));
  }
});

/** Fetches the build's files and keeps them if they are the build's; any other outcome leaves everything as it was. */
async function install() {
  const files = await Promise.all(SHELL.map(fetchChecked));
  const cache = await caches.open(NAME);
  await Promise.all(files.map(([path, response]) => cache.put(new URL(path, scope), response)));
  await self.skipWaiting();
}

async function fetchChecked([path, sha256]) {
  const response = await fetch(new URL(path, scope), { cache: "no-cache" });
  if (!response.ok) throw new Error(`${path}: the server answered ${response.status}`);
  const bytes = await response.arrayBuffer();
  if (path === "") {
    // Hosts add to HTML; that it names this build is enough.
    if (!new TextDecoder().decode(bytes).includes(BUILD)) throw new Error("index.html is of another build");
  } else if ((await hex(bytes)) !== sha256) {
    throw new Error(`${path} is of another build or damaged`);
  }
  // A new response: one that was redirected may not answer a navigation.
  return [path, new Response(bytes, { headers: { "content-type": response.headers.get("content-type") ?? "text/plain" } })];
}

async function hex(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The page: of this build, and from now on no other is needed. */
async function page(request) {
  const response = await kept("", request);
  for (const name of await caches.keys()) if (name.startsWith(PREFIX) && name !== NAME) await caches.delete(name);
  return response;
}

async function kept(path, request) {
  const cache = await caches.open(NAME);
  return (await cache.match(new URL(path, scope))) ?? fetch(request);
}

/** A file of the build that an open page still runs, or one that is not kept. */
async function older(request) {
  return (await caches.match(request)) ?? fetch(request);
}
