// Positions. In: a scene, a size, a text measure, a memory. Out: rectangles, texts that fit, arrows. Pure except for the memory.
// Deliberately absent: elements, fonts, a clock (the scene has its time).
import { cards, tryCards } from './cards.js';
import { fold, rows } from './row_layout.js';
import { atRest } from './scene.js';
import { age, middle, many, num, rate } from './words.js';

/** @typedef {(text: string, size: number, weight: number) => number} Measure */
/** @typedef {{x: number, y: number, w: number, h: number}} Box */
/** @typedef {Box & {key: string, part: import('./scene.js').Part, cx: number, lines: string[], sizes: number[], copies: {id: number, text: string, kind: '' | 'lead' | 'out'}[], last: boolean}} PartBox */
/** @typedef {Box & {key: string, kind: 'kafka' | 'group', hue: number}} Frame */
/** @typedef {Box & {key: string, group: import('./scene.js').Group, index: number, name: string, state: string}} Foot */
/** @typedef {Box & {key: string, member: import('./scene.js').Member, group: import('./scene.js').Group, name: [string, string], lean: boolean}} Card */
/** @typedef {Box & {key: string, member: import('./scene.js').Member, group: import('./scene.js').Group, name: [string, string], sub: string, chips: {text: string, arrow: import('./scene.js').Arrow}[],
 *   more: number, lag: string, rate: string, big: boolean, cols: [number, number, number]}} Row */
/** @typedef {Box & {key: string, arrow: import('./scene.js').Arrow, label: string, text: string}} Pill */
/** @typedef {{key: string, x: number, y: number, w: number, items: {kind: '' | 'b' | 'brk' | 'brk down' | 'brk sim' | 'legend' | 'grow', text: string, drop?: number, title?: string}[]}} Title */
/** @typedef {{mode: 'cards' | 'rows', big: boolean, dense: boolean, width: number, height: number, frames: Frame[], titles: Title[], parts: PartBox[], cards: Card[], rows: Row[], foots: Foot[],
 *   pills: Pill[], wires: import('./wire.js').Wire[], rests: import('./wire.js').Wire[], legend: Box | null, note: (Box & {text: string}) | null, at: Map<string, PartBox>, bottom: number}} Layout */
/** @typedef {{mode: string, held: Map<string, {v: number, until: number}>, open: string}} Memory */

/** @returns {Memory} `open` is the group whose folded consumers are shown */
export const newMemory = () => ({ mode: '', held: new Map(), open: '' });

/** A width that grows at once and shrinks after a minute: numbers must not shake the page. @param {Memory} m @param {string} id @param {number} v @param {number} now */
export function hold(m, id, v, now) {
  const had = m.held.get(id);
  if (had && v < had.v && now < had.until) return had.v;
  m.held.set(id, { v, until: now + 60_000 });
  return v;
}

/** Why a scene is shown as a table, unless the user insists on drawing it; '' = it is drawn. @param {import('./scene.js').Scene} s */
export function tooMany(s) {
  const most = Math.max(0, ...s.groups.map(g => g.members.length)),
    over = [];
  if (s.parts.length > 24) over.push(many(s.parts.length, 'partition'));
  if (s.groups.length > 6) over.push(many(s.groups.length, 'group'));
  if (most > 12) over.push(`${most} consumers in a group`);
  return (over.length ? `Too many to draw: ${over.join(', ')}.` : '') + (s.truncated ? ' Not all partitions are listed.' : '');
}

/** Messages per dot. @param {number} reads messages a second */
export const dotScale = reads => [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000].find(n => (reads * 0.9) / n <= 200) ?? 10_000;

/** A group at rest has one line instead of an arrow from each partition: nothing there needs an eye. Its lags are in its foot and in the table.
 * @param {import('./scene.js').Scene} s @returns {import('./scene.js').Scene} */
