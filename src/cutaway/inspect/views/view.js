// A recording to look around in: the graph, a step at a time forward and backward, what each step did, one weight.
import { model, layout, visible, label, SYMBOLS } from "./graph.js";
import { brief, element, line, short, tensor } from "./tensor.js";
import { formula } from "./formula.js";
import { panel } from "./weight.js";

const READABLE = 0.85; // the scale below which the smallest words are too small

const svg = (tag, attributes = {}, ...children) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [k, x] of Object.entries(attributes)) if (x !== undefined) made.setAttribute(k, x);
  made.append(...children);
  return made;
};

/** Show `data` in `host`. */
export function show(host, data, walks = []) {
  const m = model(data);
  const forward = data.nodes.length, last = forward + data.backward.length;
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
    if (name === "weight" && !walks.length) continue;
    const b = element("button", { type: "button", role: "tab", "data-tab": name }, text);
    b.addEventListener("click", () => { state.tab = name; tell(); });
    tabs.append(b);
  }
  host.append(bar, element("div", { class: "halves" }, element("div", { class: "left" }, zoom, stage), element("div", { class: "right" }, tabs, detail)));
  const legend = element("p", { class: "legend" }, element("span", { class: "forward" }, "blue, above a line: the value going forward"), element("span", { class: "back" }, "orange, below it, bold: the gradient coming back"),
    element("span", {}, element("kbd", {}, "→"), " ", element("kbd", {}, "←"), " step on and back"), element("span", {}, "click or ", element("kbd", {}, "Enter"), " opens a box, ", element("kbd", {}, "Esc"), " closes it"));
  host.querySelector(".left").append(legend);
  let drawing = null, view = { x: 0, y: 0, k: 1 }, size = { width: 1, height: 1 }, shapes = new Map(), named = new Map(), labels = [];

  // --- which step -----------------------------------------------------------------------------------------------------

  function go(step) {
    state.at = Math.max(0, Math.min(last, step));
    state.marked = new Set();
    if (state.tab !== "step") state.tab = "step";
    paint(); tell(); follow(); toHash();
  }

  /** The operation of the present step, as a key; null before the first. */
  function current() {
    if (state.at === 0) return null;
    if (state.at <= forward) return `n${state.at - 1}`;
    const s = data.backward[state.at - forward - 1];
    return s.node !== undefined ? `n${s.node}` : s.scope !== undefined && s.scope !== null ? `s${s.scope}` : null;
  }

  // --- the drawing ------------------------------------------------------------------------------------------------------

  function draw() {
    const [wide, tall] = [true, false].map((across) => ({ ...layout(m, state.open, across), across }));
    const whole = (p) => Math.min(stage.clientWidth / p.width, stage.clientHeight / p.height, 1.4);
    const plan = whole(tall) > whole(wide) ? tall : wide, across = plan.across;
    size = plan;
    shapes = new Map(); named = new Map(); labels = [];
    drawing = svg("g");
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
      const id = `${a} ${b} ${e.value}`;
      if (drawn.has(id)) { drawn.get(id).edges.push(e); continue; }
      const made = edge(plan.positions.get(a), plan.positions.get(b), e, across, plan.route(a, b));
      made.edges = [e];
      drawn.set(id, made);
      edges.append(made.g);
      labels.push(made);
    }
    spread(labels, plan, across);
    drawing.append(frames, edges, boxes, titles);
    stage.replaceChildren(svg("svg", { width: "100%", height: "100%" },
      svg("defs", {}, marker("arrow"), marker("arrow-back")), drawing));
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
    const above = svg("text", { class: "forward", "text-anchor": "middle" }), under = svg("text", { class: "back", "text-anchor": "middle" });
    return { g: svg("g", { class: "edge" }, path, above, under), path, above, under, value: e.value, bends };
  }

  /** Put each edge's two numbers where they cover no box, no title and no other edge's numbers, near to where it comes from. */
  function spread(made, plan, across) {
    const taken = [];
    for (const [key, p] of plan.positions) taken.push(p.open ? [p.x, p.y, p.x + 20 + 7 * m.boxes.get(key).name.length, p.y + 20] : [p.x, p.y, p.x + p.w, p.y + p.h]);
    const gradients = (l) => partsOf(l).map(([, p]) => brief(data.values[p.gradient]));
    for (const l of made) {
      const most = Math.max(brief(data.values[l.value]).length, [...new Set(gradients(l))].slice(0, 2).join(", ").length), half = 4 * most + 3;
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
  data.backward.forEach((s, n) => s.parts.forEach((p) => { if (s.node !== undefined && p.input !== null) partOf.set(`${s.node} ${p.input}`, [n, p]); }));
  data.nodes.forEach((node, n) => node.outputs.forEach((v) => firstStep.set(v, n + 1)));

  function paint() {
    slider.value = state.at;
    where.textContent = state.at <= forward ? `forward ${state.at} of ${forward}` : `backward ${state.at - forward} of ${data.backward.length}`;
    const now = current() && visible(m, current(), state.open);
    for (const [key, g] of shapes) {
      const box = m.boxes.get(key);
      g.classList.toggle("now", key === now || (now !== null && current() !== null && m.up(current()).includes(key)));
      g.classList.toggle("later", started(box) > state.at);
      named.get(key)?.classList.toggle("later", started(box) > state.at);
      g.classList.toggle("marked", box.kind === "node" ? state.marked.has(box.number) : box.kind === "scope" && [...state.marked].some((n) => m.up(`n${n}`).includes(key)));
    }
    for (const made of labels) {
      const value = data.values[made.value], known = (firstStep.get(made.value) ?? 0) <= state.at;
      made.g.classList.toggle("later", !known);
      write(made.above, known ? brief(value) : "");
      const parts = partsOf(made).filter(([n]) => forward + n < state.at);
      write(made.under, parts.length ? [...new Set(parts.map(([, p]) => brief(data.values[p.gradient])))].slice(0, 2).join(", ") : "");
      made.g.classList.toggle("returned", parts.length > 0);
    }
  }

  /** The pieces of backward that go along an edge: [step, part]. A user's Function gives one to its box, not to what is in it. */
  function partsOf(made) {
    return made.edges.flatMap((e) => {
      const own = partOf.get(`${m.boxes.get(e.to).number} ${e.input}`);
      return own ? [own] : ofFunctions.filter(([key, , p]) => p.value === e.value && visible(m, e.to, state.open) === key).map(([, n, p]) => [n, p]);
    });
  }

  function write(text, words) { if (text.textContent !== words) text.textContent = words; }

  const begun = new Map();
  function started(box) {
    if (box.kind === "value") return 0;
    if (box.kind === "node") return box.number + 1;
    if (!begun.has(box.key)) begun.set(box.key, Math.min(...box.children.map((k) => started(m.boxes.get(k))).filter((n) => n > 0), last + 1));
    return begun.get(box.key);
  }

  // --- the words beside it --------------------------------------------------------------------------------------------------

  function tell() {
    for (const b of tabs.children) b.setAttribute("aria-selected", b.dataset.tab === state.tab);
    if (state.tab === "weight") return tellWeight();
    if (state.at === 0) return detail.replaceChildren(element("p", {}, "Nothing has run yet. Step on with ▶ or the right arrow key."));
    if (state.at <= forward) detail.replaceChildren(...tellForward(state.at - 1));
    else detail.replaceChildren(...tellBackward(data.backward[state.at - forward - 1]));
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

  function tellBackward(step) {
    const node = step.node !== undefined ? data.nodes[step.node] : null;
    const made = node ? heading(node, "Backward: ") : [element("h2", {}, "Backward: ", element("code", {}, step.scope !== undefined && step.scope !== null ? data.scopes[step.scope].name : "a step of the tape"))];
    const called = node ? null : data.scopes[step.scope ?? -1];
    if (called?.line) made.push(element("p", { class: "source" }, element("code", {}, called.source || called.line), " ", element("span", { class: "soft" }, called.line)), element("p", { class: "soft" }, "Its own backward, as the program writes it."));
    for (const [k, v] of Object.entries(step.arrived)) made.push(tensor(data.values[v], Object.keys(step.arrived).length > 1 ? `g, arrived at result ${k}` : "g: the gradient that arrived"));
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
      made.push(row);
    }
    return made;
  }

  function tellWeight() {
    const choose = element("select", { "aria-label": "which weight" });
    walks.forEach((w, i) => choose.append(element("option", { value: i }, `${w.name}${w.element.length ? `[${w.element.join(", ")}]` : ""}`)));
    choose.value = state.walk ?? 0;
    const put = () => {
      state.walk = Number(choose.value);
      const w = walks[state.walk];
      const made = panel(w, (n) => data.nodes[n].op, (ops) => { state.marked = new Set(ops); paint(); });
      detail.replaceChildren(element("label", {}, "Follow ", choose), made);
      state.marked = new Set(w.paths[0]?.ops ?? []);
      paint(); toHash();
    };
    choose.addEventListener("change", put);
    put();
  }

  function pick(n) {
    const back = data.backward.findIndex((s) => s.node === n);
    go(state.at > forward && back >= 0 ? forward + back + 1 : n + 1);
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

  function place() { drawing.setAttribute("transform", `translate(${view.x} ${view.y}) scale(${view.k})`); }
  function fit() {
    const k = Math.min(stage.clientWidth / size.width, stage.clientHeight / size.height, 1.4);
    view = { k, x: (stage.clientWidth - size.width * k) / 2, y: (stage.clientHeight - size.height * k) / 2 };
    place();
  }
  /** All of it where it can be read so; else as large as it must be, at the present step. */
  function readable() {
    fit();
    if (view.k >= READABLE) return;
    const k = READABLE;
    view = { k, x: Math.max(8, (stage.clientWidth - size.width * k) / 2), y: Math.max(8, (stage.clientHeight - size.height * k) / 2) };
    place(); follow();
  }
  function scale(by, cx = stage.clientWidth / 2, cy = stage.clientHeight / 2) {
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
    const x = p.x * view.k + view.x, y = p.y * view.k + view.y, w = p.w * view.k, h = p.h * view.k, W = stage.clientWidth, H = stage.clientHeight;
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
  new ResizeObserver(() => { if (wide !== stage.clientWidth) { wide = stage.clientWidth; draw(); readable(); follow(); } }).observe(stage);

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
    if (asked.has("node")) { const n = Number(asked.get("node")); if (data.nodes[n]) { state.at = n + 1; m.up(`n${n}`).slice(1).forEach((k) => k !== "s-1" && state.open.add(k)); } }
    if (asked.has("weight") && walks.length) { state.tab = "weight"; state.walk = Math.min(walks.length - 1, Number(asked.get("weight")) || 0); }
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
