// The model of a page. In: the server's JSON (snapshot, patch, flow) and a time. Out: a Scene to draw.
// Deliberately absent: a clock, elements, any request. Patches in any order give the same scene as one snapshot.
import { perSecond, push, trend } from './series.js';
import { HEALTH, groupWord, tail } from './words.js';

/** @typedef {{key: string, topic: string, partition: number, start: number | null, end: number | null, rate: number | null, leader: number | null, replicas: number[], isr: number[]}} Part */
/** @typedef {{id: string, key: string, topic: string, partition: number, group: string, hue: number, owner: string, seat: string, read: boolean, lag: number | null,
 *   lagReason: string | null, end: number | null, committed: number | null, rate: number | null, trend: number | null, growing: boolean, shrinking: boolean, mark: string, health: string,
 *   warns: boolean}} Arrow */
/** @typedef {{id: string, name: string, tail: string, pod: string, kind: 'run' | 'slow' | 'idle' | 'wait' | 'killed' | 'paused' | 'left' | 'unowned' | 'ghost', arrows: Arrow[], rate: number | null,
 *   delayMs: number | null, lag: number | null, why: string, since: number | null, age: number, giveUpIn: number | null, timeoutMs: number | null, variant: string}} Member */
/** @typedef {{name: string, hue: number, word: import('./words.js').Word, members: Member[], lag: number | null, trend: number | null, growing: boolean, history: [number, number | null][], oldest: number | null, drain: number | null,
 *   consumers: number, replicas: number | null, idle: number, stopped: boolean, rest: string, scalable: boolean, how: string, only: string}} Group `rest`: why it has no consumers on purpose */
/** @typedef {{ns: string, name: string, now: number, ready: boolean, sentence: string, otherGroups: any[], otherGroupCount: number, kafka: any, actions: any, sendUrl: string, sendHow: string, load: any, summary: any, topics: {name: string, parts: Part[]}[],
 *   parts: Part[], groups: Group[], arrows: Arrow[], journal: any[], truncated: boolean, multi: boolean, copies: boolean, reads: number}} Scene */

/** A box that is not a consumer. @type {Member} */
export const NONE = {
  id: '',
  name: '',
  tail: '',
  pod: '',
  kind: 'run',
  arrows: [],
  rate: null,
  delayMs: null,
  lag: null,
  why: '',
  since: null,
  age: 0,
  giveUpIn: null,
  timeoutMs: null,
  variant: ''
};
const KEPT = 10_000,
  HISTORY = 300_000;
const keyOf = (/** @type {any} */ p) => `${p.topic}/${p.partition}`;
const idOf = (/** @type {any} */ m) => m.memberId || m.name;

/** Everything received so far: `newModel()` is empty. */
export const newModel = () => ({
  /** @type {any} */ snap: null,
  /** @type {Map<string, number>} */ hues: new Map(),
  /** @type {Map<string, {end: number, at: number}>} ends that flow reported since the last poll */ ends: new Map(),
  /** @type {Map<string, number>} group|partition -> position that flow reported */ positions: new Map(),
  /** @type {Map<string, string>} group|partition -> member id of its last owner */ owners: new Map(),
  /** @type {Map<string, {index: number, until: number, member: any}[]>} seats of members who left while their partitions wait */ kept: new Map(),
  /** @type {Map<string, import('./series.js').Series>} */ series: new Map()
});
/** @typedef {ReturnType<typeof newModel>} Model */

/** A whole snapshot: the first event, and again after a reconnect or when groups change their order. Colours, seats and positions from flow are kept for the same practice.
 * @param {Model} m @param {any} json @returns {Model} */