const quiet = s => ({ ...s, groups: s.groups.map(g => (atRest(g) ? { ...g, members: g.members.map(m => ({ ...m, arrows: [] })) } : g)) });

/** The line of a group at rest, from the Kafka frame to its box. @param {Layout} L @param {import('./scene.js').Group} g @param {string} box
 * @param {{loom: boolean, x1: number, y1: number, yr: number, tx: number, yt: number}} course */
export function rest(L, g, box, course) {
  const { x, w } = L.frames[0],
    x0 = Math.min(x + w - 14, Math.max(x + 14, course.loom ? course.tx : course.x1));
  L.rests.push(/** @type {any} */ ({ ...course, arrow: {}, id: g.name, box, x0, y0: L.bottom }));
}

/** @param {import('./scene.js').Scene} all @param {number} W @param {number} H @param {Measure} measure @param {Memory} memory @returns {Layout} */
export function layout(all, W, H, measure, memory = newMemory()) {
  const scene = quiet(all),
    phone = W < 760,
    pad = phone ? 12 : 24;
  const wide = phone ? null : tryCards(scene, W - 2 * pad, measure, memory),
    s = phone ? fold(scene, memory.open) : scene;
  /** @type {Layout} */ const L = {
    mode: wide ? 'cards' : 'rows',
    big: phone,
    dense: !wide && s.parts.length * s.groups.length > 60,
    width: W,
    height: 0,
    frames: [],
    titles: [],
    parts: [],
    cards: [],
    rows: [],
    foots: [],
    pills: [],
    wires: [],
    rests: [],
    legend: null,
    note: null,
    at: new Map(),
    bottom: 0
  };
  memory.mode = L.mode;
  partitions(L, s, W, pad, phone, measure, wide?.total ?? 0);
  if (wide) cards(L, s, W, H, pad, measure, wide);
  else rows(L, s, W, H, pad, phone, measure, memory);
  for (const w of L.wires) w.width = L.dense ? (w.calm ? 1 : 2.2) : 1.5 + 0.55 * Math.log10(1 + (w.arrow.lag ?? 0));
  return L;
}

/** `P0`, or `orders/0` when there are several topics. @param {import('./scene.js').Scene} s @param {Measure} measure */
export function labeller(s, measure) {
  const names = new Map(s.topics.map(t => [t.name, middle(t.name, 76, x => measure(x, 12, 600)).join('')]));
  return (/** @type {{topic: string, partition: number}} */ a) =>
    s.multi ? `${names.get(a.topic) ?? a.topic}/${a.partition}` : 'P' + a.partition;
}

/** The Kafka frame: one row of partitions, or several where they would be too narrow.
 * @param {Layout} L @param {import('./scene.js').Scene} s @param {number} W @param {number} pad @param {boolean} phone @param {Measure} measure @param {number} total width of all groups */
