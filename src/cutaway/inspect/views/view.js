// A recording to look around in: the graph, a step at a time forward and backward, what each step did, one weight.
import { model, layout, visible, label, SYMBOLS } from "./graph.js";
import { brief, element, line, short, tensor } from "./tensor.js";
import { formula } from "./formula.js";
import { panel } from "./weight.js";
import { theme } from "./theme.js";

const READABLE = 0.85; // the scale below which the smallest words are too small

const svg = (tag, attributes = {}, ...children) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [k, x] of Object.entries(attributes)) if (x !== undefined) made.setAttribute(k, x);
  made.append(...children);
  return made;
};

const TINY = 0.4; // the scale below which no number can be read
const AROUND = 200; // how far beyond the stage lines are drawn
const SEVERAL = 3; // more edges than these between two boxes are drawn as one
const GREEK = { lr: "η", betas: "β", eps: "ε", weight_decay: "λ", momentum: "μ", dampening: "τ", alpha: "α", step: "t" };

/** What happened, in order: {kind, node | back, word} each; and where each operation and each step of backward stands. */
function timeline(data) {
  const order = [], ofNode = [], ofBack = [];
  const count = { forward: 0, backward: 0, update: 0 }, all = { forward: 0, backward: data.backward.length, update: 0 };
  for (const node of data.nodes) all[node.kind === "update" ? "update" : "forward"] += 1;
  const word = (kind) => `${kind} ${(count[kind] += 1)} of ${all[kind]}`;
  const run = (until) => { for (let n = ofNode.length; n < until; n++) { const kind = data.nodes[n].kind === "update" ? "update" : "forward"; ofNode.push(order.push({ kind, node: n, word: word(kind) })); } };
  data.backward.forEach((s, n) => { run(s.after ?? data.nodes.length); ofBack.push(order.push({ kind: "backward", back: n, word: word("backward") })); });
  run(data.nodes.length);
  return { order, ofNode, ofBack, start: `forward 0 of ${all.forward}` };
}

