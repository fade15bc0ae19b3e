// Five minutes of a group's lag, by uPlot. In: points [time, lag or null]. Out: a small chart; under the pointer its value and time. A gap is a gap, never a zero.
import { set, text } from './dom.js';
import { onTheme } from './theme.js';
import { clock, num } from './words.js';

const FIVE = 300;
const charts = new Set(/** @type {any[]} */ ([]));
onTheme(() => {
  for (const c of charts) c.redraw(false, true);
});

/** @param {any} host @param {any} note element of the caption: "5 min", or the value under the pointer */
export function makeChart(host, note) {
  /** @type {any} */ let plot = null;
  let width = 0,
    room = 0,
    hovered = '',
    caption = '',
    until = 0,
    last = /** @type {any} */ (null);
  const colour = (/** @type {number} */ alpha) => {
    const c = getComputedStyle(host).color;
    return alpha === 1 ? c : c.replace('rgb(', 'rgba(').replace(')', `, ${alpha})`);
  };
  function point(/** @type {any} */ u) {
    const i = u.cursor.idx,
      v = i == null || u.cursor.left < 0 ? null : u.data[1][i];
    hovered = v == null ? '' : `${num(v)} at ${clock(u.data[0][i] * 1000)}`;
    text(note, hovered || caption);
  }
  function make() {
    const none = { show: false };
    plot = new /** @type {any} */ (window).uPlot(
      {
        width,
        height: 28,
        padding: [3, 0, 1, 0],
        legend: none,
        axes: [none, none],
        ms: 1,
        scales: {
          x: { time: false, range: () => [until - FIVE, until] },
          y: { range: (/** @type {any} */ _, /** @type {any} */ low, /** @type {number} */ high) => [0, Math.max(10, (high ?? 0) * 1.05)] }
        },
        series: [{}, { stroke: () => colour(1), fill: () => colour(0.13), width: 1.5, spanGaps: false, points: none }],
        cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
        hooks: { setCursor: [point] }
      },
      [[], []],
      host
    );
    charts.add(plot);
  }
  new ResizeObserver(entries => {
    room = Math.floor(entries[0].contentRect.width);
  }).observe(host); // reading the size at each drawing would force a layout each time
  /** @param {import('./scene.js').Group} g @param {number} foot @param {string} since */
  return (g, foot, since) => {
    caption = foot > 330 && since ? since : foot > 210 ? '5 min' : '';
    if (!hovered) text(note, caption);
    const points = g.history;
    if (!room) return;
    if (plot && room !== width) {
      width = room;
      plot.setSize({ width, height: 28 });
    }
    if (!plot) {
      width = room;
      make();
    }
    const tip = points.length ? points[points.length - 1][0] : 0;
    if (last === points && tip / 1000 === until) return;
    last = points;
    until = tip / 1000;
    plot.setData([points.map(p => p[0] / 1000), points.map(p => p[1])]);
    const known = /** @type {number[]} */ (points.map(p => p[1]).filter(v => v != null));
    set(host, {
      role: 'img',
      'aria-label': known.length
        ? `Lag over the last five minutes: from ${known[0]} to ${known[known.length - 1]}, at most ${Math.max(...known)}`
        : 'Lag over the last five minutes: unknown'
    });
    host.parentElement.dataset.points = String(points.length);
  };
}