export function snapshot(m, json) {
  const old = m.snap?.name === json.name && m.snap?.namespace === json.namespace ? m.snap : null;
  if (!old) m = newModel();
  m.snap = {
    ...json,
    groups: json.groups ?? [],
    partitions: json.partitions ?? [],
    rebalances: json.rebalances ?? [],
    history: { ...json.history }
  };
  for (const name of m.hues.keys()) if (!m.snap.groups.some((/** @type {any} */ g) => g.name === name)) forget(m, name);
  for (const g of m.snap.groups)
    replace(
      m,
      old?.groups.find((/** @type {any} */ o) => o.name === g.name),
      g
    );
  polled(m, m.snap.partitions);
  sample(m);
  return m;
}
/** @param {Model} m @param {string} name */
function forget(m, name) {
  m.hues.delete(name);
  m.kept.delete(name);
}
/** @param {Model} m @param {any} was @param {any} is */
function replace(m, was, is) {
  // A member that has left has no member id; its box stays.
  for (const x of is.members ?? []) x.memberId ||= was?.members?.find((/** @type {any} */ o) => o.name === x.name)?.memberId ?? null;
  if (was) keepSeats(m, was, is, m.snap.now);
  greet(m, is);
}
/** A poll that began before the last flow may arrive after it: ends from flow are kept for two polls. @param {Model} m @param {any[]} partitions */
function polled(m, partitions) {
  for (const p of partitions) {
    const live = m.ends.get(keyOf(p));
    if (live && (p.end >= live.end || m.snap.now - live.at > 4000)) m.ends.delete(keyOf(p));
  }
}

/** @param {Model} m @param {any} json @returns {Model} */
export function patch(m, json) {
  const { groups = [], gone = [], history = {}, ...rest } = json,
    old = m.snap;
  const snap = (m.snap = {
    ...old,
    ...rest,
    groups: old.groups.filter((/** @type {any} */ g) => !gone.includes(g.name)),
    history: { ...old.history }
  });
  for (const name of gone) {
    delete snap.history[name];
    forget(m, name);
  }
  for (const g of groups) {
    const i = snap.groups.findIndex((/** @type {any} */ o) => o.name === g.name);
    replace(m, snap.groups[i], g);
    if (i >= 0) snap.groups[i] = g;
    else snap.groups.push(g);
  }
  for (const name in history) {
    const had = snap.history[name] ?? [],
      last = had.length ? had[had.length - 1][0] : 0;
    snap.history[name] = [...had, ...history[name].filter((/** @type {any} */ p) => p[0] > last)].filter(p => p[0] >= snap.now - HISTORY);
  }
  if (rest.partitions) polled(m, rest.partitions);
  sample(m);
  return m;
}

/** @param {Model} m @param {any} json @returns {Model} */
export function flow(m, json) {
  if (!m.snap) return m;
  m.snap = { ...m.snap, now: Math.max(m.snap.now, json.now ?? 0) };
  for (const [topic, partition, end] of json.produced ?? []) m.ends.set(`${topic}/${partition}`, { end, at: m.snap.now });
  for (const [group, topic, partition, , , offset] of json.consumed ?? [])
    if (offset != null) m.positions.set(`${group}|${topic}/${partition}`, offset); // the next offset to read, like a committed offset
  sample(m);
  return m;
}

/** @param {Model} m @param {any} g */
function greet(m, g) {
  if (!m.hues.has(g.name)) {
    let h = 0;
    const used = new Set(m.hues.values());
    while (used.has(h)) h++;
    m.hues.set(g.name, h);
  }
  for (const member of g.members ?? [])
    for (const p of member.partitions ?? []) {
      const id = `${g.name}|${keyOf(p)}`;
      if (m.owners.get(id) !== idOf(member)) m.positions.delete(id);
      m.owners.set(id, idOf(member));
    }
  for (const p of g.open ?? []) m.positions.delete(`${g.name}|${keyOf(p)}`);
}

/** A member that left keeps its seat while its partitions have no owner: its arrows turn to dots, and no box moves before they have a new owner.
 * @param {Model} m @param {any} was @param {any} is @param {number} now */
