// Below the consumers: the group's name, state, lag, chart and controls. In: a footer of a layout, allowed actions. Out: a node.
import { makeChart } from './charts.js';
import { add, calm, cls, el, inside, place, set, text } from './dom.js';
import { clock, lagAge, num, rate } from './words.js';

/** Since when a group is behind: the last time its lag was near zero in the five minutes of history. @param {import('./scene.js').Group} g */
export function behindSince(g) {
  if (!g.growing || g.lag == null) return '';
  const low = Math.max(5, g.lag * 0.02);
  for (let i = g.history.length - 1; i >= 0; i--) if ((g.history[i][1] ?? 0) <= low) return `behind since ${clock(g.history[i][0], false)}`;
  return 'behind for over 5 min';
}

/** @param {any} n @param {import('./layout.js').Foot} f @param {{off: string, lines: {less: string, more: string, toggle: string}}} may `off` = why actions are off, '' = they are on */
export function foot(n, f, may) {
  const g = f.group;
  const refs = inside(n, 'foot', () => {
    const h = el('h2'),
      name = el('span'),
      state = el('span'),
      lagLine = el('div', 'lagl'),
      v = el('span'),
      lag = el('b'),
      course = el('span'),
      chart = el('div', 'chart'),
      note = el('small');
    const ctl = el('div', 'ctl'),
      step = el('span', 'step', null, { role: 'group' }),
      less = el('button', '', '−', { 'data-act': 'less' }),
      count = el('b'),
      more = el('button', '', '+', { 'data-act': 'more' }),
      toggle = el('button', 'btn'),
      why = el('span', 'why');
    add(
      n,
      add(h, name),
      state,
      add(lagLine, add(v, 'lag ', lag, course), chart, note),
      add(ctl, add(step, less, count, more), toggle, why)
    );
    return { name, state, v, lag, course, chart: makeChart(chart, note), step, less, count, more, toggle, why };
  });
  const since = [lagAge(g), behindSince(g)].filter(Boolean)[0] ?? '';
  place(n, f.x, f.y, f.w);
  cls(n, `foot c${g.hue}`);
  set(n, { 'data-in': g.name, 'data-state': g.word.word, 'data-lag': g.lag ?? '' });
  text(refs.name, f.name);
  set(refs.name, { title: g.how ? `${g.name}: ${g.how}` : g.name });
  text(refs.state, f.state);
  cls(refs.state, `st ${g.word.tone}`);
  set(refs.state, { title: g.word.why });
  cls(refs.v, `v${g.growing ? ' w' : ''}`);
  set(refs.v, { title: since || null });
  calm(refs.lag, num(g.lag));
  calm(refs.course, g.growing ? ` ▲ ${rate(g.trend)}` : g.lag && (g.trend ?? 0) <= -0.5 ? ' ▼' : '');
  refs.chart(g, f.w, since);
  const pending = g.replicas != null && g.replicas !== g.consumers && !g.stopped,
    gone = g.stopped || !g.scalable;
  text(refs.count, pending ? `${g.consumers} → ${g.replicas}` : String(g.consumers));
  cls(refs.step, `step${pending ? ' pend' : ''}`);
  set(refs.step, { 'aria-label': `Consumers of ${g.name}` });
  const dead =
    may.off || (g.stopped ? 'The group is stopped: start it first.' : !g.scalable ? 'Scaled elsewhere: the manifest has no replicas.' : '');
  set(refs.less, {
    'aria-label': `One consumer less in ${g.name}`,
    'aria-disabled': may.off || gone || (g.replicas ?? g.consumers) < 1 ? 'true' : null,
    title: dead || may.lines.less
  });
  set(refs.more, {
    'aria-label': `One consumer more in ${g.name}`,
    'aria-disabled': may.off || gone ? 'true' : null,
    title: dead || may.lines.more
  });
  text(refs.toggle, g.stopped ? '▶ Start' : '■ Stop');
  set(refs.toggle, {
    'data-act': g.stopped ? 'start' : 'stop',
    'aria-label': `${g.stopped ? 'Start' : 'Stop'} ${g.name}`,
    'aria-disabled': may.off ? 'true' : null,
    title: may.off || may.lines.toggle
  });
  const why = g.idle ? `${g.idle} idle` : g.only || (f.w > 330 ? g.how : '');
  text(refs.why, why);
  set(refs.why, { title: why || null });
}
