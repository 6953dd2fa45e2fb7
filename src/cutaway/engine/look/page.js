// What the page does beyond showing: walk the marks of a chart, widen the timeline, sort, unfold code, follow links.

const data = JSON.parse(document.getElementById("cutaway-data").textContent);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// --- marks: hover or focus says what one is, everywhere the same kernel lights up; Enter or a click goes to its code

for (const figure of all("figure.explore")) {
  const tell = figure.querySelector(".tell");
  const hint = tell.textContent;
  const marks = all(".mark", figure);
  let current = null;
  const show = (mark) => {
    if (mark === current) return;
    current = mark;
    all(".on").forEach((m) => m.classList.remove("on"));
    tell.textContent = mark ? mark.dataset.story : hint;
    if (!mark) return;
    const same = all(`[data-kernel="${mark.dataset.kernel}"]`);
    same.filter((m) => !m.classList.contains("value") || figure.contains(m)).forEach((m) => m.classList.add("on"));
  };
  const walkTo = (mark) => {
    marks.forEach((m) => m.setAttribute("tabindex", m === mark ? "0" : "-1"));
    mark.focus({ preventScroll: true });
    mark.scrollIntoView({ block: "nearest", inline: "nearest" });
  };
  marks.forEach((mark, n) => {
    const title = mark.querySelector("title");
    mark.dataset.story = title.textContent;
    mark.setAttribute("aria-label", title.textContent);
    mark.setAttribute("role", "link");
    mark.setAttribute("tabindex", n === 0 ? "0" : "-1");
    title.remove(); // said below the chart instead
  });
  figure.addEventListener("pointerover", (e) => show(e.target.closest(".mark") || current));
  figure.addEventListener("focusin", (e) => e.target.closest(".mark") && show(e.target.closest(".mark")));
  figure.addEventListener("pointerleave", () => show(figure.contains(document.activeElement) ? current : null));
  figure.addEventListener("focusout", (e) => figure.contains(e.relatedTarget) || show(null));
  figure.addEventListener("click", (e) => e.target.closest(".mark") && visit(e.target.closest(".mark")));
  figure.addEventListener("keydown", (e) => {
    const at = marks.indexOf(e.target.closest(".mark"));
    if (at < 0) return;
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: marks.length - 1 }[e.key];
    if (to !== undefined) walkTo(marks[Math.min(Math.max(to, 0), marks.length - 1)]);
    else if (e.key === "Enter") visit(marks[at]);
    else return;
    e.preventDefault();
  });
}

function visit(mark) {
  location.hash = `k${mark.dataset.kernel}`;
  reveal();
}

// --- links into folded parts unfold them

function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  for (let e = target; e; e = e.parentElement) if (e.tagName === "DETAILS") e.open = true;
  target.scrollIntoView({ block: "start" });
  target.querySelector("summary")?.focus({ preventScroll: true });
}
addEventListener("hashchange", reveal);
document.addEventListener("click", (e) => {
  const link = e.target.closest('a[href^="#"]');
  if (link && link.hash === location.hash) reveal(); // the same place again
});
reveal();

// --- the timeline: wider, narrower; the wheel with Ctrl, or + - 0 on the keyboard

for (const zoom of all(".zoom")) {
  const strip = zoom.querySelector(".strip");
  const wide = zoom.querySelector(".wide");
  const below = wide.querySelector(".below");
  const whole = Number(wide.dataset.nanoseconds);
  let factor = 1;
  const round = (x) => {
    const power = 10 ** Math.floor(Math.log10(x));
    return [1, 2, 5, 10].map((m) => m * power).find((m) => m >= x * 0.999);
  };
  const ticks = () => {
    const from = strip.scrollLeft / strip.scrollWidth;
    const share = strip.clientWidth / strip.scrollWidth;
    const step = round((whole * share) / Math.max(2, strip.clientWidth / 110));
    const unit = step >= 1e5 ? [1e6, "ms"] : [1e3, "µs"];
    below.replaceChildren();
    for (let n = Math.ceil((from * whole) / step); n * step <= (from + share) * whole * 0.98; n++) {
      const label = document.createElement("span");
      label.style.left = `${(100 * n * step) / whole}%`;
      label.textContent = `${Number(((n * step) / unit[0]).toPrecision(6))} ${unit[1]}`;
      if (n === 0) label.style.transform = "none";
      below.append(label);
    }
  };
  const scale = (by, at = 0.5) => {
    const place = (strip.scrollLeft + at * strip.clientWidth) / strip.scrollWidth;
    factor = by ? Math.min(Math.max(factor * by, 1), 4096) : 1;
    wide.style.width = `${100 * factor}%`;
    strip.scrollLeft = place * strip.scrollWidth - at * strip.clientWidth;
    ticks();
    label();
  };
  const texts = all(".mark text", zoom).map((t) => [t, t.textContent, parseFloat(t.parentElement.getAttribute("width")) / 100]);
  const label = () => {
    for (const [text, full, share] of texts) {
      const width = share * wide.clientWidth;
      text.textContent = width < 26 ? "" : width < 64 ? full.split(" ")[0] : full;
    }
  };
  zoom.querySelector(".tools").hidden = false;
  all("button", zoom).forEach((b) => b.addEventListener("click", () => scale(Number(b.dataset.zoom))));
  strip.addEventListener("scroll", () => requestAnimationFrame(ticks), { passive: true });
  strip.addEventListener("wheel", (e) => {
    if (!e.ctrlKey) return;
    e.preventDefault();
    scale(e.deltaY < 0 ? 1.5 : 1 / 1.5, (e.clientX - strip.getBoundingClientRect().left) / strip.clientWidth);
  }, { passive: false });
  zoom.addEventListener("keydown", (e) => {
    const by = { "+": 2, "=": 2, "-": 0.5, 0: 0 }[e.key];
    if (by === undefined || e.ctrlKey || e.metaKey) return;
    const box = e.target.closest(".mark")?.getBoundingClientRect();
    const left = strip.getBoundingClientRect().left;
    scale(by, box ? Math.min(Math.max((box.left + box.width / 2 - left) / strip.clientWidth, 0), 1) : 0.5);
    e.preventDefault();
  });
  addEventListener("resize", () => scale(1));
  scale(1);
}

// --- the table of kernels: a heading sorts, largest first

const rows = all("table.kernels tbody tr");
for (const button of all("button[data-sort]")) {
  button.addEventListener("click", () => {
    const n = Number(button.dataset.sort);
    const head = button.closest("th");
    const body = button.closest("table").tBodies[0];
    const up = head.ariaSort === "descending" || (n === 0 && head.ariaSort !== "ascending");
    all("th", head.parentElement).forEach((th) => th.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const value = (row) => {
      const cell = row.cells[n];
      return cell.dataset.v === undefined ? cell.textContent : Number(cell.dataset.v);
    };
    const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0) * (up ? 1 : -1);
    const kernels = rows.filter((r) => r.dataset.kernel).sort((a, b) => order(value(a), value(b)));
    body.replaceChildren(...(n === 0 && up ? rows : kernels)); // the program's lines stand above their kernels in one order only
  });
}

// --- code: kept compressed until its block is opened

for (const block of all("details.code")) {
  block.addEventListener("toggle", async () => {
    const pre = block.querySelector("pre");
    if (!block.open || pre.textContent) return;
    const bytes = Uint8Array.from(atob(data.code[block.dataset.code]), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    pre.textContent = await new Response(stream).text();
  });
}
