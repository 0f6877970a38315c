/* The image on a page: tools, outlines of findings, regions to draw, slices, and another image beside it. */

import { Marks } from "./viewer/marks.js";
import { loadOutlines } from "./viewer/outlines.js";
import { Slices } from "./viewer/slices.js";
import { View, WHITE, corners } from "./viewer/view.js";
import { say } from "./words.js";

const KEY_STEP = 40;
const FINE = 0.01;
const PRESETS = [
  [say("As sent"), () => [0, WHITE]],
  [say("Whole range"), (view) => [view.percentile(0.005), view.percentile(0.995)]],
  [say("Dark parts"), (view) => [view.percentile(0.01), view.percentile(0.6)]],
  [say("Bright parts"), (view) => [view.percentile(0.35), view.percentile(0.995)]],
];
/** Windows of CT, in Hounsfield units; values come from −1024 as 0 to 3072 as white. */
const hounsfield = (center, width) => () => [center - width / 2, center + width / 2].map((value) => ((value + 1024) / 4096) * WHITE);
const CT_PRESETS = [
  [say("Lung"), hounsfield(-600, 1500)],
  [say("Bone"), hounsfield(400, 1800)],
  [say("Soft tissue"), hounsfield(40, 400)],
];

const all = [];

class Viewer {
  constructor(element) {
    this.element = element;
    this.tool = "window";
    this.bar = document.createElement("div");
    this.bar.className = "tools";
    this.bar.setAttribute("role", "toolbar");
    this.bar.setAttribute("aria-label", say("Tools of the image"));
    this.frames = document.createElement("div");
    this.frames.className = "frames";
    this.status = document.createElement("p");
    this.status.className = "note";
    this.status.setAttribute("role", "status");
    const given = [...element.querySelectorAll(".badges")];
    element.replaceChildren(this.bar, this.frames, this.status);
    const slices = JSON.parse(element.dataset.slices || "[]");
    this.view = this.add(element.dataset.viewer, element.dataset.name, slices);
    this.view.canvas.parentElement.append(...given);
    this.view.spacingMm = element.dataset.spacing?.split(" ").map(Number);
    this.views = [this.view];
    this.others = new Map();
    if (slices.length > 1) this.slices = new Slices(element, this.view);
    this.buildTools();
    if (element.dataset.draw) this.mark(new Marks(element, this.view, save));
  }

  add(digest, name, slices = []) {
    const frame = document.createElement("div");
    frame.className = "frame";
    this.frames.append(frame);
    const view = new View(frame, digest, name, slices);
    this.listen(view);
    return view;
  }

  async start() {
    this.status.textContent = say("Loading the image in full …");
    const { style } = this.view.canvas;
    style.background = `#000 url("${this.element.dataset.preview}") center / contain no-repeat`;
    try {
      await this.view.load();
      if ("outlines" in this.element.dataset) this.view.outlines = await loadOutlines(this.view.digest);
      this.view.draw();
      style.background = "";
      this.status.textContent = "";
      this.element.dataset.ready = "";
    } catch (error) {
      this.status.textContent = say("The image cannot be shown in full: {error}.", { error: error.message });
      const small = document.createElement("img");
      small.className = "preview";
      small.alt = say("The image as it was received");
      small.src = this.element.dataset.preview;
      this.frames.replaceChildren(small);
      this.bar.remove();
    }
  }

