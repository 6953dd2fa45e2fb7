// Episodes to look through, a step at a time: the picture, what the agent saw and expected, and the arithmetic of what it learned from.
import { element, full, short } from "./tensor.js";
import { theme } from "./theme.js";

const svg = (tag, attributes = {}, ...children) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [k, x] of Object.entries(attributes)) if (x !== undefined) made.setAttribute(k, x);
  made.append(...children);
  return made;
};

/** How each kind of shape is painted; `scenes.py` says what they are. */
const PAINT = {
  line: (ink, x1, y1, x2, y2, width) => svg("line", { x1, y1, x2, y2, stroke: ink, "stroke-width": width, "stroke-linecap": "round" }),
  circle: (ink, cx, cy, r) => svg("circle", { cx, cy, r, fill: ink }),
  rect: (ink, x, y, width, height) => svg("rect", { x, y, width, height, fill: ink }),
  poly: (ink, points) => svg("polygon", { points: points.join(" "), fill: ink }),
  text: (ink, x, y, words) => svg("text", { x, y, "text-anchor": "middle", style: `fill:${ink};font-size:15px` }, words),
};

/** Show `data` in `host`. */
export function show(host, data) {
  const state = { episode: 0, at: 0, timer: null };
  theme(host);
  fromHash();

  const chooser = element("select", { "aria-label": "episode" }, ...data.episodes.map((e, i) => element("option", { value: i }, `episode ${i + 1}: ${short(sum(e.arrays.reward))}`)));
  const slider = element("input", { type: "range", min: 0, step: 1, "aria-label": "step" });
  const where = element("output");
  const play = element("button", { type: "button", "aria-label": "play" }, "play");
  const buttons = [["|◀", "to the start", () => go(0)], ["◀", "one step back", () => go(state.at - 1)], ["▶", "one step on", () => go(state.at + 1)], ["▶|", "to the end", () => go(last())]];
  const bar = element("div", { class: "steps" }, chooser, ...buttons.map(([text, title, act]) => { const b = element("button", { type: "button", title, "aria-label": title }, text); b.addEventListener("click", () => { stop(); act(); }); return b; }), play, slider, where);
  const picture = element("div", { class: "picture" }), course = element("div", { class: "course" });
  const detail = element("div", { class: "detail", "aria-live": "polite" });
  const keys = element("p", { class: "legend" }, element("span", { class: "forward" }, `blue: ${data.line[1]}`), element("span", { class: "back" }, "orange: what it should have been, where that is computed"),
    element("span", {}, element("kbd", {}, "→"), " ", element("kbd", {}, "←"), " a step on and back, with ", element("kbd", {}, "Shift"), " ten"), element("span", {}, element("kbd", {}, "Space"), " plays"));
  host.append(bar, element("div", { class: "halves" }, element("div", { class: "left" }, picture, course, keys), element("div", { class: "right" }, detail)));

  chooser.addEventListener("change", () => { stop(); state.episode = Number(chooser.value); state.at = 0; begin(); });
  slider.addEventListener("input", () => { stop(); go(Number(slider.value)); });
  play.addEventListener("click", toggle);
  document.addEventListener("keydown", (e) => {
    if (e.target.closest("select") || e.altKey || e.ctrlKey || e.metaKey) return;
    const far = e.shiftKey ? 10 : 1;
    const act = { ArrowRight: () => go(state.at + far), ArrowLeft: () => go(state.at - far), Home: () => go(0), End: () => go(last()) }[e.key];
    if (act) { stop(); act(); e.preventDefault(); }
    if (e.key === " " && !e.target.closest("button")) { toggle(); e.preventDefault(); }
  });
  window.addEventListener("hashchange", () => { fromHash(); begin(); });
  begin();

  // --- which step -----------------------------------------------------------------------------------------------------

  function episode() { return data.episodes[state.episode]; }

  function last() { return episode().action.length; }

  function go(step) {
    state.at = Math.max(0, Math.min(last(), step));
    tell();
    if (location.protocol !== "about:") history.replaceState(null, "", `#episode=${state.episode + 1}&step=${state.at}`);
  }

  function fromHash() {
    const asked = new URLSearchParams(location.hash.slice(1)), within = (x, most) => Math.max(0, Math.min(most, Math.trunc(Number(x)) || 0));
    state.episode = within(Number(asked.get("episode") ?? 1) - 1, data.episodes.length - 1);
    state.at = within(asked.get("step"), last());
  }

  function toggle() {
    if (state.timer !== null) return stop();
    if (state.at === last()) go(0);
    play.textContent = "stop";
    state.timer = setInterval(() => { if (state.at >= last()) stop(); else go(state.at + 1); }, last() < 60 ? 250 : 40);
  }

  function stop() {
    clearInterval(state.timer);
    state.timer = null;
    play.textContent = "play";
  }

  function begin() {
    chooser.value = state.episode;
    slider.max = last();
    draw();
    tell();
  }

  // --- the course of the episode ----------------------------------------------------------------------------------------

  function draw() {
    const e = episode(), own = e.arrays[data.line[0]] ?? [], wanted = e.arrays.target ?? e.arrays.total ?? [];
    const both = [...own, ...wanted], low = Math.min(...both), high = Math.max(...both), span = high - low || 1;
    const W = 640, H = 150, x = (t) => 62 + (t / Math.max(last() - 1, 1)) * (W - 76), y = (v) => 12 + (1 - (v - low) / span) * (H - 38);
    const path = (values) => values.map((v, t) => `${x(t).toFixed(1)},${y(v).toFixed(1)}`).join(" ");
    const chart = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": `${data.line[1]} over the episode` },
      svg("polyline", { class: "wanted", points: path(wanted) }), svg("polyline", { class: "curve", points: path(own) }),
      svg("text", { x: 56, y: y(high) + 4, "text-anchor": "end" }, short(high)), svg("text", { x: 56, y: y(low) + 4, "text-anchor": "end" }, short(low)),
      svg("text", { x: x(0), y: H - 6 }, "0"), svg("text", { x: x(last() - 1), y: H - 6, "text-anchor": "end" }, `step ${last() - 1}`),
      svg("line", { class: "cursor", y1: 6, y2: H - 24 }));
    chart.addEventListener("click", (event) => { const box = chart.getBoundingClientRect(); stop(); go(Math.round(((event.clientX - box.left) / box.width * W - 62) / (W - 76) * Math.max(last() - 1, 1))); });
    course.replaceChildren(chart);
    chart.place = (t) => { const line = chart.querySelector(".cursor"); for (const end of ["x1", "x2"]) line.setAttribute(end, x(Math.min(t, last() - 1))); };
  }

  // --- one step ---------------------------------------------------------------------------------------------------------

  function tell() {
    const e = episode(), t = state.at, over = t === last();
    slider.value = t;
    where.textContent = over ? `end after ${t} steps` : `step ${t} of ${last()}`;
    course.firstChild.place(t);
    paint(e, t);
    const parts = [element("h2", {}, over ? (e.terminated ? "The task is over" : "The time is up") : `Step ${t}: ${acted(e.action[t])}`)];
    parts.push(element("p", { class: "soft" }, `Earned so far: ${short(sum(e.arrays.reward.slice(0, t)))}${over ? "." : `; this step earns ${short(e.arrays.reward[t])}.`}`));
    if (over && !e.terminated) parts.push(element("p", {}, "The time limit is no end of the task: the last target still counts what would have followed."));
    if (!over) {
      for (const [name, title] of Object.entries(data.bars)) if (e.arrays[name]) parts.push(bars(title, e.arrays[name][t], name === "next_q" ? null : e.action[t]));
      parts.push(element("h3", {}, "What it learns from"));
      for (const [result, says, numbers] of data.formulas) parts.push(sentence(e, t, result, says, numbers));
    }
    parts.push(element("h3", {}, "What it sees"), seen(e.obs[t]));
    detail.replaceChildren(...parts);
  }

  function paint(e, t) {
    if (e.pictures === null) return picture.replaceChildren(element("p", { class: "soft" }, `${e.blind || `There is no picture of ${data.env}`}. What the agent sees is told beside.`));
    if (typeof e.pictures[t] === "string") return picture.replaceChildren(element("img", { src: e.pictures[t], alt: `step ${t}` }));
    const shapes = [...data.background, ...e.pictures[t]].map(([kind, ...rest]) => { const ink = data.inks[rest.pop()]; return PAINT[kind](ink, ...rest); });
    picture.replaceChildren(svg("svg", { viewBox: `0 0 ${data.width} ${data.height}`, role: "img", "aria-label": `${data.env}, step ${t}` }, svg("rect", { width: data.width, height: data.height, fill: data.paper }), ...shapes));
  }

  function acted(action) {
    if (Array.isArray(action)) return action.map((a, i) => `${data.acted[i] ?? `action ${i}`} ${short(a)}`).join(", ");
    return data.acted[action] ?? `action ${action}`;
  }

  function bars(title, values, chosen) {
    const best = Math.max(...values), least = Math.min(...values), shares = least >= 0 && Math.abs(sum(values) - 1) < 1e-4;
    const most = shares ? 1 : Math.max(...values.map(Math.abs), 1e-9);
    const relative = values.length > 1 && !shares && least > 0 && best - least < 0.3 * best; // the differences are what counts
    const size = (v) => relative ? 0.15 + 0.85 * (v - least) / (best - least || 1) : Math.abs(v) / most;
    return element("figure", { class: "bars" }, element("figcaption", {}, title), ...values.map((v, i) =>
      element("div", { class: `row${i === chosen ? " chosen" : ""}${v < 0 ? " minus" : ""}` }, element("span", { class: "what" }, data.acted[i] ?? `action ${i}`),
        element("span", { class: "track" }, element("span", { style: `width:${(100 * size(v)).toFixed(1)}%` })), element("b", { title: full(v) }, short(v)))));
  }

  function sentence(e, t, result, says, numbers) {
    const value = (name) => e.arrays[name][t];
    const words = element("p", { class: "product" }, numbers.replace(/\{(\w+)\}/g, (_, name) => around(short(value(name)))), " = ");
    words.append(element("b", { title: full(value(result)), "data-name": result }, short(value(result))));
    words.title = numbers.replace(/\{(\w+)\}/g, (_, name) => around(full(value(name))));
    return element("div", { class: "part" }, element("p", { class: "rule" }, element("code", {}, `${result} = ${says}`)), words);
  }

  function seen(obs) {
    if (!Array.isArray(obs)) return element("p", {}, `state ${obs}`);
    const table = element("table", { class: "numbers" });
    obs.forEach((x, i) => table.append(element("tr", {}, element("td", {}, data.observed[i] ?? `number ${i}`), element("td", { title: full(x) }, short(x)))));
    return table;
  }
}

const sum = (values) => values.reduce((a, b) => a + b, 0);

const around = (text) => text.startsWith("−") ? `(${text})` : text;