function keepSeats(m, was, is, now) {
  const here = new Set((is.members ?? []).map(idOf)),
    open = new Set((is.open ?? []).map(keyOf));
  const seats = (m.kept.get(is.name) ?? []).filter(k => k.until > now && !here.has(idOf(k.member)));
  (was.members ?? []).forEach((/** @type {any} */ member, /** @type {number} */ index) => {
    if (!here.has(idOf(member)) && (member.partitions ?? []).some((/** @type {any} */ p) => open.has(keyOf(p))))
      seats.push({ index, until: now + KEPT, member: { ...member, partitions: [], state: 'left', idleBecause: null, since: now } });
  });
  m.kept.set(
    is.name,
    seats.filter(k => [...open].some(key => m.owners.get(`${is.name}|${key}`) === idOf(k.member)))
  );
}

/** @param {Model} m @param {any} p */
const endOf = (m, p) => m.ends.get(keyOf(p))?.end ?? p.end ?? null;
/** @param {Model} m @param {string} group @param {any} p */
const positionOf = (m, group, p) => {
  const at = m.positions.get(`${group}|${keyOf(p)}`);
  return at == null || at > (endOf(m, p) ?? at) ? (p.committed ?? null) : Math.max(at, p.committed ?? 0);
};
/** Current lag: the last poll's, updated by the flow since. @param {Model} m @param {string} group @param {any} p @returns {number | null} */
function lagOf(m, group, p) {
  if (p.lag == null || (p.lagReason && p.lagReason !== 'NoCommit')) return p.lag ?? null;
  const end = m.ends.get(keyOf(p))?.end ?? p.end,
    at = positionOf(m, group, p);
  return at == null || end == null || (end === p.end && at === p.committed) ? p.lag : Math.max(0, end - at);
}

/** Records samples for rates and trends. @param {Model} m */
function sample(m) {
  const now = m.snap.now,
    note = (/** @type {string} */ id, /** @type {number | null} */ v) => {
      if (v == null) return;
      let s = m.series.get(id);
      if (!s) m.series.set(id, (s = []));
      push(s, now, v);
    };
  for (const p of m.snap.partitions) note(keyOf(p), endOf(m, p));
  for (const g of m.snap.groups)
    for (const owner of [...(g.members ?? []), { partitions: g.open ?? [] }])
      for (const p of owner.partitions ?? []) {
        note(`${g.name}|${keyOf(p)}`, positionOf(m, g.name, p));
        note(`lag ${g.name}|${keyOf(p)}`, lagOf(m, g.name, p));
      }
}

const sum = (/** @type {(number | null)[]} */ l) =>
  l.some(v => v == null) ? null : l.reduce((/** @type {number} */ a, v) => a + /** @type {number} */ (v), 0);

/** Behind, and increasingly so: a lag of at least 10 messages and more than two seconds of reading; a healthy consumer's commit interval causes less.
 * @param {number | null} lag @param {number | null} slope @param {number | null} speed */
const falls = (lag, slope, speed) => lag != null && lag >= 10 && lag > 2 * (speed ?? 0) && (slope ?? 0) >= 0.5;

