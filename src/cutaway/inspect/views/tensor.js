// A value on the page: its numbers where they are few, a picture with statistics where they are many.

const NAMED = { nan: "NaN", inf: "∞", "-inf": "−∞" };

/** A number with as many digits as the eye wants; `full` for all that there are. */
export function short(x) {
  if (typeof x === "string") return NAMED[x] ?? x.replaceAll("-", "−");
  if (typeof x === "boolean") return x ? "true" : "false";
  if (Number.isInteger(x) && Math.abs(x) < 1e6) return String(x).replaceAll("-", "−");
  const size = Math.abs(x);
  const text = size !== 0 && (size < 1e-3 || size >= 1e5) ? x.toExponential(2) : String(Number(x.toPrecision(4)));
  return text.replaceAll("-", "−");
}

export const full = (x) => (typeof x === "number" ? String(x) : short(x));

/** One line that says what a value is. */
export function line(v) {
  if (v.data && v.data.length === 1) return short(v.data[0]);
  return `${v.dtype}[${v.shape.join(", ")}]`;
}

/** What stands on an edge: the number, or the sizes. */
export function brief(v) {
  return v.data && v.data.length === 1 ? short(v.data[0]) : v.shape.length > 1 ? v.shape.join("×") : `[${v.shape}]`;
}

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [k, x] of Object.entries(attributes)) if (x !== undefined && x !== null) made.setAttribute(k, x);
  made.append(...children.filter((c) => c !== null && c !== undefined));
  return made;
}

/** The whole value, to be put into the page; `signed`: marks say which numbers are above 0 and which below. */
export function tensor(v, caption, signed = false) {
  const box = element("figure", { class: `tensor ${v.gradient ? "gradient" : "forward"}` });
  const title = element("figcaption", {}, element("b", {}, caption ?? v.name ?? ""), ` ${v.dtype}${v.shape.length ? ` [${v.shape.join(", ")}]` : ""}`);
  box.append(title);
  if (v.data) box.append(numbers(v, signed));
  else box.append(picture(v.heat), statistics(v));
  return box;
}

function numbers(v, signed) {
  const columns = v.shape.length ? v.shape[v.shape.length - 1] : 1;
  const table = element("table", { class: "numbers" });
  if (!v.data.length) return element("p", { class: "soft" }, "no elements");
  for (let i = 0; i < v.data.length; i += columns) {
    const row = element("tr");
    for (const x of v.data.slice(i, i + columns)) {
      const cell = element("td", { title: full(x) }, signed && typeof x === "number" && x ? `${x > 0 ? "▲" : "▼"} ` : "", short(x));
      if (NAMED[x]) cell.className = "odd";
      row.append(cell);
    }
    table.append(row);
  }
  return element("div", { class: "scroll" }, table);
}

/** Blue below zero, orange above, paper at zero: told apart by every common kind of colour vision. */
export function shade(x, low, high) {
  const most = Math.max(Math.abs(low), Math.abs(high)) || 1;
  const t = Math.sqrt(Math.min(1, Math.abs(x) / most)), [r, g, b] = x < 0 ? [0, 90, 160] : [200, 80, 0];
  const mix = (c) => Math.round(245 + (c - 245) * t);
  return [mix(r), mix(g), mix(b)];
}

function picture(h) {
  const canvas = element("canvas", { width: h.columns, height: h.rows, role: "img", "aria-label": `picture of the values, from ${short(h.low)} to ${short(h.high)}` });
  const wide = Math.min(320, Math.max(120, h.columns * 8));
  canvas.style.width = `${wide}px`;
  canvas.style.height = `${Math.min(320, Math.max(8, (wide / h.columns) * h.rows))}px`;
  const bytes = Uint8Array.from(atob(h.cells), (c) => c.charCodeAt(0));
  const context = canvas.getContext("2d"), image = context.createImageData(h.columns, h.rows);
  bytes.forEach((s, i) => {
    const colour = s === 253 ? [220, 0, 120] : s === 254 ? [255, 190, 0] : s === 255 ? [0, 160, 130] : shade(h.low + (s / 252) * (h.high - h.low), h.low, h.high);
    image.data.set([...colour, 255], 4 * i);
  });
  context.putImageData(image, 0, 0);
  return canvas;
}

function statistics(v) {
  const s = v.stats, step = v.heat.step;
  const list = [["from", short(s.min)], ["to", short(s.max)], ["mean", short(s.mean)], ["spread", short(s.std)], ["length", short(s.norm)]];
  const size = v.shape.reduce((a, b) => a * b, 1);
  if (s.zeros) list.push(["zeros", `${Math.round((100 * s.zeros) / size)} %`]);
  if (s.nan) list.push(["NaN", s.nan]);
  if (s.inf) list.push(["infinite", s.inf]);
  const made = element("dl", { class: "stats" });
  for (const [k, x] of list) made.append(element("div", {}, element("dt", {}, k), element("dd", { title: "" }, String(x))));
  if (step[0] * step[1] > 1) made.append(element("div", {}, element("dt", {}, "a cell"), element("dd", {}, `${step[0]} × ${step[1]}`)));
  return made;
}
