// The graph of a recording: boxes that open, laid out in layers, each open box a small drawing of its own.
// model(data) -> {boxes, root, ...}; layout(model, open, across) -> positions. Nothing here touches the page.

export const SYMBOLS = { add: "+", sub: "−", mul: "×", div: "÷", neg: "−", exp: "exp", log: "log", sum: "Σ", matmul: "@", einsum: "@" };

/** Boxes (scopes, operations, given values) as a tree, and who reads what. Keys: "s3", "n12", "v7"; the root is "s-1". */
export function model(data) {
  const boxes = new Map();
  const put = (key, box) => boxes.set(key, { key, children: [], ...box });
  put("s-1", { kind: "scope", parent: null, name: "" });
  data.scopes.forEach((s, n) => put(`s${n}`, { kind: "scope", scope: s, number: n, parent: `s${s.parent}`, name: label(s) }));
  data.nodes.forEach((node, n) => put(`n${n}`, { kind: "node", node, number: n, parent: `s${node.scope}`, name: node.kind === "update" ? `${node.op}: ${data.values[node.inputs[0]].name ?? "weight"}` : node.op }));
  const producer = new Map(), readers = new Map();
  data.nodes.forEach((node, n) => {
    node.outputs.forEach((v) => producer.set(v, `n${n}`));
    node.inputs.forEach((v, i) => readers.has(v) ? readers.get(v).push([n, i]) : readers.set(v, [[n, i]]));
  });
  const up = (key) => { const path = []; for (let k = key; k !== null; k = boxes.get(k).parent) path.push(k); return path; };
  for (const [v, list] of readers) {
    if (producer.has(v)) continue;
    const value = data.values[v];
    if (!value.name && value.shape.length === 0 && !value.leaf) continue; // a constant of the rule's own: shown in its box
    const read = list.filter(([n]) => data.nodes[n].kind !== "update"), users = read.length ? read : list; // a weight stands in its layer
    let shared = up(`n${users[0][0]}`).slice(1);
    for (const [n] of users.slice(1)) { const other = new Set(up(`n${n}`)); shared = shared.filter((k) => other.has(k)); }
    while (shared.length > 1 && ["composite", "function"].includes(boxes.get(shared[0]).scope?.kind)) shared.shift(); // beside the box that it is given to
    put(`v${v}`, { kind: "value", value, number: v, parent: shared[0], name: value.name || shapeText(value) });
    producer.set(v, `v${v}`);
  }
  for (const box of boxes.values()) if (box.parent !== null) boxes.get(box.parent).children.push(box.key);
  for (const box of boxes.values()) box.empty = box.kind === "scope" && !holds(boxes, box.key);
  const edges = [];
  for (const [v, list] of readers) if (producer.has(v)) for (const [n, i] of list) edges.push({ value: v, from: producer.get(v), to: `n${n}`, input: i });
  return { data, boxes, producer, readers, edges, up };
}

function holds(boxes, key) {
  return boxes.get(key).children.some((k) => boxes.get(k).kind !== "scope" || holds(boxes, k));
}

export function label(s) {
  return s.kind === "layer" ? (s.path ? `${s.path}: ${s.name}` : s.name) : s.name;
}

export function shapeText(v) {
  return v.shape.length ? `[${v.shape.join(", ")}]` : "number";
}

/** The box that stands for `key` when only the boxes in `open` are open. */
export function visible(m, key, open) {
  let shown = key;
  for (const k of m.up(key)) if (k !== "s-1" && m.boxes.get(k).kind === "scope" && !open.has(k)) shown = k;
  return shown;
}

/** Positions of all visible boxes: key -> {x, y, w, h, open}. `across`: left to right, else top to bottom.
 *  route(a, b): the points where an edge from box a to box b goes past what stands between. */
export function layout(m, open, across) {
  const placed = new Map(), lanes = new Map();
  const size = place(m, "s-1", open, across, placed, lanes);
  const absolute = new Map(), origin = new Map();
  const shift = (key, x, y) => {
    origin.set(key, [x, y]);
    for (const k of m.boxes.get(key).children) {
      const p = placed.get(k);
      if (!p) continue;
      absolute.set(k, { ...p, x: p.x + x, y: p.y + y });
      if (p.open) shift(k, p.x + x + PAD, p.y + y + PAD + TITLE);
    }
  };
  shift("s-1", PAD, PAD);
  const route = (a, b) => {
    const up = m.up(a), down = m.up(b), shared = up.find((k) => down.includes(k)), points = [];
    const past = (box, from, first, last) => { for (let r = first; r <= last; r++) { const p = lanes.get(box).at.get(`${from} ${r}`), [x, y] = origin.get(box); if (p) points.push([p[0] + x, p[1] + y]); } };
    for (let i = 1; up[i - 1] !== shared && i < up.length; i++) { const { rank, most } = lanes.get(up[i]); if (up[i] !== shared) past(up[i], up[i - 1], rank.get(up[i - 1]) + 1, most); }
    const from = up[up.indexOf(shared) - 1], way = down.slice(1, down.indexOf(shared) + 1).reverse();
    for (const box of way) { const { rank } = lanes.get(box), to = down[down.indexOf(box) - 1]; past(box, box === shared ? from : `in ${a}`, box === shared ? rank.get(from) + 1 : 0, rank.get(to) - 1); }
    return points;
  };
  return { positions: absolute, width: size.w + 2 * PAD, height: size.h + 2 * PAD, route };
}