/** @param {Model} m @param {any} g @param {number} now @returns {Group} */
function groupOf(m, g, now) {
  const hue = (m.hues.get(g.name) ?? 0) % 6,
    raw = [...(g.members ?? [])],
    rest = g.stopped ? 'stopped' : g.scaledToZero && 'scaled to 0';
  for (const k of m.kept.get(g.name) ?? []) if (k.until > now) raw.splice(Math.min(k.index, raw.length), 0, k.member);
  const ids = new Set(raw.map(idOf));
  const arrow = (/** @type {any} */ p, /** @type {any} */ owner) => {
    const id = `${g.name}|${keyOf(p)}`,
      slope = trend(m.series.get('lag ' + id), now),
      speed = perSecond(m.series.get(id), now),
      lag = lagOf(m, g.name, p),
      growing = falls(lag, slope, speed),
      shrinking = !!lag && (slope ?? 0) <= -0.5,
      glyph = rest ? null : HEALTH[p.health];
    const read = !!owner && owner.state !== 'killed' && owner.state !== 'paused' && owner.state !== 'left',
      last = m.owners.get(id) ?? '';
    return {
      id,
      key: keyOf(p),
      topic: p.topic,
      partition: p.partition,
      group: g.name,
      hue,
      owner: read ? owner.name : '',
      seat: owner ? idOf(owner) : ids.has(last) ? last : 'unowned',
      read,
      lag,
      lagReason: p.lagReason ?? null,
      end: endOf(m, p),
      committed: p.committed ?? null,
      trend: slope,
      rate: speed,
      growing,
      shrinking,
      mark: glyph ?? (!read ? '' : growing ? '▲' : shrinking ? '▼' : ''),
      health: glyph ? p.health.toLowerCase() : '',
      warns: growing || !!glyph
    };
  };
  const open = (g.open ?? []).map((/** @type {any} */ p) => arrow(p, null));
  /** @type {Member[]} */ const members = raw.map(r => {
    const arrows = [
      ...(r.partitions ?? []).map((/** @type {any} */ p) => arrow(p, r)),
      ...open.filter((/** @type {Arrow} */ a) => a.seat === idOf(r))
    ];
    const own = arrows.filter(a => a.read),
      silent = r.state === 'killed' || r.state === 'paused';
    /** @type {Member['kind']} */ const kind =
      silent || r.state === 'left' ? r.state : own.length ? (own.some(a => a.growing) ? 'slow' : 'run') : r.idleBecause ? 'idle' : 'wait';
    const left =
      r.since != null && g.sessionTimeoutMs != null && silent && (r.partitions ?? []).length ? r.since + g.sessionTimeoutMs - now : null;
    return {
      id: idOf(r),
      name: r.name,
      tail: tail(r.name),
      pod: r.pod ?? '',
      kind,
      arrows,
      rate: own.length ? sum(own.map(a => a.rate)) : null,
      delayMs: r.delayMs ?? null,
      lag: sum(arrows.map(a => a.lag)),
      why: r.idleBecause ?? '',
      since: r.since ?? null,
      age: r.since == null ? 0 : Math.max(0, now - r.since),
      giveUpIn: left != null && left > 0 ? left : null,
      timeoutMs: g.sessionTimeoutMs ?? null,
      variant: r.variant ?? ''
    };
  });
  const orphans = open.filter((/** @type {Arrow} */ a) => a.seat === 'unowned');
  const silent = members.some(x => (x.kind === 'killed' || x.kind === 'paused') && x.arrows.length > 0);
  const word = groupWord({ ...g, silent: silent && g.state === 'Stable', stopped: g.stopped && raw.every(r => r.state === 'left') });
  if (orphans.length || (rest && !members.length))
    members.push({
      ...NONE,
      id: 'unowned',
      kind: 'unowned',
      arrows: orphans,
      lag: sum(orphans.map((/** @type {Arrow} */ a) => a.lag)),
      why: rest ? `The group is ${rest}; its committed offsets stay.` : raw.length ? 'They wait for a new owner.' : 'No member joined.'
    });
  const arrows = members.flatMap(x => x.arrows),
    topics = g.topics ?? [],
    slope = trend(
      (m.snap.history[g.name] ?? []).filter((/** @type {any} */ p) => p[1] != null).map((/** @type {any} */ p) => ({ t: p[0], v: p[1] })),
      now
    );
  // an unknown topic has no arrows: a sum without it would be too small
  const lag = arrows.length && g.lag !== null ? sum(arrows.map(a => a.lag)) : (g.lag ?? null),
    all = new Set(m.snap.partitions.map((/** @type {any} */ p) => p.topic)).size;
  return {
    name: g.name,
    hue,
    word,
    members,
    lag,
    trend: slope,
    growing: falls(
      lag,
      slope,
      arrows.reduce((a, x) => a + (x.rate ?? 0), 0)
    ),
    history: m.snap.history[g.name] ?? [],
    oldest: g.oldestAt == null ? null : Math.max(0, now - g.oldestAt),
    drain: g.doneAt > now ? g.doneAt - now : null,
    consumers: members.filter(x => x.kind !== 'left' && x.kind !== 'unowned').length,
    replicas: g.replicas ?? null,
    idle: members.filter(x => x.kind === 'idle').length,
    stopped: !!g.stopped,
    rest: rest || '',
    scalable: g.scalable !== false,
    how: [g.protocol === 'Consumer' ? 'KIP-848 protocol' : g.protocol, g.assignor].filter(Boolean).join(', '),
    only: topics.length && topics.length < all ? `${topics.join(', ')} only` : ''
  };
}