function partitions(L, s, W, pad, phone, measure, total) {
  const n = Math.max(1, s.parts.length),
    inner = W - 2 * pad - 28,
    between = s.multi ? 24 : 0,
    top = phone || L.dense ? 10 : 16;
  let gap = n > 12 ? 6 : phone ? 8 : 14,
    w = Math.min(s.copies ? 150 : 156, (inner - between * (s.topics.length - 1) - (n - 1) * gap) / n),
    perRow = n;
  const least = s.copies ? 18 + 22 * Math.max(...s.parts.map(p => p.replicas.length)) : 42,
    wrap = w < least;
  if (wrap) {
    gap = 10;
    perRow = Math.max(1, Math.min(n, Math.floor((inner + gap) / (Math.max(52, least) + gap))));
    w = Math.min(120, (inner - (perRow - 1) * gap) / perRow);
  } else if (total)
    gap = Math.min(
      40,
      Math.max(gap, (total * 0.72 - n * w) / n, 0),
      (inner - between * (s.topics.length - 1) - n * w) / Math.max(1, n - 1)
    );
  const small = w < 96,
    mid = !small && w < 124,
    h = (small ? 52 : mid ? 58 : 60) + (s.copies ? 22 : 0);
  const inRow = Math.min(perRow, n),
    rowW = inRow * w + (inRow - 1) * gap + (wrap ? 0 : (s.topics.length - 1) * between);
  const head = title(s, W - 2 * pad - 28, phone, measure),
    kw = phone ? W - 2 * pad : Math.max(rowW + 28, Math.min(W - 2 * pad, Math.max(460, head.need + 28))),
    kx = (W - kw) / 2;
  const y0 = top + 30 + (s.multi ? 20 : 0) + (phone && s.kafka.brokers?.length > 1 ? 26 : 0);
  let x = (W - rowW) / 2,
    y = y0,
    col = 0;
  s.parts.forEach((p, i) => {
    const turn = i > 0 && p.topic !== s.parts[i - 1].topic;
    if (wrap && i && (turn || col === perRow)) {
      col = 0;
      x = (W - rowW) / 2;
      y += h + gap + (turn ? 24 : 0);
    } else if (turn) x += between;
    col++;
    if (s.multi && (i === 0 || turn)) {
      const t = /** @type {any} */ (s.topics.find(o => o.name === p.topic)),
        room = wrap ? w : t.parts.length * (w + gap) - gap,
        count = many(t.parts.length, 'partition');
      const whole = measure(t.name, 13, 600) + measure(`topic ${count}`, 12, 400) + 16 <= room,
        name = middle(t.name, room - (whole ? 0 : 4), z => measure(z, 13, 600)).join('');
      L.titles.push({
        key: 'topic ' + t.name,
        x,
        y: y - 20,
        w: room,
        items: whole
          ? [
              { kind: '', text: 'topic' },
              { kind: 'b', text: name },
              { kind: '', text: count }
            ]
          : [{ kind: 'b', text: name, title: t.name }]
      });
    }
    const box = partBox(s, p, { x, y, w, h }, small, mid, measure);
    L.parts.push(box);
    L.at.set(p.key, box);
    x += w + gap;
  });
  for (const b of L.parts) b.last = b.y === y;
  L.bottom = y + h + 14;
  const side = kx - pad - 16,
    legend = legendText(s),
    legendW = Math.max(160, measure(legend, 12, 400)) + 20; // one more digit does not move it
  L.frames.push({ key: 'kafka', kind: 'kafka', hue: 0, x: kx, y: top, w: kw, h: L.bottom - top });
  const items = head.items(kw - 28, side >= legendW ? '' : legend);
  L.titles.push({ key: 'kafka', x: kx + 14, y: top + 7, w: kw - 28, items });
  if (head.second) L.titles.push({ key: 'brokers', x: kx + 14, y: top + 31, w: kw - 28, items: head.second });
  if (side >= legendW) L.legend = { x: pad, y: top + 6, w: legendW, h: 20 };
  if (side >= 180 && s.kafka.note) L.note = { x: pad, y: top + 30, w: Math.min(side, 250), h: 54, text: s.kafka.note };
}

/** @param {import('./scene.js').Scene} s */
export const legendText = s => {
  const n = dotScale(s.reads);
  return `= ${n > 1 ? `${n} messages` : '1 message'}, ${rate(s.reads)} read`;
};

