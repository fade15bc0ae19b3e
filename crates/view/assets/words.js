// Words and sentences of the live view. In: numbers, states, parts of a scene. Out: strings.
// Deliberately absent: elements, a clock, and a zero for an unknown value.

/** 1,264 · 12.4k · 1.2M; null is a question mark. @param {number | null | undefined} n */
export const num = n =>
  n == null
    ? '?'
    : n >= 1e6
      ? (n / 1e6).toFixed(1) + 'M'
      : n >= 1e4
        ? (n / 1e3).toFixed(n < 1e5 ? 1 : 0) + 'k'
        : String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, ',');
/** The same for narrow places: short from a thousand on. @param {number | null | undefined} n */
export const kilo = n => (n != null && n >= 1e3 && n < 1e4 ? (n / 1e3).toFixed(1) + 'k' : num(n));
/** @param {number | null | undefined} r */
export const rate = r => (r == null ? '' : (r >= 10 ? num(Math.round(r)) : r >= 0.05 ? r.toFixed(1) : '0') + '/s');
/** @param {number | null} n @param {string} word */
export const many = (n, word) => `${num(n)} ${word}${n === 1 ? '' : 's'}`;
/** @param {number} ms */
export const age = ms =>
  ms < 1000
    ? '0 s'
    : ms < 120_000
      ? `${Math.floor(ms / 1000)} s`
      : ms < 7.2e6
        ? `${Math.floor(ms / 60_000)} min`
        : `${Math.floor(ms / 3.6e6)} h`;
/** Age of the oldest unread message, and the time until lag is zero. @param {{lag: number | null, oldest: number | null, drain: number | null}} g */
export const lagAge = g => (g.lag && g.oldest ? `oldest ${age(g.oldest)}${g.drain == null ? '' : `, done in ${inLeft(g.drain)}`}` : '');
/** Consumer groups of other applications on the practice's topics. @param {{name: string, members?: number | null, lag: number | null, upperBound?: boolean}[]} all @param {number} count */
export const othersSentence = (all, count) =>
  `Groups of other applications on these topics, not managed here: ${all
    .map(
      f =>
        `${f.name} (${many(f.members ?? null, 'consumer')}, lag ${f.lag == null || f.upperBound === false ? num(f.lag) : `at most ${num(f.lag)}`})`
    )
    .join(', ')}${count > all.length ? ` and ${count - all.length} more` : ''}.`;
/** Time left, rounded up: `0 s` only when none is left. @param {number} ms */
export const inLeft = ms => age(ms + 999);
/** @param {number | null | undefined} ms */
export const delay = ms =>
  !ms ? 'none' : ms < 1000 ? `${ms} ms` : ms % 60_000 === 0 ? `${ms / 60_000} min` : `${+(ms / 1000).toFixed(1)} s`;
/** @param {number} t @param {boolean} [seconds] */
export const clock = (t, seconds = true) => new Date(t).toTimeString().slice(0, seconds ? 8 : 5);

/** The distinguishing end of a consumer's name: its last segments, 3 to 12 characters. @param {string} name */
export function tail(name) {
  let i = name.lastIndexOf('-');
  if (i >= 0 && name.length - i - 1 < 3) i = name.lastIndexOf('-', i - 1);
  const t = name.slice(i + 1);
  return t.length <= 12 ? t : name.slice(-8);
}
/** @param {string} name */
export const short = name => (tail(name) === name ? name : '…\u2060' + tail(name));

/** Head and tail of a name in `px` pixels: shortened in the middle, with its end whole.
 * @param {string} name @param {number} px @param {(text: string) => number} wide @returns {[string, string]} */
export function middle(name, px, wide) {
  const end = tail(name),
    head = name.slice(0, name.length - end.length);
  if (wide(name) <= px) return [head, end];
  let low = 0,
    high = head.length;
  while (low < high) {
    const n = (low + high + 1) >> 1;
    if (wide(head.slice(0, n) + '…' + end) <= px) low = n;
    else high = n - 1;
  }
  if (low) return [head.slice(0, low) + '…', end];
  for (let n = end.length; n > 1; n--) if (wide('…' + end.slice(-n)) <= px) return ['…', end.slice(-n)];
  return ['', '…'];
}

