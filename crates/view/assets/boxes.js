// Content of the boxes: partitions, cards, rows, pills. In: one box of a layout. Out: a node.
// Deliberately absent: positions of boxes (layout.js), clicks (picture.js listens for all of them).
import { add, calm, cls, el, inside, keyed, place, set, sv, text, whole } from './dom.js';
import { delay, inLeft, memberSentence, memberWord, num, partSentence, rate } from './words.js';

/** The visible text is hidden from screen readers, which get one sentence instead. @param {any} n */
function faceOf(n) {
  const face = el('span', 'face', null, { 'aria-hidden': 'true' });
  n.replaceChildren((n.sentence ??= el('span', 'vh')), face);
  return face;
}

/** @param {any} n @param {import('./layout.js').PartBox} b */
export function part(n, b) {
  const refs = inside(n, `${b.lines.length} ${b.copies.length} ${b.sizes.join()}`, () => {
    const lines = b.lines.map((_, i) => el(/^(partition |P)\d+$/.test(b.lines[i]) ? 'b' : 'span')),
      copies = b.copies.map(() => el('i')),
      row = el('span', 'reps');
    lines.forEach((l, i) => {
      l.style.fontSize = `${b.sizes[i]}px`;
    });
    const face = add(faceOf(n), ...lines);
    if (copies.length) add(face, add(row, ...copies));
    return { lines, copies };
  });
  b.lines.forEach((l, i) => (/\d/.test(l) && !/^(partition|P)/.test(l) ? calm : text)(refs.lines[i], l));
  b.copies.forEach((c, i) => {
    text(refs.copies[i], c.text);
    cls(refs.copies[i], c.kind);
  });
  text(n.sentence, partSentence(b.part));
  set(n, { 'data-partition': b.key, 'data-end': b.part.end ?? '', title: `${b.part.topic}, partition ${b.part.partition}` });
  place(n, b.x, b.y, b.w, b.h);
}

/** A shortened name: its common part in grey, its distinguishing end in bold. @param {string} style */
function nameOf(style) {
  const head = el('span'),
    end = el('b'),
    name = add(el('span', style), head, end);
  return {
    name,
    /** @param {[string, string]} parts */
    call(parts) {
      text(head, parts[0]);
      text(end, parts[1]);
    }
  };
}

/** @param {any} n @param {import('./layout.js').Card | import('./layout.js').Row} c @param {boolean} multi @param {string} selected @param {string} style */
function frame(n, c, multi, selected, style) {
  const m = c.member;
  cls(n, `${style} nav ${m.kind} ${c.group.rest ? 'rest ' : ''}c${c.group.hue}${m.id === selected ? ' is-sel' : ''}`);
  text(
    n.sentence,
    /** @type {any} */ (m).folded ? `${m.name} of ${c.group.name}. Enter shows them.` : memberSentence(m, c.group.name, multi)
  );
  set(n, {
    'data-owner': m.name,
    'data-box': c.key,
    'data-member': m.id,
    'data-in': c.group.name,
    'data-state': m.kind,
    title: [m.name, m.variant && `variant ${m.variant}`].filter(Boolean).join(', ') || null
  });
  place(n, c.x, c.y, c.w, c.h);
}

