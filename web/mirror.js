// The canvas as text: every figure of the run in a definition list and every command as a real control, for screen
// readers, for the keyboard, and for the tests. The app publishes its state as JSON, and with its first state what can be
// asked for and what the figures are called (src/app/input/commands.rs, published.rs); this shows it and sends commands.

/** What is said aloud when the phase changes. */
const SAID = {
  recording: "A recorded run is playing.", loading: "Loading the model.", ready: "Ready to draw.", running: "Drawing.", paused: "Paused.",
  done: "The picture is finished.", error: "Something went wrong.",
};

/** The parts of the panel, in order, by the names that the app gives them. */
const PARTS = { controls: "Controls", settings: "Settings", view: "View", own: "Your own picture", keep: "Keep", window: "Window" };

export class Mirror {
  #act;
  #panel;
  #fields = [];
  #controls;
  #list;
  #labels = {};
  #rows = new Map();
  #live;
  #classes;
  #offered = [];
  #phase = null;
  #message = null;

  /** `actions`: `command(name, value)` and `leave()` (the keyboard goes to the canvas). */
  constructor(root, actions) {
    this.#act = actions;
    root.replaceChildren();
    this.#panel = add(root, "section", { className: "panel", ariaLabel: "DPAR as text: controls and figures" });
    this.#live = add(this.#panel, "p", { className: "live" });
    this.#live.setAttribute("role", "status");
    this.#live.setAttribute("aria-live", "polite");
    this.#classes = add(this.#panel, "datalist", { id: "dpar-classes" });
    this.#controls = add(this.#panel, "div");
    add(this.#panel, "h3", { textContent: "Figures" });
    this.#list = add(this.#panel, "dl");
    const back = add(add(this.#panel, "p"), "button", { type: "button", textContent: "To the canvas (F6)" });
    back.addEventListener("click", () => actions.leave());
  }

  /** Takes the app's state (JSON text) over. */
  publish(json) {
    const state = JSON.parse(json);
    window.dparState = state;
    // Rectangles are for the tests; the others come once a model and are for the controls.
    const { classes, commands, labels, places, ...figures } = state;
    if (labels) this.#labels = labels;
    if (commands && !this.#fields.length) this.#commands(commands);
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
      add(this.#list, "dt", { textContent: this.#labels[key] ?? key });
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

  /** A control for every command, part by part. */
  #commands(commands) {
    for (const [part, title] of Object.entries(PARTS)) {
      const mine = commands.filter((command) => command.part === part);
      add(this.#controls, "h3", { textContent: title });
      const buttons = add(this.#controls, "div", { className: "keys" });
      for (const { name, label, about, takes, state } of mine) {
        if (takes === "nothing") {
          const button = add(buttons, "button", { type: "button", textContent: label, title: about });
          button.dataset.command = name;
          button.addEventListener("click", () => this.#act.command(name, ""));
        } else {
          this.#field(name, label, about, control(takes), state, takes.number?.[1]);
        }
      }
    }
  }

  /** A control that sends `command` and follows the state's `key`, as far as `most` (a number, or a key of the state). */
  #field(command, label, about, control, key, most) {
    const line = add(this.#controls, "label", { textContent: label, title: about });
    line.append(control);
    if (command === "class") control.setAttribute("list", this.#classes.id);
    control.dataset.command = command;
    const check = control.type === "checkbox";
    const event = control.type === "range" ? "input" : "change";
    control.addEventListener(event, () => this.#act.command(command, check ? String(control.checked) : control.value));
    this.#fields.push((state) => {
      const value = key?.split(".").reduce((at, part) => at?.[part], state);
      if (most != null) control.max = typeof most === "number" ? most : state[most];
      // Not under a person's fingers.
      if (value == null || document.activeElement === control) return;
      if (check) control.checked = value;
      else if (control.value !== String(value)) control.value = value;
    });
  }
}

/** What a command takes (`Takes` in src/app/input/commands.rs), as a control. */
function control(takes) {
  if (takes === "switch") return Object.assign(document.createElement("input"), { type: "checkbox" });
  if (takes === "text") return Object.assign(document.createElement("input"), { type: "text", autocomplete: "off" });
  if (takes.number) {
    const [step, most] = takes.number;
    return Object.assign(document.createElement("input"), { type: most == null ? "number" : "range", min: 0, step });
  }
  const select = document.createElement("select");
  for (const [value, label] of takes.choice) add(select, "option", { value, textContent: label });
  return select;
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
