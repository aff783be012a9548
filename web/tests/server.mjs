// A static host that can be told to misbehave: cut a download, damage it, refuse it, delay it.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";

const TYPES = {
  ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
  ".json": "application/json", ".wasm": "application/wasm", ".svg": "image/svg+xml", ".png": "image/png",
};

/**
 * Serves `folder` on loopback under `base` ("/" or "/some/path/").
 * `faults` are tried in order on every path inside the page: `(path) => undefined | { status, cutAfter, damage, delayMs, bytes }`.
 */
export async function serve(folder, base = "/") {
  const site = { folder, faults: [], log: [], url: "", close: () => {} };
  const server = createServer((request, response) => {
    answer(site, base, request, response).catch((error) => {
      response.statusCode = 500;
      response.end(String(error));
    });
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  // `localhost` and not the number: what a person would open.
  site.url = `http://localhost:${server.address().port}${base}`;
  site.close = () => new Promise((done) => {
    server.close(done);
    server.closeAllConnections();
  });
  return site;
}

async function answer(site, base, request, response) {
  const path = decodeURIComponent(new URL(request.url, "http://localhost").pathname);
  if (!path.startsWith(base)) {
    site.log.push({ path, status: 404 });
    response.statusCode = 404;
    return response.end();
  }
  const inside = path.slice(base.length) || "index.html";
  const fault = site.faults.map((rule) => rule(inside)).find(Boolean) ?? {};
  if (fault.delayMs) await new Promise((go) => setTimeout(go, fault.delayMs));
  let bytes = fault.bytes ?? (await readFile(join(site.folder, normalize(`/${inside}`))).catch(() => null));
  const status = fault.status ?? (bytes ? 200 : 404);
  site.log.push({ path: inside, status });
  if (status !== 200) {
    response.statusCode = status;
    return response.end();
  }
  if (fault.damage !== undefined) {
    bytes = Buffer.from(bytes);
    bytes[fault.damage] ^= 1;
  }
  response.writeHead(200, {
    "content-type": TYPES[extname(inside)] ?? "application/octet-stream",
    "content-length": bytes.length,
    "cache-control": "no-cache",
  });
  if (fault.cutAfter === undefined) return response.end(bytes);
  response.write(bytes.subarray(0, fault.cutAfter), () => setTimeout(() => response.destroy(), 50));
}
