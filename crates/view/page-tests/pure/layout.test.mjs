// The layout, without a browser: every size from a phone to a wide window, 3 x 3 to 24 x 6 x 12, and what must hold in each.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layout, newMemory, tooMany } from '../../assets/layout.js';
import { atRest, newModel, patch, sceneOf, snapshot } from '../../assets/scene.js';
import { points } from '../../assets/wire.js';
import { scenes, sized } from '../feed/scenes.mjs';
import { table } from '../measure.mjs';

const WIDTHS = [390, 480, 700, 759, 760, 900, 1024, 1100, 1280, 1440, 1600],
  FACTORS = [1, 1.12];
const SIZES = [
  [3, 3, 1],
  [3, 3, 3],
  [1, 1, 1],
  [6, 2, 4],
  [12, 6, 3],
  [12, 3, 12],
  [24, 1, 12],
  [24, 6, 12],
  [8, 4, 6],
  [24, 2, 2],
  [3, 1, 12]
];
/** Every second group has no consumers on purpose. */
function resting(p, g, c) {
  const json = sized(p, g, c);
  json.groups.forEach((group, i) => {
    if (i % 2) return;
    group.open = group.members.flatMap(m => m.partitions);
    Object.assign(group, { members: [], state: 'Empty', replicas: 0, stopped: !(i % 4), scaledToZero: !!(i % 4) });
  });
  return json;
}
const sceneFrom = json => sceneOf(snapshot(newModel(), json));
const cases = [
  ...SIZES.map(([p, g, c]) => [`${p}x${g}x${c}`, () => sized(p, g, c)]),
  ...[
    [3, 3, 3],
    [12, 6, 3],
    [24, 4, 12]
  ].map(([p, g, c]) => [`resting ${p}x${g}x${c}`, () => resting(p, g, c)]),
  ...['practice-1', 'practice-2', 'practice-3', 'embedded', 'rebalancing', 'states', 'two-topics', 'hostile'].map(n => [n, scenes[n]])
];
const overlap = (a, b) => a.x < b.x + b.w - 0.01 && b.x < a.x + a.w - 0.01 && a.y < b.y + b.h - 0.01 && b.y < a.y + a.h - 0.01;
const inside = (a, b) => a.x >= b.x - 0.5 && a.y >= b.y - 0.5 && a.x + a.w <= b.x + b.w + 0.5 && a.y + a.h <= b.y + b.h + 0.5;
function each(f) {
  for (const [name, json] of cases) {
    const scene = sceneFrom(json());
    for (const W of WIDTHS) for (const k of FACTORS) f(layout(scene, W, 800, table(k)), scene, table(k), `${name} at ${W} (${k})`);
  }
}

test('no two pills overlap, and none hides a box', () =>
  each((L, _s, _m, at) => {
    L.pills.forEach((a, i) => {
      for (const b of L.pills.slice(i + 1)) assert.ok(!overlap(a, b), `${at}: ${a.key} and ${b.key}`);
      for (const b of [...L.cards, ...L.rows, ...L.parts]) assert.ok(!overlap(a, b), `${at}: ${a.key} on ${b.key}`);
    });
  }));

test('no two boxes overlap, each is in its frame, frames are apart and in the window', () =>
  each((L, _s, _m, at) => {
    const boxes = [...L.parts, ...L.cards, ...L.rows, ...L.foots];
    boxes.forEach((a, i) => {
      for (const b of boxes.slice(i + 1)) assert.ok(!overlap(a, b), `${at}: ${a.key} and ${b.key}`);
    });
    L.frames.forEach((a, i) => {
      for (const b of L.frames.slice(i + 1)) assert.ok(!overlap(a, b), `${at}: ${a.key} and ${b.key}`);
      assert.ok(a.x >= 0 && a.x + a.w <= L.width && a.y + a.h <= L.height, `${at}: ${a.key} leaves the window`);
    });
    const kafka = L.frames.find(f => f.kind === 'kafka');
    for (const b of L.parts) assert.ok(inside(b, kafka), `${at}: ${b.key}`);
    for (const b of [...L.cards, ...L.rows, ...L.foots])
      assert.ok(
        inside(
          b,
          L.frames.find(f => f.key === 'group ' + b.group.name)
        ),
        `${at}: ${b.key}`
      );
  }));

