// What stands in the boxes: partitions, cards, rows, pills. In: one box of a layout. Out: a node that says it.
// Deliberately absent: where boxes stand (layout.js), what a click does (picture.js listens for all of them).
import { add, calm, cls, el, inside, place, set, sv, text } from './dom.js';
import { age, delay, memberSentence, memberWord, num, partSentence, rate } from './words.js';

/** What the eye reads is hidden from the ear, which gets one sentence instead. @param {any} n */
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

/** Shortened name: what it has in common with its sisters in grey, what tells it apart bold. @param {any} host */
function nameNode(host) {
  const head = el('span'),
    end = el('b');
  add(host, head, end);
  return { head, end };
}

/** @param {any} n @param {import('./layout.js').Card | import('./layout.js').Row} c @param {boolean} multi @param {string} selected @param {string} look */
function frame(n, c, multi, selected, look) {
  const m = c.member;
  cls(n, `${look} nav ${m.kind} c${c.group.hue}${m.id === selected ? ' is-sel' : ''}`);
  text(
    n.sentence,
    /** @type {any} */ (m).folded ? `${m.name} of ${c.group.name}. Enter shows them.` : memberSentence(m, c.group.name, multi),
  );
  set(n, {
    'data-owner': m.name,
    'data-box': c.key,
    'data-member': m.id,
    'data-in': c.group.name,
    'data-state': m.kind,
    title: [m.name, m.variant && `variant ${m.variant}`].filter(Boolean).join(', ') || null,
  });
  place(n, c.x, c.y, c.w, c.h);
}

/** @param {any} n @param {import('./layout.js').Card} c @param {boolean} multi @param {string} selected @param {string} owns */
export function card(n, c, multi, selected, owns) {
  const m = c.member,
    said = memberWord(m, multi),
    runs = m.kind === 'run' || m.kind === 'slow',
    ringed = !runs && m.giveUpIn != null;
  const refs = inside(n, runs ? 'run' : ringed ? 'ring' : 'said', () => {
    const face = faceOf(n),
      name = el('span', 'nm'),
      line = el('span', runs ? 'own' : 'tag'),
      r = {
        ...nameNode(name),
        line,
        more: el('p'),
        values: /** @type {any[]} */ ([]),
        arc: /** @type {any} */ (null),
        left: /** @type {any} */ (null),
      };
    add(face, name, line);
    if (runs) {
      const dl = el('dl');
      for (const k of ['rate', 'delay', 'lag']) {
        const v = el('dd');
        r.values.push(v);
        add(dl, add(el('div'), el('dt', '', k), v));
      }
      add(face, dl);
    } else add(face, r.more);
    if (ringed) {
      const s = sv('svg', { class: 'ring', width: 36, height: 36 });
      r.arc = sv('circle', { class: 'v', cx: 18, cy: 18, r: 14, transform: 'rotate(-90 18 18)' });
      r.left = sv('text', { x: 18, y: 22 });
      add(face, add(s, sv('circle', { cx: 18, cy: 18, r: 14 }), r.arc, r.left));
    }
    return r;
  });
  frame(n, c, multi, selected, 'card');
  text(refs.head, c.name[0]);
  text(refs.end, c.name[1]);
  if (runs) {
    text(refs.line, owns);
    [m.rate == null ? '–' : rate(m.rate), delay(m.delayMs), num(m.lag)].forEach((v, i) => (i === 1 ? text : calm)(refs.values[i], v));
  } else {
    text(refs.line, said.line);
    cls(refs.line, `tag ${said.tone}`);
    text(refs.more, said.more);
    set(refs.more, { title: said.more });
    if (ringed) {
      const whole = 2 * Math.PI * 14;
      set(refs.arc, {
        'stroke-dasharray': `${(whole * Math.min(1, (m.giveUpIn ?? 0) / (m.timeoutMs || 1))).toFixed(1)} ${whole.toFixed(1)}`,
      });
      text(refs.left, age(m.giveUpIn ?? 0));
    }
  }
}

/** @param {any} n @param {import('./layout.js').Row} r @param {boolean} multi @param {string} selected */
export function row(n, r, multi, selected) {
  const m = r.member;
  const refs = inside(n, `${r.big} ${r.sub ? 1 : 0} ${r.rate ? 1 : 0}`, () => {
    const name = el('span', r.big ? 'nm' : 'tail'),
      out = { ...nameNode(name), sub: el('span', 'sub'), chips: el('span', 'chips'), rate: el('span', 'rr'), lag: el('span', 'lg') };
    const face = faceOf(n);
    if (r.big) add(face, add(el('span', 'who'), name, out.sub), out.chips);
    else if (r.sub) add(face, name, out.sub);
    else add(face, name, out.chips, ...(r.rate ? [out.rate] : []), out.lag);
    return out;
  });
  frame(n, r, multi, selected, 'row');
  const [tail, speed, lag] = r.cols,
    columns = r.big
      ? 'minmax(0,1fr) auto'
      : m.kind === 'nobody' || !m.tail
        ? 'auto minmax(0,1fr) auto'
        : `${tail}px minmax(0,1fr)${r.sub ? '' : (r.rate ? ` ${speed}px` : '') + ` minmax(${lag}px,auto)`}`;
  if (n.style.gridTemplateColumns !== columns) n.style.gridTemplateColumns = columns;
  text(refs.head, r.name[0]);
  text(refs.end, r.name[1]);
  text(refs.sub, r.sub);
  calm(refs.rate, r.rate);
  calm(refs.lag, r.lag);
  cls(refs.lag, `lg${m.kind === 'slow' ? ' w' : m.kind === 'killed' || m.kind === 'paused' || m.kind === 'nobody' ? ' b' : ''}`);
  cls(refs.sub, `sub ${m.kind === 'killed' || m.kind === 'paused' || m.kind === 'nobody' ? 'b' : ''}`);
  while (refs.chips.childNodes.length > r.chips.length + (r.more ? 1 : 0)) refs.chips.lastChild.remove();
  while (refs.chips.childNodes.length < r.chips.length + (r.more ? 1 : 0)) add(refs.chips, el('span'));
  r.chips.forEach((c, i) => {
    text(refs.chips.childNodes[i], c.text);
    cls(refs.chips.childNodes[i], `chip${!c.arrow.read ? ' none' : c.arrow.growing ? ' w' : ''}`);
  });
  if (r.more) {
    text(refs.chips.lastChild, `+${r.more}`);
    cls(refs.chips.lastChild, 'chip more');
  }
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
  cls(n, `pill c${a.hue}${!a.read ? ' none' : a.growing ? ' w' : ''}`);
  set(n, { 'data-pill': p.key });
  text(refs.label, p.label);
  calm(refs.lag, p.text);
  place(n, p.x, p.y, p.w);
}
