/* Measurements along a series: a place in a chart, or the link to a slice, shows that slice; a line says which is shown. */

const SVG = "http://www.w3.org/2000/svg";

export class Charts {
  constructor(slices, figures) {
    this.view = slices.view;
    this.lines = [...figures].map((figure) => this.listen(figure, slices));
    const [, number] = location.hash.match(/-slice-(\d+)$/) ?? [];
    const isHere = [...figures].some((one) => one.querySelector(`[href="${CSS.escape(location.hash)}"]`));
    if (number && isHere) slices.begin(number - 1);
    this.draw();
  }

  listen(figure, slices) {
    const chart = figure.querySelector("svg");
    const line = document.createElementNS(SVG, "line");
    line.setAttribute("class", "shown");
    chart.append(line);
    chart.addEventListener("click", (event) => {
      const { left, width } = chart.getBoundingClientRect();
      slices.to(Math.floor(((event.clientX - left) / width) * this.view.slices.length));
    });
    for (const link of figure.querySelectorAll("[data-slice]")) {
      link.addEventListener("click", () => {
        slices.to(link.dataset.slice - 1);
        this.view.canvas.scrollIntoView({ block: "nearest" }); // on a narrow screen it lies above
      });
    }
    return line;
  }

  draw() {
    for (const line of this.lines) {
      const { width, height } = line.ownerSVGElement.viewBox.baseVal;
      const x = (width * (this.view.at + 0.5)) / this.view.slices.length;
      for (const [name, value] of Object.entries({ x1: x, x2: x, y1: 0, y2: height })) line.setAttribute(name, value);
    }
  }
}
