// The course of one arrow. In: its numbers (from cards.js or row_layout.js). Out: a path for SVG, and points for dots and tests.
// Deliberately absent: elements; nothing here asks the browser for a length.

/** An arrow of cards: from (x0,y0) down a curve to (x1,yr), then straight to (x1,y1). An arrow of rows (`loom`): out of a wrapped row of partitions by a gap if it
 * must (px,py), down a curve to its track (tx,yt), along the track, and off into its row at (x1,yr).
 * @typedef {{id: string, arrow: import('./scene.js').Arrow, hue: number, box: string, width: number, calm: boolean, loom: boolean, x0: number, y0: number, x1: number, y1: number, yr: number,
 *   tx: number, yt: number, px?: number, py?: number}} Wire */
/** @typedef {[number, number]} Point */
export const COURSE = ['x0', 'y0', 'x1', 'y1', 'yr', 'tx', 'yt', 'px', 'py'];
/** @param {any} a @param {any} b */
export const same = (a, b) => COURSE.every(f => a[f] === b[f]);

const r = (/** @type {number} */ n) => Math.round(n * 10) / 10;

/** Cubic pieces and lines, in order. @param {Wire} w @returns {Point[][]} */
function pieces(w) {
  if (!w.loom) {
    const h = w.yr - w.y0;
    return [
      [
        [w.x0, w.y0],
        [w.x0, w.y0 + h * 0.38],
        [w.x1, w.yr - h * 0.46],
        [w.x1, w.yr]
      ],
      [
        [w.x1, w.yr],
        [w.x1, w.y1 - (w.arrow.read ? 7 : 10)]
      ]
    ];
  }
  /** @type {Point[][]} */ const all = [];
  if (w.px != null && w.py != null)
    all.push(
      [
        [w.px, w.py],
        [w.px, w.py + 4],
        [w.x0, w.py + 1],
        [w.x0, w.py + 6]
      ],
      [
        [w.x0, w.py + 6],
        [w.x0, w.y0]
      ]
    );
  const h = w.yt - w.y0,
    turn = Math.min(5, Math.max(1, w.x1 - 4 - w.tx));
  all.push(
    [
      [w.x0, w.y0],
      [w.x0, w.y0 + h * 0.3],
      [w.tx, w.yt - h * 0.3],
      [w.tx, w.yt]
    ],
    [
      [w.tx, w.yt],
      [w.tx, w.yr - turn]
    ],
    [
      [w.tx, w.yr - turn],
      [w.tx, w.yr - turn * 0.33],
      [w.tx + turn * 0.33, w.yr],
      [w.tx + turn, w.yr]
    ],
    [
      [w.tx + turn, w.yr],
      [w.x1 - 4, w.yr]
    ]
  );
  return all;
}

/** @param {Wire} w */
export function path(w) {
  const all = pieces(w);
  return (
    `M${r(all[0][0][0])} ${r(all[0][0][1])}` +
    all
      .map(
        p =>
          (p.length === 4 ? 'C' : 'L') +
          p
            .slice(1)
            .map(q => `${r(q[0])} ${r(q[1])}`)
            .join(' ')
      )
      .join('')
  );
}

/** Its head: a triangle where it is read, a cross without a reader. @param {Wire} w */
export function head(w) {
  const { x1: x, y1, yr: y } = w;
  if (!w.arrow.read) return w.loom ? `M${r(x - 9)} ${r(y - 3)}l6 6m0 -6l-6 6` : `M${r(x - 3)} ${r(y1 - 9)}l6 6m0 -6l-6 6`;
  return w.loom ? `M${r(x)} ${r(y)}l-6 -3.2v6.4z` : `M${r(x)} ${r(y1)}l-4.5 -9h9z`;
}

/** `n` + 1 points at equal distances along the way of a dot: down to the pill, or to the row. @param {Wire} w @param {number} n @returns {Point[]} */
export function points(w, n = 48) {
  /** @type {Point[]} */ const dense = [];
  const all = w.loom ? pieces(w) : pieces(w).slice(0, 1);
  for (const p of all)
    for (let i = dense.length ? 1 : 0, k = p.length === 4 ? 24 : 1; i <= k; i++) {
      const t = i / k,
        u = 1 - t,
        at = (/** @type {0 | 1} */ d) =>
          p.length === 4
            ? u * u * u * p[0][d] + 3 * u * u * t * p[1][d] + 3 * u * t * t * p[2][d] + t * t * t * p[3][d]
            : u * p[0][d] + t * p[1][d];
      dense.push([at(0), at(1)]);
    }
  const length = [0];
  for (let i = 1; i < dense.length; i++)
    length.push(length[i - 1] + Math.hypot(dense[i][0] - dense[i - 1][0], dense[i][1] - dense[i - 1][1]));
  const total = length[length.length - 1],
    out = /** @type {Point[]} */ ([]);
  for (let i = 0, j = 0; i <= n; i++) {
    const want = (total * i) / n;
    while (j < length.length - 2 && length[j + 1] < want) j++;
    const part = length[j + 1] - length[j],
      f = part ? (want - length[j]) / part : 0;
    out.push([dense[j][0] + (dense[j + 1][0] - dense[j][0]) * f, dense[j][1] + (dense[j + 1][1] - dense[j][1]) * f]);
  }
  return out;
}

/** Ports on the bottom edge of a partition: one for each arrow, sorted by where it goes. @param {Wire[]} wires @param {{cx: number, w: number, y: number, h: number}} part @param {number} pitch @param {number} share */
export function ports(wires, part, pitch, share) {
  const step = Math.min(pitch, (part.w * share) / Math.max(1, wires.length - 1));
  wires.forEach((w, i) => {
    w.x0 = part.cx + (i - (wires.length - 1) / 2) * step;
    w.y0 = part.y + part.h;
  });
}