/** Whether a group has no consumers because the manifest says so, and the last one has left. @param {Group} g */
export const atRest = g => !!g.rest && g.members.every(m => /^(unowned|ghost|left)$/.test(m.kind));

/** Draws the consumers that a plan would start. @param {Scene} s @param {string} group @param {{starts?: number, idle?: string}} plan */
export function ghosts(s, group, { starts = 0, idle = '' }) {
  const members = s.groups.find(g => g.name === group)?.members ?? [];
  for (let i = 0; i < starts; i++) members.push({ ...NONE, id: `ghost ${i}`, name: 'new', tail: 'new', kind: 'ghost', why: i ? '' : idle });
  return s;
}

/** The scene at a time. @param {Model} m @param {number} [now] @returns {Scene} */
export function sceneOf(m, now = m.snap.now) {
  const s = m.snap;
  /** @type {Part[]} */ const parts = s.partitions.map((/** @type {any} */ p) => ({
    key: keyOf(p),
    topic: p.topic,
    partition: p.partition,
    start: p.start ?? null,
    end: endOf(m, p),
    rate: perSecond(m.series.get(keyOf(p)), now),
    leader: p.leader ?? null,
    replicas: [...(p.replicas ?? [])].sort((a, b) => a - b),
    isr: p.isr ?? []
  }));
  /** @type {Scene['topics']} */ const topics = [];
  for (const p of parts) {
    const t = topics[topics.length - 1];
    if (t?.name === p.topic) t.parts.push(p);
    else topics.push({ name: p.topic, parts: [p] });
  }
  const groups = s.groups.map((/** @type {any} */ g) => groupOf(m, g, now)),
    known = new Set(parts.map(p => p.key));
  for (const g of groups) for (const x of g.members) x.arrows = x.arrows.filter((/** @type {Arrow} */ a) => known.has(a.key)); // a topic that is not listed yet has no box
  const members = groups.flatMap((/** @type {Group} */ g) => g.members);
  return {
    ns: s.namespace,
    name: s.name,
    now,
    ready: !!s.ready,
    sentence: s.sentence ?? '',
    otherGroups: s.otherGroups ?? [],
    otherGroupCount: s.otherGroupCount ?? 0,
    kafka: s.kafka ?? {},
    actions: s.actions ?? { enabled: false, how: null },
    sendUrl: s.sendUrl ?? '',
    sendHow: s.sendHow ?? '',
    load: s.load ?? null,
    summary: { ...s.summary, lag: sum(groups.map((/** @type {Group} */ g) => g.lag)) },
    topics,
    parts,
    groups,
    arrows: members.flatMap((/** @type {Member} */ x) => x.arrows),
    journal: s.rebalances,
    truncated: s.groups.some((/** @type {any} */ g) => g.truncated),
    multi: topics.length > 1,
    copies: parts.some(p => p.replicas.length > 1),
    reads: members.reduce((/** @type {number} */ a, /** @type {Member} */ x) => a + (x.rate ?? 0), 0)
  };
}