test('no arrow passes through a box, a foot or a title', () =>
  each((L, _s, _m, at) => {
    const solid = [...L.parts, ...L.cards, ...L.rows, ...L.foots, ...L.titles.map(t => ({ ...t, h: 18, w: t.w }))];
    for (const w of [...L.wires, ...L.rests]) {
      const start = L.at.get(w.arrow.key),
        end = [...L.cards, ...L.rows].find(b => b.key === w.box);
      for (const [x, y] of points(w, 96))
        for (const b of solid) {
          if (b === start || b === end) continue;
          assert.ok(
            !(x > b.x + 0.5 && x < b.x + b.w - 0.5 && y > b.y + 0.5 && y < b.y + b.h - 0.5),
            `${at}: ${w.id} through ${b.key} at ${Math.round(x)},${Math.round(y)}`
          );
        }
    }
  }));

test('24 partitions, 6 groups and 12 consumers at 1280 x 800: all in the window, arrows with room, none of them flat', () => {
  const L = layout(sceneFrom(sized(24, 6, 12)), 1280, 562, table()); // what bar and dock leave
  assert.equal(L.mode, 'rows');
  assert.ok(L.height <= 562, `${L.height} px high`);
  for (const w of L.wires) {
    const [dx, dy] = [Math.abs(w.tx - w.x0), w.yt - w.y0],
      course = points(w, 960).filter(([, y]) => y <= w.yt);
    assert.ok(dy >= 120, `${w.id}: ${dy} px to come down`);
    if (dx < 200) continue;
    const middle = course.filter(([x]) => Math.abs(x - (w.tx + w.x0) / 2) < dx / 4),
      [from, to] = [middle[0], middle[middle.length - 1]],
      slope = Math.abs((to[1] - from[1]) / (to[0] - from[0]));
    assert.ok(slope > (0.65 * dy) / dx, `${w.id} runs flat: ${slope} of ${dy / dx}`);
  }
});

test('one long lag hides no partition of other rows', () => {
  const s = sceneFrom(sized(24, 6, 12)),
    slow = s.groups[3].members[s.groups[3].members.length - 1];
  slow.kind = 'slow';
  slow.lag = 98_765;
  const rows = layout(s, 1280, 562, table()).rows.filter(r => r.group === s.groups[3]);
  assert.equal(rows.length, 12);
  for (const r of rows) if (r.member !== slow) assert.equal(r.more, 0, r.key);
});

test('every arrow begins at its partition and ends at its owner', () =>
  each((L, s, _m, at) => {
    const drawn = s.groups.filter(g => !atRest(g)).flatMap(g => g.members.flatMap(m => m.arrows));
    assert.equal(L.wires.length, drawn.length, at);
    for (const w of L.wires) {
      const p = L.at.get(w.arrow.key),
        b = [...L.cards, ...L.rows].find(x => x.key === w.box),
        [x, y] = points(w)[0];
      assert.ok(x >= p.x && x <= p.x + p.w && Math.abs(y - p.y - p.h) < 0.1, `${at}: ${w.id} begins beside its partition`);
      if (w.loom) assert.ok(w.x1 <= b.x && w.x1 > b.x - 3 && w.yr > b.y && w.yr < b.y + b.h, `${at}: ${w.id} ends beside its row`);
      else assert.ok(w.x1 > b.x && w.x1 < b.x + b.w && b.y - w.y1 >= 0 && b.y - w.y1 < 3, `${at}: ${w.id} ends beside its card`);
    }
  }));

