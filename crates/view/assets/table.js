// The diagram as a table: one line for each partition and group. In: a scene. Out: a table, patched.
import { add, calm, cls, el, keyed, set, text } from './dom.js';
import { lagSentence, delay, lagWord, memberWord, num, rate } from './words.js';

const HEADS = [
  ['Group'],
  ['State'],
  ['Partition'],
  ['Consumer'],
  ['End', 'n'],
  ['Committed', 'n'],
  ['Lag', 'n'],
  ['Rate', 'n'],
  ['Delay', 'n']
];

/** @param {any} host @param {() => void} insist */
export function makeTable(host, insist) {
  const over = el('p', 'over'),
    words = el('span'),
    draw = el('button', 'btn', 'Draw it anyway'),
    table = el('table'),
    head = el('tr'),
    body = el('tbody');
  draw.onclick = insist;
  for (const [n, c] of HEADS) add(head, el('th', c ?? '', n, { scope: 'col' }));
  add(table, el('caption', '', 'One row for each partition and group.'), add(el('thead'), head), body);
  const region = el('div', 'table', null, { tabindex: 0, role: 'region', 'aria-label': 'Table of partitions and consumers' });
  add(host, add(region, add(over, words, draw), table));
  return {
    region,
    /** @param {import('./scene.js').Scene} s @param {string} sentence */
    draw(s, sentence) {
      over.hidden = !sentence;
      text(words, sentence + ' ');
      const lines = s.groups.flatMap(g =>
        g.members.flatMap(m => (m.arrows.length ? m.arrows : [null]).map(a => ({ g, m, a, key: a ? a.id : `${g.name}\n${m.id}` })))
      );
      for (const g of s.groups) if (!g.members.length) lines.push({ g, m: /** @type {any} */ (null), a: null, key: g.name });
      keyed(
        body,
        lines,
        l => l.key,
        () => {
          const tr = el('tr'),
            cells = HEADS.map(([, c]) => el('td', c ?? '')),
            swatch = el('span', 'sw', null, { 'aria-hidden': 'true' }),
            name = el('span');
          add(cells[0], swatch, name);
          /** @type {any} */ (tr).cells2 = [name, ...cells.slice(1)];
          return add(tr, ...cells);
        },
        (tr, { g, m, a }) => {
          const c = tr.cells2,
            word = m ? memberWord(m, s.multi) : null;
          cls(tr, `c${g.hue}`);
          set(tr, {
            'data-group': g.name,
            'data-partition': a?.key ?? null,
            'data-owner': a ? a.owner : (m?.name ?? null),
            'data-lag': a ? (a.lag ?? '') : null
          });
          [
            g.name,
            `${g.word.glyph} ${g.word.brief}`,
            a ? `${a.topic}/${a.partition}` : m ? `none${word?.more ? ': ' + word.more : ''}` : 'none',
            a && !a.read
              ? `no reader${m.name ? ` (${m.name}, ${word?.line})` : ''}`
              : m
                ? m.name + (a ? '' : ` ${word?.line}`)
                : 'no consumer'
          ].forEach((v, i) => text(c[i], v));
          calm(c[4], a ? num(a.end) : '');
          calm(c[5], a ? (a.committed == null ? 'none' : num(a.committed)) : '');
          calm(c[6], a ? `${lagWord(a)} ${a.warns ? a.mark : ''}`.trim() : '');
          calm(c[7], a && m.rate != null ? rate(m.rate) : '');
          text(c[8], m?.delayMs ? delay(m.delayMs) : '');
          cls(c[6], `n${a?.warns ? ' w' : a && !a.read ? ' b' : ''}`);
          cls(c[3], a && !a.read ? 'b' : '');
          set(c[6], { title: lagSentence(a?.lagReason ?? null) || a?.health || null });
        }
      );
    }
  };
}