  buildTools() {
    const { dataset } = this.element;
    const tools = { window: say("Window"), move: say("Move") };
    if (this.view.spacingMm) tools.measure = say("Ruler");
    this.choices = Object.entries(tools).map(([name, text]) => this.choice(name, text, { measure: "m" }[name]));
    this.use("window");
    this.button("+", () => this.view.zoomAt(1.5, 0.5, 0.5), "", say("Zoom in"));
    this.button("−", () => this.view.zoomAt(1 / 1.5, this.view.x, this.view.y), "", say("Zoom out"));
    this.button("1:1", () => this.natural(), "1", say("1:1, one pixel of the image on each of the screen"));
    this.button(say("Reset"), () => this.reset());
    this.invert = this.toggle(say("Invert"), "i", (on) => {
      for (const view of this.views) {
        view.inverted = on;
        view.render();
      }
    });
    this.preset = document.createElement("select");
    this.preset.setAttribute("aria-label", say("Window preset (w)"));
    this.presets = [...PRESETS, ...(dataset.values ? CT_PRESETS : [])];
    this.preset.append(...this.presets.map(([name], n) => new Option(name, n)));
    this.preset.addEventListener("change", () => this.usePreset(Number(this.preset.value)));
    this.bar.append(this.preset);
    if ("outlines" in dataset) {
      this.toggle(say("Outlines"), "o", (on) => {
        this.view.outlined = on;
        this.view.draw();
      }, true);
    }
    this.compares = [["prior", say("Prior"), "v", say("Prior of the patient")], ["good", say("Last good"), "g", say("Last good image of this room")]]
      .filter(([which]) => dataset[which])
      .map(([which, text, key, label]) => [which, this.toggle(text, key, (on) => this.beside(which, on), false, label)]);
    if (this.slices) {
      const overview = this.toggle(say("Overview"), "y", () => this.slices.toggle(this.view.canvas.parentElement));
      this.slices.onchoice = () => overview.click();
    }
    if (document.fullscreenEnabled) this.button(say("Full screen"), () => this.fullScreen(), "f");
    const label = document.createElement("label");
    label.className = "opacity";
    label.textContent = `${say("Map")} `;
    const slider = Object.assign(document.createElement("input"), { type: "range", min: 0, max: 100, value: 55 });
    slider.setAttribute("aria-label", say("Opacity of the map in percent"));
    slider.addEventListener("input", () => {
      this.view.opacity = slider.value / 100;
      this.view.draw();
    });
    label.append(slider);
    label.hidden = true;
    this.opacity = label;
    this.bar.append(label);
  }

  /** The tool that draws what ``marks`` keeps. */
  mark(marks) {
    this.marks = marks;
    const button = this.choice("region", say("Mark"), "", say("Mark region"));
    this.choices.at(-1).after(button);
    this.choices.push(button);
    this.use(this.tool);
  }

  choice(name, text, key, label) {
    const button = this.button(text, () => this.use(name), key, label);
    button.dataset.tool = name;
    return button;
  }