/** `P0, P3-P5`, or `orders/0, orders/2-4` with several topics. @param {{topic: string, partition: number}[]} parts @param {boolean} multi */
export function list(parts, multi) {
  const out = [],
    sorted = [...parts].sort((a, b) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition));
  for (let i = 0; i < sorted.length; i++) {
    const a = sorted[i],
      name = multi ? a.topic + '/' : 'P';
    let j = i;
    while (sorted[j + 1]?.topic === a.topic && sorted[j + 1].partition === sorted[j].partition + 1) j++;
    if (j - i > 1) {
      out.push(`${name}${a.partition}–${multi ? '' : 'P'}${sorted[j].partition}`);
      i = j;
    } else out.push(name + a.partition);
  }
  return out.join(', ');
}
/** Pieces that a line break must not split: a name with hyphens, a number with its word. @param {string} text @returns {string[]} pieces that concatenate to the text */
export const units = text => text.match(/(\d\S* \p{L}\S*|lag \S+|\S+)\s*|\s+/gu) ?? [];
/** `a, b and c`. @param {string[]} items */
export const and = items => (items.length < 2 ? items.join('') : items.slice(0, -1).join(', ') + ' and ' + items[items.length - 1]);

/** The lag of one arrow: a number, or its lagReason in words. @param {{lag: number | null, lagReason: string | null}} a */
export const lagWord = (a, number = num, room = true) => {
  if (a.lagReason === 'NoCommit' && (room || a.lag == null)) return 'no commit'; // the number replaces the word where there is no room
  if (a.lagReason === 'Expired') return 'expired';
  if (a.lagReason === 'Stale') return 'stale';
  if (a.lagReason === 'Recreated') return 'recreated';
  return number(a.lag);
};
/** @type {Record<string, string>} */
const WHY = {
  NoCommit: 'The group has not committed an offset yet.',
  Expired: 'The committed offset is below the log start: unread messages were deleted.',
  Stale: 'The committed offset is beyond the log end: the topic was recreated.',
  Recreated: 'The topic was recreated: the committed offset is from the previous one.',
  Unknown: 'The lag is unknown.'
};
/** @param {string | null} reason */
export const lagSentence = reason => (reason ? (WHY[reason] ?? reason) : '');

/** @typedef {{glyph: string, word: string, brief: string, tone: 'ok' | 'warn' | 'calm', why: string}} Word */
/** The glyph of a health state that is not Healthy. @type {Record<string, string>} */
export const HEALTH = { Lagging: '▲', Rewound: '↺', Stalled: '✕', Unassigned: '✕' };
/** A group's state. @param {{state: string, stopped: boolean, scaledToZero?: boolean, silent: boolean, epoch?: number | null, protocol?: string | null, assignor?: string | null,
 *   health?: {state: string, message: string, advice: string | null} | null}} g @returns {Word} */
export function groupWord(g) {
  const kafka = ` Kafka reports ${g.state}${g.epoch == null ? '' : `, ${g.protocol === 'Consumer' ? 'epoch' : 'generation'} ${g.epoch}`}.`;
  const word = (
    /** @type {string} */ glyph,
    /** @type {string} */ name,
    /** @type {any} */ tone,
    /** @type {string} */ why,
    brief = name
  ) => ({ glyph, word: name, brief, tone, why: why + kafka });
  if (g.silent)
    return word(
      '◔',
      'Waiting for timeout',
      'warn',
      'A member sends no heartbeats; Kafka removes it when its session times out.',
      'Waiting'
    );
  if (g.stopped) return word('■', 'Stopped', 'calm', 'The spec stops it; its committed offsets stay.');
  const { health, scaledToZero } = g,
    todo = health?.advice ? `${health.message}. To do: ${health.advice}.` : 'Every member has its assignment.';
  const glyph = !scaledToZero && /Stable|Empty|Absent/.test(g.state) && health && HEALTH[health.state];
  if (glyph) return word(glyph, health.state, 'warn', todo, health.state);
  switch (g.state) {
    case 'Stable':
      return word('✓', 'Stable', 'ok', todo);
    case 'Empty':
    case 'Absent':
    case 'Dead':
      return word('○', scaledToZero ? 'Scaled to 0' : 'Empty', 'calm', 'No member joined.');
    case 'PreparingRebalance':
    case 'CompletingRebalance':
    case 'Assigning':
    case 'Reconciling':
      return word('⟳', 'Rebalancing', 'warn', 'Kafka is reassigning partitions.');
    default:
      return word('?', 'Unknown', 'warn', 'The group state is unknown.');
  }
}

