// Wide: each consumer is a card, arrows land in slots above it. In: a scene and a width. Out: frames, cards, pills and arrows added to a layout. Pure.
import { hold, labeller, rest } from './layout.js';
import { atRest } from './scene.js';
import { ports } from './wire.js';
import { delay, lagWord, list, middle, num, rate } from './words.js';

export const CARD = 114,
  WIDEST = 208,
  BETWEEN = 16,
  INSIDE = 12,
  RAIL = 46,
  HIGH = 101,
  FOOT = 82;
const PILL = 20,
  SLOT = 58;

/** Whether a box is a consumer that runs or ran. @param {import('./scene.js').Member} m */
const real = m => !/unowned|ghost/.test(m.kind);
/** Text of a pill, after its label. @param {import('./scene.js').Arrow} a @param {boolean} room whether words fit that have a number too */
const pillText = (a, room) => ` ${lagWord(a, num, room)}${a.mark ? ' ' + a.mark : ''}`;

/** @typedef {{f: number, lean: boolean, width: (m: import('./scene.js').Member, f: number) => number, group: (g: import('./scene.js').Group, f: number) => number, total: number, label: (a: any) => string,
 *   pill: (a: import('./scene.js').Arrow, words: boolean) => number}} Widths */

/** The widths if cards fit, null if they do not. @param {import('./scene.js').Scene} s @param {number} room @param {import('./layout.js').Measure} measure @param {import('./layout.js').Memory} memory @returns {Widths | null} */
export function tryCards(s, room, measure, memory) {
  const label = labeller(s, measure),
    pill = (/** @type {any} */ a, room = false) => Math.ceil(measure(label(a) + pillText(a, room), 12, 650)) + 16;
  // Widths in steps, held for a while (`hold`). Where space is short: in small steps, and without a delay of zero.
  const steps = (/** @type {number} */ w, /** @type {number} */ from, /** @type {number} */ by) =>
    w <= from ? from : from + Math.ceil((w - from) / by) * by;
  const numbers = (/** @type {any} */ m, /** @type {boolean} */ lean) =>
    m.kind !== 'run' && m.kind !== 'slow'
      ? 0
      : [
          [m.rate == null ? '–' : rate(m.rate), 'rate'],
          [num(m.lag), 'lag'],
          ...(lean && !m.delayMs ? [] : [[delay(m.delayMs), 'delay']])
        ].reduce((a, [v, k]) => a + 6 + Math.max(measure(v, 13, 650), measure(k, 11, 400)), 20);
  /** @type {Map<string, number[]>} */ const held = new Map();
  for (const g of s.groups)
    for (const m of g.members) {
      const id = g.name + '\n' + m.id,
        slot = Math.max(0, ...m.arrows.map(a => pill(a) + 4));
      held.set(
        id,
        [steps(slot, SLOT, 30), steps(numbers(m, false), 0, 16), steps(slot, 0, 8), steps(numbers(m, true), 0, 8)].map((w, i) =>
          hold(memory, `${i} ${id}`, w, s.now)
        )
      );
    }
  // Room for the partitions a card would inherit if another member left, so that a rebalance moves no box; dropped first where space is short.
  const reserved = new Map(
    s.groups.map(g => {
      const seats = g.members.filter(real).length,
        all = g.members.reduce((a, m) => a + m.arrows.length, 0);
      return [g.name, Math.min(all, Math.ceil(all / Math.max(1, seats - 1)))];
    })
  );
  const owner = new Map(s.groups.flatMap(g => g.members.map(m => [m, g.name])));
  let reserve = true,
    lean = false;
  const width = (/** @type {any} */ m, /** @type {number} */ f) => {
    const g = owner.get(m) ?? '',
      [slot, nums] = (held.get(g + '\n' + m.id) ?? []).slice(lean ? 2 : 0);
    return Math.max(f, nums, Math.max(m.arrows.length, reserve && real(m) ? (reserved.get(g) ?? 0) : 0) * slot + 4);
  };
  const least = (/** @type {any} */ g) =>
    Math.max(232, Math.min(320, measure(g.name, 13, 650) + measure(`${g.word.glyph} ${g.word.brief}`, 12, 650) + 58));
  const group = (/** @type {any} */ g, /** @type {number} */ f) =>
    Math.max(
      least(g),
      g.members.reduce((/** @type {number} */ a, /** @type {any} */ m) => a + width(m, f), 0) +
        Math.max(0, g.members.length - 1) * 10 +
        2 * INSIDE
    );
  const total = (/** @type {number} */ f) => s.groups.reduce((a, g) => a + group(g, f), 0) + Math.max(0, s.groups.length - 1) * BETWEEN;
  const limit = memory.mode === 'rows' ? room - 40 : room; // no flutter at the edge
  if (total(CARD) > limit) reserve = false;
  if (total(CARD) > limit) lean = true;
  if (total(CARD) > limit) return null;
  let f = CARD;
  while (f < WIDEST && total(f + 2) <= room) f += 2;
  return { f, lean, width, group, total: total(f), label, pill };
}

