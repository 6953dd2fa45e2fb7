// The little TeX that formulas are written in, as MathML: fractions, roots, exponents, sums, Greek letters, functions.

const SIGNS = {
  odot: "⊙", cdot: "·", times: "×", sum: "∑", prod: "∏", max: "max", min: "min", exp: "exp", log: "log", ln: "ln", sin: "sin", cos: "cos", tan: "tan",
  tanh: "tanh", sinh: "sinh", cosh: "cosh", arcsin: "arcsin", arccos: "arccos", arctan: "arctan", sigma: "σ", Phi: "Φ", phi: "φ", pi: "π", mu: "μ", alpha: "α",
  beta: "β", gamma: "γ", lambda: "λ", epsilon: "ε", varepsilon: "ε", delta: "δ", le: "≤", ge: "≥", ne: "≠", neq: "≠", lt: "<", gt: ">", in: "∈", infty: "∞", quad: " ", lfloor: "⌊",
  rfloor: "⌋", lceil: "⌈", rceil: "⌉", bmod: "mod", mod: "mod", lor: "∨", land: "∧", neg: "¬", lnot: "¬", lvert: "|", rvert: "|", mid: "|", to: "→", leftarrow: "←", dots: "…", ldots: "…", top: "⊤", ast: "∗", star: "⋆", circ: "∘", oplus: "⊕", wedge: "∧", vee: "∨",
  sim: "∼", tau: "τ", notin: "∉", exists: "∃", forall: "∀", arg: "arg", theta: "θ", rho: "ρ", eta: "η", nu: "ν", omega: "ω", Sigma: "Σ", Gamma: "Γ", Delta: "Δ", pm: "±",
};
const STRETCH = /^\\(left|right|big|Big|bigl|bigr|Bigl|Bigr)$/;
const NAMESPACE = "http://www.w3.org/1998/Math/MathML";

function make(tag, ...children) {
  const made = document.createElementNS(NAMESPACE, tag);
  made.append(...children);
  return made;
}

function space() {
  const made = make("mspace");
  made.setAttribute("width", "0.17em");
  return made;
}

/** TeX -> a <math> element; what is not understood is shown as it is written. */
export function formula(tex) {
  const tokens = tex.match(/\\[a-zA-Z]+|\\.|[a-zA-Z]|\d+\.?\d*|[{}^_]|\S/g) ?? [];
  let at = 0;
  const group = () => {
    if (tokens[at] === "{") { at++; const inner = row("}"); at++; return inner; }
    return atom() ?? make("mrow");
  };
  const atom = () => {
    const t = tokens[at++];
    if (t === undefined) return null;
    if (t === "{") { const inner = row("}"); at++; return inner; }
    if (t === "\\frac" || t === "\\tfrac") return make("mfrac", group(), group());
    if (t === "\\sqrt") return make("msqrt", group());
    if (/^\\(mathrm|operatorname|text|mathbf|mathcal|mathbb)$/.test(t)) {
      if (tokens[at] === "{") { at++; let word = ""; while (at < tokens.length && tokens[at] !== "}") word += tokens[at++].replace("\\", ""); at++; return make("mi", word); }
      return atom();
    }
    if (t === "\\overline" || t === "\\bar" || t === "\\hat") { const over = make("mover", group(), make("mo", t === "\\hat" ? "^" : "¯")); over.setAttribute("accent", "true"); return over; }
    if (t === "\\mathrel" || t === "\\mathbin") return group();
    if (t === "\\begin") { name(); return cases(); }
    if (STRETCH.test(t) || t === "\\displaystyle") return make("mrow");
    if (t[0] === "\\") {
      const name = t.slice(1);
      if (/^[,;:! ]$/.test(name)) return space();
      if (name in SIGNS) return make(/^[a-z]{2,}$/.test(SIGNS[name]) ? "mi" : /[∑∏⊙·×≤≥≠∈∉∼±⌊⌋⌈⌉∨∧¬|→←∗⋆∘⊕<>]/.test(SIGNS[name]) ? "mo" : "mi", SIGNS[name]);
      return make("mtext", name.length === 1 ? name : `\\${name}`);
    }
    if (/^[a-zA-Z]$/.test(t)) return make("mi", t);
    if (/^\d/.test(t)) return make("mn", t);
    const sign = make("mo", t === "-" ? "−" : t === "'" ? "′" : t);
    if (/[()[\]|]/.test(t) && !STRETCH.test(tokens[at - 2] ?? "")) sign.setAttribute("stretchy", "false");
    return sign;
  };
  const name = () => { let word = ""; if (tokens[at] === "{") { while (tokens[++at] !== "}" && at < tokens.length) word += tokens[at]; at++; } return word; };
  const cases = () => {
    const table = make("mtable");
    table.setAttribute("columnalign", "left");
    while (at < tokens.length && tokens[at] !== "\\end") {
      const line = make("mtr");
      while (at < tokens.length) { line.append(make("mtd", row("&", "\\\\", "\\end"))); if (tokens[at] !== "&") break; at++; }
      table.append(line);
      if (tokens[at] === "\\\\") at++;
    }
    at++; name();
    return make("mrow", make("mo", "{"), table);
  };
  const row = (...ends) => {
    const made = make("mrow");
    while (at < tokens.length && !ends.includes(tokens[at])) {
      const named = /^[a-z]{2,}$/.test(SIGNS[tokens[at].slice(1)] ?? "");
      let base = atom();
      if (base === null) break;
      let low = null, high = null;
      while (tokens[at] === "_" || tokens[at] === "^") { if (tokens[at++] === "_") low = group(); else high = group(); }
      if (low && high) base = make("msubsup", base, low, high);
      else if (low) base = make("msub", base, low);
      else if (high) base = make("msup", base, high);
      made.append(base);
      if (named && /^(\\[a-zA-Z]+|[a-zA-Z\d])$/.test(tokens[at] ?? "")) made.append(space()); // log a
    }
    return made;
  };
  return make("math", row());
}
