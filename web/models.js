// A model of the visitor's own: its files are streamed into the browser's own file system (OPFS), where they stay until they are
// deleted here. The program reads them from there; nothing is sent anywhere.

/** Where the name, the size and the folder of the kept model are noted. */
const NOTED = "dpar-own-model";
/** What a program of 32 bits has room for: the files once, and once as it computes with them. */
const MOST_BYTES = 1 << 30;
const MODEL_FILE = /\.(pt|pth|ckpt|safetensors)$/i;
const PYTORCH = /\.(pt|pth|ckpt)$/i;
/** The files of a model folder. */
const NAMES = /^(config\.json|(vq|vq_encoder|entropy|dpar|baseline)\.safetensors)$/;

export class OwnModels {
  #brought = null;
  #incoming = null;
  /** What is kept: { name, bytes, folder }, or null. Read once: the program asks in every frame. */
  kept = noted();

  /** Remembers files that somebody has brought until the program asks for them; their names. */
  bring(files) {
    this.#brought = files;
    return files.map((file) => file.name);
  }

  /** Lets a person choose files; their names, none where they changed their mind. */
  choose() {
    return new Promise((resolve) => {
      const input = Object.assign(document.createElement("input"), { type: "file", multiple: true, accept: ".json,.safetensors,.pt,.pth,.ckpt" });
      input.onchange = () => resolve(this.bring([...input.files]));
      input.oncancel = () => resolve([]);
      input.click();
    });
  }

  /** Streams what was brought into a folder of its own, beside what is kept; the model's name. Without anything brought: the kept one's. */
  async take(progress) {
    const files = this.#brought;
    this.#brought = null;
    if (!files) {
      if (!this.kept) throw new Error("no model is kept in this browser: drop a model folder here");
      this.#incoming = null;
      return this.kept.name;
    }
    const wanted = checked(files);
    const bytes = wanted.reduce((sum, file) => sum + file.size, 0);
    const name = nameOf(files);
    if (bytes > MOST_BYTES) throw new Error(`${name} has ${mb(bytes)}, and a page has room for models of ${mb(MOST_BYTES)} at most: open it with dpar app --model on a computer, or make it smaller with dpar convert --weights int8`);
    const root = await folders();
    const { quota = Infinity, usage = 0 } = (await navigator.storage.estimate?.()) ?? {};
    if (bytes > quota - usage) throw new Error(`${name} needs ${mb(bytes)}, and this browser leaves ${mb(Math.max(0, quota - usage))} to this page: free some space${this.kept ? ", or delete the model that is kept" : ""}`);
    const folder = this.kept?.folder === "own-0" ? "own-1" : "own-0";
    await root.removeEntry(folder, { recursive: true }).catch(() => {}); // what an interruption has left
    try {
      const place = await root.getDirectoryHandle(folder, { create: true });
      let done = 0;
      for (const file of wanted) {
        const handle = await place.getFileHandle(file.name, { create: true });
        const out = await handle.createWritable();
        const counted = new TransformStream({
          transform(chunk, to) {
            done += chunk.byteLength;
            progress("keep", done, bytes);
            to.enqueue(chunk);
          },
        });
        await file.stream().pipeThrough(counted).pipeTo(out);
      }
    } catch (error) {
      await root.removeEntry(folder, { recursive: true }).catch(() => {});
      throw new Error(`${name} could not be kept in this browser (${words(error)})`);
    }
    this.#incoming = { name, bytes, folder };
    return name;
  }

  /** The files of `names` that there are, of the model that comes in, else of the kept one: name to bytes. */
  async read(names, progress) {
    const from = this.#incoming ?? this.kept;
    if (!from) throw new Error("no model is kept in this browser");
    const place = await (await folders()).getDirectoryHandle(from.folder).catch(() => {
      throw new Error(`${from.name} is no longer in this browser's storage: bring it again`);
    });
    const found = {};
    for (const name of names) {
      const handle = await place.getFileHandle(name).catch(() => null);
      if (!handle) continue;
      const file = await handle.getFile();
      progress("read", file.size, from.bytes);
      found[name] = new Uint8Array(await file.arrayBuffer());
    }
    return found;
  }

  /** What came in can be drawn with: it is kept from now on, in place of what was. Or it cannot, and goes. */
  async settle(good) {
    const incoming = this.#incoming;
    this.#incoming = null;
    if (!incoming) return;
    const gone = good ? this.kept?.folder : incoming.folder;
    if (good) {
      localStorage.setItem(NOTED, JSON.stringify(incoming));
      this.kept = incoming;
    }
    if (gone) await (await folders()).removeEntry(gone, { recursive: true }).catch(() => {});
  }

  /** Deletes what is kept. */
  async forget() {
    localStorage.removeItem(NOTED);
    this.kept = null;
    const root = await folders();
    for (const folder of ["own-0", "own-1"]) await root.removeEntry(folder, { recursive: true }).catch(() => {});
  }
}

function noted() {
  try {
    return JSON.parse(localStorage.getItem(NOTED));
  } catch {
    return null; // no storage, or not ours
  }
}

/** The files that something dropped holds, if it looks like a model: files of one, or folders. Else null. */
export function modelIn(transfer) {
  const items = [...(transfer?.items ?? [])].filter((item) => item.kind === "file");
  const entries = items.map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const files = [...(transfer?.files ?? [])];
  const folders = entries.filter((entry) => entry.isDirectory);
  if (folders.length > 0) return Promise.all(entries.map(filesOf)).then((all) => Object.assign(all.flat(), { folder: folders[0].name }));
  return files.length > 0 && files.every((file) => MODEL_FILE.test(file.name) || file.name === "config.json") ? Promise.resolve(files) : null;
}

/** All files directly in a folder; a file by itself. */
async function filesOf(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) break;
    found.push(...some.filter((inner) => inner.isFile));
  }
  return (await Promise.all(found.map(filesOf))).flat();
}

/** The files of a model folder among what was brought; a sentence where they are none. */
function checked(files) {
  const names = files.map((file) => file.name);
  const pytorch = names.filter((name) => PYTORCH.test(name));
  if (pytorch.length > 0) throw new Error(`${pytorch.join(" and ")}: PyTorch's files are converted on a computer, with \`dpar convert ${pytorch.join(" ")} --out DIR\`; drop the folder DIR here then`);
  const wanted = files.filter((file) => NAMES.test(file.name));
  if (!wanted.some((file) => file.name === "config.json")) throw new Error(`${names.slice(0, 3).join(", ") || "nothing"}: a model folder has a config.json beside its .safetensors; \`dpar convert FILES --out DIR\` makes one`);
  return wanted;
}

/** By the folder, where one was brought. */
function nameOf(files) {
  return files.folder ?? "your model";
}

async function folders() {
  if (!navigator.storage?.getDirectory) throw new Error("this browser keeps no files for this page (a private window, or not https): open the model with dpar app --model on a computer");
  return navigator.storage.getDirectory();
}

const mb = (bytes) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;

function words(error) {
  return String(error?.message ?? error).replace(/\s+/g, " ").trim();
}
