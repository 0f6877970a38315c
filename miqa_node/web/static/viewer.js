/* The image on a study's page: windowing, zoom, pan, overlays, regions to draw, and the prior beside it.
   Pixels come as 16-bit presentation values, so that dragging changes the window without asking the node again. */

const OVERLAY_COLOURS = { anomaly: [64, 200, 255], landmarks: [120, 255, 140] };
const FINDING_COLOUR = [255, 96, 32];
const WHITE = 65535;
const KEY_STEP = 40;

/** One canvas with one image. Views that are linked share zoom and place. */
class View {
  constructor(frame, digest, name) {
    this.digest = digest;
    this.overlays = new Map();
    this.opacity = 0.55;
    this.regions = [];
    this.linked = [];
    this.low = 0;
    this.high = WHITE;
    this.zoom = 1;
    this.x = 0.5; // the fraction of the image that lies in the middle of the canvas
    this.y = 0.5;
    this.canvas = document.createElement("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", `${name}. Arrow keys move it, plus and minus zoom, 0 resets.`);
    frame.append(this.canvas);
    this.caption = document.createElement("p");
    this.caption.className = "caption";
    this.caption.textContent = name;
    frame.append(this.caption);
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  async load() {
    const answer = await fetch(`/images/${this.digest}/pixels`, { credentials: "same-origin" });
    if (!answer.ok) throw new Error(`the pixels are not available (${answer.status})`);
    const [rows, columns] = answer.headers.get("x-size").split(" ").map(Number);
    const data = new DataView(await answer.arrayBuffer());
    this.pixels = new Uint16Array(rows * columns);
    for (let i = 0; i < this.pixels.length; i++) this.pixels[i] = data.getUint16(2 * i, true);
    this.rows = rows;
    this.columns = columns;
    this.image = new OffscreenCanvas(columns, rows);
    this.render();
  }

  /** Gray levels for the window that is set, then everything on the canvas. */
  render() {
    if (!this.pixels) return;
    const table = new Uint32Array(WHITE + 1);
    const span = Math.max(1, this.high - this.low);
    for (let value = 0; value <= WHITE; value++) {
      const gray = Math.max(0, Math.min(255, Math.round((255 * (value - this.low)) / span)));
      table[value] = 0xff000000 | (gray << 16) | (gray << 8) | gray;
    }
    const context = this.image.getContext("2d");
    const shown = context.createImageData(this.columns, this.rows);
    const out = new Uint32Array(shown.data.buffer);
    for (let i = 0; i < out.length; i++) out[i] = table[this.pixels[i]];
    context.putImageData(shown, 0, 0);
    this.draw();
  }

  get fit() {
    return Math.min(this.canvas.width / this.columns, this.canvas.height / this.rows);
  }

  /** Where the whole image lies on the canvas, in canvas pixels. */
  get place() {
    const scale = this.fit * this.zoom;
    const width = this.columns * scale;
    const height = this.rows * scale;
    return [this.canvas.width / 2 - this.x * width, this.canvas.height / 2 - this.y * height, width, height];
  }

  draw() {
    const ratio = window.devicePixelRatio || 1;
    const width = Math.round(this.canvas.clientWidth * ratio);
    const height = Math.round(this.canvas.clientHeight * ratio);
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    if (!this.image || !width || !height) return;
    const context = this.canvas.getContext("2d");
    context.fillStyle = "#000";
    context.fillRect(0, 0, width, height);
    context.imageSmoothingQuality = "high";
    const place = this.place;
    context.drawImage(this.image, ...place);
    context.globalAlpha = this.opacity;
    for (const { map, shown } of this.overlays.values()) if (shown && map) context.drawImage(map, ...place);
    context.globalAlpha = 1;
    for (const region of this.regions) this.outline(context, region.points, place, ratio);
    if (this.drawing) this.outline(context, corners(this.drawing), place, ratio);
  }

  outline(context, points, [left, top, width, height], ratio) {
    context.lineWidth = 2 * ratio;
    context.setLineDash([6 * ratio, 4 * ratio]);
    context.strokeStyle = "#ffd24a";
    context.beginPath();
    points.forEach(([x, y], i) => context[i ? "lineTo" : "moveTo"](left + x * width, top + y * height));
    context.closePath();
    context.stroke();
    context.setLineDash([]);
  }

  /** Fraction of the image under a place of the page. */
  fraction(event) {
    const box = this.canvas.getBoundingClientRect();
    const ratio = this.canvas.width / box.width;
    const [left, top, width, height] = this.place;
    return [((event.clientX - box.left) * ratio - left) / width, ((event.clientY - box.top) * ratio - top) / height];
  }

  move(dx, dy) {
    const ratio = this.canvas.width / this.canvas.clientWidth;
    const [, , width, height] = this.place;
    this.go(this.zoom, this.x - (dx * ratio) / width, this.y - (dy * ratio) / height);
  }

  zoomAt(factor, x, y) {
    const zoom = Math.max(1, Math.min(40, this.zoom * factor));
    const kept = this.zoom / zoom; // what was under the pointer stays there
    this.go(zoom, x + (this.x - x) * kept, y + (this.y - y) * kept);
  }

  go(zoom, x, y, follow = true) {
    this.zoom = zoom;
    this.x = zoom === 1 ? 0.5 : Math.max(0, Math.min(1, x));
    this.y = zoom === 1 ? 0.5 : Math.max(0, Math.min(1, y));
    this.draw();
    if (follow) for (const other of this.linked) other.go(this.zoom, this.x, this.y, false);
  }

  window(dx, dy) {
    const width = Math.max(64, (this.high - this.low) * Math.exp(dx / 250));
    const level = (this.high + this.low) / 2 + dy * 90;
    this.low = level - width / 2;
    this.high = level + width / 2;
    this.render();
  }

  reset() {
    this.low = 0;
    this.high = WHITE;
    this.go(1, 0.5, 0.5);
    this.render();
  }

  async overlay(name, shown) {
    let kept = this.overlays.get(name);
    if (!kept) {
      kept = { shown, map: null };
      this.overlays.set(name, kept);
      const picture = new Image();
      picture.src = `/images/${this.digest}/maps/${name}.png`;
      await picture.decode();
      kept.map = tint(picture, OVERLAY_COLOURS[name] || FINDING_COLOUR);
    }
    kept.shown = shown;
    this.draw();
  }
}

/** A map of grays as a colour whose opacity is the map's value; below a fifth it would only veil the image. */
function tint(picture, [red, green, blue]) {
  const canvas = new OffscreenCanvas(picture.naturalWidth, picture.naturalHeight);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0);
  const map = context.getImageData(0, 0, canvas.width, canvas.height);
  for (let i = 0; i < map.data.length; i += 4) {
    const strength = Math.max(0, (map.data[i] / 255 - 0.2) / 0.8);
    map.data.set([red, green, blue, Math.round(255 * strength)], i);
  }
  context.putImageData(map, 0, 0);
  return canvas;
}

