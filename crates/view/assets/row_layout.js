// Narrow or dense: each consumer is a row. All arrows of a group run to its upper left corner, down a gutter with one track for each consumer (also those without a partition: a rebalance moves no box), and peel off into
// the rows, first row = innermost track: none crosses another of its group, none runs over a box. In: a scene and a width. Out: rows and arrows added to a layout. Pure.
import { FOOT, footBox } from './cards.js';
import { labeller, rest } from './layout.js';
import { NONE, atRest } from './scene.js';
import { ports } from './wire.js';
import { delay, inLeft, kilo, lagWord, many, memberWord, middle, num, units, rate } from './words.js';

const COLUMN = 186,
  APART = 16;

/** On a phone: of more than six consumers only those with something to report. @param {import('./scene.js').Scene} s @param {string} open @returns {import('./scene.js').Scene} */
export function fold(s, open) {
  return {
    ...s,
    groups: s.groups.map(g => {
      if (g.members.length <= 6 || g.name === open) return g;
      const show = g.members.filter(m => m.kind !== 'run').slice(0, 5),
        rest = g.members.filter(m => !show.includes(m)),
        lags = rest.map(m => m.lag);
      const arrows = rest.flatMap(m => m.arrows),
        lag = lags.some(l => l == null) ? null : lags.reduce((/** @type {number} */ a, l) => a + /** @type {number} */ (l), 0);
      /** @type {any} */ const more = {
        ...NONE,
        id: 'more',
        name: `${rest.length} ${show.length ? 'more ' : ''}consumers${rest.every(m => m.kind === 'run') ? ', calm' : ''}`,
        arrows,
        lag,
        folded: rest.length,
        rate: rest.every(m => m.rate != null) ? rest.reduce((a, m) => a + (m.rate ?? 0), 0) : null
      };
      return { ...g, members: [...show, more] };
    })
  };
}

/** @param {import('./layout.js').Layout} L @param {import('./scene.js').Scene} s @param {number} W @param {number} H @param {number} pad @param {boolean} big @param {import('./layout.js').Measure} measure @param {import('./layout.js').Memory} memory */
export function rows(L, s, W, H, pad, big, measure, memory) {
  const n = s.groups.length,
    least = big ? 330 : COLUMN;
  let columns = Math.max(1, Math.min(n, Math.floor((W - 2 * pad + APART) / (least + APART))));
  const lines = Math.ceil(n / columns);
  columns = Math.max(1, Math.ceil(n / lines));
  const colW = (W - 2 * pad - (columns - 1) * APART) / columns,
    stack = lines > 1,
    footH = big ? 104 : FOOT,
    label = labeller(s, measure),
    most = Math.max(1, ...s.groups.map(g => g.members.length));
  // Spare height goes to the fans first, then to the rows, then to the fans again.
  const spare = big || stack ? 0 : H - L.bottom - footH - (L.dense ? 32 : 36) - most * 19,
    rowH = big ? 44 : Math.max(18, Math.min(28, 18 + Math.floor((spare - 170) / most))),
    rowGap = big ? 6 : rowH > 22 ? 3 : 1;
  const gap = big ? (L.dense ? 84 : 56) : Math.max(stack ? 110 : 86, Math.min(280, spare - most * (rowH + rowGap - 19)));
  const cols = Array.from({ length: columns }, (_, c) => s.groups.map((g, index) => ({ g, index })).filter(e => e.index % columns === c)),
    top = L.bottom + gap;
  L.height = top;
  cols.forEach((col, c) => {
    const X = pad + c * (colW + APART),
      count = col.reduce((a, e) => a + e.g.members.length, 0),
      trunk = stack && count > 14,
      tracks = trunk ? col.length : count;
    const pitch = stack ? Math.min(4, 44 / Math.max(1, tracks)) : Math.min(4, 24 / Math.max(1, count)),
      channel = stack ? tracks * pitch + 8 : 0;
    let y = top,
      used = 0;
    for (const { g, index } of col) {
      const n = g.members.length,
        x = X + channel,
        w = colW - channel,
        gutter = stack ? 12 : n * pitch + 17,
        cells = cellsOf(g, s.multi, w - gutter - 8, rowH, big, label, measure);
      const rowsH = cells.reduce((a, r) => a + r.h + rowGap, 0) || (big ? 0 : 4),
        h = 10 + rowsH + 6 + footH + 4;
      L.frames.push({ key: 'group ' + g.name, kind: 'group', hue: g.hue, x, y, w, h });
      L.foots.push(footBox(g, index, { x: x + 10, y: y + 10 + rowsH + 6, w: w - 20, h: footH }, measure));
      let ry = y + 10;
      cells.forEach((cell, j) => {
        const m = cell.member,
          box = `${g.name}\n${m.id}`;
        L.rows.push({ ...cell, key: box, group: g, x: x + gutter, y: ry, w: w - gutter - 8, big });
        const resting = !j && atRest(g);
        if (m.arrows.length || resting) {
          const tx = stack ? X + channel - 5 - (used + (trunk ? 0 : j)) * pitch : Math.floor(x) + 8.5 + (n - 1 - j) * pitch; // a thin line between two pixels is a grey one
          const course = {
            loom: true,
            x1: x + gutter - 1,
            y1: ry + cell.h / 2,
            yr: ry + Math.min(cell.h, big ? 44 : 28) / 2,
            tx,
            yt: top + (stack ? -14 : 4)
          };
          if (resting) rest(L, g, box, course);
          for (const a of m.arrows)
            if (L.at.has(a.key))
              L.wires.push({ id: a.id, arrow: a, hue: a.hue, box, width: 1, calm: a.read && (a.lag ?? 0) <= 50, x0: 0, y0: 0, ...course });
        }
        ry += cell.h + rowGap;
      });
      used += trunk ? 1 : n;
      y += h + 12;
    }
    L.height = Math.max(L.height, y);
  });
  wire(L, measure);
}

