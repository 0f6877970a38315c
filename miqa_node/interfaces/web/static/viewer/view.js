/* One canvas with one image: pixels, window, zoom and place, and what is drawn over them.
   Pixels come as 16-bit presentation values, so that dragging changes the window without asking the node again. */

import { say } from "../words.js";
import { drawOutlines } from "./outlines.js";
import { drawRuler } from "./ruler.js";

export const WHITE = 65535;
const OVERLAY_COLOURS = { anomaly: [64, 200, 255], landmarks: [120, 255, 140] };
const FINDING_COLOUR = [255, 96, 32];
const KEPT_SLICES = 48;

/** Views that are linked share zoom and place. ``slices``: [digest, frame] of what is scrolled through. */
export class View {
  constructor(frame, digest, name, slices = []) {
    this.digest = digest;
    this.name = name;
    this.slices = slices;
    this.at = Math.max(0, Math.floor(slices.length / 2));
    this.kept = new Map();
    this.overlays = new Map();
    this.opacity = 0.55;
    this.outlines = [];
    this.outlined = true;
    this.regions = [];
    this.linked = [];
    this.low = 0;
    this.high = WHITE;
    this.inverted = false;
    this.source = "pixels"; // or where whole values come from, which windows of CT need
    this.zoom = 1;
    this.x = 0.5; // the fraction of the image that lies in the middle of the canvas
    this.y = 0.5;
    this.canvas = document.createElement("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", say("{name}. Arrow keys move it, plus and minus zoom, 0 resets.", { name }));
    frame.append(this.canvas);
    this.caption = document.createElement("p");
    this.caption.className = "caption";
    frame.append(this.caption);
    this.say();
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  say() {
    const slice = this.slices.length > 1 ? ` · ${say("{number} of {count}", { number: this.at + 1, count: this.slices.length })}` : "";
    this.caption.textContent = this.name + slice;
  }

  async load(full = false) {
    const [digest, frame] = this.slices[this.at] ?? [this.digest, 0];
    await this.take(await this.fetched(digest, frame, full));
  }

  async fetched(digest, frame, full = false) {
    const key = `${this.source} ${digest} ${frame} ${full}`;
    if (this.kept.has(key)) return this.kept.get(key);
    const query = new URLSearchParams({ ...(frame && { frame }), ...(full && { full }) });
    const answer = await fetch(`/images/${digest}/${this.source}?${query}`, { credentials: "same-origin" });
    if (!answer.ok) throw new Error(say("the pixels are not available ({status})", { status: answer.status }));
    const [rows, columns, sourceRows, sourceColumns] = answer.headers.get("x-size").split(" ").map(Number);
    const buffer = await answer.arrayBuffer();
    const pixels = LITTLE_ENDIAN ? new Uint16Array(buffer) : swapped(buffer);
    const picture = { rows, columns, sourceRows, sourceColumns, pixels };
    if (this.kept.size >= KEPT_SLICES) this.kept.delete(this.kept.keys().next().value);
    this.kept.set(key, picture);
    return picture;
  }

  async take({ rows, columns, sourceRows, sourceColumns, pixels }) {
    Object.assign(this, { rows, columns, sourceRows, sourceColumns, pixels });
    this.image = new OffscreenCanvas(columns, rows);
    this.render();
  }

  /** Another slice of what is scrolled through. */
  async scroll(to) {
    const at = Math.max(0, Math.min(this.slices.length - 1, to));
    if (at === this.at || !this.slices.length) return;
    this.at = at;
    this.say();
    this.onslice?.();
    const picture = await this.fetched(...this.slices[at]);
    if (at === this.at) await this.take(picture); // not if another was asked for meanwhile
  }

  /** Gray levels for the window that is set, then everything on the canvas. */
  render() {
    if (!this.pixels) return;
    const table = new Uint32Array(WHITE + 1);
    const span = Math.max(1, this.high - this.low);
    for (let value = 0; value <= WHITE; value++) {
      const level = Math.max(0, Math.min(255, Math.round((255 * (value - this.low)) / span)));
      const gray = this.inverted ? 255 - level : level;
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

  /** The zoom at which one pixel of the image is one pixel of the screen. */
  get natural() {
    return this.sourceColumns / this.columns / this.fit;
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
    const place = this.place;
    context.imageSmoothingEnabled = place[2] < 2 * this.columns;
    context.imageSmoothingQuality = "high";
    context.drawImage(this.image, ...place);
    context.globalAlpha = this.opacity;
    for (const { map, shown } of this.overlays.values()) if (shown && map) context.drawImage(map, ...place);
    context.globalAlpha = 1;
    if (this.outlined) drawOutlines(context, this.outlines, place, ratio);
    for (const region of this.regions) this.outline(context, region.points, place, ratio);
    if (this.drawing) this.outline(context, corners(this.drawing), place, ratio);
    if (this.ruler) drawRuler(context, this.ruler, this, place, ratio);
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
    const zoom = Math.max(Math.min(1, this.natural), Math.min(40, this.zoom * factor));
    const kept = this.zoom / zoom; // what was under the pointer stays there
    this.go(zoom, x + (this.x - x) * kept, y + (this.y - y) * kept);
  }

  go(zoom, x, y, follow = true) {
    this.zoom = zoom;
    this.x = zoom <= 1 ? 0.5 : Math.max(0, Math.min(1, x));
    this.y = zoom <= 1 ? 0.5 : Math.max(0, Math.min(1, y));
    this.draw();
    if (follow) for (const other of this.linked) other.go(this.zoom, this.x, this.y, false);
  }

  window(dx, dy) {
    const width = Math.max(64, (this.high - this.low) * Math.exp(dx / 250));
    const level = (this.high + this.low) / 2 + dy * 90;
    this.setWindow(level - width / 2, level + width / 2);
  }

  /** Other values in place of those that are there: whole ones for windows of CT, or those as sent. */
  async change(source) {
    this.source = source;
    await this.load();
  }

  setWindow(low, high) {
    this.low = low;
    this.high = high;
    this.render();
  }

  /** The value below which this share of the pixels lies. */
  percentile(share) {
    const counts = new Uint32Array(WHITE + 1);
    for (let i = 0; i < this.pixels.length; i += 7) counts[this.pixels[i]]++;
    let left = (share * this.pixels.length) / 7;
    for (let value = 0; value <= WHITE; value++) {
      left -= counts[value];
      if (left <= 0) return value;
    }
    return WHITE;
  }

  reset() {
    this.low = 0;
    this.high = WHITE;
    this.inverted = false;
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

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

function swapped(buffer) {
  const data = new DataView(buffer);
  return Uint16Array.from({ length: buffer.byteLength / 2 }, (_, i) => data.getUint16(2 * i, true));
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

export function corners([[x0, y0], [x1, y1]]) {
  const inside = (value) => Math.max(0, Math.min(1, value));
  const [left, right] = [Math.min(x0, x1), Math.max(x0, x1)].map(inside);
  const [top, bottom] = [Math.min(y0, y1), Math.max(y0, y1)].map(inside);
  return [[left, top], [right, top], [right, bottom], [left, bottom]];
}