function corners([[x0, y0], [x1, y1]]) {
  const inside = (value) => Math.max(0, Math.min(1, value));
  const [left, right] = [Math.min(x0, x1), Math.max(x0, x1)].map(inside);
  const [top, bottom] = [Math.min(y0, y1), Math.max(y0, y1)].map(inside);
  return [[left, top], [right, top], [right, bottom], [left, bottom]];
}

const all = [];

class Viewer {
  constructor(element) {
    this.element = element;
    this.tool = "window";
    this.bar = document.createElement("div");
    this.bar.className = "tools";
    this.bar.setAttribute("role", "toolbar");
    this.bar.setAttribute("aria-label", "Tools of the image");
    this.frames = document.createElement("div");
    this.frames.className = "frames";
    this.status = document.createElement("p");
    this.status.className = "note";
    this.status.setAttribute("role", "status");
    element.replaceChildren(this.bar, this.frames, this.status);
    this.view = this.add(element.dataset.viewer, element.dataset.name);
    this.views = [this.view];
    this.buildTools();
  }

  add(digest, name) {
    const frame = document.createElement("div");
    frame.className = "frame";
    this.frames.append(frame);
    const view = new View(frame, digest, name);
    this.listen(view);
    return view;
  }

  async start() {
    this.status.textContent = "Loading the image in full …";
    try {
      await this.view.load();
      this.status.textContent = "";
      this.element.dataset.ready = "";
    } catch (error) {
      this.status.textContent = `Only the small picture can be shown: ${error.message}.`;
      const small = document.createElement("img");
      small.className = "preview";
      small.alt = "The image as it was received";
      small.src = this.element.dataset.preview;
      this.frames.replaceChildren(small);
      this.bar.remove();
    }
  }

  buildTools() {
    this.choices = ["window", "move", ...("draw" in this.element.dataset ? ["region"] : [])].map((name) => {
      const button = this.button({ window: "Window", move: "Move", region: "Mark region" }[name], () => this.use(name));
      button.dataset.tool = name;
      return button;
    });
    this.use("window");
    this.button("+", () => this.view.zoomAt(1.5, 0.5, 0.5), "Zoom in");
    this.button("−", () => this.view.zoomAt(1 / 1.5, this.view.x, this.view.y), "Zoom out");
    this.button("Reset", () => this.views.forEach((view) => view.reset()));
    if (this.element.dataset.prior) {
      this.compare = this.button("Compare with prior", () => this.togglePrior());
      this.compare.setAttribute("aria-pressed", "false");
    }
    const label = document.createElement("label");
    label.className = "opacity";
    label.textContent = "Overlay ";
    const slider = Object.assign(document.createElement("input"), { type: "range", min: 0, max: 100, value: 55 });
    slider.setAttribute("aria-label", "Opacity of the overlay in percent");
    slider.addEventListener("input", () => {
      this.view.opacity = slider.value / 100;
      this.view.draw();
    });
    label.append(slider);
    label.hidden = !document.querySelector(`[data-overlay][data-for="${this.view.digest}"]`);
    this.bar.append(label);
  }