  button(text, act, key = "", label = "") {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: text });
    if (label) button.setAttribute("aria-label", label);
    if (key) {
      button.setAttribute("aria-keyshortcuts", key);
      button.title = `${label || text} (${key})`;
    }
    button.addEventListener("click", act);
    this.bar.append(button);
    return button;
  }

  toggle(text, key, act, on = false, label = "") {
    const button = this.button(text, () => {
      const next = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(next));
      act(next);
    }, key, label);
    button.setAttribute("aria-pressed", String(on));
    return button;
  }

  /** What a key of the page does to this image; whether it does anything. */
  press(key) {
    const button = this.bar.querySelector(`[aria-keyshortcuts="${CSS.escape(key)}"]`);
    if (button) button.click();
    else if (key === "w") this.usePreset((Number(this.preset.value) + 1) % this.presets.length);
    else if (key === "PageDown" && this.slices) this.slices.step(1);
    else if (key === "PageUp" && this.slices) this.slices.step(-1);
    else return false;
    return true;
  }

  use(tool) {
    this.tool = tool;
    this.element.dataset.tool = tool;
    for (const button of this.choices) button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
    if (tool === "measure" && !this.view.ruler) this.view.ruler = [[0.4, 0.5], [0.6, 0.5]];
    else if (tool !== "measure") this.view.ruler = null;
    this.marks?.show(tool === "region");
    this.view.draw();
  }

  async usePreset(number) {
    this.preset.value = number;
    const source = number < PRESETS.length ? "pixels" : this.element.dataset.values;
    for (const view of this.views) {
      if (!view.pixels) continue;
      if (view.source !== source) await view.change(source);
      view.setWindow(...this.presets[number][1](view));
    }
  }

  async natural() {
    if (this.view.sourceColumns > this.view.columns) {
      this.status.textContent = say("Loading every pixel …");
      await this.view.load(true);
      this.status.textContent = "";
    }
    this.view.go(this.view.natural, this.view.x, this.view.y);
  }

  reset() {
    this.usePreset(0);
    this.invert.setAttribute("aria-pressed", "false");
    for (const view of this.views) view.reset();
  }

  fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.element.requestFullscreen();
  }

  /** Another image beside this one: the patient's prior, or the last good one of the room. */
  async beside(which, shown) {
    for (const [name, button] of this.compares) if (name !== which) button.setAttribute("aria-pressed", "false");
    for (const other of this.others.values()) other.canvas.parentElement.hidden = true;
    this.element.classList.toggle("beside", shown);
    this.shownBeside = shown ? which : "";
    if (!shown) return;
    let other = this.others.get(which);
    if (!other) {
      other = this.add(this.element.dataset[which], this.element.dataset[`${which}Name`]);
      this.others.set(which, other);
      other.linked = [this.view];
      this.view.linked.push(other);
      this.views.push(other);
      await other.load();
    }
    if (this.shownBeside !== which) return; // another was chosen while this one was loading
    other.canvas.parentElement.hidden = false;
    other.go(this.view.zoom, this.view.x, this.view.y, false);
  }

  listen(view) {
    const canvas = view.canvas;
    const pointers = new Map();
    const tool = () => (view === this.view ? this.tool : "move");
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, [event.clientX, event.clientY]);
      const at = view.fraction(event);
      if (tool() === "region") view.drawing = [at, at];
      if (tool() === "measure") view.ruler = [at, at];
    });
    canvas.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
      const [dx, dy] = [event.clientX - before[0], event.clientY - before[1]];
      if (pointers.size === 2) {
        const [other] = [...pointers.entries()].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
        const length = (a) => Math.hypot(a[0] - other[0], a[1] - other[1]) || 1;
        view.zoomAt(length([event.clientX, event.clientY]) / length(before), ...view.fraction(event));
      } else if (view.drawing || tool() === "measure") {
        (view.drawing || view.ruler)[1] = view.fraction(event);
        view.draw();
      } else if (tool() === "move" || event.shiftKey || event.buttons & 4) view.move(dx, dy);
      else if (tool() === "window") view.window(dx, dy);
      pointers.set(event.pointerId, [event.clientX, event.clientY]);
    });
    const end = (event) => {
      pointers.delete(event.pointerId);
      if (!view.drawing) return;
      const drawn = view.drawing;
      view.drawing = null;
      this.marks.finish(drawn);
      view.draw();
    };
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", end);
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      if (this.slices && view === this.view && !event.ctrlKey) this.slices.step(Math.sign(event.deltaY));
      else view.zoomAt(Math.exp(-event.deltaY / 400), ...view.fraction(event));
    }, { passive: false });
    canvas.addEventListener("dblclick", () => view.reset());
    canvas.addEventListener("keydown", (event) => this.pressOn(view, event));
  }

  /** Keys of the canvas: they move the image, or what the tool draws; with Shift the window, or its far end. */
  pressOn(view, event) {
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const [x, y] = arrows[event.key] ?? [];
    const act = x === undefined ? {
      "+": () => view.zoomAt(1.5, view.x, view.y), "-": () => view.zoomAt(1 / 1.5, view.x, view.y), 0: () => this.reset(),
      Enter: () => this.tool === "region" && this.marks.place([view.x, view.y]),
    }[event.key] : () => this.nudge(view, x, y, event.shiftKey);
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  nudge(view, x, y, shift) {
    const region = this.tool === "region" && view.regions.at(-1);
    const step = ([a, b]) => [a + FINE * x, b + FINE * y];
    if (this.tool === "measure" && view.ruler) {
      view.ruler = [shift ? view.ruler[0] : step(view.ruler[0]), step(view.ruler[1])];
      view.draw();
    } else if (region) {
      const [from, , to] = region.points;
      region.points = corners([shift ? from : step(from), step(to)]);
      this.marks.onchange();
      view.draw();
    } else if (shift) view.window(x * KEY_STEP, y * KEY_STEP);
    else view.move(-x * KEY_STEP, -y * KEY_STEP);
  }
}

/** What was drawn goes with the decision. */
function save() {
  const field = document.querySelector("[data-regions]");
  const about = all.filter((viewer) => viewer.element.dataset.draw === "decision");
  if (field) field.value = JSON.stringify(about.flatMap((viewer) => viewer.view.regions));
}

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting || !entry.target.viewer) continue;
    seen.unobserve(entry.target);
    entry.target.viewer.start();
  }
}, { rootMargin: "300px" });

function begin() {
  all.length = 0;
  for (const element of document.querySelectorAll("[data-viewer]")) {
    const viewer = new Viewer(element);
    element.viewer = viewer;
    all.push(viewer);
    seen.observe(element);
  }
  for (const box of document.querySelectorAll("[data-overlay]")) {
    const viewer = all.find((one) => one.view.digest === box.dataset.for);
    const show = () => {
      viewer.opacity.hidden = false;
      viewer.view.overlay(box.dataset.overlay, box.checked);
    };
    box.addEventListener("change", show);
    if (box.checked) show();
  }
}
begin();
document.addEventListener("page:shown", begin);
