// From events to a scene: patches and flow in any portions, unknown never as zero.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flow, newModel, patch, sceneOf, snapshot } from '../../assets/scene.js';
import { perSecond, push, trend } from '../../assets/series.js';
import * as w from '../../assets/words.js';
import { NOW, scenes } from '../feed/scenes.mjs';

const open = json => snapshot(newModel(), structuredClone(json));
/** A scene without the fields that need several samples. */
const facts = s =>
  JSON.parse(
    JSON.stringify(s, (k, v) =>
      ['rate', 'trend', 'growing', 'shrinking', 'reads'].includes(k) ? undefined : k === 'kind' && v === 'slow' ? 'run' : v
    )
  );

test('patches give the same scene as a fresh snapshot', () => {
  const before = scenes['practice-3'](),
    after = structuredClone(before),
    model = open(before),
    moved = after.groups[0];
  after.now += 4000;
  moved.members[1].partitions.push(...moved.members[0].partitions.splice(1, 1));
  moved.epoch = 4;
  after.partitions[0].end = 5400;
  after.rebalances.unshift({
    id: 'new',
    time: after.now,
    group: moved.name,
    epoch: 4,
    joined: [],
    left: [],
    moved: [],
    durationMs: 3000,
    note: null
  });
  after.history[moved.name].push([after.now, 3]);
  const gone = after.groups.pop();
  delete after.history[gone.name];
  after.summary.groups = 2;
  after.ready = false;
  patch(model, { now: before.now + 2000, groups: [structuredClone(moved)], ready: false, history: { [moved.name]: [[after.now, 3]] } });
  patch(model, {
    now: after.now,
    partitions: structuredClone(after.partitions),
    rebalances: after.rebalances,
    gone: [gone.name],
    summary: after.summary
  });
  const limit = after.now - 300_000;
  for (const h of Object.values(after.history)) while (h[0][0] < limit) h.shift();
  for (const g of model.snap.groups) model.snap.history[g.name] = model.snap.history[g.name].filter(p => p[0] >= limit);
  assert.deepEqual(facts(sceneOf(model)), facts(sceneOf(open(after))));
});

test('a group that comes by patch is drawn, and keeps its colour when an older one goes', () => {
  const s = scenes['practice-3'](),
    third = s.groups.pop(),
    model = open(s);
  patch(model, { now: s.now + 1, groups: [third] });
  assert.deepEqual(
    sceneOf(model).groups.map(g => g.hue),
    [0, 1, 2]
  );
  patch(model, { now: s.now + 2, gone: [s.groups[0].name] });
  assert.deepEqual(
    sceneOf(model).groups.map(g => [g.name, g.hue]),
    [
      [s.groups[1].name, 1],
      [third.name, 2]
    ]
  );
});

test('flow updates ends, lag and rates between two polls; the next poll wins', () => {
  const s = scenes['practice-3'](),
    model = open(s),
    lag = () => sceneOf(model).groups[0].members[1].arrows[0].lag;
  flow(model, { now: s.now + 100, produced: [['my-topic', 2, 5010]], consumed: [] });
  assert.equal(sceneOf(model).parts[2].end, 5010);
  assert.equal(lag(), 10);
  flow(model, { now: s.now + 200, produced: [], consumed: [['my-consumer-group-1', 'my-topic', 2, 'x', 7, 5007]] });
  assert.equal(lag(), 3);
  flow(model, { now: s.now + 4200, produced: [['my-topic', 2, 5020]], consumed: [] });
  assert.ok(sceneOf(model).parts[2].rate > 4 && sceneOf(model).parts[2].rate < 6);
  const g = structuredClone(s.groups[0]);
  Object.assign(g.members[1].partitions[0], { end: 5020, committed: 5020, lag: 0 });
  patch(model, { now: s.now + 4300, groups: [g], partitions: s.partitions.map(p => ({ ...p, end: p.partition === 2 ? 5020 : p.end })) });
  assert.equal(lag(), 0);
});

test('the lag of a partition without an owner comes from Kafka alone', () => {
  const s = scenes['practice-3'](),
    model = open(s),
    lag = () => sceneOf(model).arrows.find(a => a.group === 'my-consumer-group-1' && a.partition === 2).lag;
  flow(model, { now: s.now + 100, produced: [['my-topic', 2, 5010]], consumed: [['my-consumer-group-1', 'my-topic', 2, 'x', 7, 5007]] });
  assert.equal(lag(), 3);
  const g = structuredClone(s.groups[0]),
    [p] = g.members[1].partitions.splice(0, 1);
  g.open = [{ ...p, end: 5010, lag: 10 }]; // it was read, and not committed
  patch(model, { now: s.now + 2000, groups: [g], partitions: s.partitions.map(p => ({ ...p, end: p.partition === 2 ? 5010 : p.end })) });
  assert.equal(lag(), 10);
});

