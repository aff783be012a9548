// node tests/pagebench.mjs NAME=DIST ...: how long pictures take on the CPU twins in the pages of several builds, in turn
// (ROUNDS, default 2). A picture is timed from the command to its last token; three a round, the same seeds for each build.

import { tmpdir } from "node:os";
import { resolve } from "node:path";
import { Lab } from "./harness.mjs";
import { serve } from "./server.mjs";

const pages = process.argv.slice(2).map((page) => page.split("="));
if (pages.length === 0 || pages.some((page) => page.length !== 2)) {
  console.error("pagebench.mjs needs NAME=DIST, a folder that `cargo xtask dist` makes, once or several times");
  process.exit(2);
}
const lab = new Lab(tmpdir());
const found = new Map(pages.map(([name]) => [name, []]));
for (let round = 0; round < Number(process.env.ROUNDS ?? 2); round++) {
  for (const [name, folder] of pages) {
    const site = await serve(resolve(folder));
    const visit = await lab.page("both");
    const start = Date.now();
    await visit.open(`${site.url}?cpu#class=owl&seed=3&view=grid`);
    await visit.untilState("the first picture", (s) => s.source === "run" && s.phase === "done" && s.tokens === 256 && s.decoded > 0, 120_000);
    const opened = (Date.now() - start) / 1000;
    await visit.page.waitForTimeout(1500);
    const pictures = [];
    for (let k = 0; k < 3; k++) {
      await visit.command("seed", 10 + k);
      pictures.push(await visit.page.evaluate(picture));
    }
    const state = await visit.state();
    found.get(name).push(...pictures);
    const each = pictures.map((p) => `${p.seconds.toFixed(2)} s (${p.ms.toFixed(1)} ms a token)`).join(", ");
    console.log(`${name}: first picture ${opened.toFixed(1)} s after opening, then ${each}; longest work for a frame ${state.longest_work_ms?.toFixed(0) ?? "?"} ms`);
    await site.close();
    await lab.tidy();
  }
}
for (const [name, pictures] of found) {
  const median = (of) => pictures.map(of).sort((a, b) => a - b)[Math.floor(pictures.length / 2)];
  console.log(`${name}: median ${median((p) => p.seconds).toFixed(2)} s a picture, ${median((p) => p.ms).toFixed(2)} ms a token`);
}
await lab.close();

/** In the page: draws a picture; its seconds, and milliseconds a token of the twins alone. */
function picture() {
  return new Promise((done) => {
    const begun = performance.now();
    window.dpar.command("generate", "");
    let running = false;
    const look = () => {
      const state = window.dparState;
      running ||= state.phase === "running";
      if (running && state.phase === "done" && state.tokens === 256) done({ seconds: (performance.now() - begun) / 1000, ms: state.ms_per_token });
      else setTimeout(look, 5);
    };
    look();
  });
}