/** @param {any} n @param {import('./layout.js').Card} c @param {boolean} multi @param {string} selected @param {string} owns */
export function card(n, c, multi, selected, owns) {
  const m = c.member,
    word = memberWord(m, multi),
    runs = m.kind === 'run' || m.kind === 'slow',
    left = runs ? null : m.giveUpIn;
  const refs = inside(n, runs ? 'run' : left == null ? 'word' : 'ring', () => {
    const face = faceOf(n),
      r = {
        ...nameOf('nm'),
        line: el('span'),
        more: el('p'),
        values: ['rate', 'delay', 'lag'].map(k => [k, el('dd')]),
        arc: sv('circle', { class: 'v', cx: 18, cy: 18, r: 14, pathLength: 1, transform: 'rotate(-90 18 18)' }),
        left: sv('text', { x: 18, y: 22 })
      };
    add(face, r.name, r.line, runs ? add(el('dl'), ...r.values.map(([k, v]) => add(el('div'), el('dt', '', k), v))) : r.more);
    if (left != null)
      add(face, add(sv('svg', { class: 'ring', width: 36, height: 36 }), sv('circle', { cx: 18, cy: 18, r: 14 }), r.arc, r.left));
    return r;
  });
  frame(n, c, multi, selected, c.lean ? 'card lean' : 'card');
  refs.call(c.name);
  cls(refs.line, runs ? 'own' : `tag ${word.tone}`);
  text(refs.line, runs ? owns : word.line);
  whole(refs.more, word.more);
  set(refs.more, { title: word.more });
  [m.rate == null ? '–' : rate(m.rate), delay(m.delayMs), num(m.lag)].forEach((v, i) => (i === 1 ? text : calm)(refs.values[i][1], v));
  set(refs.arc, { 'stroke-dasharray': `${Math.min(1, (left ?? 0) / (m.timeoutMs || 1)).toFixed(3)} 1` });
  text(refs.left, left == null ? '' : inLeft(left));
}

/** @param {any} n @param {import('./layout.js').Row} r @param {boolean} multi @param {string} selected */
export function row(n, r, multi, selected) {
  const m = r.member,
    tone = { slow: 'w', killed: 'b', paused: 'b', unowned: 'b' }[/** @type {string} */ (m.kind)] ?? '';
  const refs = inside(n, `${r.big} ${!r.sub} ${!r.rate}`, () => {
    const out = { ...nameOf(r.big ? 'nm' : 'tail'), sub: el('span'), chips: el('span', 'chips'), rate: el('span', 'rr'), lag: el('span') };
    add(
      faceOf(n),
      ...(r.big
        ? [add(el('span', 'who'), out.name, out.sub), out.chips]
        : r.sub
          ? [out.name, out.sub]
          : [out.name, out.chips, r.rate ? out.rate : '', out.lag])
    );
    return out;
  });
  frame(n, r, multi, selected, 'row');
  const [tail, speed, lag] = r.cols,
    first = m.tail ? `${tail}px` : 'auto',
    last = r.sub ? '' : `${r.rate ? `${speed}px ` : ''}minmax(${lag}px,auto)`,
    columns = r.big ? '1fr auto' : `${first} minmax(0,1fr) ${last}`;
  if (n.style.gridTemplateColumns !== columns) n.style.gridTemplateColumns = columns;
  refs.call(r.name);
  (m.arrows.some(a => a.read) ? text : whole)(refs.sub, r.sub);
  calm(refs.rate, r.rate);
  calm(refs.lag, r.lag);
  cls(refs.lag, `lg ${tone}`);
  cls(refs.sub, `sub ${tone === 'b' ? 'b' : ''}`);
  const chips = r.chips.map(c => [c.text, c.arrow.read ? (c.arrow.warns ? 'w' : '') : 'none']);
  if (r.more) chips.push([`+${r.more}`, 'more']);
  keyed(
    refs.chips,
    chips.map((c, i) => [String(i), ...c]),
    c => c[0],
    () => el('span'),
    (e, [, words, style]) => {
      text(e, words);
      cls(e, `chip ${style}`);
    }
  );
}

/** @param {any} n @param {import('./layout.js').Pill} p */
export function pill(n, p) {
  const a = p.arrow,
    refs = inside(n, 'pill', () => {
      const label = el('b'),
        lag = el('span');
      add(n, label, lag);
      return { label, lag };
    });
  cls(n, `pill c${a.hue}${!a.read ? ' none' : a.warns ? ' w' : ''}`);
  set(n, { 'data-pill': p.key });
  text(refs.label, p.label);
  calm(refs.lag, p.text);
  place(n, p.x, p.y, p.w);
}
