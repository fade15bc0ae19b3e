// Samples of a value over time. In: times and values. Out: rates, trends; null where unknown.
// Deliberately absent: a clock, smoothing.

/** @typedef {{t: number, v: number}[]} Series  oldest first */

const KEEP = 40_000,
  STEP = 400;

/** Adds a value. Values closer than STEP replace each other, so that ten a second cost no memory.
 * @param {Series} s @param {number} t @param {number} v */
export function push(s, t, v) {
  const last = s[s.length - 1];
  if (last && t < last.t) return;
  if (last && last.v === v && s.length > 1 && s[s.length - 2].v === v) last.t = t;
  else if (last && s.length > 1 && t - s[s.length - 2].t < STEP) s[s.length - 1] = { t, v };
  else s.push({ t, v });
  while (s.length > 2 && s[1].t < t - KEEP) s.shift();
}

/** The value at a time: that of the last one before it (a value holds until the next one).
 * @param {Series} s @param {number} t */
function at(s, t) {
  let v = s[0].v;
  for (const p of s) {
    if (p.t > t) break;
    v = p.v;
  }
  return v;
}

/** Growth per second over the last `span` ms of a counter; null until it has been watched for two seconds.
 * @param {Series | undefined} s @param {number} now */
export function perSecond(s, now, span = 6000) {
  if (!s || !s.length) return null;
  const from = Math.max(s[0].t, now - span);
  if (now - from < 2000) return null;
  return Math.max(0, ((at(s, now) - at(s, from)) * 1000) / (now - from));
}

/** Slope per second of something that goes up and down, or 0 when it does not clearly go anywhere: the lowest of the late
 * values must be above the highest of the early ones (or the other way round). null while too young.
 * @param {Series | undefined} s @param {number} now */
export function trend(s, now, span = 12_000) {
  if (!s || !s.length) return null;
  const from = Math.max(s[0].t, now - span),
    step = (now - from) / 6;
  if (now - from < 5000) return null;
  const v = [0, 1, 2, 3, 4, 5, 6].map(i => at(s, from + i * step)),
    early = v.slice(0, 3),
    late = v.slice(4);
  const slope = ((v[6] - v[0]) * 1000) / (now - from);
  return Math.min(...late) > Math.max(...early) || Math.max(...late) < Math.min(...early) ? slope : 0;
}
