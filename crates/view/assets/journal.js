// The journal: a strip of fifteen minutes and a list, newest on top. In: rebalances, and actions of this page. Out: the dock's left half.
import { add, byId, cls, el, keyed, set, sv, text, whole } from './dom.js';
import { clock, inLeft, newestFirst, rebalanceSentence, rebalanceTook, silentSentence } from './words.js';

const QUARTER = 900_000;
/** An action of this page, or (`group`) an open wait. @typedef {{id: string, time: number, text: string, line: string, bad: boolean, group?: string, took?: string}} Entry */

/** Members that Kafka still waits for: the journal's open entries. @param {import('./scene.js').Scene} s @returns {Entry[]} */
const waits = s =>
  s.groups.flatMap(g =>
    g.members
      .filter(m => (m.kind === 'killed' || m.kind === 'paused') && m.arrows.length)
      .map(m => ({
        id: `waits ${g.name} ${m.id}`,
        time: m.since ?? s.now,
        text: silentSentence(m, s.multi),
        line: '',
        bad: true,
        group: g.name,
        took: m.giveUpIn == null ? 'in progress' : `${inLeft(m.giveUpIn)} left`
      }))
  );

export function makeJournal() {
  const host = byId('journal'),
    h = el('h2', '', 'Rebalances'),
    strip = sv('svg', { class: 'strip', 'aria-hidden': 'true' }),
    list = el('ol', 'jour', null, { tabindex: 0, 'aria-label': 'Journal' }),
    none = el('p', 'under', 'None yet: the first one comes when the first consumer joins.');
  add(h, el('small', '', 'last 15 minutes'));
  add(host, h, strip, none, list);
  /** @type {Set<string> | null} */ let known = null;
  /** @type {Entry[]} */ const done = [];
  let width = 0;
  new ResizeObserver(entries => {
    width = entries[0].contentRect.width;
  }).observe(host);

  function drawStrip(/** @type {import('./scene.js').Scene} */ s, /** @type {any[]} */ entries) {
    const groups = s.groups.slice(0, 8),
      high = groups.length > 3 ? 12 : 15,
      W = Math.max(260, width),
      H = groups.length * high + 18;
    const x0 = Math.min(176, Math.max(...groups.map(g => Math.min(24, g.name.length))) * 6.9 + 12),
      at = (/** @type {number} */ t) => x0 + (1 - (s.now - t) / QUARTER) * (W - x0 - 4),
      lane = (/** @type {number} */ i) => i * high + high / 2;
    set(strip, { viewBox: `0 0 ${W} ${H}`, height: H });
    const ticks = W - x0 < 300 ? [0, 15] : [0, 5, 10, 15];
    /** @type {{k: string, tag: string, attrs: any, text?: string}[]} */ const parts = ticks.flatMap(i => [
      {
        k: `t${i}`,
        tag: 'path',
        attrs: { class: i ? 'tick' : 'now', d: `M${at(s.now - i * 60_000).toFixed(1)} 0V${groups.length * high}` }
      },
      {
        k: `w${i}`,
        tag: 'text',
        attrs: { x: at(s.now - i * 60_000), y: H - 5, 'text-anchor': i === 15 ? 'start' : i ? 'middle' : 'end' },
        text: i ? `${i} min ago` : 'now'
      }
    ]);
    groups.forEach((g, i) =>
      parts.push(
        {
          k: `n${i}`,
          tag: 'text',
          attrs: { x: 0, y: lane(i) + 4, class: 'ln' },
          text: g.name.length > 23 ? g.name.slice(0, 11) + '…' + g.name.slice(-11) : g.name
        },
        { k: `l${i}`, tag: 'path', attrs: { class: 'lane', d: `M${x0} ${lane(i)}H${W}` } }
      )
    );
    for (const r of entries) {
      const i = groups.findIndex(g => g.name === r.group);
      if (i < 0 || s.now - r.time > QUARTER) continue;
      const open = r.bad,
        x = at(r.time);
      parts.push({
        k: `e${r.id}`,
        tag: 'rect',
        attrs: {
          class: open ? 'open' : `ev c${groups[i].hue}`,
          x: x.toFixed(1),
          y: lane(i) - 5,
          width: Math.max(4, open ? at(s.now) - x : ((r.durationMs ?? 0) / QUARTER) * (W - x0)).toFixed(1),
          height: 10,
          rx: 2
        }
      });
    }
    keyed(
      strip,
      parts,
      p => p.k,
      p => sv(p.tag),
      (n, p) => {
        set(n, p.attrs);
        if (p.text != null) text(n, p.text);
      }
    );
  }

  return {
    /** Records an action of this page. @param {string} sentence @param {string} line @param {boolean} bad @param {number} time */
    note(sentence, line, bad, time) {
      done.unshift({ id: `done ${done.length}`, time, text: sentence, line, bad });
      done.length = Math.min(done.length, 20);
      text(byId('live'), sentence);
    },
    /** @param {import('./scene.js').Scene} s */
    draw(s) {
      const open = waits(s);
      if (s.groups.length) drawStrip(s, [...s.journal, ...open]);
      const hues = new Map(s.groups.map(g => [g.name, g.hue]));
      const all = [...open, ...newestFirst(s.journal.slice(0, 50), done)];
      none.hidden = all.length > 0;
      list.hidden = !all.length;
      keyed(
        list,
        all,
        r => String(r.id),
        () => {
          const li = el('li'),
            words = el('span', 'words'),
            parts = { time: el('time'), group: el('b'), words: el('span'), line: el('code'), took: el('span', 'took') };
          /** @type {any} */ (li).parts = parts;
          return add(
            li,
            parts.time,
            el('span', 'sw', null, { 'aria-hidden': 'true' }),
            add(words, parts.group, parts.words, parts.line),
            parts.took
          );
        },
        (li, r) => {
          const p = li.parts,
            own = r.text != null;
          cls(li, `${own && !r.group ? 'mine' : ''}${r.bad ? ' open' : ''} c${hues.get(r.group) ?? ''}`);
          text(p.time, clock(r.time));
          text(p.group, `${r.group ?? (own ? 'You:' : 'Brokers')} `);
          whole(p.words, own ? r.text : rebalanceSentence(r, s.multi));
          text(p.line, r.line ?? '');
          text(p.took, own ? (r.took ?? '') : rebalanceTook(r));
        }
      );
      // Screen readers read each finished rebalance once; those from before this page are left out.
      const before = known;
      known = new Set(s.journal.map(r => String(r.id)));
      const news = before ? s.journal.find(r => !before.has(String(r.id))) : null;
      if (news) text(byId('live'), `${news.group ?? 'Brokers'}: ${rebalanceSentence(news, s.multi)}`);
    }
  };
}
