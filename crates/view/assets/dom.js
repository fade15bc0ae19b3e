// Elements, made and kept. In: tags, texts, attributes. Out: nodes that are touched only where something differs.
// Deliberately absent: any parsing of markup. Text reaches the page as textContent only, style through the CSSOM only.
import { units } from './words.js';

const SVG = 'http://www.w3.org/2000/svg';
/** The current content of a node, so that an unchanged one costs a comparison. @type {WeakMap<Node, Record<string, any>>} */
const shown = new WeakMap();
const memo = (/** @type {Node} */ n) => {
  let m = shown.get(n);
  if (!m) shown.set(n, (m = {}));
  return m;
};

/** @param {string} id @returns {any} */
export const byId = id => document.getElementById(id);

/** @param {string} tag @param {string} [cls] @param {string | null} [content] @param {Record<string, any>} [attrs] @returns {any} */
export function el(tag, cls, content, attrs = {}) {
  const e = document.createElement(tag);
  if (cls) e.className = cls;
  if (content != null) e.textContent = content;
  for (const k in attrs) if (attrs[k] != null) e.setAttribute(k, attrs[k]);
  return e;
}
/** @param {string} tag @param {Record<string, any>} [attrs] @returns {any} */
export function sv(tag, attrs = {}) {
  const e = document.createElementNS(SVG, tag);
  for (const k in attrs) e.setAttribute(k, attrs[k]);
  return e;
}
/** @param {any} e @param {...any} kids */
export const add = (e, ...kids) => {
  e.append(...kids);
  return e;
};

/** @param {any} n @param {string} value */
export function text(n, value) {
  const m = memo(n);
  if (m.text !== value) n.textContent = m.text = value;
}
/** Text whose `units` stay whole where they fit into a line; copied and spoken text is the same. @param {any} n @param {string} value */
export function whole(n, value) {
  const m = memo(n);
  if (m.text === value) return;
  m.text = value;
  n.replaceChildren(
    ...units(value).flatMap(p => (/[-–] *\S|\S /.test(p.trimEnd()) ? [el('span', 'whole', p.trimEnd()), p.slice(p.trimEnd().length)] : p))
  );
}
let late = false;
/** Whether a number was held back since the last call: then draw again half a second later. */
export function anyLate() {
  const was = late;
  late = false;
  return was;
}
/** Text of a number: a calm one changes at once, a busy one at most twice a second. @param {any} n @param {string} value */
export function calm(n, value) {
  const m = memo(n),
    now = performance.now();
  if (m.text === value) return;
  if (now - (m.at ?? -1e9) < 480) {
    late = true;
    return;
  }
  m.at = now;
  text(n, value);
}
/** @param {any} n @param {Record<string, any>} attrs null removes one */
export function set(n, attrs) {
  const m = memo(n);
  for (const k in attrs) {
    const v = attrs[k] == null ? null : String(attrs[k]);
    if (m['@' + k] === v) continue;
    m['@' + k] = v;
    if (v == null) n.removeAttribute(k);
    else n.setAttribute(k, v);
  }
}
/** @param {any} n @param {string} value */
export const cls = (n, value) => set(n, { class: value });

/** @param {any} n @param {number} x @param {number} y @param {number | null} [w] @param {number | null} [h] */
export function place(n, x, y, w, h) {
  const m = memo(n),
    at = `translate(${Math.round(x)}px,${Math.round(y)}px)`;
  if (m.at2 !== at) n.style.transform = m.at2 = at;
  if (w != null && m.w !== w) {
    m.w = w;
    n.style.width = `${Math.round(w)}px`;
  }
  if (h != null && m.h !== h) {
    m.h = h;
    n.style.height = `${Math.round(h)}px`;
  }
}

/** Children by key: kept, made, removed; in the order of the list. @template T @param {any} parent @param {T[]} items @param {(item: T) => string} key @param {(item: T) => any} make @param {(node: any, item: T) => void} update */
export function keyed(parent, items, key, make, update) {
  const m = memo(parent),
    had = m.keys ?? new Map(),
    now = new Map(),
    wanted = new Set(items.map(key));
  for (const [k, node] of had) if (!wanted.has(k)) node.remove(); // first, so that the others need not move: moving a node removes its focus
  let next = parent.firstChild;
  for (const item of items) {
    const k = key(item),
      node = had.get(k) ?? make(item);
    now.set(k, node);
    update(node, item);
    if (node === next) next = next.nextSibling;
    else parent.insertBefore(node, next);
  }
  m.keys = now;
}

/** A node whose inside is rebuilt only when its kind changes; `build` returns the nodes that updates change. @param {any} n @param {string} kind @param {() => any} build */
export function inside(n, kind, build) {
  const m = memo(n);
  if (m.kind !== kind) {
    m.kind = kind;
    n.replaceChildren();
    m.refs = build();
  }
  return m.refs;
}

/** A command line with a button that copies it. @param {string} [line] */
export function command(line = '') {
  const box = el('div', 'curl'),
    code = el('code', '', line, { tabindex: 0 }),
    copy = el('button', 'btn', 'Copy');
  copy.onclick = async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      copy.textContent = 'Copied';
    } catch {
      getSelection()?.selectAllChildren(code);
      copy.textContent = 'Selected';
    }
    setTimeout(() => {
      copy.textContent = 'Copy';
    }, 1500);
  };
  add(box, code, copy);
  return { box, code };
}
