// A model of the visitor's own: dropped, kept in the browser, opened again, deleted; and what is no model.

import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { check, equal } from "./harness.mjs";
import { serve } from "./server.mjs";

/** The name of tests/fixtures/tiny. */
const TINY = "0e6e12bcaade03de";

/** Lets files or folders of this computer go over the page, as a person does. */
async function drop(visit, files) {
  const session = await visit.context.newCDPSession(visit.page);
  for (const type of ["dragEnter", "dragOver", "drop"]) {
    await session.send("Input.dispatchDragEvent", { type, x: 640, y: 400, data: { items: [], files, dragOperationsMask: 1 } });
  }
  await session.detach();
}

/** Folders in the browser's own file system, each with its files. */
const stored = (visit) => visit.page.evaluate(async () => {
  const found = {};
  for await (const [name, handle] of (await navigator.storage.getDirectory()).entries()) {
    found[name] = [];
    for await (const [file] of handle.entries()) found[name].push(file);
    found[name].sort();
  }
  return found;
});

const said = (visit, part, what) => visit.untilState(what, (s) => s.message?.includes(part), 60_000);

async function own_model({ lab, folder, root, note }) {
  const site = await serve(folder);
  const other = await mkdtemp(join(tmpdir(), "dpar-models-"));
  try {
    const tiny = join(root, "tests/fixtures/tiny");
    const visit = await lab.page("webgl");
    await visit.open(site.url);
    const builtIn = (await visit.untilReady()).model;

    await drop(visit, [tiny]);
    const there = await visit.untilState("the dropped model", (s) => s.model === TINY, 60_000);
    equal(there.message, "tiny: draws with DPAR and with a fixed-length baseline, and looks at pictures", "what the model can do");
    const files = ["baseline.safetensors", "config.json", "dpar.safetensors", "entropy.safetensors", "vq.safetensors"];
    equal(await stored(visit), { "own-0": files }, "what is kept: the model's files alone");
    await visit.command("class", "1");
    await visit.command("generate");
    const drawn = await visit.untilState("its picture", (s) => s.phase === "done" && s.tokens === 64, 60_000);
    check(drawn.link.includes(`model=${TINY}`), `the link names it: ${drawn.link}`);
    await visit.page.waitForTimeout(800);
    await visit.shot("own-model");

    // Another visit: it is still there, and comes when it is asked for.
    await visit.open(site.url);
    equal((await visit.untilReady()).model, builtIn, "the page opens with its own model");
    await visit.command("kept_model");
    await visit.untilState("the kept model", (s) => s.model === TINY, 60_000);
    await visit.command("built_in_model");
    await visit.untilState("the built-in model", (s) => s.model === builtIn, 60_000);

    // What cannot be used is said; what is kept stays.
    await drop(visit, [join(root, "tests/fixtures/foreign/wrapped.pth")]);
    const pytorch = await said(visit, "dpar convert wrapped.pth --out DIR", "the command that converts it");
    await cp(join(tiny, "config.json"), join(other, "config.json"));
    await drop(visit, [other]);
    await said(visit, "vq.safetensors: cannot be read", "the file that is missing");
    await visit.page.evaluate(() => {
      navigator.storage.estimate = async () => ({ quota: 250_000, usage: 50_000 });
    });
    await drop(visit, [tiny]);
    const full = await said(visit, "this browser leaves 0.2 MB", "how much room there is");
    equal(await stored(visit), { "own-0": files }, "what was kept is kept");
    equal((await visit.state()).model, builtIn, "the model that was there draws on");
    await visit.page.waitForTimeout(400);
    await visit.shot("own-model-refused");

    await visit.command("forget_model");
    await said(visit, "no longer kept", "that it is gone");
    equal(await stored(visit), {}, "nothing is left");
    await visit.command("kept_model");
    await said(visit, "no model is kept in this browser", "that there is none");
    note(`${pytorch.message}; ${full.message}`);
    await visit.clean(site.url);
  } finally {
    await rm(other, { recursive: true });
    await site.close();
  }
}

export const tests = { own_model };
