/* A line and its length in millimetres; offered only where the header gives the pixel spacing. */

import { number } from "../words.js";

/** Millimetres between two points, given as fractions of the image. */
export function lengthMm([[x0, y0], [x1, y1]], view) {
  const [rowMm, columnMm] = view.spacingMm;
  return Math.hypot((x1 - x0) * view.sourceColumns * columnMm, (y1 - y0) * view.sourceRows * rowMm);
}

export function drawRuler(context, ends, view, [left, top, width, height], ratio) {
  const [from, to] = ends.map(([x, y]) => [left + x * width, top + y * height]);
  for (const [colour, thick] of [["rgb(0 0 0 / .7)", 4], ["#7fe7ff", 2]]) {
    context.strokeStyle = colour;
    context.lineWidth = thick * ratio;
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(...to);
    for (const [x, y] of [from, to]) {
      context.moveTo(x + 5 * ratio, y);
      context.arc(x, y, 5 * ratio, 0, 2 * Math.PI);
    }
    context.stroke();
  }
  const text = `${number(lengthMm(ends, view), 1)} mm`;
  context.font = `600 ${14 * ratio}px system-ui, sans-serif`;
  context.textBaseline = "bottom";
  const x = Math.max(0, Math.min(to[0] + 8 * ratio, context.canvas.width - context.measureText(text).width - 4 * ratio));
  const y = Math.max(18 * ratio, to[1] - 8 * ratio);
  context.lineWidth = 4 * ratio;
  context.strokeStyle = "rgb(0 0 0 / .8)";
  context.strokeText(text, x, y);
  context.fillStyle = "#fff";
  context.fillText(text, x, y);
}