test('a poll that is older than the flow does not move the end back', () => {
  const s = scenes['practice-3'](),
    model = open(s);
  flow(model, { now: s.now + 100, produced: [['my-topic', 0, 5100]], consumed: [] });
  patch(model, { now: s.now + 150, partitions: structuredClone(s.partitions) });
  assert.equal(sceneOf(model).parts[0].end, 5100);
  patch(model, { now: s.now + 9000, partitions: structuredClone(s.partitions) });
  assert.equal(sceneOf(model).parts[0].end, 5000, 'the end of a recreated topic is used in the end');
});

test('a consumer that keeps up is never called behind, whatever its commit interval', () => {
  const s = scenes['practice-3'](),
    model = open(s),
    [g, t] = [s.groups[0].name, 'my-topic'];
  const at = (i, end, offset) => flow(model, { now: s.now + i * 1000, produced: [[t, 2, end]], consumed: [[g, t, 2, 'x', 1, offset]] });
  for (let i = 1; i <= 15; i++) at(i, 5000 + 20 * i, 5000 + 20 * i - Math.min(20, 2 * i));
  let a = sceneOf(model).groups[0].members[1].arrows[0];
  assert.deepEqual([a.lag, a.growing], [20, false], 'a lag of a second');
  for (let i = 16; i <= 30; i++) at(i, 5000 + 20 * i, 5271 + 5 * (i - 15));
  a = sceneOf(model).groups[0].members[1].arrows[0];
  assert.ok(a.growing && a.lag > 200 && a.trend > 10, JSON.stringify(a));
});

test('unknown is never zero', () => {
  const s = sceneOf(open(scenes.states())),
    second = s.groups[1].members[1];
  assert.equal(second.arrows[0].lag, null);
  assert.equal(second.lag, null);
  assert.equal(s.groups[1].lag, null, 'one unknown partition makes the sum unknown');
  assert.equal(s.summary.lag, null);
  assert.equal(s.parts[0].rate, null, 'no rate before the second sample');
  assert.equal(second.rate, null);
});

test('a sum is never smaller because a topic is not known', () => {
  const s = scenes['two-topics'](),
    g = s.groups[0];
  assert.equal(sceneOf(open(s)).groups[0].lag, 6);
  for (const m of g.members) m.partitions = m.partitions.filter(p => p.topic !== 'payments');
  g.lag = null;
  assert.equal(sceneOf(open(s)).groups[0].lag, null, 'the server does not know it');
});

test('the health of a partition is at its arrow, except in a group that is stopped or scaled to 0', () => {
  const s = scenes['practice-3'](),
    g = s.groups[0];
  const [first] = g.members[0].partitions;
  const seen = health => {
    first.health = health;
    const [a] = sceneOf(open(s)).groups[0].members[0].arrows;
    return [a.mark, a.health, a.warns];
  };
  assert.deepEqual([undefined, 'Lagging', 'Rewound', 'Stalled', 'Unassigned', 'of tomorrow'].map(seen), [
    ['', '', false],
    ['▲', 'lagging', true],
    ['↺', 'rewound', true],
    ['✕', 'stalled', true],
    ['✕', 'unassigned', true],
    ['', '', false]
  ]);
  assert.match(w.arrowSentence(sceneOf(open({ ...s, groups: [{ ...g, stopped: true }] })).arrows[0]), /lag \d+$/);
  assert.match(w.arrowSentence(sceneOf(open({ ...s, groups: [{ ...g, scaledToZero: true }] })).arrows[0]), /lag \d+$/);
  first.health = 'Stalled';
  assert.match(w.arrowSentence(sceneOf(open(s)).arrows[0]), /lag \d+, stalled$/);
});

test('the age of a lag grows and its end comes nearer between two events', () => {
  const s = scenes['practice-3']();
  Object.assign(s.groups[0], { oldestAt: s.now - 55_000, doneAt: s.now + 4000 });
  const model = open(s),
    at = ms => {
      const { oldest, drain } = sceneOf(model, s.now + ms).groups[0];
      return [oldest, drain];
    };
  assert.deepEqual(
    [at(0), at(3000), at(4000), at(600_000)],
    [
      [55_000, 4000],
      [58_000, 1000],
      [59_000, null],
      [655_000, null]
    ]
  );
  assert.deepEqual(at(-60_000)[0], 0, 'no clock makes an age less than nothing');
  const { oldest, drain } = sceneOf(model).groups[1];
  assert.deepEqual([oldest, drain], [null, null]);
});