test('a group without consumers on purpose is one line from the Kafka frame to its box', () =>
  each((L, s, _m, at) => {
    const quiet = s.groups.filter(atRest).map(g => g.name),
      kafka = L.frames.find(f => f.kind === 'kafka');
    assert.deepEqual(L.rests.map(w => w.id).sort(), [...quiet].sort(), at);
    assert.ok(![...L.wires, ...L.pills].some(w => quiet.includes(w.arrow.group)), `${at}: no arrow, no lag at an arrow`);
    for (const w of L.rests) {
      const b = [...L.cards, ...L.rows].find(x => x.key === w.box),
        line = points(w),
        [x, y] = line[0];
      assert.ok(x > kafka.x && x < kafka.x + kafka.w && Math.abs(y - kafka.y - kafka.h) < 0.1, `${at}: ${w.id} begins at the frame`);
      if (w.loom) assert.ok(w.x1 <= b.x && w.x1 > b.x - 3 && w.yr > b.y && w.yr < b.y + b.h, `${at}: ${w.id} ends beside its row`);
      else assert.ok(w.x1 > b.x && w.x1 < b.x + b.w, `${at}: ${w.id} ends above its card`);
    }
  }));

test('a group whose consumers left by themselves, or are about to leave, keeps its arrows', () => {
  const s = scenes['practice-3'](),
    g = s.groups[0];
  const wires = more => layout(sceneFrom({ ...s, groups: [{ ...g, ...more }] }), 1280, 800, table(1));
  const all = g.members.flatMap(m => m.partitions),
    gone = { members: [], open: all };
  for (const [more, arrows, lines] of [
    [{ stopped: true }, all.length, 0],
    [gone, all.length, 0],
    [{ ...gone, stopped: true }, 0, 1],
    [{ ...gone, scaledToZero: true }, 0, 1],
    [{ members: [], open: [], stopped: true }, 0, 1]
  ]) {
    const L = wires(more);
    assert.deepEqual([L.wires.length, L.rests.length], [arrows, lines], JSON.stringify(Object.keys(more)));
  }
  // the last ones have just left, and keep their seats for a moment
  const model = snapshot(newModel(), { ...s, groups: [g] });
  patch(model, { now: s.now + 1000, groups: [{ ...g, ...gone, stopped: true, state: 'Empty' }] });
  const left = sceneOf(model),
    L = layout(left, 1280, 800, table(1));
  assert.deepEqual([...new Set(left.groups[0].members.map(m => m.kind))], ['left']);
  assert.deepEqual([L.wires.length, L.rests.length], [0, 1], 'one line at once');
});

test('all text fits', () =>
  each((L, s, m, at) => {
    const fits = (text, size, weight, px, what) =>
      assert.ok(
        m(text, size, weight) <= px + 0.5,
        `${at}: ${what}: "${text}" needs ${Math.ceil(m(text, size, weight))} of ${Math.floor(px)}`
      );
    for (const b of L.parts) b.lines.forEach((l, i) => fits(l, b.sizes[i], 400, b.w - 3, b.key));
    for (const c of L.cards) fits(c.name.join(''), 12, 650, c.w - 22, 'name');
    for (const p of L.pills) fits(p.label + p.text, 12, 650, p.w - 8, 'pill');
    for (const f of L.foots) assert.ok(m(f.name, 13, 650) + m(f.state, 12, 650) + 17 + 8 <= f.w + 0.5, `${at}: foot ${f.name} ${f.state}`);
    for (const r of L.rows)
      if (r.chips.length && !r.big)
        fits(r.member.tail && r.name.join('').length > 12 ? '' : r.chips.map(c => c.text).join('  '), 11, 400, r.w, 'chips');
    for (const t of L.titles) {
      const w = t.items.reduce(
        (a, i) => a + (i.look === 'grow' ? 0 : m(i.text, i.look === 'b' ? 13 : 12, i.look === 'b' ? 600 : 400) + 6),
        -6
      );
      assert.ok(w <= t.w + 1, `${at}: title "${t.items.map(i => i.text).join(' ')}" ${w} of ${t.w}`);
    }
  }));