/** The text of a box under its name. @param {import('./scene.js').Member} m @param {boolean} multi @returns {{line: string, tone: '' | 'bad' | 'warn' | 'calm', more: string}} */
export function memberWord(m, multi) {
  const ago = m.since == null ? '' : ` ${age(m.age)} ago`;
  const gives =
    m.giveUpIn == null ? (m.arrows.length ? 'Its partitions have no reader.' : 'Kafka has given it up.') : 'Kafka gives it up in';
  switch (m.kind) {
    case 'killed':
      return { line: `✕ killed${ago}`, tone: 'bad', more: gives };
    case 'paused':
      return { line: `▮▮ paused${ago.replace(' ago', '')}`, tone: 'bad', more: gives };
    case 'left':
      return {
        line: '○ left the group',
        tone: 'calm',
        more: m.arrows.length ? 'Its partitions wait for a new owner.' : 'Its partitions have new owners.'
      };
    case 'idle':
      return { line: '○ idle', tone: 'calm', more: m.why };
    case 'ghost':
      return { line: '+ would start', tone: 'calm', more: m.why };
    case 'wait':
      return { line: '⟳ joining', tone: 'warn', more: m.why || 'It has no partition yet.' };
    case 'unowned':
      return { line: '✕ no reader', tone: 'bad', more: m.why };
    default:
      return { line: 'reads ' + list(m.arrows, multi), tone: '', more: '' };
  }
}
/** The whole sentence of a consumer's box. @param {import('./scene.js').Member} m @param {string} group @param {boolean} multi */
export function memberSentence(m, group, multi) {
  const w = memberWord(m, multi),
    what = w.line.replace(/^[^a-z]+ /, '');
  if (m.kind === 'ghost') return `Would start in ${group}. ${m.why}`;
  if (m.kind === 'unowned') return `No reader in ${group} for ${list(m.arrows, multi) || 'any partition'}. ${m.why}`;
  const facts = w.more
    ? ''
    : `, ${m.rate == null ? '' : rate(m.rate).replace('/s', ' a second') + ', '}delay ${delay(m.delayMs)}, lag ${m.lag == null ? 'unknown' : m.lag}`;
  return (
    `Consumer ${m.name} in ${group}, ${what}${facts}${w.more ? `: ${w.more}${m.giveUpIn == null ? '' : ' ' + inLeft(m.giveUpIn)}` : ''}`.replace(
      /\.$/,
      ''
    ) + '. Enter opens its log.'
  );
}
/** The whole sentence of an arrow. @param {import('./scene.js').Arrow} a */
export function arrowSentence(a) {
  const lag =
    a.lagReason && a.lagReason !== 'Unknown' ? `${lagWord(a)}, lag ${a.lag ?? 'unknown'}` : a.lag == null ? 'lag unknown' : `lag ${a.lag}`;
  const course = a.growing ? `, growing by ${(a.trend ?? 0).toFixed(1)} a second` : a.shrinking ? ', shrinking' : '';
  const health = a.health && ', ' + a.health;
  return `Partition ${a.partition} of ${a.topic}: ${a.read ? `read by ${a.owner} in ${a.group}` : `no reader in ${a.group}`}, ${lag}${course}${health}`;
}
/** @param {import('./scene.js').Part} p */
export function partSentence(p) {
  const copies =
    p.replicas.length < 2
      ? ''
      : `. Leader ${p.leader == null ? 'none' : 'broker ' + p.leader}, in sync: ${p.isr.join(', ') || 'none'}` +
        (p.isr.length < p.replicas.length ? `, out of sync: ${p.replicas.filter(r => !p.isr.includes(r)).join(', ')}` : '');
  return `Partition ${p.partition} of ${p.topic}, end ${p.end == null ? 'unknown' : p.end}${p.rate == null ? '' : `, ${rate(p.rate).replace('/s', '')} messages a second`}${copies}`;
}

