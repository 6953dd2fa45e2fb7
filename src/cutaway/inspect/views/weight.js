// One weight: the loss over its value with the tangent, and the ways along which it moves the loss.
import { element, short } from "./tensor.js";

const WIDE = 460, HIGH = 220, LEFT = 54, BELOW = 30, TOP = 12, RIGHT = 14;
const svg = (tag, attributes, ...children) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [k, x] of Object.entries(attributes)) made.setAttribute(k, x);
  made.append(...children);
  return made;
};

/** The panel for walk `w`; `point(ops)` marks operations in the graph, `names(op)` says what an operation is. */
export function panel(w, names, point) {
  const box = element("section", { class: "weight" });
  const at = `${w.name}${w.element.length ? `[${w.element.join(", ")}]` : ""}`;
  box.append(element("h2", {}, at, " = ", short(w.weight)));
  const readout = element("p", { class: "readout", "aria-live": "polite" });
  const xs = w.nudged.map((p) => p[0]), ys = w.nudged.map((p) => p[1]);
  const tangent = (x) => w.loss + w.total * (x - w.weight);
  const finite = ys.filter((y) => typeof y === "number");
  const low = Math.min(...finite), high = Math.max(...finite), room = (high - low || Math.abs(high) || 1) * 0.12;
  const X = (x) => LEFT + ((x - xs[0]) / (xs[xs.length - 1] - xs[0])) * (WIDE - LEFT - RIGHT);
  const Y = (y) => TOP + (1 - (y - low + room) / (high - low + 2 * room)) * (HIGH - TOP - BELOW);
  const chart = svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": "the loss over the weight, with its tangent", class: "chart" });
  chart.append(svg("rect", { x: LEFT, y: TOP, width: WIDE - LEFT - RIGHT, height: HIGH - TOP - BELOW, class: "frame" }));
  for (const [x, anchor] of [[xs[0], "start"], [w.weight, "middle"], [xs[xs.length - 1], "end"]])
    chart.append(svg("text", { x: X(x), y: HIGH - 10, "text-anchor": anchor }, short(x)));
  for (const y of [low, high]) chart.append(svg("text", { x: LEFT - 6, y: Y(y) + 4, "text-anchor": "end" }, short(y)));
  const clip = svg("clipPath", { id: "chart" }, svg("rect", { x: LEFT, y: TOP, width: WIDE - LEFT - RIGHT, height: HIGH - TOP - BELOW }));
  chart.append(svg("defs", {}, clip));
  chart.append(svg("polyline", { points: w.nudged.filter((p) => typeof p[1] === "number").map(([x, y]) => `${X(x)},${Y(y)}`).join(" "), class: "curve" }));
  chart.append(svg("line", { x1: X(xs[0]), x2: X(xs[xs.length - 1]), y1: Y(tangent(xs[0])), y2: Y(tangent(xs[xs.length - 1])), class: "tangent", "clip-path": "url(#chart)" }));
  const dot = svg("circle", { r: 5, class: "dot" }), shadow = svg("circle", { r: 4, class: "shadow", "clip-path": "url(#chart)" });
  chart.append(shadow, dot);
  const slider = element("input", { type: "range", min: 0, max: w.nudged.length - 1, step: 1, value: (w.nudged.length - 1) / 2, "aria-label": `nudge ${at}` });
  const move = () => {
    const [x, y] = w.nudged[slider.value];
    const there = typeof y === "number" ? y : w.loss;
    dot.setAttribute("cx", X(x)); dot.setAttribute("cy", Y(there));
    shadow.setAttribute("cx", X(x)); shadow.setAttribute("cy", Y(tangent(x)));
    readout.textContent = `weight ${short(x)}: loss ${short(y)}, the tangent says ${short(tangent(x))}`;
  };
  slider.addEventListener("input", move);
  move();
  const key = element("p", { class: "key" }, element("span", { class: "curve" }, "loss"), " ", element("span", { class: "tangent" }, "tangent: loss + gradient × change"));
  box.append(chart, slider, readout, key);
  const verdict = w.total > 0 ? "Lower it to lower the loss." : w.total < 0 ? "Raise it to lower the loss." : "Moving it a little does not move the loss.";
  box.append(element("p", {}, "d loss / d weight = ", element("b", {}, short(w.total)), " going forward, ", ...(w.gradient === "nan" ? ["and no gradient came from backward. "] : [element("b", {}, short(w.gradient)), " from backward. "]), verdict));
  const list = element("ol", { class: "paths" });
  const most = Math.max(...w.paths.map((p) => Math.abs(p.product)), 1e-300);
  for (const p of w.paths) {
    const bar = element("span", { class: `bar ${p.product < 0 ? "minus" : "plus"}`, style: `width:${(100 * Math.abs(p.product)) / most}%` });
    const button = element("button", { type: "button" }, p.ops.map(names).join(" → "), element("b", {}, short(p.product)), bar);
    for (const event of ["focus", "mouseenter", "click"]) button.addEventListener(event, () => point(p.ops));
    list.append(element("li", {}, button));
  }
  const sum = w.paths.reduce((s, p) => s + p.product, 0), others = w.total - sum, more = Math.abs(others) > 1e-6 * most;
  const ways = !w.paths.length ? "No way to the loss is open: what it is multiplied by is 0, as behind a ReLU that is off" : w.paths.length === 1 ? (more ? "The widest way to the loss" : "One way to the loss") : more ? `The ${w.paths.length} widest ways to the loss, which add up to ${short(sum)}` : `${w.paths.length} ways to the loss, which add up to ${short(sum)}`;
  box.append(element("h3", {}, ways), list);
  if (more) box.append(element("p", { class: "soft" }, `All others together bring ${short(others)}.`));
  return box;
}
