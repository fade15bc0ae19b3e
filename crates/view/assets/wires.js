// The arrows as SVG, kept by group and partition. In: a layout. Out: paths that follow it; an arrow whose partition changed hands sweeps to its new owner.
// Deliberately absent: dots (dots.js), text (pills are boxes).
import { add, cls, keyed, set, sv } from './dom.js';
import { reduced } from './theme.js';
import { COURSE, head, path, same } from './wire.js';
import { arrowSentence } from './words.js';

const SWEEP = 600,
  MOVE = 250;
const ease = (/** @type {number} */ t) => (t < 0.5 ? 4 * t * t * t : 1 - (-2 * t + 2) ** 3 / 2);
/** @typedef {import('./wire.js').Wire} Wire */
/** @typedef {{wire: Wire, from: Wire | null, start: number, took: number}} Shown */

/** @param {any} svg */
export function makeWires(svg) {
  const rests = sv('g'),
    lines = sv('g'),
    heads = sv('g');
  add(svg, rests, lines, heads);
  /** @type {Map<string, Shown>} */ const shown = new Map();
  /** @type {Map<string, {line: any, head: any}>} */ const nodes = new Map();
  let frame = 0,
    lastWidth = 0,
    on = { partition: /** @type {string | null} */ (null), box: /** @type {string | null} */ (null) };
  const lit = (/** @type {Wire} */ w) =>
    (on.partition != null ? w.arrow.key === on.partition : on.box != null && w.box === on.box) ? ' on' : '';
  /** A row's one head is lit by any of its arrows. @param {Wire} w */
  const litHead = w => (w.loom && w.arrow.read && [...shown.values()].some(s => s.wire.box === w.box && lit(s.wire)) ? ' on' : lit(w));

  /** The current course of an arrow, also during a sweep. @param {Shown} s @param {number} now @returns {Wire} */
  function current(s, now) {
    if (!s.from) return s.wire;
    const k = (now - s.start) / s.took;
    if (k >= 1) {
      s.from = null;
      return s.wire;
    }
    // Boxes that move slow down, as in the style sheet; a head that sweeps to another box starts slowly too.
    const e = s.took === SWEEP ? ease(Math.max(0, k)) : 1 - (1 - k) ** 3,
      at = /** @type {any} */ ({ ...s.wire }),
      from = /** @type {any} */ (s.from);
    for (const f of COURSE) if (at[f] != null && from[f] != null) at[f] = from[f] + (at[f] - from[f]) * e;
    return at;
  }
  function draw(/** @type {string} */ id, /** @type {Wire} */ w) {
    const n = nodes.get(id);
    if (!n) return;
    set(n.line, { d: path(w) });
    if (n.head) set(n.head, { d: head(w) });
  }
  function step(/** @type {number} */ now) {
    frame = 0;
    let more = false;
    for (const [id, s] of shown)
      if (s.from) {
        draw(id, current(s, now));
        more ||= s.from != null;
      }
    if (more) frame = requestAnimationFrame(step);
  }

  return {
    /** Paints a layout; returns the ids of arrows with a new owner. @param {import('./layout.js').Layout} L @returns {Set<string>} */
    paint(L) {
      const now = performance.now(),
        still = reduced.matches || lastWidth !== L.width || document.hidden,
        moved = new Set(/** @type {string[]} */ ([]));
      lastWidth = L.width;
      const ids = new Set(L.wires.map(w => w.id));
      for (const id of shown.keys())
        if (!ids.has(id)) {
          shown.delete(id);
          nodes.delete(id);
        }
      keyed(
        rests,
        L.rests,
        w => w.id,
        () => sv('path', { class: 'wire rest' }),
        (n, w) => set(n, { d: path(w) })
      );
      const wires = [...L.wires].sort((a, b) => +(a.width > 2) - +(b.width > 2)),
        first = new Set();
      keyed(
        lines,
        wires,
        w => w.id,
        () => sv('path', { role: 'img' }),
        (n, w) => {
          const a = w.arrow,
            was = shown.get(w.id),
            had = nodes.get(w.id);
          if (had) had.line = n;
          else nodes.set(w.id, { line: n, head: null });
          cls(n, `wire c${w.hue}${a.read ? '' : ' none'}${L.dense && w.calm ? ' thin' : ''}${lit(w)}`);
          set(n, {
            'stroke-width': w.width.toFixed(1),
            'aria-label': arrowSentence(a),
            'data-partition': a.key,
            'data-group': a.group,
            'data-owner': a.owner,
            'data-lag': a.lag ?? ''
          });
          const next = { wire: w, from: /** @type {Wire | null} */ (null), start: now, took: MOVE };
          if (was && was.wire.box !== w.box) {
            moved.add(w.id);
            if (!still && w.loom) n.animate([{ opacity: 0 }, { opacity: 1 }], { duration: MOVE });
          }
          if (was && !still && was.wire.loom === w.loom && !(w.loom && moved.has(w.id))) {
            if (same(was.wire, w)) Object.assign(next, { from: was.from, start: was.start, took: was.took });
            else Object.assign(next, { from: current(was, now), took: moved.has(w.id) ? SWEEP : MOVE });
          }
          shown.set(w.id, next);
        }
      );
      // A row has one head for all arrows that end there; each arrow without a reader has a cross.
      const tips = L.wires.filter(w => {
        const k = w.loom && w.arrow.read ? w.box : w.id;
        if (first.has(k)) return false;
        first.add(k);
        return true;
      });
      keyed(
        heads,
        tips,
        w => w.id,
        () => sv('path'),
        (n, w) => {
          cls(n, `head c${w.hue}${w.arrow.read ? '' : ' cross'}${litHead(w)}`);
          const pair = nodes.get(w.id);
          if (pair) pair.head = n;
        }
      );
      for (const [id, n] of nodes) {
        if (n.head && !n.head.isConnected) n.head = null;
        const s = shown.get(id);
        if (s) draw(id, current(s, now));
      }
      if (!frame && [...shown.values()].some(s => s.from)) frame = requestAnimationFrame(step);
      return moved;
    },
    /** @param {Wire} w */
    faded: w => (on.partition != null || on.box != null) && !lit(w),
    /** Fades all but the arrows of one partition or one box. @param {string | null} partition @param {string | null} box */
    highlight(partition, box) {
      on = { partition, box };
      svg.classList.toggle('hl', partition != null || box != null);
      for (const [id, n] of nodes) {
        const w = /** @type {Shown} */ (shown.get(id)).wire;
        cls(n.line, n.line.getAttribute('class').replace(' on', '') + lit(w));
        if (n.head) cls(n.head, n.head.getAttribute('class').replace(' on', '') + litHead(w));
      }
    }
  };
}
