// A page in a notebook's frame is light or dark as the notebook is; alone, or where it may not ask, as the system is.

/** Whether words are light where `element` stands: then what is behind them is dark. */
function dark(element) {
  const pen = document.createElement("canvas").getContext("2d"); // reads every way to write a colour
  pen.fillStyle = element.ownerDocument.defaultView.getComputedStyle(element).color;
  pen.fillRect(0, 0, 1, 1);
  const [r, g, b] = pen.getImageData(0, 0, 1, 1).data;
  return 0.3 * r + 0.6 * g + 0.1 * b > 128;
}

/** Keep `root` as the notebook around it is. */
export function theme(root) {
  let frame = null;
  try { frame = window.frameElement; } catch { /* another origin's */ }
  if (!frame) return;
  const ask = () => { root.style.colorScheme = dark(frame.parentElement) ? "dark" : "light"; };
  ask();
  const { documentElement, body } = frame.ownerDocument;
  const watch = new MutationObserver(() => { ask(); setTimeout(ask, 500); }); // a style sheet may come after the change
  for (const part of [documentElement, body]) watch.observe(part, { attributes: true });
}