test('states of consumers', () => {
  const kinds = name => sceneOf(open(scenes[name]())).groups.map(g => g.members.map(m => m.kind));
  assert.deepEqual(kinds('practice-2'), [['run', 'run', 'run', 'idle']]);
  assert.deepEqual(kinds('states'), [['unowned'], ['run', 'run'], ['run', 'paused', 'wait', 'unowned']]);
  const s = sceneOf(open(scenes.rebalancing())),
    m = s.groups[0].members[0];
  assert.equal(m.kind, 'killed');
  assert.equal(m.giveUpIn, 6000);
  assert.ok(m.arrows.every(a => !a.read && a.owner === '' && a.seat === m.id));
  assert.equal(s.groups[0].word.word, 'Waiting for timeout');
});

test('a member that leaves keeps its seat until its partitions have an owner, ten seconds at most', () => {
  const s = scenes['practice-3'](),
    model = open(s),
    g = structuredClone(s.groups[0]),
    [left] = g.members.splice(0, 1);
  g.open = left.partitions;
  patch(model, { now: s.now + 2000, groups: [structuredClone(g)] });
  let now = sceneOf(model).groups[0];
  assert.deepEqual(
    now.members.map(m => m.kind),
    ['left', 'run']
  );
  assert.deepEqual(
    now.members[0].arrows.map(a => a.read),
    [false, false]
  );
  assert.equal(now.consumers, 1, 'it is not counted');
  assert.deepEqual(
    sceneOf(model, s.now + 13_000).groups[0].members.map(m => m.kind),
    ['run', 'unowned']
  );
  g.members[0].partitions.push(...g.open);
  g.open = [];
  patch(model, { now: s.now + 4000, groups: [g] });
  now = sceneOf(model).groups[0];
  assert.deepEqual(
    now.members.map(m => [m.kind, m.arrows.length]),
    [['run', 3]]
  );
});

test('a member that has left has no id any more, and keeps its box', () => {
  const s = scenes['practice-3'](),
    model = open(s),
    g = structuredClone(s.groups[0]),
    id = g.members[0].memberId;
  g.open = g.members[0].partitions;
  Object.assign(g.members[0], { state: 'left', memberId: null, partitions: [], lag: null });
  patch(model, { now: s.now + 2000, groups: [g] });
  assert.deepEqual(
    sceneOf(model).groups[0].members.map(m => [m.kind, m.arrows.length]),
    [
      ['left', 2],
      ['run', 1]
    ]
  );
  assert.equal(sceneOf(model).groups[0].members[0].id, id);
});

test('a snapshot in the middle keeps colours', () => {
  const s = scenes['practice-3'](),
    model = open(s),
    again = structuredClone(s);
  again.groups.reverse();
  assert.deepEqual(
    sceneOf(snapshot(model, again)).groups.map(g => g.hue),
    [2, 1, 0]
  );
});

test('a snapshot after a reconnect replaces everything', () => {
  const model = open(scenes['practice-3']()),
    fresh = scenes['practice-3']();
  fresh.groups.length = 1;
  fresh.now += 60_000;
  assert.deepEqual(
    sceneOf(snapshot(model, fresh)).groups.map(g => g.name),
    ['my-consumer-group-1']
  );
});

test('trend and rate', () => {
  const up = [],
    wave = [],
    still = [];
  for (let i = 0; i <= 12; i++) {
    push(up, i * 1000, 100 + 2 * i);
    push(wave, i * 1000, 50 + 40 * (i % 2));
    push(still, i * 1000, 9);
  }
  assert.ok(Math.abs(trend(up, 12_000) - 2) < 0.2);
  assert.equal(trend(wave, 12_000), 0, 'up and down is no trend');
  assert.equal(trend(still, 12_000), 0);
  assert.equal(trend([{ t: 0, v: 5 }], 1000), null, 'too few samples');
  assert.equal(perSecond([{ t: 0, v: 5 }], 1000), null);
  assert.equal(perSecond(still, 12_000), 0);
  assert.ok(Math.abs(perSecond(up, 12_000) - 2) < 0.1);
  const long = [];
  for (let i = 0; i < 10_000; i++) push(long, i * 100, i);
  assert.ok(long.length < 250, 'bounded');
  assert.equal(NOW > 0, true);
});
