// One consumer: its numbers, its last fifty lines, following, and its actions. In: a member of the scene. Out: the dock's right half; a stream of its own while open.
// Deliberately absent: any meaning of a line. A line is text, and stays text.
import { base } from './actions.js';
import { add, calm, cls, el, keyed, set, text } from './dom.js';
import { delay, kilo, lagWord, logsCommand, num, rate } from './words.js';

const FIRST = 50,
  LINES = 200,
  FLUSH = 200;

/** @param {any} host @param {{act: (kind: 'restart' | 'kill' | 'pause' | 'resume') => void, close: () => void}} does */
export function makeLog(host, does) {
  const name = el('span'),
    button = (/** @type {string} */ word, /** @type {any} */ kind) => {
      const b = el('button', 'btn', word);
      b.onclick = () => {
        if (b.getAttribute('aria-disabled') !== 'true') does.act(kind);
      };
      return b;
    };
  const buttons = {
      restart: button('Restart', 'restart'),
      kill: button('Kill', 'kill'),
      pause: button('Pause', 'pause'),
      resume: button('Resume', 'resume')
    },
    close = el('button', 'btn quiet', '✕ Close', { 'aria-label': 'Close the log (Esc)' });
  const facts = el('div', 'facts'),
    list = el('ol'),
    box = el('div', 'log', null, { tabindex: 0, role: 'log', 'aria-live': 'off', 'aria-label': 'Last 50 lines' }),
    state = el('span'),
    line = el('code', 'mono');
  add(
    host,
    add(el('div', 'head2'), add(el('h2'), name), buttons.restart, buttons.kill, buttons.pause, buttons.resume, close),
    facts,
    add(box, list),
    add(el('div', 'under'), state, el('span', 'grow'), line)
  );
  close.onclick = does.close;
  /** @type {EventSource | null} */ let source = null;
  /** @type {string[]} */ let waiting = [];
  let timer = 0;

  function flush() {
    timer = 0;
    // It follows at the bottom only: a user who has scrolled up reads on undisturbed.
    const follows = box.scrollHeight - box.scrollTop - box.clientHeight < 24;
    for (const l of waiting.slice(-LINES))
      add(list, el('li', /^(\S+ )?(assigned|revoked|lost) /.test(l) ? 'ev' : l.includes('Message Info:') ? 'in' : '', l));
    waiting = [];
    while (list.childNodes.length > LINES) list.firstChild.remove();
    if (follows) box.scrollTop = box.scrollHeight;
  }

  return {
    /** @param {import('./scene.js').Scene} s @param {import('./scene.js').Member} m */
    open(s, m) {
      this.end();
      list.replaceChildren();
      text(state, 'opening the log');
      let seen = 0;
      const mine = (source = new EventSource(`${base(s.ns, s.name)}/logs/${encodeURIComponent(m.name)}?tail=${FIRST}`));
      mine.onopen = () => {
        list.replaceChildren();
        waiting = [];
        seen = 0;
        text(state, 'following, no line yet');
      };
      mine.addEventListener('line', e => {
        waiting.push(JSON.parse(/** @type {MessageEvent} */ (e).data));
        if (!seen++) text(state, '● following, last 50 lines');
        if (!timer) timer = window.setTimeout(flush, FLUSH);
      });
      mine.addEventListener('end', () => {
        mine.close();
        flush();
        text(state, seen ? 'end of log' : 'the log is empty');
      });
      mine.onerror = () => text(state, mine.readyState === EventSource.CLOSED ? '✕ log unavailable' : '✕ interrupted, retrying');
    },
    end() {
      source?.close();
      source = null;
      clearTimeout(timer);
      timer = 0;
      waiting = [];
    },
    /** @param {import('./scene.js').Scene} s @param {import('./scene.js').Member | null} m @param {string} shown @param {string} off @param {(k: 'restart' | 'kill' | 'pause' | 'resume') => string} lineOf */
    draw(s, m, shown, off, lineOf) {
      text(name, shown);
      set(name, { title: shown });
      const local = s.kafka.kind !== 'cluster',
        paused = m?.kind === 'paused',
        why = off || (m && m.kind !== 'left' ? '' : 'This consumer is gone.');
      buttons.pause.hidden = !local || paused;
      buttons.resume.hidden = !local || !paused;
      for (const k of /** @type {('restart' | 'kill' | 'pause' | 'resume')[]} */ (Object.keys(buttons)))
        set(buttons[k], { 'aria-disabled': why ? 'true' : null, title: why || lineOf(k) });
      text(line, logsCommand(s.kafka, s.ns, m?.pod ?? '', shown));
      /** @type {[string, string, boolean][]} */ const items = [];
      for (const a of m?.arrows.slice(0, 6) ?? [])
        items.push([
          `${a.topic}/${a.partition}`,
          a.committed == null
            ? 'no commit'
            : `committed ${num(a.committed)} of ${num(a.end)}, lag ${lagWord(a, kilo)}${a.warns ? ` ${a.mark} ${a.health}` : ''}`.trim(),
          a.warns || !a.read
        ]);
      if (m && m.arrows.length > 6) items.push(['and', `${m.arrows.length - 6} more partitions`, false]);
      if (m && !m.arrows.length) items.push(['', m.why || 'no partition', false]);
      if (m?.rate != null) items.push(['rate', rate(m.rate), false]);
      if (m?.delayMs) items.push(['delay', delay(m.delayMs), false], ['can keep up with', rate(1000 / m.delayMs), m.kind === 'slow']);
      if (m?.variant) items.push(['variant', m.variant, false]);
      keyed(
        facts,
        items,
        f => f[0],
        () => {
          const n = el('span'),
            b = el('b');
          /** @type {any} */ (n).parts = { k: el('span'), b };
          return add(n, /** @type {any} */ (n).parts.k, b);
        },
        (n, f) => {
          text(n.parts.k, f[0] ? f[0] + ' ' : '');
          calm(n.parts.b, f[1]);
          cls(n.parts.b, f[2] ? 'w' : '');
        }
      );
    }
  };
}