const PAD = 16, TITLE = 20, GAP = 36, LAYER = 92;

function measure(box) {
  if (box.kind === "node" && SYMBOLS[box.name] && SYMBOLS[box.name].length === 1) return { w: 34, h: 34 };
  const text = Math.min(box.name.length, 26);
  return { w: Math.max(44, text * (box.kind === "scope" ? 8.2 : 7.4) + 20), h: box.kind === "value" ? 26 : 32 };
}

function place(m, key, open, across, placed, lanes) {
  const children = m.boxes.get(key).children.filter((k) => !m.boxes.get(k).empty);
  lanes.set(key, { at: new Map(), rank: new Map(), most: 0 });
  if (!children.length) return { w: 0, h: 0 };
  const inside = new Set(children);
  const owner = (k) => { for (const a of m.up(k)) if (inside.has(a)) return a; return null; };
  const next = new Map(children.map((k) => [k, new Set()])), before = new Map(children.map((k) => [k, new Set()]));
  const entering = [], leaving = new Set();
  for (const e of m.edges) {
    const a = owner(e.from), b = owner(e.to);
    if (a && b && a !== b) { next.get(a).add(b); before.get(b).add(a); }
    else if (b && !a) entering.push([`in ${visible(m, e.from, open)}`, b]);
    else if (a && !b) leaving.add(a);
  }
  const rank = ranks(m, children, next, before);
  const most = Math.max(...rank.values()), lane = passing(children, rank, most, next, before, entering, leaving);
  const sizes = new Map();
  for (const k of lane.keys()) sizes.set(k, { w: 0, h: 0, lane: true });
  for (const k of children) {
    const box = m.boxes.get(k);
    if (box.kind === "scope" && open.has(k)) {
      const s = place(m, k, open, across, placed, lanes);
      sizes.set(k, { w: Math.max(s.w + 2 * PAD, measure(box).w), h: s.h + 2 * PAD + TITLE, open: true });
    } else sizes.set(k, { ...measure(box), open: false });
  }
  for (const [k, r] of lane) rank.set(k, r);
  const layers = order([...children, ...lane.keys()], rank, next, before, lane);
  const along = across ? "w" : "h", over = across ? "h" : "w";
  const middle = align(layers, sizes, over, next, before);
  const low = Math.min(...[...middle].map(([k, x]) => x - sizes.get(k)[over] / 2)), wide = Math.max(...[...middle].map(([k, x]) => x + sizes.get(k)[over] / 2)) - low;
  const between = across ? LAYER : LAYER * 0.8;
  let at = 0;
  for (const layer of layers) {
    const deep = Math.max(...layer.map((k) => sizes.get(k)[along]));
    for (const k of layer) {
      const s = sizes.get(k), start = at + (deep - s[along]) / 2, side = middle.get(k) - low - s[over] / 2;
      if (s.lane) lanes.get(key).at.set(k, across ? [start, side] : [side, start]);
      else placed.set(k, across ? { x: start, y: side, ...s } : { x: side, y: start, ...s });
    }
    at += deep + between;
  }
  Object.assign(lanes.get(key), { rank, most });
  return across ? { w: at - between, h: wide } : { w: wide, h: at - between };
}