/**
 * Rebalances and actions of this page, newest first. Rebalances keep their order even where a clock was set back.
 * @template {{time: number}} T @param {T[]} happened newest first @param {T[]} done newest first @returns {T[]}
 */
export function newestFirst(happened, done) {
  const all = [];
  let at = 0;
  for (const one of happened) {
    while (at < done.length && done[at].time > one.time) all.push(done[at++]);
    all.push(one);
  }
  return [...all, ...done.slice(at)];
}
/** A rebalance as sentences. @param {any} r one entry of `rebalances` @param {boolean} multi */
export function rebalanceSentence(r, multi) {
  if (!r.group) return r.note ?? '';
  const out = [],
    names = (/** @type {string[]} */ l) => (l.length > 3 ? `${l.length} consumers` : and(l.map(short)));
  const known = r.why && r.cause !== 'Unknown';
  if (known) {
    // longest first: one name may be a prefix of another
    const all = [...(r.joined ?? []), ...(r.left ?? [])].sort((a, b) => b.length - a.length);
    out.push(all.reduce((why, name) => why.replaceAll(name, short(name)), r.why));
  } else {
    if (r.joined?.length) out.push(`${names(r.joined)} joined.`);
    if (r.left?.length) out.push(`${names(r.left)} left.`);
    if (r.why) out.push(r.why);
  }
  const moved = r.moved ?? [],
    ways = new Map();
  for (const m of moved) {
    const way = `${m.to ?? ''}\n${m.from ?? ''}`;
    ways.set(way, [...(ways.get(way) ?? []), m]);
  }
  if (ways.size > 3) out.push(`${many(moved.length, 'partition')} moved.`);
  else
    for (const [way, parts] of ways) {
      const [to, from] = way.split('\n'),
        what = list(parts, multi);
      if (to && from) out.push(`${what} moved from ${short(from)} to ${short(to)}.`);
      else if (to) out.push(`${what} went to ${short(to)}.`);
      else out.push(`${what} ${parts.length > 1 ? 'have' : 'has'} no reader.`);
    }
  if (!moved.length) out.push('No partition moved.');
  else if (r.unownedMs != null) out.push(`Without a reader for ${seconds(r.unownedMs)}.`);
  if (r.advice) out.push(r.advice);
  if (r.note) out.push(r.note);
  return out.join(' ');
}
/** A member without heartbeats, until Kafka gives it up. @param {import('./scene.js').Member} m @param {boolean} multi */
export const silentSentence = (m, multi) =>
  `${short(m.name)} ${m.kind === 'killed' ? 'was killed before it could leave the group' : 'is paused and sends no heartbeats'}. No reader for ${list(m.arrows, multi)} until Kafka gives it up.`;
const seconds = (/** @type {number} */ ms) => `${(ms / 1000).toFixed(1)} s`;
/** Duration of a rebalance; empty when it began and ended between two polls. @param {any} r */
export const rebalanceTook = r =>
  !r.group ? 'no rebalance' : r.durationMs == null ? '' : r.durationMs < 100 ? 'at once' : seconds(r.durationMs);

/** Text in single quotes for a shell. @param {string} text */
export const quoted = text => `'${text.replaceAll("'", "'\\''")}'`;
/** The curl that sends the same message. @param {string} url @param {{topic: string, value: string, key?: string, partition?: number}} body @param {number} count */
export function sendCurl(url, body, count) {
  const one = `curl -H 'Content-Type: application/json' -d ${quoted(JSON.stringify(body))} ${url.replace(/^http:\/\//, '')}`;
  return count > 1 ? `for i in $(seq ${count}); do ${one}; done` : one;
}
/** @param {{kind?: string}} kafka @param {string} ns @param {string} pod @param {string} name */
export const logsCommand = (kafka, ns, pod, name) =>
  kafka.kind === 'cluster' ? `kubectl -n ${ns} logs -f ${pod || name}` : `practice-local logs -f ${name}`;
