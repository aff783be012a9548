// The canvas as text: every figure of the run in a definition list and every action as a real control, for screen
// readers, for the keyboard, and for the tests. The app publishes its state as JSON; this shows it and sends commands.

/** Keys of the state that people know by another name; the others are shown as they are called. */
const LABELS = {
  phase: "State", message: "Message", device: "Model runs on", renderer: "Drawn with", model: "Model", class: "Drawing", seed: "Seed",
  threshold: "Threshold (nats)", p_max: "Longest patch (0: no limit)", mode: "Patches end at", token: "Shown token", tokens: "Tokens drawn",
  total: "Tokens in all", patches: "Patches (steps of the big network)", average_patch_length: "Tokens per patch",
  ms_per_token: "Milliseconds per token", steps_saved: "Steps saved", "view.grid": "Patch grid shown", "view.heat": "Entropy colours shown",
  "view.theme": "Theme", "view.compare": "Comparison shown", "compare.tokens": "Baseline: tokens drawn", "compare.patches": "Baseline: steps",
  ids: "Token ids", link: "Link", "progress.phase": "Loading", "progress.done": "Loaded (bytes)", "progress.total": "To load (bytes)",
  selfcheck: "Self-check", frames: "Frames drawn", first_paint_ms: "First paint (ms)", hint: "Hint",
};

/** What is said aloud when the phase changes. */
const SAID = {
  recording: "A recorded run is playing.", loading: "Loading the model.", ready: "Ready to draw.", running: "Drawing.", paused: "Paused.",
  done: "The picture is finished.", error: "Something went wrong.",
};

const BUTTONS = [
  ["generate", "Generate"], ["pause", "Pause"], ["resume", "Resume"], ["stop", "Stop"], ["step_token", "Step one token"],
  ["step_patch", "Step one patch"], ["redraw", "Draw again at this threshold"], ["play", "Play"], ["dice", "Another seed"],
  ["random_thing", "Any thing"], ["random_mix", "Mix two"],
];
const SAVES = [
  ["export_png", "Picture (PNG)"], ["export_overlay", "With patches (PNG)"], ["export_gif", "Animation (GIF)"],
  ["export_trace", "Trace (JSON)"], ["copy_link", "Copy link"],
];
const MODES = [
  ["entropy_row_boundary", "surprise or row end"], ["entropy", "surprise"], ["static", "fixed length"], ["token", "every token"],
];
const THEMES = [["system", "as the system"], ["light", "light"], ["dark", "dark"]];

export class Mirror {
  #act;
  #fields = [];
  #list;
  #rows = new Map();
  #live;
  #classes;
  #offered = [];
  #phase = null;
  #message = null;

  /** `actions`: `command(name, value)` and `leave()` (the keyboard goes to the canvas). */
  constructor(root, manifest, actions) {
    this.#act = actions;
    root.replaceChildren();
    const panel = add(root, "section", { className: "panel", ariaLabel: "DPAR as text: controls and figures" });
    this.#live = add(panel, "p", { className: "live" });
    this.#live.setAttribute("role", "status");
    this.#live.setAttribute("aria-live", "polite");
    this.#buttons(panel, "Controls", BUTTONS);
    add(panel, "h3", { textContent: "Settings" });
    this.#settings(panel, manifest);
    this.#buttons(panel, "Keep", SAVES);
    add(panel, "h3", { textContent: "Figures" });
    this.#list = add(panel, "dl");
    const back = add(add(panel, "p"), "button", { type: "button", textContent: "To the canvas (F6)" });
    back.addEventListener("click", () => actions.leave());
  }