/** @param {import('./scene.js').Scene} s @param {import('./scene.js').Part} p @param {Box} b @param {boolean} small @param {boolean} mid @param {Measure} measure @returns {PartBox} */
function partBox(s, p, b, small, mid, measure) {
  const end = num(p.end),
    speed = p.rate == null ? '' : rate(p.rate);
  const lines = small
    ? ['P' + p.partition, end, speed]
    : mid
      ? [`partition ${p.partition}`, `end ${end}`, speed]
      : s.multi
        ? [`partition ${p.partition}`, `end ${end}${speed && ' · ' + speed}`]
        : [middle(p.topic, b.w - 16, x => measure(x, 12, 400)).join(''), `partition ${p.partition}`, `end ${end}${speed && ' · ' + speed}`];
  const copies =
    p.replicas.length < 2
      ? []
      : p.replicas.map(id => ({
          id,
          text: (id === p.leader && b.w >= 110 ? '★ ' : '') + id,
          kind: /** @type {any} */ (!p.isr.includes(id) ? 'out' : id === p.leader ? 'lead' : '')
        }));
  return {
    ...b,
    key: p.key,
    part: p,
    cx: b.x + b.w / 2,
    lines,
    sizes: lines.map((_, i) => (small ? (i ? 11 : 12) : lines.length === 3 && !mid ? (i === 1 ? 13 : 12) : i ? 12 : 13)),
    copies,
    last: true
  };
}

/** The Kafka frame's head. Without room the address is dropped first, then the legend; then the topic's name is shortened.
 * @param {import('./scene.js').Scene} s @param {number} most @param {boolean} phone @param {Measure} measure */
function title(s, most, phone, measure) {
  /** @returns {Title['items'][0]} */
  const item = (/** @type {any} */ kind, /** @type {string} */ text, drop = 0, title = '') => ({ kind, text, drop, title });
  const wide = (/** @type {Title['items']} */ l) => l.reduce((a, i) => a + itemWidth(i, measure), 0);
  const all = s.kafka.brokers ?? [],
    brokers = all.length > 1 || all.some((/** @type {any} */ b) => !b.up) ? all : [];
  const chips = (/** @type {boolean} */ long) =>
    brokers.map((/** @type {any} */ b) => {
      const state = b.up
        ? long
          ? ` ✓ leads ${b.leads ?? '?'}`
          : ' ✓'
        : long && b.since
          ? ` ✕ stopped ${age(s.now - b.since)} ago`
          : ' ✕ stopped';
      return item(b.up ? 'brk' : 'brk down', (long ? 'broker ' : '') + b.id + state, 0, 'broker ' + b.id);
    });
  const kafka = item('b', 'Kafka'),
    sim = s.kafka.kind === 'embedded' ? [item('brk sim', 'simulated broker' + (brokers.length ? 's' : ''), 0, s.kafka.note)] : [],
    topic = s.topics.length === 1 ? [item('', 'topic', 3), item('b', s.topics[0].name, 0, s.topics[0].name)] : [],
    whole = chips(true),
    shown = wide([kafka, ...sim, ...topic, ...whole]) > most ? chips(false) : whole,
    second = phone && shown.length ? shown : null,
    first = second ? [] : shown;
  return {
    need: wide([kafka, ...sim, ...topic, ...first]),
    second,
    items: (/** @type {number} */ room, /** @type {string} */ legend) => {
      let list = [
        kafka,
        item('', s.kafka.bootstrap ?? '', 1),
        ...sim,
        ...topic,
        item('grow', ''),
        ...first,
        item('legend', legend, 2)
      ].filter(i => i.text || i.kind === 'grow');
      for (const drop of [1, 2, 3]) if (wide(list) > room) list = list.filter(i => i.drop !== drop);
      const over = wide(list) - room,
        name = topic[1];
      if (over > 0 && name) {
        const short = middle(name.text, itemWidth(name, measure) - 8 - over, x => measure(x, 13, 600)).join('');
        list = list.map(i => (i === name ? { ...i, text: short } : i));
      }
      return list;
    }
  };
}

/** Width with padding. @param {Title['items'][0]} i @param {Measure} measure */
function itemWidth(i, measure) {
  return (
    measure(i.text, i.kind === 'b' ? 13 : 12, i.kind === 'b' ? 600 : 400) +
    (i.kind === 'grow' ? 6 : i.kind[0] === 'b' && i.kind !== 'b' ? 24 : i.kind === 'legend' ? 20 : 8)
  );
}
