// Messages on their way, on one canvas. In: the courses of the arrows, how many messages each consumer took. Out: dots, 200 at most.
// Deliberately absent: anything when motion is not wanted. The browser is asked for no length: a course is 49 points.
import { isDark, onTheme } from './theme.js';
import { points } from './wire.js';

const MOST = 200, TAKES = 900, SPREAD = 120;
const reduced = matchMedia('(prefers-reduced-motion: reduce)');

/** @param {any} canvas */
export function makeDots(canvas) {
  const paint = canvas.getContext('2d');
  /** @type {Map<string, {course: import('./wire.js').Point[] | null, wire: import('./wire.js').Wire, owed: number}>} */ const courses = new Map();
  /** @type {{id: string, start: number}[]} */ let alive = [];
  /** @type {Map<string, HTMLCanvasElement>} */ const sprites = new Map();
  let frame = 0, width = 0, height = 0, scale = 1, small = false, painted = false;
  onTheme(() => sprites.clear());

  function sprite(/** @type {number} */ hue) {
    const key = `${hue}${small}`, had = sprites.get(key);
    if (had) return had;
    const ratio = devicePixelRatio || 1, r = small ? 2.4 : 3.6, c = document.createElement('canvas'), g = /** @type {CanvasRenderingContext2D} */ (c.getContext('2d')), probe = document.querySelector(`#wires .c${hue}`);
    c.width = c.height = Math.ceil((r + 1.5) * 2 * ratio);
    g.scale(ratio, ratio);
    g.arc(r + 1.5, r + 1.5, r, 0, 7);
    g.fillStyle = probe ? getComputedStyle(probe).color : isDark() ? '#fff' : '#000';
    g.strokeStyle = getComputedStyle(document.body).backgroundColor; g.lineWidth = 1.5;
    g.fill(); g.stroke();
    sprites.set(key, c);
    return c;
  }
  function tick(/** @type {number} */ now) {
    frame = 0;
    paint.clearRect(0, 0, width, height);
    let kept = 0;
    const r = (small ? 2.4 : 3.6) + 1.5;
    for (const d of alive) {
      const t = (now - d.start) / TAKES, c = courses.get(d.id);
      if (t >= 1 || !c) continue;
      alive[kept++] = d;
      if (t < 0) continue;
      c.course ??= points(c.wire);
      const u = t * t * (3 - 2 * t) * (c.course.length - 1), i = Math.min(c.course.length - 2, Math.floor(u)), f = u - i, a = c.course[i], b = c.course[i + 1];
      paint.drawImage(sprite(c.wire.hue), a[0] + (b[0] - a[0]) * f - r, a[1] + (b[1] - a[1]) * f - r, 2 * r, 2 * r);
    }
    alive.length = kept;
    painted = kept > 0;
    if (kept) frame = requestAnimationFrame(tick);
  }

  return {
    /** @param {import('./layout.js').Layout} L @param {number} messages what one dot stands for */
    follow(L, messages) {
      scale = messages; small = L.dense;
      const ratio = devicePixelRatio || 1, h = Math.round(L.height);
      if (width !== L.width || height !== h || canvas.width !== Math.round(L.width * ratio)) {
        width = L.width; height = h; canvas.width = Math.round(width * ratio); canvas.height = Math.round(h * ratio); canvas.style.width = `${width}px`; canvas.style.height = `${h}px`;
        paint.setTransform(ratio, 0, 0, ratio, 0, 0); sprites.clear();
      }
      const ids = new Set(L.wires.map(w => w.id));
      for (const id of courses.keys()) if (!ids.has(id)) courses.delete(id);
      for (const w of L.wires) {
        const had = courses.get(w.id);
        if (!had) courses.set(w.id, { course: null, wire: w, owed: 0 });
        else if (had.wire.x0 !== w.x0 || had.wire.x1 !== w.x1 || had.wire.yr !== w.yr || had.wire.tx !== w.tx || had.wire.y0 !== w.y0 || had.wire.box !== w.box) { had.course = null; had.wire = w; }
      }
    },
    /** Some messages were taken from a partition. @param {string} id group|topic/partition @param {number} count */
    add(id, count) {
      const c = courses.get(id);
      if (!c || reduced.matches || document.hidden) return;
      c.owed += count / scale;
      const now = performance.now();
      for (; c.owed >= 1; c.owed--) if (alive.length < MOST) alive.push({ id, start: now + Math.random() * SPREAD });
      c.owed = Math.min(c.owed, 1);
      if (!frame && alive.length) frame = requestAnimationFrame(tick);
    },
    clear() { alive = []; if (painted) paint.clearRect(0, 0, width, height); },
    get alive() { return alive.length; },
  };
}
