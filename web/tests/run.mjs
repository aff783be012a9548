// node tests/run.mjs DIST [TEST ...]: the page in Chromium. Each test says what it measured; the first failure of a
// test does not stop the others. Screenshots go to DPAR_SHOTS (default: target/browser).

import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import * as app from "./app.mjs";
import * as fallback from "./fallback.mjs";
import { Lab, Pending } from "./harness.mjs";
import * as loader from "./loader.mjs";
import * as models from "./models.mjs";
import * as offline from "./offline.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, "../..");
const [folder, ...only] = process.argv.slice(2);
if (!folder) {
  console.error("run.mjs needs the folder that `cargo xtask dist` makes");
  process.exit(2);
}

const tests = Object.assign({}, ...[app, fallback, loader, models, offline].map((module) => module.tests));
for (const name of only) {
  if (!tests[name]) {
    console.error(`there is no browser test "${name}"; there are ${Object.keys(tests).join(", ")}`);
    process.exit(2);
  }
}
const lab = new Lab(process.env.DPAR_SHOTS ?? join(root, "target/browser"));
const manifest = () => {
  const html = readFileSync(join(folder, "index.html"), "utf8");
  return JSON.parse(readFileSync(join(folder, /name="dpar-manifest" content="([^"]+)"/.exec(html)[1]), "utf8"));
};
const failed = [];
const begin = Date.now();
for (const [name, test] of Object.entries(tests)) {
  if (only.length > 0 && !only.includes(name)) continue;
  const start = Date.now();
  const notes = [];
  // A shared machine may stall a browser for longer than any timeout; a real fault fails twice. Both are printed.
  for (const again of [true, false]) {
    try {
      await test({ lab, folder: resolve(folder), root, manifest: manifest(), note: (text) => notes.push(text) });
      await lab.tidy();
      break;
    } catch (error) {
      await lab.tidy();
      const pending = error instanceof Pending;
      notes.push(`${pending ? "PENDING" : again ? "FAILED at first" : "FAILED"}: ${error.message}`);
      if (pending || !again) {
        if (!pending) failed.push(name);
        break;
      }
    }
  }
  console.log(`   ${name} (${((Date.now() - start) / 1000).toFixed(1)} s): ${notes.join("; ") || "ok"}`);
}
await lab.close();
console.log(`   browser: ${failed.length ? `FAILED ${failed.join(", ")}` : "all passed"} in ${((Date.now() - begin) / 1000).toFixed(0)} s; screenshots in ${lab.out}`);
process.exit(failed.length ? 1 : 0);