  button(text, act, label = "") {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: text });
    if (label) button.setAttribute("aria-label", label);
    button.addEventListener("click", act);
    this.bar.append(button);
    return button;
  }

  use(tool) {
    this.tool = tool;
    this.element.dataset.tool = tool;
    for (const button of this.choices) button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
  }

  async togglePrior() {
    const shown = this.compare.getAttribute("aria-pressed") !== "true";
    this.compare.setAttribute("aria-pressed", String(shown));
    if (shown && !this.prior) {
      this.prior = this.add(this.element.dataset.prior, this.element.dataset.priorName);
      this.prior.linked = [this.view];
      this.view.linked = [this.prior];
      this.views.push(this.prior);
      await this.prior.load();
      this.prior.go(this.view.zoom, this.view.x, this.view.y, false);
    }
    this.prior.canvas.parentElement.hidden = !shown;
    this.element.classList.toggle("beside", shown);
  }

  listen(view) {
    const canvas = view.canvas;
    const pointers = new Map();
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, [event.clientX, event.clientY]);
      if (this.tool === "region" && view === this.view) view.drawing = [view.fraction(event), view.fraction(event)];
    });
    canvas.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
      const [dx, dy] = [event.clientX - before[0], event.clientY - before[1]];
      if (pointers.size === 2) {
        const [other] = [...pointers.entries()].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
        const length = (a) => Math.hypot(a[0] - other[0], a[1] - other[1]) || 1;
        view.zoomAt(length([event.clientX, event.clientY]) / length(before), ...view.fraction(event));
      } else if (view.drawing) {
        view.drawing[1] = view.fraction(event);
        view.draw();
      } else if (this.tool === "move" || event.shiftKey || event.buttons & 4) view.move(dx, dy);
      else if (this.tool === "window") view.window(dx, dy);
      pointers.set(event.pointerId, [event.clientX, event.clientY]);
    });
    const end = (event) => {
      pointers.delete(event.pointerId);
      if (view.drawing) this.finish(view);
    };
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", end);
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      view.zoomAt(Math.exp(-event.deltaY / 400), ...view.fraction(event));
    }, { passive: false });
    canvas.addEventListener("dblclick", () => view.reset());
    canvas.addEventListener("keydown", (event) => {
      const act = {
        ArrowLeft: () => view.move(KEY_STEP, 0), ArrowRight: () => view.move(-KEY_STEP, 0),
        ArrowUp: () => view.move(0, KEY_STEP), ArrowDown: () => view.move(0, -KEY_STEP),
        "+": () => view.zoomAt(1.5, view.x, view.y), "-": () => view.zoomAt(1 / 1.5, view.x, view.y),
        0: () => view.reset(),
      }[event.key];
      if (!act) return;
      event.preventDefault();
      event.stopPropagation();
      act();
    });
  }

  finish(view) {
    const points = corners(view.drawing);
    view.drawing = null;
    if (points[1][0] - points[0][0] > 0.005 && points[2][1] - points[0][1] > 0.005) {
      view.regions.push({ digest: view.digest, points, finding: "" });
      this.listRegions();
    }
    view.draw();
  }

  /** What was marked, with what it is; it goes along with the decision. */
  listRegions() {
    if (!this.list) {
      this.list = document.createElement("ul");
      this.list.className = "regions";
      this.element.append(this.list);
    }
    this.list.replaceChildren(...this.view.regions.map((region, index) => {
      const row = document.createElement("li");
      const label = document.createElement("label");
      label.textContent = `Region ${index + 1} is `;
      const choice = document.createElement("select");
      choice.append(new Option("not named", ""), ...findings().map(([name, words]) => new Option(words, name)));
      choice.value = region.finding;
      choice.addEventListener("change", () => {
        region.finding = choice.value;
        save();
      });
      label.append(choice);
      const remove = Object.assign(document.createElement("button"), { type: "button", textContent: "Remove" });
      remove.addEventListener("click", () => {
        this.view.regions.splice(index, 1);
        this.listRegions();
        this.view.draw();
      });
      row.append(label, remove);
      return row;
    }));
    save();
  }
}

function findings() {
  const options = document.getElementById("finding-words").content.querySelectorAll("option");
  return [...options].map((option) => [option.value, option.textContent]);
}

function save() {
  const field = document.querySelector("[data-regions]");
  if (field) field.value = JSON.stringify(all.flatMap((viewer) => viewer.view.regions));
}

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting || !entry.target.viewer) continue;
    seen.unobserve(entry.target);
    entry.target.viewer.start();
  }
}, { rootMargin: "300px" });

for (const element of document.querySelectorAll("[data-viewer]")) {
  const viewer = new Viewer(element);
  element.viewer = viewer;
  all.push(viewer);
  seen.observe(element);
}
for (const box of document.querySelectorAll("[data-overlay]")) {
  const viewer = all.find((one) => one.view.digest === box.dataset.for);
  const show = () => viewer.view.overlay(box.dataset.overlay, box.checked);
  box.addEventListener("change", show);
  if (box.checked) show();
}