  /** Takes the app's state (JSON text) over. */
  publish(json) {
    const state = JSON.parse(json);
    window.dparState = state;
    // The class list is for the control, rectangles are for the tests.
    const { classes, places, ...figures } = state;
    if (classes?.length) this.#offer(classes);
    const now = new Map(flat(figures));
    for (const [key, value] of now) this.#row(key, value);
    // What was an object (a comparison, a download) and is null now.
    for (const key of this.#rows.keys()) if (!now.has(key)) this.#row(key, null);
    for (const field of this.#fields) field(state);
    this.#say(state);
  }

  #row(key, value) {
    let row = this.#rows.get(key);
    if (!row) {
      add(this.#list, "dt", { textContent: LABELS[key] ?? key });
      row = add(this.#list, "dd");
      row.dataset.key = key;
      this.#rows.set(key, row);
    }
    const text = shown(value);
    if (row.textContent !== text) row.textContent = text;
  }

  /** The classes of the model that is there: a person may have brought their own. */
  #offer(classes) {
    if (this.#offered.length === classes.length && this.#offered.every((name, n) => name === classes[n])) return;
    this.#offered = classes;
    this.#classes.replaceChildren();
    for (const name of classes) add(this.#classes, "option", { value: name, textContent: name });
  }

  /** Aloud: a new phase, a new message; nothing else, or it would never be silent. */
  #say({ phase, message }) {
    if (phase === this.#phase && message === this.#message) return;
    const parts = [phase === this.#phase ? "" : (SAID[phase] ?? phase), message === this.#message ? "" : (message ?? "")];
    this.#phase = phase;
    this.#message = message;
    const text = parts.filter(Boolean).join(" ");
    if (text) this.#live.textContent = text;
  }

  #buttons(panel, title, list) {
    add(panel, "h3", { textContent: title });
    const group = add(panel, "div", { className: "keys" });
    for (const [command, label] of list) {
      const button = add(group, "button", { type: "button", textContent: label });
      button.dataset.command = command;
      button.addEventListener("click", () => this.#act.command(command, ""));
    }
  }

  #settings(panel, manifest) {
    const input = (type, limits = {}) => Object.assign(document.createElement("input"), { type, ...limits });
    const pick = (options) => {
      const select = document.createElement("select");
      for (const [value, label] of options) add(select, "option", { value, textContent: label });
      return select;
    };
    const highest = Math.max(8, Math.ceil(Math.log(manifest.vocabSize ?? 1024)));
    this.#classes = add(panel, "datalist", { id: "dpar-classes" });
    this.#offer(manifest.classes ?? []);
    const asked = input("text", { placeholder: "owl, car, or owl + panda", autocomplete: "off" });
    asked.setAttribute("list", this.#classes.id);
    this.#field(panel, "class", "What to draw", asked, "class");
    this.#field(panel, "seed", "Seed", input("number", { min: 0, step: 1 }), "seed");
    this.#field(panel, "threshold", "Threshold (nats)", input("range", { min: 0, max: highest, step: 0.05 }), "threshold");
    this.#field(panel, "p_max", "Longest patch", input("number", { min: 0, step: 1 }), "p_max");
    this.#field(panel, "mode", "Patches end at", pick(MODES), "mode");
    this.#field(panel, "seek", "Shown token", input("range", { min: 0, max: 0, step: 1 }), "token", "total");
    for (const [command, label] of [["grid", "Patch grid"], ["heat", "Entropy colours"], ["compare", "Compare with the baseline"]]) {
      this.#field(panel, command, label, input("checkbox"), `view.${command}`);
    }
    this.#field(panel, "theme", "Theme", pick(THEMES), "view.theme");
  }

  /** A control that sends `command` and follows the state's `key` (its largest value: the state's `most`). */
  #field(panel, command, label, control, key, most) {
    const line = add(panel, "label", { textContent: label });
    line.append(control);
    control.dataset.command = command;
    const check = control.type === "checkbox";
    const event = control.type === "range" ? "input" : "change";
    control.addEventListener(event, () => this.#act.command(command, check ? String(control.checked) : control.value));
    this.#fields.push((state) => {
      const value = key.split(".").reduce((at, part) => at?.[part], state);
      if (most && state[most] != null) control.max = state[most];
      // Not under a person's fingers.
      if (value == null || document.activeElement === control) return;
      if (check) control.checked = value;
      else if (control.value !== String(value)) control.value = value;
    });
  }
}

function add(parent, tag, properties = {}) {
  const child = Object.assign(document.createElement(tag), properties);
  parent.append(child);
  return child;
}

/** `[["view.grid", true], ...]`: what is inside an object gets a key of its own. */
function flat(state) {
  return Object.entries(state).flatMap(([key, value]) =>
    value && typeof value === "object" && !Array.isArray(value) ? Object.entries(value).map(([inner, v]) => [`${key}.${inner}`, v]) : [[key, value]],
  );
}

function shown(value) {
  if (value === null || value === undefined) return "–";
  if (Array.isArray(value)) return value.join(" ");
  if (typeof value === "number" && !Number.isInteger(value)) return String(Number(value.toPrecision(6)));
  return String(value);
}