/** Starts of the arrows: straight down, or through the gap beside the box when there is another row of partitions below.
 * @param {import('./layout.js').Layout} L @param {import('./layout.js').Measure} measure */
function wire(L, measure) {
  const frame = L.frames[0];
  for (const p of L.parts) {
    const own = L.wires.filter(w => w.arrow.key === p.key).sort((a, b) => a.tx - b.tx);
    ports(own, p, 7, 0.7);
    if (!p.last)
      own.forEach((w, i) => {
        w.px = w.x0;
        w.py = w.y0;
        const below = L.parts.some(o => o.y > p.y && o.x < p.x + p.w && o.x + o.w > p.x),
          step = Math.min(1.5, 6 / Math.max(1, own.length - 1));
        if (below) w.x0 = p.x + p.w + 5 + (i - (own.length - 1) / 2) * step;
        w.y0 = L.bottom - 8;
      });
    const worst = own.filter(w => w.arrow.warns || !w.arrow.read).sort((a, b) => (b.arrow.lag ?? 0) - (a.arrow.lag ?? 0))[0];
    if (!worst || !L.dense || !p.last) continue;
    const a = worst.arrow,
      text = kilo(a.lag) + (a.read ? ' ▲' : ' ✕'),
      w = Math.ceil(measure(text, 12, 650)) + 14,
      last = L.pills[L.pills.length - 1],
      x = p.cx - w / 2;
    if (x < frame.x - 8 || (last && last.x + last.w + 2 > x)) continue; // its row shows the lag too
    L.pills.push({ key: 'worst ' + p.key, arrow: a, x, y: L.bottom + 4, w, h: 20, label: '', text });
  }
}

/** The cells of one group's rows: columns, and how chips are written, are the same for all of them. @param {import('./scene.js').Group} g @param {boolean} multi @param {number} w @param {number} rowH @param {boolean} big
 * @param {(a: any) => string} label @param {import('./layout.js').Measure} measure */