/** Lanes: a place in each layer that an edge passes, one for all edges of a source. Adds them as neighbours; key -> rank. */
function passing(children, rank, most, next, before, entering, leaving) {
  const lane = new Map(), far = new Map(), ends = [];
  const reach = (from, r) => far.set(from, Math.max(far.get(from) ?? -1, r));
  for (const a of children) for (const b of next.get(a)) if (rank.get(b) > rank.get(a) + 1) { reach(a, rank.get(b) - 1); ends.push([a, b]); }
  for (const [from, b] of entering) if (rank.get(b) > 0) { reach(from, rank.get(b) - 1); ends.push([from, b]); }
  for (const a of leaving) if (rank.get(a) < most) reach(a, most);
  for (const [a, b] of ends) if (next.has(a)) { next.get(a).delete(b); before.get(b).delete(a); }
  const join = (a, b) => { next.get(a).add(b); before.get(b).add(a); };
  for (const [from, last] of far) {
    const first = rank.has(from) ? rank.get(from) + 1 : 0;
    for (let r = first; r <= last; r++) {
      const k = `${from} ${r}`;
      lane.set(k, r); next.set(k, new Set()); before.set(k, new Set());
      if (r > first) join(`${from} ${r - 1}`, k); else if (rank.has(from)) join(from, k);
    }
  }
  for (const [a, b] of ends) join(`${a} ${rank.get(b) - 1}`, b);
  return lane;
}

/** Where the middle of each box stands, across the layers: near its neighbours, as far as those beside it leave room. */
function align(layers, sizes, over, next, before) {
  const middle = new Map();
  const room = (a, b) => (sizes.get(a)[over] + sizes.get(b)[over]) / 2 + (sizes.get(a).lane && sizes.get(b).lane ? GAP / 2 : GAP);
  for (const layer of layers) { let x = 0; layer.forEach((k, i) => { x += i ? room(layer[i - 1], k) : 0; middle.set(k, x); }); layer.forEach((k) => middle.set(k, middle.get(k) - x / 2)); }
  for (let sweep = 0; sweep < 8; sweep++) {
    for (const layer of sweep % 2 ? [...layers].reverse() : layers) {
      let offset = 0;
      const blocks = []; // the nearest places in this order: neighbours that would meet move as one
      layer.forEach((k, i) => {
        offset += i ? room(layer[i - 1], k) : 0;
        let around = [...(sweep % 2 ? next : before).get(k)];
        if (!around.length) around = [...(sweep % 2 ? before : next).get(k)];
        const wish = around.length ? around.reduce((s, n) => s + middle.get(n), 0) / around.length : middle.get(k);
        let block = { sum: wish - offset, of: [[k, offset]] };
        while (blocks.length && blocks[blocks.length - 1].sum / blocks[blocks.length - 1].of.length > block.sum / block.of.length) { const b = blocks.pop(); block = { sum: b.sum + block.sum, of: [...b.of, ...block.of] }; }
        blocks.push(block);
      });
      for (const b of blocks) for (const [k, o] of b.of) middle.set(k, b.sum / b.of.length + o);
    }
  }
  return middle;
}

/** The longest way from a source; given values come right before their first reader. */
function ranks(m, children, next, before) {
  const rank = new Map(), waits = new Map(children.map((k) => [k, before.get(k).size]));
  const ready = children.filter((k) => !waits.get(k));
  ready.forEach((k) => rank.set(k, 0));
  for (let i = 0; i < ready.length; i++)
    for (const k of next.get(ready[i])) {
      rank.set(k, Math.max(rank.get(k) ?? 0, rank.get(ready[i]) + 1));
      waits.set(k, waits.get(k) - 1);
      if (!waits.get(k)) ready.push(k);
    }
  for (const k of children) if (!rank.has(k)) rank.set(k, 0); // boxes that feed each other: drawn side by side
  for (const k of children)
    if (m.boxes.get(k).kind === "value" && next.get(k).size) rank.set(k, Math.max(0, Math.min(...[...next.get(k)].map((n) => rank.get(n))) - 1));
  return rank;
}

function order(children, rank, next, before, lane) {
  const layers = [];
  for (const k of children) (layers[rank.get(k)] ??= []).push(k);
  const full = layers.filter((l) => l).map((l) => { const boxes = l.filter((k) => !lane.has(k)); return [...boxes.slice(0, boxes.length / 2), ...l.filter((k) => lane.has(k)), ...boxes.slice(boxes.length / 2)]; });
  const where = new Map();
  const note = (layer) => layer.forEach((k, i) => where.set(k, (i + 0.5) / layer.length));
  full.forEach(note);
  for (let sweep = 0; sweep < 4; sweep++) {
    const list = sweep % 2 ? [...full].reverse() : full;
    for (const layer of list) {
      const pull = (k) => {
        const around = [...(sweep % 2 ? next : before).get(k)].map((n) => where.get(n));
        return around.length ? around.reduce((a, b) => a + b, 0) / around.length : where.get(k);
      };
      const keyed = layer.map((k) => [pull(k), k]).sort((a, b) => a[0] - b[0]);
      keyed.forEach(([, k], i) => (layer[i] = k));
      note(layer);
    }
  }
  return full;
}
