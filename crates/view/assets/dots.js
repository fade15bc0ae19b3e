// Messages in flight, on one canvas. In: the courses of the arrows, messages consumed. Out: dots, 200 at most.
// Deliberately absent: any motion under prefers-reduced-motion, and getPointAtLength: a course is 49 points.
import { onTheme, reduced } from './theme.js';
import { points, same } from './wire.js';

const MOST = 200,
  TAKES = 900,
  SPREAD = 120,
  FRAME = 24; // about thirty frames a second are smooth for dots this small

/** @param {any} canvas @param {(w: import('./wire.js').Wire) => boolean} faded arrows without dots for now */
export function makeDots(canvas, faded) {
  const paint = canvas.getContext('2d');
  /** @type {Map<string, {course: import('./wire.js').Point[] | null, wire: import('./wire.js').Wire, owed: number}>} */ const courses =
    new Map();
  /** @type {{id: string, start: number}[]} */ let alive = [];
  /** @type {string[]} */ const inks = [];
  let ring = '',
    last = 0,
    frame = 0,
    width = 0,
    height = 0,
    scale = 1,
    small = false,
    painted = false;
  onTheme(() => {
    inks.length = 0;
  });

  function colours() {
    ring = getComputedStyle(document.body).backgroundColor;
    for (let hue = 0; hue < 6; hue++) {
      const probe = document.querySelector(`#wires .c${hue}`);
      if (probe) inks[hue] = getComputedStyle(probe).color;
    }
  }
  function tick(/** @type {number} */ now) {
    frame = requestAnimationFrame(tick);
    if (now - last < FRAME) return;
    last = now;
    paint.clearRect(0, 0, width, height);
    let kept = 0;
    /** @type {number[][]} */ const at = [[], [], [], [], [], []];
    for (const d of alive) {
      const t = (now - d.start) / TAKES,
        c = courses.get(d.id);
      if (t >= 1 || !c) continue;
      alive[kept++] = d;
      if (t < 0 || faded(c.wire)) continue;
      c.course ??= points(c.wire);
      const u = t * t * (3 - 2 * t) * (c.course.length - 1),
        i = Math.min(c.course.length - 2, Math.floor(u)),
        f = u - i,
        a = c.course[i],
        b = c.course[i + 1];
      at[c.wire.hue].push(a[0] + (b[0] - a[0]) * f, a[1] + (b[1] - a[1]) * f);
    }
    alive.length = kept;
    const r = small ? 2.4 : 3.6;
    paint.strokeStyle = ring;
    paint.lineWidth = 1.5;
    at.forEach((p, hue) => {
      // one path for each colour: two hundred dots are six fills
      if (!p.length) return;
      paint.beginPath();
      for (let i = 0; i < p.length; i += 2) {
        paint.moveTo(p[i] + r, p[i + 1]);
        paint.arc(p[i], p[i + 1], r, 0, 7);
      }
      paint.fillStyle = inks[hue];
      paint.fill();
      paint.stroke();
    });
    painted = kept > 0;
    if (!kept) {
      cancelAnimationFrame(frame);
      frame = 0;
    }
  }

  return {
    /** @param {import('./layout.js').Layout} L @param {number} messages per dot */
    follow(L, messages) {
      scale = messages;
      small = L.dense;
      const ratio = devicePixelRatio || 1,
        h = Math.round(L.height);
      if (width !== L.width || height !== h || canvas.width !== Math.round(L.width * ratio)) {
        width = L.width;
        height = h;
        canvas.width = Math.round(width * ratio);
        canvas.height = Math.round(h * ratio);
        canvas.style.width = `${width}px`;
        canvas.style.height = `${h}px`;
        paint.setTransform(ratio, 0, 0, ratio, 0, 0);
      }
      if (L.wires.some(w => !inks[w.hue])) colours();
      const ids = new Set(L.wires.map(w => w.id));
      for (const id of courses.keys()) if (!ids.has(id)) courses.delete(id);
      for (const w of L.wires) {
        const had = courses.get(w.id);
        if (!had) courses.set(w.id, { course: null, wire: w, owed: 0 });
        else if (!same(had.wire, w) || had.wire.box !== w.box) {
          had.course = null;
          had.wire = w;
        }
      }
    },
    /** Messages were consumed from a partition. @param {string} id group|topic/partition @param {number} count */
    add(id, count) {
      const c = courses.get(id);
      if (!c || reduced.matches || document.hidden) return;
      c.owed += count / scale;
      const now = performance.now();
      for (; c.owed >= 1; c.owed--) if (alive.length < MOST) alive.push({ id, start: now + Math.random() * SPREAD });
      c.owed = Math.min(c.owed, 1);
      if (!frame && alive.length) frame = requestAnimationFrame(tick);
    },
    clear() {
      alive = [];
      if (painted) paint.clearRect(0, 0, width, height);
    },
    get alive() {
      return alive.length;
    }
  };
}
