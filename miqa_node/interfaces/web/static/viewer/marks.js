/* Regions that a person marks: one click places a box of the kind that is chosen, dragging draws one. */

import { say } from "../words.js";
import { corners } from "./view.js";

const UNNAMED_SIDE = 0.2;
const LEAST_SIDE = 0.005;

export const kinds = () => document.getElementById("mark-kinds").content.cloneNode(true);
const findings = () => document.getElementById("finding-words").content.cloneNode(true);

/** The kinds to choose from, and below them what was marked, with what it is; ``onchange`` keeps it for the decision. */
export class Marks {
  constructor(element, view, onchange) {
    this.element = element;
    this.view = view;
    this.onchange = onchange;
    this.kind = "";
    this.sizes = {};
    this.palette = this.build();
    this.list = document.createElement("ul");
    this.list.className = "regions";
  }

  build() {
    const palette = Object.assign(document.createElement("div"), { className: "tools kinds", hidden: true });
    palette.setAttribute("role", "toolbar");
    palette.setAttribute("aria-label", say("What is marked"));
    palette.append(...this.others());
    for (const group of kinds().children) {
      const name = Object.assign(document.createElement("span"), { className: "group", textContent: group.label });
      palette.append(name, ...[...group.children].map((option) => {
        this.sizes[option.value] = option.dataset.size.split(" ").map(Number);
        return this.choice(option.value, option.textContent);
      }));
    }
    return palette;
  }

  /** What can be drawn besides objects. */
  others() {
    return [this.choice("", say("Any region"))];
  }

  /** What a region can be, from which the list lets choose. */
  names() {
    return [new Option(say("not named"), ""), kinds(), findings()];
  }

  choice(kind, text) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: text });
    button.dataset.kind = kind;
    button.setAttribute("aria-pressed", String(kind === this.kind));
    button.addEventListener("click", () => this.use(kind));
    return button;
  }

  use(kind) {
    this.kind = kind;
    for (const button of this.palette.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.dataset.kind === kind));
    }
  }

  /** The list has its room from the beginning: the image stays where it is from one mark to the next. */
  show(shown) {
    if (!this.palette.isConnected) this.element.querySelector(".tools").after(this.palette);
    if (!this.list.isConnected) this.element.append(this.list);
    this.palette.hidden = !shown;
    this.list.hidden = !shown && !this.view.regions.length;
  }

  /** What was drawn between two places; where nothing was dragged, the box of one click. */
  finish([from, to]) {
    const points = corners([from, to]);
    const [[left, top], , [right, bottom]] = points;
    if (right - left > LEAST_SIDE && bottom - top > LEAST_SIDE) this.add(points);
    else if (this.kind) this.place(to);
  }

  /** A box of the usual size around a place that lies on the image. */
  place([x, y]) {
    if (x < 0 || x > 1 || y < 0 || y > 1) return;
    const [width, height] = this.sizes[this.kind] ?? [UNNAMED_SIDE, UNNAMED_SIDE].map((side) => side / this.view.zoom);
    this.add(corners([[x - width / 2, y - height / 2], [x + width / 2, y + height / 2]]));
  }

  add(points) {
    this.view.regions.push({ digest: this.view.digest, points, finding: "", kind: this.kind });
    this.write();
    this.list.scrollTop = this.list.scrollHeight;
  }

  write() {
    this.list.replaceChildren(...this.view.regions.map((region, index) => this.row(region, index)));
    this.view.draw();
    this.onchange();
  }

  row(region, index) {
    const row = document.createElement("li");
    const label = document.createElement("label");
    label.textContent = `${say("Region {number} is", { number: index + 1 })} `;
    const choice = document.createElement("select");
    choice.append(...this.names());
    choice.value = region.kind || region.finding;
    choice.addEventListener("change", () => {
      const isKind = choice.value in this.sizes;
      Object.assign(region, isKind ? { kind: choice.value, finding: "" } : { kind: "", finding: choice.value });
      this.onchange();
    });
    label.append(choice);
    const remove = Object.assign(document.createElement("button"), { type: "button", textContent: say("Remove") });
    remove.addEventListener("click", () => {
      this.view.regions.splice(index, 1);
      this.write();
    });
    row.append(label, remove);
    return row;
  }
}