/** @param {import('./layout.js').Layout} L @param {import('./scene.js').Scene} s @param {number} W @param {number} H @param {number} pad @param {import('./layout.js').Measure} measure @param {Widths} wide */
export function cards(L, s, W, H, pad, measure, wide) {
  const { f, label } = wide,
    high = RAIL + HIGH + 10 + FOOT + 8,
    gap = Math.max(84, Math.min(360, H - L.bottom - high - 16)),
    y = L.bottom + gap;
  L.height = y + high + 16;
  const extra = s.groups.length > 1 ? Math.min(64, (W - 2 * pad - wide.total) / (s.groups.length - 1)) : 0;
  let gx = (W - wide.total - extra * (s.groups.length - 1)) / 2;
  s.groups.forEach((g, index) => {
    const w = wide.group(g, f),
      used = g.members.reduce((a, m) => a + wide.width(m, f), 0) + Math.max(0, g.members.length - 1) * 10,
      top = y + RAIL;
    L.frames.push({ key: 'group ' + g.name, kind: 'group', hue: g.hue, x: gx, y, w, h: high });
    L.foots.push(footBox(g, index, { x: gx + INSIDE + 2, y: top + HIGH + 10, w: w - 2 * INSIDE - 4, h: FOOT }, measure));
    let x = gx + (w - used) / 2;
    for (const m of g.members) {
      const cw = wide.width(m, f),
        box = `${g.name}\n${m.id}`;
      L.cards.push({
        key: box,
        member: m,
        group: g,
        x,
        y: top,
        w: cw,
        h: HIGH,
        lean: wide.lean && !m.delayMs,
        name: middle(m.name, cw - 24, t => measure(t, 12, 650))
      });
      if (m === g.members[0] && atRest(g)) rest(L, g, box, { loom: false, x1: x + cw / 2, y1: top + 9, yr: top - 34, tx: 0, yt: 0 });
      const own = m.arrows.filter(a => L.at.has(a.key)).sort((a, b) => cx(L, a) - cx(L, b));
      own.forEach((a, i) => {
        const x1 = x + (cw / own.length) * (i + 0.5),
          words = wide.pill(a, true) + 4 <= cw / own.length,
          pw = wide.pill(a, words);
        L.wires.push({
          id: a.id,
          arrow: a,
          hue: a.hue,
          box,
          width: 1,
          calm: true,
          loom: false,
          x0: 0,
          y0: 0,
          x1,
          y1: top - 1,
          yr: top - 34,
          tx: 0,
          yt: 0
        });
        L.pills.push({ key: a.id, arrow: a, x: x1 - pw / 2, y: top - 34, w: pw, h: PILL, label: label(a), text: pillText(a, words) });
      });
      x += cw + 10;
    }
    gx += w + BETWEEN + extra;
  });
  for (const p of L.parts)
    ports(
      L.wires.filter(w => w.arrow.key === p.key).sort((a, b) => a.x1 - b.x1),
      p,
      16,
      0.6
    );
}

/** @param {import('./layout.js').Layout} L @param {import('./scene.js').Arrow} a */
const cx = (L, a) => L.at.get(a.key)?.cx ?? 0;

/** The label below its consumers: no arrow ever crosses it. @param {import('./scene.js').Group} g @param {number} index @param {import('./layout.js').Box} b @param {import('./layout.js').Measure} measure @returns {import('./layout.js').Foot} */
export function footBox(g, index, b, measure) {
  const word = (/** @type {string} */ w) => `${g.word.glyph} ${w}`,
    room = (/** @type {string} */ w) => b.w - 17 - 10 - measure(word(w), 12, 650);
  const long = measure(g.name, 13, 650) <= room(g.word.word),
    state = word(long ? g.word.word : g.word.brief);
  return {
    ...b,
    key: g.name,
    group: g,
    index,
    state,
    name: middle(g.name, room(long ? g.word.word : g.word.brief), t => measure(t, 13, 650)).join('')
  };
}

/** The partitions of a running consumer, or their number where they do not fit. @param {import('./scene.js').Member} m @param {boolean} multi @param {number} px @param {import('./layout.js').Measure} measure */
export function reads(m, multi, px, measure) {
  const whole =
    'reads ' +
    list(
      m.arrows.filter(a => a.read),
      multi
    );
  return measure(whole, 12, 400) <= px ? whole : `reads ${m.arrows.filter(a => a.read).length} partitions`;
}