test('a rebalance moves no box', () => {
  for (const name of ['practice-3', 'practice-2'])
    for (const W of [390, 1024, 1280, 1600]) {
      const memory = newMemory(),
        model = snapshot(newModel(), scenes[name]()),
        before = layout(sceneOf(model), W, 800, table(), memory),
        g = structuredClone(model.snap.groups[0]),
        [a, b] = g.members;
      const boxes = L => [...L.parts, ...L.cards, ...L.rows, ...L.frames].map(x => `${x.key} ${x.x} ${x.y} ${x.w} ${x.h}`);
      const still = (L, what) => assert.deepEqual(boxes(L), boxes(before), `${name} at ${W}: ${what}`);
      // killed, its partitions without a reader, then given to its sister, at the same times a page hears it
      a.state = 'killed';
      a.since = model.snap.now;
      patch(model, { now: model.snap.now + 2000, groups: [structuredClone(g)] });
      if (W >= 760) still(layout(sceneOf(model), W, 800, table(), memory), 'killed');
      g.open = a.partitions;
      a.partitions = [];
      g.state = 'PreparingRebalance';
      patch(model, { now: model.snap.now + 2000, groups: [structuredClone(g)] });
      const open = layout(sceneOf(model), W, 800, table(), memory);
      if (W >= 760) still(open, 'no reader');
      assert.ok(
        open.wires.filter(w => !w.arrow.read).every(w => w.box.endsWith(a.memberId)),
        'an arrow without a reader stays where it was'
      );
      b.partitions = [...b.partitions, ...g.open];
      g.open = [];
      g.state = 'Stable';
      patch(model, { now: model.snap.now + 2000, groups: [structuredClone(g)] });
      const after = layout(sceneOf(model), W, 800, table(), memory);
      if (W >= 760) still(after, 'inherited');
      assert.equal(after.wires.filter(w => w.box.endsWith(b.memberId)).length, b.partitions.length);
    }
});

test('practice 3 with two consumers more is still cards at 1280', () => {
  const s = scenes['practice-3'](),
    [g] = s.groups;
  for (const name of ['new-1', 'new-2'])
    g.members.push({ ...g.members[1], name, memberId: name, partitions: [], idleBecause: '3 partitions, 4 consumers: 1 waits.' });
  for (const m of s.groups.slice(1).flatMap(x => x.members)) for (const p of m.partitions) p.lag = 412;
  const L = layout(sceneFrom(s), 1280, 800, table());
  assert.equal(L.mode, 'cards');
});

test('lag shakes nothing: widths grow at once, shrink after a minute', () => {
  const memory = newMemory(),
    at = (lag, now) => {
      const s = scenes['practice-3']();
      s.now = now;
      const p = s.groups[1].members[0].partitions[0];
      p.lag = lag;
      p.committed = p.end - lag;
      return layout(sceneFrom(s), 1280, 800, table(), memory).cards.map(c => c.w);
    };
  const calm = at(0, 0),
    grown = at(4_999, 1000);
  assert.deepEqual(at(0, 30_000), grown, 'still wide');
  assert.ok(
    at(0, 62_000).every((w, i) => w === calm[i]),
    'narrow again'
  );
});

test('the edge between cards and rows does not flutter', () => {
  const memory = newMemory(),
    s = sceneFrom(scenes['practice-3']());
  let least = 760;
  while (layout(s, least, 800, table()).mode === 'rows') least++;
  layout(s, least - 1, 800, table(), memory);
  assert.equal(layout(s, least + 10, 800, table(), memory).mode, 'rows');
  assert.equal(layout(s, least + 41, 800, table(), memory).mode, 'cards');
  assert.equal(layout(s, least + 1, 800, table(), memory).mode, 'cards');
});

test('beyond 24 partitions, 6 groups or 12 consumers it is a table, with the reason', () => {
  assert.equal(tooMany(sceneFrom(sized(24, 6, 12))), '');
  assert.equal(tooMany(sceneFrom(sized(48, 6, 12))), 'Too many to draw: 48 partitions.');
  assert.equal(tooMany(sceneFrom(sized(24, 7, 13))), 'Too many to draw: 7 groups, 13 consumers in a group.');
  const L = layout(sceneFrom(sized(48, 8, 12)), 1280, 800, table());
  assert.equal(L.wires.length, 48 * 8, 'it can be drawn all the same');
});

test('the same scene and size give the same layout', () => {
  const s = sceneFrom(sized(24, 6, 12));
  assert.deepEqual(layout(s, 1280, 800, table()), layout(s, 1280, 800, table()));
});
