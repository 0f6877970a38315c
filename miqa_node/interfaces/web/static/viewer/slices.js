/* A series or a run of frames: a slider under the image, and an overview of slices to jump to. */

import { say } from "../words.js";
import { Charts } from "./along.js";

const OVERVIEW = 12;
const SIDE = 160;

export class Slices {
  constructor(element, view) {
    this.view = view;
    this.row = document.createElement("div");
    this.row.className = "slices";
    this.slider = Object.assign(document.createElement("input"), {
      type: "range", min: 1, max: view.slices.length, value: view.at + 1,
    });
    this.slider.setAttribute("aria-label", say("Slice"));
    this.slider.addEventListener("input", () => view.scroll(this.slider.value - 1));
    this.row.append(this.slider);
    element.append(this.row);
    const number = element.closest("[data-image]")?.dataset.image ?? "";
    this.charts = new Charts(this, document.querySelectorAll(`[data-along="${number}"]`));
    view.onslice = () => {
      this.charts.draw();
      this.mark();
    };
  }

  step(by) {
    this.to(this.view.at + by);
  }

  /** The slice with which the viewer opens. */
  begin(at) {
    this.view.at = at;
    this.view.say();
    this.slider.value = at + 1;
  }

  to(at) {
    this.view.scroll(at);
    this.slider.value = this.view.at + 1;
  }

  /** The overview instead of the image, or the image again; whether the overview is shown. */
  async toggle(frame) {
    if (this.grid) {
      this.grid.remove();
      this.grid = null;
      return false;
    }
    this.grid = document.createElement("div");
    this.grid.className = "overview";
    frame.append(this.grid);
    const { slices } = this.view;
    const shown = Math.min(OVERVIEW, slices.length);
    const places = Array.from({ length: shown }, (_, n) => Math.round((n * (slices.length - 1)) / Math.max(1, shown - 1)));
    this.buttons = places.map((at) => {
      const button = Object.assign(document.createElement("button"), { type: "button" });
      button.setAttribute("aria-label", say("Slice {number}", { number: at + 1 }));
      button.append(Object.assign(document.createElement("span"), { textContent: at + 1 }));
      button.addEventListener("click", () => {
        this.to(at);
        this.onchoice?.();
      });
      this.grid.append(button);
      return [button, at];
    });
    this.mark().focus();
    for (const [button, at] of this.buttons) button.prepend(small(await this.view.fetched(...slices[at])));
    return true;
  }

  /** Mark the slice of the overview that is shown, or the nearest to it; returns its button. */
  mark() {
    if (!this.grid) return null;
    const far = ([, at]) => Math.abs(at - this.view.at);
    const [nearest] = this.buttons.reduce((best, one) => (far(one) < far(best) ? one : best));
    for (const [button] of this.buttons) button.toggleAttribute("aria-current", false);
    nearest.setAttribute("aria-current", "true");
    return nearest;
  }
}

function small({ rows, columns, pixels }) {
  const scale = SIDE / Math.max(rows, columns);
  const [width, height] = [Math.max(1, Math.round(columns * scale)), Math.max(1, Math.round(rows * scale))];
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d");
  const picture = context.createImageData(width, height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const gray = pixels[Math.floor(y / scale) * columns + Math.floor(x / scale)] >> 8;
      picture.data.set([gray, gray, gray, 255], 4 * (y * width + x));
    }
  }
  context.putImageData(picture, 0, 0);
  return canvas;
}
