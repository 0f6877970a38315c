/* The places of findings: a line with a dark edge around each, and its name beside it; nothing lies over the pixels. */

const FONT_PX = 13;

/** The outlines of an image: [{name, title, colour, polygons}]; none while it is not assessed. */
export async function loadOutlines(digest) {
  const answer = await fetch(`/images/${digest}/outlines`, { credentials: "same-origin" });
  return answer.ok ? answer.json() : [];
}

export function drawOutlines(context, outlines, place, ratio) {
  const taken = [];
  for (const { title, colour, polygons } of outlines) {
    for (const polygon of polygons) {
      trace(context, polygon, place);
      context.lineJoin = "round";
      context.lineWidth = 5 * ratio;
      context.strokeStyle = "rgb(0 0 0 / .6)";
      context.stroke();
      context.lineWidth = 2.25 * ratio;
      context.strokeStyle = colour;
      context.stroke();
    }
    if (polygons.length) label(context, title, colour, polygons[0], place, ratio, taken);
  }
}

function trace(context, polygon, [left, top, width, height]) {
  context.beginPath();
  polygon.forEach(([x, y], i) => context[i ? "lineTo" : "moveTo"](left + x * width, top + y * height));
  context.closePath();
}

/** The name above the largest part, or below it where there is no room; never over another name. */
function label(context, text, colour, polygon, [left, top, width, height], ratio, taken) {
  context.font = `600 ${FONT_PX * ratio}px system-ui, sans-serif`;
  const pad = 4 * ratio;
  const box = { width: context.measureText(text).width + 2 * pad, height: (FONT_PX + 6) * ratio };
  const ys = polygon.map(([, y]) => top + y * height);
  const limit = (value, most) => Math.max(pad, Math.min(value, most - pad));
  box.left = limit(left + Math.min(...polygon.map(([x]) => x)) * width, context.canvas.width - box.width);
  const above = Math.min(...ys) - box.height - 2 * pad;
  box.top = limit(above >= pad ? above : Math.max(...ys) + 2 * pad, context.canvas.height - box.height);
  const over = (one) => box.left < one.left + one.width && one.left < box.left + box.width
    && box.top < one.top + one.height && one.top < box.top + box.height;
  while (taken.some(over) && box.top + 2 * box.height < context.canvas.height) box.top += box.height + ratio;
  taken.push(box);
  context.fillStyle = "rgb(0 0 0 / .75)";
  context.fillRect(box.left, box.top, box.width, box.height);
  context.fillStyle = colour;
  context.fillRect(box.left, box.top, 3 * ratio, box.height);
  context.fillStyle = "#fff";
  context.textBaseline = "middle";
  context.fillText(text, box.left + 1.6 * pad, box.top + box.height / 2);
}