/** Show `data` in `host`; `walks` of some weights, `rest` in words of the others. */
export function show(host, data, walks = [], rest = "") {
  theme(host);
  const m = model(data);
  const { order, ofNode, ofBack, start } = timeline(data), last = order.length;
  const state = { at: last, open: new Set(firstOpen(m)), marked: new Set(), tab: "step" };
  const links = location.protocol !== "about:"; // a frame in a notebook has no address of its own
  let soon = null;
  fromHash();

  const stage = element("div", { class: "stage", tabindex: 0, "aria-label": "graph; drag to move, + and − to zoom" });
  const detail = element("div", { class: "detail", "aria-live": "polite" });
  const slider = element("input", { type: "range", min: 0, max: last, step: 1, "aria-label": "step" });
  const where = element("output");
  const buttons = [["|◀", "to the start", () => go(0)], ["◀", "one step back", () => go(state.at - 1)], ["▶", "one step on", () => go(state.at + 1)], ["▶|", "to the end", () => go(last)]];
  const bar = element("div", { class: "steps" }, ...buttons.map(([text, title, act]) => { const b = element("button", { type: "button", title, "aria-label": title }, text); b.addEventListener("click", act); return b; }), slider, where);
  const zoom = element("div", { class: "zoom" });
  for (const [text, title, act] of [["−", "smaller", () => scale(1 / 1.25)], ["+", "larger", () => scale(1.25)], ["fit", "all of it, however small", () => fit()], ["open all", "open every box", () => openAll()], ["close", "close all boxes", () => { state.open = new Set(); draw(); readable(); toHash(); }]]) {
    const b = element("button", { type: "button", title, "aria-label": title }, text);
    b.addEventListener("click", act);
    zoom.append(b);
  }
  const tabs = element("div", { class: "tabs", role: "tablist" });
  for (const [name, text] of [["step", "This step"], ["weight", "One weight"]]) {
    const b = element("button", { type: "button", role: "tab", "data-tab": name }, text);
    b.addEventListener("click", () => { state.tab = name; tell(); });
    tabs.append(b);
  }
  host.append(bar, element("div", { class: "halves" }, element("div", { class: "left" }, zoom, stage), element("div", { class: "right" }, tabs, detail)));
  const legend = element("p", { class: "legend" }, element("span", { class: "forward" }, "blue, above a line: the value going forward"), element("span", { class: "back" }, "orange, below it, bold: the gradient coming back"),
    element("span", {}, element("kbd", {}, "→"), " ", element("kbd", {}, "←"), " step on and back"), element("span", {}, "click or ", element("kbd", {}, "Enter"), " opens a box, ", element("kbd", {}, "Esc"), " closes it"));
  host.querySelector(".left").append(legend);
  const room = { width: 1, height: 1 }; // of the stage; asking for it costs a layout
  let drawing = null, view = { x: 0, y: 0, k: 1 }, size = { width: 1, height: 1 }, shapes = new Map(), named = new Map(), labels = [], lines = [];
  let seen = new Set(), tiny = false; // groups in or near the stage; whether it is too small for words

  // --- which step -----------------------------------------------------------------------------------------------------

  function go(step) {
    state.at = Math.max(0, Math.min(last, step));
    state.marked = new Set();
    if (state.tab !== "step") state.tab = "step";
    follow(); paint(); tell(); toHash();
  }

  /** The operation of the present step, as a key; null before the first. */
  function current() {
    if (state.at === 0) return null;
    const now = order[state.at - 1];
    if (now.kind !== "backward") return `n${now.node}`;
    const s = data.backward[now.back];
    return s.node !== undefined ? `n${s.node}` : s.scope !== undefined && s.scope !== null ? `s${s.scope}` : null;
  }

  // --- the drawing ------------------------------------------------------------------------------------------------------

  function draw() {
    const [wide, tall] = [true, false].map((across) => ({ ...layout(m, state.open, across), across }));
    const whole = (p) => Math.min(room.width / p.width, room.height / p.height, 1.4);
    const plan = whole(tall) > whole(wide) ? tall : wide, across = plan.across;
    size = plan;
    shapes = new Map(); named = new Map(); labels = []; lines = [];
    const frames = svg("g"), edges = svg("g", { class: "edges" }), boxes = svg("g"), titles = svg("g", { class: "titles" });
    for (const [key, p] of plan.positions) {
      const box = m.boxes.get(key);
      if (p.open) {
        const g = svg("g", { class: `frame ${box.scope.kind}`, tabindex: 0, role: "button", "aria-label": `${box.name}, open; close it` },
          svg("rect", { x: p.x, y: p.y, width: p.w, height: p.h, rx: 10 }));
        const title = svg("text", { x: p.x + 10, y: p.y + 15 }, box.name);
        titles.append(title);
        named.set(key, title);
        act(g, () => toggle(key));
        frames.append(g);
        shapes.set(key, g);
        continue;
      }
      boxes.append(boxShape(key, box, p));
    }
    const drawn = new Map();
    for (const e of m.edges) {
      const a = visible(m, e.from, state.open), b = visible(m, e.to, state.open);
      if (a === b || !plan.positions.has(a) || !plan.positions.has(b)) continue;
      const id = `${a} ${b}`;
      if (!drawn.has(id)) drawn.set(id, { a, b, values: new Map() });
      const { values } = drawn.get(id);
      values.has(e.value) ? values.get(e.value).push(e) : values.set(e.value, [e]);
    }
    for (const { a, b, values } of drawn.values()) {
      const groups = values.size > SEVERAL ? [[...values.values()].flat()] : [...values.values()];
      for (const group of groups) {
        const made = edge(plan.positions.get(a), plan.positions.get(b), group[0], across, plan.route(a, b));
        made.edges = group;
        made.many = values.size > SEVERAL ? values.size : 0;
        made.quiet = m.boxes.get(b).scope?.kind === "step"; // a closed step reads every weight: that goes without saying
        if (made.quiet) made.g.classList.add("quiet");
        edges.append(made.g);
        lines.push(made);
        if (!made.quiet) labels.push(made);
      }
    }
    spread(labels, plan, across);
    drawing = svg("svg", { viewBox: `0 0 ${size.width} ${size.height}` }, svg("defs", {}, marker("arrow"), marker("arrow-back")), frames, edges, boxes, titles);
    stage.replaceChildren(drawing);
    place(); paint();
  }

  function marker(id) {
    return svg("marker", { id, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto-start-reverse" }, svg("path", { d: "M0 0 L8 4 L0 8 z", class: id }));
  }

  function boxShape(key, box, p) {
    const round = box.kind === "node" && SYMBOLS[box.name]?.length === 1;
    const kind = box.kind === "scope" ? `scope ${box.scope.kind}` : box.kind === "node" ? `op ${box.node.kind}` : `value${box.value.leaf ? " leaf" : ""}`;
    const text = round ? SYMBOLS[box.name] : box.name.length > 26 ? `${box.name.slice(0, 25)}…` : box.name;
    const title = box.kind === "scope" ? `${box.name}: open it` : box.kind === "node" ? `${box.name}, ${box.node.line ?? ""}` : `${box.name}: ${line(box.value)}`;
    const g = svg("g", { class: kind, tabindex: 0, role: "button", "aria-label": title, "data-key": key },
      round ? svg("circle", { cx: p.x + p.w / 2, cy: p.y + p.h / 2, r: p.w / 2 }) : svg("rect", { x: p.x, y: p.y, width: p.w, height: p.h, rx: box.kind === "value" ? p.h / 2 : 7 }),
      svg("text", { x: p.x + p.w / 2, y: p.y + p.h / 2 + 5, "text-anchor": "middle" }, text), svg("title", {}, title));
    g.addEventListener("focus", () => { if (g.matches(":focus-visible")) reveal(key); });
    act(g, () => box.kind === "scope" ? toggle(key) : box.kind === "node" ? pick(box.number) : pickValue(box.number));
    shapes.set(key, g);
    return g;
  }

  function act(g, f) {
    g.addEventListener("click", (e) => { if (!dragged) f(); e.stopPropagation(); });
    g.addEventListener("keydown", (e) => { if (e.key === "Enter" || e.key === " ") { f(); e.preventDefault(); e.stopPropagation(); } });
  }

  function edge(a, b, e, across, past) {
    const ends = across ? [[a.x + a.w, a.y + a.h / 2], [b.x, b.y + b.h / 2]] : [[a.x + a.w / 2, a.y + a.h], [b.x + b.w / 2, b.y]];
    const points = [ends[0], ...past, ends[1]], bends = [];
    for (let i = 1; i < points.length; i++) {
      const [[x1, y1], [x2, y2]] = [points[i - 1], points[i]], bend = Math.max(20, (across ? x2 - x1 : y2 - y1) / 2);
      bends.push(across ? [x1, y1, x1 + bend, y1, x2 - bend, y2, x2, y2] : [x1, y1, x1, y1 + bend, x2, y2 - bend, x2, y2]);
    }
    const path = svg("path", { d: `M${points[0].join(" ")} ${bends.map((c) => `C${c.slice(2).join(" ")}`).join(" ")}`, "marker-end": "url(#arrow)" });
    const above = svg("text", { class: data.values[e.value].gradient ? "back" : "forward", "text-anchor": "middle" }), under = svg("text", { class: "back", "text-anchor": "middle" });
    const xs = bends.flatMap((c) => c.filter((_, i) => i % 2 === 0)), ys = bends.flatMap((c) => c.filter((_, i) => i % 2));
    const around = [Math.min(...xs) - 60, Math.min(...ys) - 20, Math.max(...xs) + 60, Math.max(...ys) + 20];
    return { g: svg("g", { class: "edge" }, path, above, under), path, above, under, value: e.value, bends, around };
  }

  /** Put each edge's two numbers where they cover no box, no title and no other edge's numbers, near to where it comes from. */
  function spread(made, plan, across) {
    const taken = [];
    for (const [key, p] of plan.positions) taken.push(p.open ? [p.x, p.y, p.x + 20 + 7 * m.boxes.get(key).name.length, p.y + 20] : [p.x, p.y, p.x + p.w, p.y + p.h]);
    const gradients = (l) => partsOf(l, last).map(([, p]) => brief(data.values[p.gradient]));
    for (const l of made) {
      const most = l.many ? 12 : Math.max(brief(data.values[l.value]).length, [...new Set(gradients(l))].slice(0, 2).join(", ").length), half = 4 * most + 3;
      let best = null;
      for (const c of [...l.bends].reverse()) for (const t of [0.36, 0.5, 0.64, 0.27, 0.73]) {
        const u = 1 - t, on = (i) => u * u * u * c[i] + 3 * u * u * t * c[i + 2] + 3 * u * t * t * c[i + 4] + t * t * t * c[i + 6];
        const x = on(0), y = on(1), box = [x - half, y - 17, x + half, y + 18];
        const cost = taken.reduce((s, o) => s + Math.max(0, Math.min(o[2], box[2]) - Math.max(o[0], box[0])) * Math.max(0, Math.min(o[3], box[3]) - Math.max(o[1], box[1])), 0);
        if (best === null || cost < best.cost) best = { cost, x, y, box };
        if (!cost) break;
      }
      taken.push(best.box);
      for (const [text, y] of [[l.above, best.y - 5], [l.under, best.y + 14]]) { text.setAttribute("x", best.x); text.setAttribute("y", y); }
    }
  }

  // --- what shows at this step ---------------------------------------------------------------------------------------------

  const firstStep = new Map(), partOf = new Map(), ofFunctions = [];
  data.backward.forEach((s, n) => s.parts.forEach((p) => { if (p.value !== undefined) ofFunctions.push([`s${s.scope}`, n, p]); }));
  data.backward.forEach((s, n) => s.parts.forEach((p) => {
    if (s.node === undefined || p.input === null) return;
    const key = `${s.node} ${p.input}`;
    partOf.has(key) ? partOf.get(key).push([n, p]) : partOf.set(key, [[n, p]]);
  }));
  data.nodes.forEach((node, n) => {
    node.outputs.forEach((v) => firstStep.set(v, ofNode[n]));
    if (node.kind === "update" && !firstStep.has(node.inputs[1])) firstStep.set(node.inputs[1], ofBack.findLast((at) => at < ofNode[n]) ?? ofNode[n]); // a gradient is there once backward has ended
  });

  function paint() {
    slider.value = state.at;
    where.textContent = state.at ? order[state.at - 1].word : start;
    const key = current(), now = new Set(key === null ? [] : m.up(key)), marked = new Set([...state.marked].flatMap((n) => m.up(`n${n}`)));
    if (key !== null) now.add(visible(m, key, state.open));
    for (const [key, g] of shapes) { // only what changes in sight is touched: large graphs have thousands of these
      const lit = `${now.has(key)} ${marked.has(key)}`;
      if (!seen.has(g) && g.lit === lit) continue;
      const later = started(m.boxes.get(key)) > state.at, name = `${lit} ${later}`;
      if (g.shown === name) continue;
      g.shown = name; g.lit = lit;
      g.classList.toggle("now", now.has(key));
      g.classList.toggle("later", later);
      named.get(key)?.classList.toggle("later", later);
      g.classList.toggle("marked", marked.has(key));
    }
    for (const made of labels) {
      if (!seen.has(made.g)) continue;
      made.times ??= timesOf(made);
      const known = (firstStep.get(made.value) ?? 0) <= state.at, name = `${known} ${passed(made.times, state.at)} ${tiny}`;
      if (made.shown === name) continue;
      made.shown = name;
      const value = data.values[made.value], parts = partsOf(made, state.at);
      made.g.classList.toggle("later", !known);
      made.g.classList.toggle("returned", parts.length > 0);
      if (tiny) continue; // no words are shown
      write(made.above, !known ? "" : made.many ? `${made.many} values` : brief(value));
      write(made.under, !parts.length ? "" : made.many ? `${parts.length} ${parts.length > 1 ? "gradients" : "gradient"}` : [...new Set(parts.map(([, p]) => brief(data.values[p.gradient])))].slice(0, 2).join(", "));
    }
  }

  /** When pieces of backward go along an edge, in order; how many have by `at`. */
  function timesOf(made) { return piecesOf(made).flatMap((list) => list.map(([n]) => ofBack[n])).sort((a, b) => a - b); }
  function passed(times, at) {
    let low = 0, high = times.length;
    while (low < high) { const middle = (low + high) >> 1; if (times[middle] <= at) low = middle + 1; else high = middle; }
    return low;
  }

  /** The pieces of backward along each edge of a line: lists of [step, part]. A user's Function gives one to its box, not to what is in it. */
  function piecesOf(made) {
    return made.edges.map((e) => partOf.get(`${m.boxes.get(e.to).number} ${e.input}`) ?? ofFunctions.filter(([key, , p]) => p.value === e.value && visible(m, e.to, state.open) === key).map(([, n, p]) => [n, p]));
  }
  /** Of each the latest by `at`. */
  function partsOf(made, at) { return piecesOf(made).flatMap((list) => list.filter(([n]) => ofBack[n] <= at).slice(-1)); }

  function write(text, words) { if (text.textContent !== words) text.textContent = words; }

  const begun = new Map();
  function started(box) {
    if (box.kind === "value") return firstStep.get(box.number) ?? 0;
    if (box.kind === "node") return ofNode[box.number];
    if (!begun.has(box.key)) begun.set(box.key, Math.min(...box.children.map((k) => started(m.boxes.get(k))).filter((n) => n > 0), last + 1));
    return begun.get(box.key);
  }

  // --- the words beside it --------------------------------------------------------------------------------------------------

  function tell() {
    for (const b of tabs.children) b.setAttribute("aria-selected", b.dataset.tab === state.tab);
    if (state.tab === "weight") return tellWeight();
    if (state.at === 0) return detail.replaceChildren(element("p", {}, last ? "Nothing has run yet. Step on with ▶ or the right arrow key." : "Nothing was recorded: no operation ran inside `with record()`."));
    const now = order[state.at - 1];
    detail.replaceChildren(...(now.kind === "forward" ? tellForward(now.node) : now.kind === "update" ? tellUpdate(now.node) : tellBackward(data.backward[now.back])));
  }

  function heading(node, what) {
    const made = [element("h2", {}, what, element("code", {}, node.op))];
    if (node.formula) made.push(element("p", { class: "formula" }, formula(node.formula)));
    const inside = m.up(`n${data.nodes.indexOf(node)}`).slice(1).map((k) => m.boxes.get(k)).filter((b) => b.scope).reverse().map((b) => label(b.scope));
    if (inside.length) made.push(element("p", { class: "soft" }, `in ${inside.join(" › ")}`));
    const around = data.scopes[node.scope];
    if (around?.formula) made.push(element("p", { class: "soft formula" }, `${around.name}: `, formula(around.formula)));
    if (node.line) made.push(element("p", { class: "source" }, element("code", {}, node.source || node.line), " ", element("span", { class: "soft" }, node.line)));
    return made;
  }

  const letter = (i) => "abcdefgh"[i] ?? `input ${i}`;

  function tellForward(n) {
    const node = data.nodes[n], made = heading(node, "Forward: ");
    const attrs = Object.entries(node.attrs);
    if (attrs.length) made.push(element("p", { class: "soft" }, attrs.map(([k, x]) => `${k} = ${JSON.stringify(x)}`).join(", ")));
    node.inputs.forEach((v, i) => made.push(tensor(data.values[v], `${letter(i)}${data.values[v].name ? ` = ${data.values[v].name}` : ""}`)));
    node.outputs.forEach((v) => made.push(tensor(data.values[v], "y")));
    const kept = [...new Set((node.rules ?? []).flatMap((r) => (r ? r.reads.map(([name]) => name) : [])))];
    made.push(element("p", {}, node.kind === "write" ? "Written in place: b stands in its part of a, the rest of a is as it was." : !node.rules ? "No gradient is wanted here: nothing is kept." : kept.length ? `Kept for backward: ${kept.join(", ")}, because a rule reads ${kept.length > 1 ? "them" : "it"}.` : "Backward needs nothing of this step: nothing is kept."));
    return made;
  }

  /** An optimiser's step on one parameter: before, gradient, the rule term by term, the change. */
  function tellUpdate(n) {
    const node = data.nodes[n], made = heading(node, "Update: "), name = data.values[node.inputs[0]].name ?? "a weight", { raised, lowered, of, largest, element: at } = node.moved;
    const settings = Object.entries(node.attrs).map(([k, x]) => `${GREEK[k] ? `${GREEK[k]} = ` : ""}${k} = ${JSON.stringify(x)}`);
    const still = of - raised - lowered;
    made.push(element("p", {}, of === 1 ? `${name} is ${raised ? "raised ▲" : lowered ? "lowered ▼" : "left as it is"}.` : `Of the ${of} numbers in ${name}: ${raised} raised ▲, ${lowered} lowered ▼${still ? `, ${still} left as they are` : ""}.`,
      of > 1 && (raised || lowered) ? ` The largest change is ${short(largest)}, at [${at.join(", ")}].` : ""));
    made.push(element("p", { class: "soft" }, "A gradient above 0 says that raising the weight raises the loss; a step downhill lowers it. The rule decides how far."));
    if (settings.length) made.push(element("p", { class: "soft" }, settings.join(", ")));
    made.push(tensor(data.values[node.inputs[0]], `before: w = ${name}`), tensor(data.values[node.inputs[1]], "gradient: g"));
    node.terms.forEach((t) => made.push(element("div", { class: "term" }, element("p", { class: "formula" }, t.formula ? formula(`${t.name} \\leftarrow ${t.formula}`) : element("code", {}, t.code ? `${t.name} = ${t.code}` : t.name)), tensor(data.values[t.value], ""))));
    made.push(tensor(data.values[node.change], "change: after − before", true), tensor(data.values[node.outputs[0]], "after"));
    return made;
  }

  function tellBackward(step) {
    const node = step.node !== undefined ? data.nodes[step.node] : null;
    const made = node ? heading(node, "Backward: ") : [element("h2", {}, "Backward: ", element("code", {}, step.scope !== undefined && step.scope !== null ? data.scopes[step.scope].name : "a step of the tape"))];
    const called = node ? null : data.scopes[step.scope ?? -1];
    if (called?.line) made.push(element("p", { class: "source" }, element("code", {}, called.source || called.line), " ", element("span", { class: "soft" }, called.line)), element("p", { class: "soft" }, "Its own backward, as the program writes it."));
    const ran = (step.ran ?? []).map((r) => element("div", { class: "term" }, element("p", { class: "source" }, element("code", {}, r.source || r.op), " ", element("span", { class: "soft" }, [r.line, r.op].filter(Boolean).join(", "))), tensor(data.values[r.value], "")));
    for (const [k, v] of Object.entries(step.arrived)) made.push(tensor(data.values[v], Object.keys(step.arrived).length > 1 ? `g, arrived at result ${k}` : "g: the gradient that arrived"));
    if (ran.length) made.push(element("p", { class: "soft" }, "What it did with it:"), ...ran);
    if (step.hook) made.push(element("p", {}, "A hook (register_hook) was given what came here before this step read it: g is what the hook made of it."));
    for (const p of step.parts) {
      const rule = node?.rules?.[p.input], to = node && p.input !== null ? data.values[node.inputs[p.input]] : data.values[p.value ?? -1];
      const row = element("section", { class: "part" }, element("h3", {}, "to ", element("b", {}, p.input !== null ? letter(p.input) : "an input"), to?.name ? ` = ${to.name}` : "", p.leaf ? " (added to its .grad)" : ""));
      if (rule) row.append(element("p", { class: "rule" }, element("code", {}, rule.text)));
      if (p.local !== undefined) {
        const arrived = data.values[Object.values(step.arrived)[0]], local = data.values[p.local], g = data.values[p.gradient];
        if (arrived.data?.length === 1 && local.data?.length === 1 && g.data?.length === 1)
          row.append(element("p", { class: "product" }, element("span", { class: "back" }, short(arrived.data[0])), " × ", element("span", {}, short(local.data[0])), " = ", element("b", { class: "back" }, short(g.data[0]))), element("p", { class: "soft" }, "upstream × local derivative = gradient"));
        else row.append(tensor(local, "local derivative"));
      }
      for (const [name, what] of rule?.reads ?? []) row.append(tensor(data.values[what === "y" ? node.outputs[0] : node.inputs[what]], `kept from forward: ${name}`));
      row.append(tensor(data.values[p.gradient], "gradient"));
      if (p.hook) row.append(element("p", {}, "A hook (register_hook) is given it before it is added to .grad."));
      made.push(row);
    }
    return made;
  }

  function tellWeight() {
    if (!walks.length) return detail.replaceChildren(element("h2", {}, "No weight is followed here"), element("p", {}, rest));
    const choose = element("select", { "aria-label": "which weight" }), passes = new Set(walks.map((w) => w.pass)).size > 1;
    walks.forEach((w, i) => choose.append(element("option", { value: i }, `${w.name}${w.element.length ? `[${w.element.join(", ")}]` : ""}${passes ? `, backward pass ${w.pass + 1}` : ""}`)));
    choose.value = state.walk ?? 0;
    const shown = element("div");
    detail.replaceChildren(element("label", {}, "Follow ", choose), shown, element("p", { class: "soft" }, rest));
    const put = () => {
      state.walk = Number(choose.value);
      const w = walks[state.walk];
      const made = panel(w, (n) => data.nodes[n].op, (ops) => { state.marked = new Set(ops); paint(); });
      shown.replaceChildren(made); // the list of weights stays, and keeps the focus
      state.marked = new Set(w.paths[0]?.ops ?? []);
      paint(); toHash();
    };
    choose.addEventListener("change", put);
    put();
  }

  function pick(n) {
    const backwards = ofBack.some((at) => at <= state.at), back = backwards ? data.backward.findLastIndex((s) => s.node === n) : -1;
    go(back >= 0 ? ofBack[back] : ofNode[n]);
  }

  function pickValue(v) {
    const given = data.values[v], made = [element("h2", {}, given.name ?? "A value from outside"), tensor(given, "value")];
    data.backward.forEach((s) => s.parts.forEach((p) => { if (p.leaf && (s.node !== undefined ? data.nodes[s.node].inputs[p.input] : p.value) === v) made.push(tensor(data.values[p.gradient], "gradient that arrived")); }));
    state.tab = "step";
    detail.replaceChildren(...made);
  }

  // --- opening, moving, zooming ------------------------------------------------------------------------------------------------

  function toggle(key) {
    if (state.open.has(key)) { for (const k of [...state.open]) if (m.up(k).includes(key)) state.open.delete(k); } else state.open.add(key);
    draw(); toHash();
    shapes.get(key)?.focus({ preventScroll: true });
    reveal(key);
  }

  /** Esc: the innermost open box closes, around what has the focus, or else around the present step. */
  function closeInnermost() {
    const focused = [...shapes].find(([, g]) => g === document.activeElement)?.[0] ?? current();
    const around = focused ? m.up(focused).find((k) => state.open.has(k)) : undefined;
    if (around) toggle(around);
  }

  function openAll() {
    state.open = new Set([...m.boxes.values()].filter((b) => b.kind === "scope" && b.key !== "s-1" && !b.empty).map((b) => b.key));
    draw(); readable(); toHash();
  }

  function place() {
    let fresh = false; // whether anything comes into sight that may show an earlier step
    if (drawing.scale !== view.k) { // a browser lays out all words anew if the drawing is scaled or moved inside its <svg>: the <svg> moves
      drawing.scale = view.k;
      drawing.setAttribute("width", size.width * view.k);
      drawing.setAttribute("height", size.height * view.k);
      fresh = tiny !== (tiny = view.k < TINY);
      drawing.classList.toggle("tiny", tiny);
    }
    drawing.style.transform = `translate(${view.x}px, ${view.y}px)`;
    const [left, top, right, low] = [-view.x, -view.y, room.width - view.x, room.height - view.y].map((x) => x / view.k);
    const before = seen, inSight = (a, b, c, d) => c > left - AROUND && a < right + AROUND && d > top - AROUND && b < low + AROUND;
    const note = (g) => { seen.add(g); fresh ||= !before.has(g); };
    seen = new Set();
    for (const { g, around } of lines) { // what is out of sight is not there: of thousands of lines the browser then has few to think of
      const there = inSight(...around);
      if (there) note(g);
      if (g.there !== there) { g.there = there; g.style.display = there ? "" : "none"; }
    }
    for (const [key, g] of shapes) { const { x, y, w, h } = size.positions.get(key); if (inSight(x, y, x + w, y + h)) note(g); }
    if (fresh) paint();
  }
  function fit() {
    const k = Math.min(room.width / size.width, room.height / size.height, 1.4);
    view = { k, x: (room.width - size.width * k) / 2, y: (room.height - size.height * k) / 2 };
    place();
  }
  /** All of it where it can be read so; else as large as it must be, at the present step. */
  function readable() {
    fit();
    if (view.k >= READABLE) return;
    const k = READABLE;
    view = { k, x: Math.max(8, (room.width - size.width * k) / 2), y: Math.max(8, (room.height - size.height * k) / 2) };
    place(); follow();
  }
  function scale(by, cx = room.width / 2, cy = room.height / 2) {
    const k = Math.max(0.05, Math.min(4, view.k * by));
    view = { k, x: cx - ((cx - view.x) * k) / view.k, y: cy - ((cy - view.y) * k) / view.k };
    place();
  }
  function follow() {
    const key = current();
    if (key && drawing) reveal(visible(m, key, state.open));
  }
  /** Move the drawing so that a box is in sight: its whole, or its title where it is larger than the stage. */
  function reveal(key) {
    const p = size.positions?.get(key);
    if (!p) return;
    const x = p.x * view.k + view.x, y = p.y * view.k + view.y, w = p.w * view.k, h = p.h * view.k, W = room.width, H = room.height;
    if (x >= 0 && y >= 0 && x + w <= W && y + h <= H) return;
    const put = (from, length, whole, room) => whole * view.k <= room ? (room - whole * view.k) / 2 : Math.min(12, Math.max(room - whole * view.k - 12, length < room ? (room - length) / 2 - from : 12 - from));
    view.x = put(p.x * view.k, w, size.width, W);
    view.y = put(p.y * view.k, h, size.height, H);
    place();
  }
  let dragged = false, held = null;
  stage.addEventListener("pointerdown", (e) => { held = { x: e.clientX - view.x, y: e.clientY - view.y, from: [e.clientX, e.clientY] }; dragged = false; });
  stage.addEventListener("pointermove", (e) => {
    if (!held) return;
    if (Math.hypot(e.clientX - held.from[0], e.clientY - held.from[1]) > 4) dragged = true;
    if (dragged) { view.x = e.clientX - held.x; view.y = e.clientY - held.y; place(); }
  });
  for (const name of ["pointerup", "pointercancel", "pointerleave"]) stage.addEventListener(name, () => { held = null; });
  stage.addEventListener("wheel", (e) => { e.preventDefault(); const r = stage.getBoundingClientRect(); scale(e.deltaY < 0 ? 1.12 : 1 / 1.12, e.clientX - r.left, e.clientY - r.top); }, { passive: false });
  slider.addEventListener("input", () => go(Number(slider.value)));
  host.addEventListener("keydown", (e) => {
    if (e.target.tagName === "INPUT" || e.target.tagName === "SELECT") return;
    const acts = { ArrowRight: () => go(state.at + 1), ArrowLeft: () => go(state.at - 1), Home: () => go(0), End: () => go(last), "+": () => scale(1.25), "-": () => scale(1 / 1.25), 0: () => fit(), Escape: () => closeInnermost() };
    if (acts[e.key]) { acts[e.key](); e.preventDefault(); }
  });
  let wide = null;
  new ResizeObserver(() => { Object.assign(room, { width: stage.clientWidth, height: stage.clientHeight }); if (wide !== room.width) { wide = room.width; draw(); readable(); follow(); } }).observe(stage);

  // --- links ------------------------------------------------------------------------------------------------------------------

  function toHash() {
    const parts = [`step=${state.at}`];
    if (state.open.size) parts.push(`open=${[...state.open].map((k) => k.slice(1)).join(",")}`);
    if (state.tab === "weight") parts.push(`weight=${state.walk ?? 0}`);
    if (!links) return;
    clearTimeout(soon); // a held key makes many steps, and a browser refuses many changes of the address
    soon = setTimeout(() => history.replaceState(null, "", `#${parts.join("&")}`), 150);
  }
  function fromHash() {
    if (!links) return;
    const asked = new URLSearchParams(location.hash.slice(1));
    if (asked.has("step")) state.at = Math.max(0, Math.min(last, Number(asked.get("step")) || 0));
    if (asked.has("open")) state.open = new Set(asked.get("open").split(",").map((n) => `s${n}`).filter((k) => m.boxes.has(k)));
    if (asked.has("node")) { const n = Number(asked.get("node")); if (data.nodes[n]) { state.at = ofNode[n]; m.up(`n${n}`).slice(1).forEach((k) => k !== "s-1" && state.open.add(k)); } }
    if (asked.has("weight")) { state.tab = "weight"; state.walk = Math.max(0, Math.min(walks.length - 1, Number(asked.get("weight")) || 0)); }
  }
  tell();
  return { go, state, data };
}

/** Open what leaves few boxes: alone at the top, a layer opens; small graphs open whole. */
function firstOpen(m) {
  const scopes = [...m.boxes.values()].filter((b) => b.kind === "scope" && b.key !== "s-1" && !b.empty);
  const open = new Set();
  const count = (key) => m.boxes.get(key).children.filter((k) => !m.boxes.get(k).empty).length;
  if (m.data.nodes.length <= 14) return scopes.map((b) => b.key);
  for (const b of scopes) if (b.scope.kind === "layer" && (b.parent === "s-1" || open.has(b.parent)) && count(b.key) <= 16 && open.size < 4) open.add(b.key);
  return open;
}