function cellsOf(g, multi, w, rowH, big, label, measure) {
  const t = (/** @type {string} */ x, size = 12, weight = 400) => measure(x, size, weight),
    inner = w - (big ? 18 : 12),
    between = big ? 4 : 2;
  const chip = (/** @type {string} */ x) => Math.max(big ? 26 : 17, Math.ceil(t(x, big ? 12 : 11)) + (big ? 14 : 6));
  const silent = (/** @type {any} */ m) => m.kind === 'killed' || m.kind === 'paused';
  const lagText = (/** @type {any} */ m) =>
    silent(m)
      ? m.giveUpIn == null
        ? `✕ ${m.kind}`
        : `✕ ${inLeft(m.giveUpIn)}`
      : m.kind === 'unowned'
        ? `✕ ${kilo(m.lag)}`
        : !m.arrows.length
          ? ''
          : kilo(m.lag) + (m.kind === 'slow' ? ' ▲' : '');
  const widest = (/** @type {(m: any) => string} */ f, weight = 400) => Math.ceil(Math.max(0, ...g.members.map(m => t(f(m), 12, weight))));
  const tailW = Math.min(84, Math.max(24, ...g.members.map(m => Math.ceil(m.tail.length * 6.7)))),
    lagW = Math.ceil(Math.max(0, ...g.members.map(m => (silent(m) ? 0 : t(lagText(m), 12, 650))))),
    rateW = widest(m => rate(m.rate));
  const ownW = (/** @type {any} */ m) => Math.ceil(t(lagText(m), 12, 650));
  const written = (/** @type {any} */ a, /** @type {string} */ k) =>
    k !== 'short' ? `${label(a)} ${lagWord(a, kilo, k === 'words')}` : multi || big ? label(a) : String(a.partition);
  const need = (/** @type {any} */ m, /** @type {string} */ k) =>
    m.arrows.reduce((/** @type {number} */ n, /** @type {any} */ a) => n + chip(written(a, k)) + between, 0);
  const nameW = (/** @type {any} */ m) => (big ? 124 : m.kind === 'unowned' ? Math.ceil(t('✕ no reader', 11, 650)) + 6 : tailW),
    roomOf = (/** @type {any} */ m) => inner - nameW(m) - (big ? 8 : Math.max(lagW, ownW(m)) + 8);
  const owning = g.members.filter(m => m.arrows.length && !(/** @type {any} */ (m).folded)),
    air = big ? 0 : 12, // words and rates only where they do not crowd the row
    fits = (/** @type {string} */ k, extra = 0) => owning.every(m => need(m, k) + air + (silent(m) ? 0 : extra) <= roomOf(m));
  const k = ['words', 'long'].find(x => fits(x)) ?? 'short',
    showRate = !big && rateW > 0 && fits(k, rateW + 8);
  let whyShown = false;
  return g.members.map(m => {
    /** @type {any} */ const cell = {
      member: m,
      h: rowH,
      name: ['', m.tail],
      sub: '',
      chips: [],
      more: 0,
      lag: '',
      rate: '',
      cols: [tailW, showRate ? rateW + 4 : 0, showRate ? lagW : 0]
    };
    const word = memberWord(m, multi),
      folded = /** @type {any} */ (m).folded,
      reads = m.arrows.some(a => a.read);
    if (folded) {
      cell.name = ['', m.name];
      cell.sub = [many(m.arrows.length, 'partition'), rate(m.rate), `lag ${num(m.lag)}`].filter(Boolean).join(', ');
      return cell;
    }
    if (!reads && (big || !m.arrows.length)) {
      // The reason for idle is always shown; the first of several idle members shows it for all.
      const again = m.kind === 'idle' && whyShown && !big,
        text = `${word.line}${word.more && !again ? ': ' + word.more : ''}${m.giveUpIn == null ? '' : ' ' + inLeft(m.giveUpIn)}`;
      whyShown ||= m.kind === 'idle';
      cell.sub = text;
      if (big) {
        cell.name = middle(m.name, inner, x => t(x, 12, 650));
        cell.h = 28 + 16 * lines(text, inner, x => t(x));
      } else cell.h = Math.max(rowH, 4 + 14 * lines(text, inner - tailW - 6, x => t(x, 11)));
      return cell;
    }
    if (m.kind === 'unowned') cell.name = ['', '✕ no reader'];
    if (!big) {
      cell.lag = lagText(m);
      if (showRate && (m.kind === 'run' || m.kind === 'slow')) cell.rate = rate(m.rate) || '–';
    }
    // Without a column of rates the numbers need not line up on their left: one long lag must not hide a partition of another row.
    let left = roomOf(m) + (cell.rate ? -rateW - 8 : big ? 0 : Math.max(0, lagW - ownW(m))),
      shown = 0;
    const all = need(m, k) <= left,
      spare = all ? 0 : chip('+99');
    while (shown < m.arrows.length && left - chip(written(m.arrows[shown], k)) - between >= spare)
      left -= chip(written(m.arrows[shown++], k)) + between;
    cell.chips = m.arrows.slice(0, shown).map(arrow => ({ text: written(arrow, k), arrow }));
    cell.more = m.arrows.length - shown;
    if (big) {
      const room = nameW(m) + left - (cell.more ? spare : 0) - 4,
        facts = [rate(m.rate), m.delayMs ? `${delay(m.delayMs)} each` : '', k !== 'short' && !cell.more ? '' : `lag ${num(m.lag)}`].filter(
          Boolean
        );
      while (facts.length > 1 && t(facts.join(', ')) > room) facts.splice(facts.length === 3 ? 1 : 0, 1);
      cell.sub = facts.join(', ');
      cell.name = middle(m.name, room, x => t(x, 12, 650));
    }
    return cell;
  });
}

/** Lines of a wrapped text. @param {string} text @param {number} px @param {(t: string) => number} wide */
export function lines(text, px, wide) {
  let n = 1,
    line = '';
  for (const piece of units(text)) {
    const word = piece.trimEnd();
    if (line && wide(`${line} ${word}`) > px) {
      n++;
      line = word;
    } else line = line ? `${line} ${word}` : word;
  }
  return n;
}
