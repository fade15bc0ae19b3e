// Words: numbers, names, states, sentences.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newModel, sceneOf, snapshot } from '../../assets/scene.js';
import * as w from '../../assets/words.js';
import { scenes } from '../feed/scenes.mjs';
import { table } from '../measure.mjs';

const wide = x => table()(x, 12, 600),
  scene = name => sceneOf(snapshot(newModel(), scenes[name]()));

test('numbers', () => {
  assert.deepEqual([0, 7, 1264, 9999, 10_000, 12_400, 123_456, 2_500_000, null, undefined].map(w.num), [
    '0',
    '7',
    '1,264',
    '9,999',
    '10.0k',
    '12.4k',
    '123k',
    '2.5M',
    '?',
    '?'
  ]);
  assert.deepEqual([999, 1264, 12_400, null].map(w.kilo), ['999', '1.3k', '12.4k', '?']);
  assert.deepEqual([0, 0.04, 0.2, 4, 16.4, 1689, null].map(w.rate), ['0/s', '0/s', '0.2/s', '4.0/s', '16/s', '1,689/s', '']);
  assert.deepEqual([0, 20, 1500, 5000, 60_000, null].map(w.delay), ['none', '20 ms', '1.5 s', '5 s', '1 min', 'none']);
  assert.deepEqual([400, 4000, 119_000, 240_000].map(w.age), ['0 s', '4 s', '119 s', '4 min']);
});

test('pieces that a line break must not split', () => {
  assert.deepEqual(w.units('3 partitions, 4 consumers: 1 waits.'), ['3 partitions, ', '4 consumers: ', '1 waits.']);
  assert.deepEqual(w.units('P1 went to …group-a. lag 1,264'), ['P1 ', 'went ', 'to ', '…group-a. ', 'lag 1,264']);
  for (const text of ['', ' ', '  two  spaces ', '<img src=x>', '1', '12\n3 a'])
    assert.equal(w.units(text).join(''), text, 'nothing is added or lost');
});

test('a clock that was set back puts nothing out of order', () => {
  const order = (happened, done) =>
    w
      .newestFirst(
        happened.map(time => ({ time })),
        done.map(time => ({ time, done }))
      )
      .map(one => one.time);
  assert.deepEqual(order([9, 5, 1], [10, 6, 0]), [10, 9, 6, 5, 1, 0]);
  assert.deepEqual(order([3, 9, 8], [4]), [4, 3, 9, 8], 'what came last has the smallest time');
  assert.deepEqual(order([], [2, 1]), [2, 1]);
  assert.deepEqual(order([2, 1], []), [2, 1]);
});

test('names shorten in the middle, the end stays whole', () => {
  assert.equal(w.tail('practice-3-my-consumer-group-1-7c9d8b6f5-x2k4q'), 'x2k4q');
  assert.equal(w.tail('my-consumer-group-1-0'), '1-0', 'a single digit does not distinguish');
  assert.equal(w.tail('a'), 'a');
  assert.equal(w.short('a'), 'a');
  const name = 'practice-3-my-consumer-group-1-7c9d8b6f5-x2k4q';
  for (let px = 10; px < 400; px += 7) {
    const [head, end] = w.middle(name, px, wide);
    assert.ok(wide(head + end) <= px || head === '', `${px}: ${head}${end}`);
    if (px > 60) assert.equal(end, 'x2k4q', `${px}`);
    if (head.endsWith('…')) assert.ok(name.startsWith(head.slice(0, -1)));
  }
  assert.deepEqual(w.middle(name, 1000, wide), [name.slice(0, -5), 'x2k4q']);
});

test('lists of partitions', () => {
  const p = (topic, ...n) => n.map(partition => ({ topic, partition }));
  assert.equal(w.list(p('t', 2, 0, 1), false), 'P0–P2');
  assert.equal(w.list(p('t', 0, 1, 5), false), 'P0, P1, P5');
  assert.equal(w.list([...p('b', 1), ...p('a', 0, 1, 2, 7)], true), 'a/0–2, a/7, b/1');
});

test('lag is a number or the word for why not; unknown is a question mark', () => {
  assert.deepEqual(
    [
      [3, null],
      [null, null],
      [null, 'Unknown'],
      [0, 'NoCommit'],
      [0, 'Stale'],
      [9, 'Recreated'],
      [90, 'Expired']
    ].map(([lag, lagReason]) => w.lagWord({ lag, lagReason })),
    ['3', '?', '?', 'no commit', 'stale', 'recreated', 'expired']
  );
});

test('states of groups', () => {
  const wordOf = (state, more = {}) => {
    const g = w.groupWord({ state, stopped: false, silent: false, ...more });
    return `${g.glyph} ${g.word}`;
  };
  assert.deepEqual(
    ['Stable', 'Empty', 'Absent', 'PreparingRebalance', 'CompletingRebalance', 'Assigning', 'Reconciling', 'Unknown', 'something new'].map(
      s => wordOf(s)
    ),
    ['✓ Stable', '○ Empty', '○ Empty', '⟳ Rebalancing', '⟳ Rebalancing', '⟳ Rebalancing', '⟳ Rebalancing', '? Unknown', '? Unknown']
  );
  assert.equal(wordOf('Stable', { silent: true }), '◔ Waiting for timeout');
  assert.equal(wordOf('Empty', { stopped: true }), '■ Stopped');
  const health = word => ({ health: { state: word, message: 't/0: lag is not zero', advice: 'read its log' } });
  assert.deepEqual(
    ['Healthy', 'Lagging', 'Rewound', 'Stalled', 'Unassigned'].map(word => wordOf('Stable', health(word))),
    ['✓ Stable', '▲ Lagging', '↺ Rewound', '✕ Stalled', '✕ Unassigned']
  );
  assert.equal(wordOf('Reconciling', health('Stalled')), '⟳ Rebalancing', 'a rebalance comes first');
  assert.equal(wordOf('Empty', { stopped: true, ...health('Unassigned') }), '■ Stopped', 'stopped by the spec');
  assert.equal(wordOf('Empty', { scaledToZero: true, ...health('Unassigned') }), '○ Scaled to 0', 'its owner set replicas to 0');
  assert.equal(wordOf('Absent', { scaledToZero: true }), '○ Scaled to 0');
  assert.equal(wordOf('Stable', { scaledToZero: true }), '✓ Stable', 'its last consumers have not left yet');
  const stall = w.groupWord({ state: 'Stable', stopped: false, silent: false, ...health('Stalled') });
  assert.equal(stall.why, 't/0: lag is not zero. To do: read its log. Kafka reports Stable.');
  assert.match(
    w.groupWord({ state: 'Stable', stopped: false, silent: true, epoch: 7, protocol: 'Consumer' }).why,
    /Kafka reports Stable, epoch 7\./
  );
});

test('sentences', () => {
  const s = scene('practice-3'),
    [one, two] = s.groups;
  assert.match(
    w.arrowSentence(two.members[2].arrows[0]),
    /^Partition 2 of my-topic: read by practice-3-my-consumer-group-2-slow-\S+ in my-consumer-group-2, lag 1264$/
  );
  assert.match(
    w.memberSentence(one.members[0], one.name, false),
    /^Consumer \S+ in my-consumer-group-1, reads P0, P1, delay none, lag 1\. Enter opens its log\.$/
  );
  const killed = scene('rebalancing').groups[0];
  assert.match(w.memberSentence(killed.members[0], killed.name, false), /killed 4 s ago: Kafka gives it up in 6 s\. Enter/);
  assert.match(w.arrowSentence(killed.members[0].arrows[0]), /no reader in my-consumer-group-1, lag 8$/);
  assert.equal(
    w.silentSentence(killed.members[0], false).replaceAll('\u2060', ''),
    `…${killed.members[0].tail} was killed before it could leave the group. No reader for P0, P1 until Kafka gives it up.`
  );
  const idle = scene('practice-2').groups[0];
  assert.match(w.memberSentence(idle.members[3], idle.name, false), /, idle: 3 partitions, 4 consumers: 1 waits\. Enter/);
  const odd = scene('states').groups[1];
  assert.match(w.arrowSentence(odd.members[0].arrows[1]), /no commit, lag 5000/);
  assert.match(w.arrowSentence(odd.members[1].arrows[0]), /lag unknown/);
  assert.match(w.partSentence(scene('two-topics').parts[0]), /Leader broker 1, in sync: 1, 2, out of sync: 3$/);
});

test('rebalances', () => {
  const sentence = (r, multi = false) =>
    w
      .rebalanceSentence({ group: 'g', joined: [], left: [], moved: [], durationMs: 3000, note: null, ...r }, multi)
      .replaceAll('\u2060', '');
  assert.equal(
    sentence({ joined: ['g-aaaaa'], moved: [{ topic: 't', partition: 2, from: 'g-bbbbb', to: 'g-aaaaa' }] }),
    '…aaaaa joined. P2 moved from …bbbbb to …aaaaa.'
  );
  assert.equal(
    sentence({
      left: ['g-aaaaa'],
      moved: [
        { topic: 't', partition: 0, from: 'g-aaaaa', to: null },
        { topic: 't', partition: 1, from: 'g-aaaaa', to: null }
      ]
    }),
    '…aaaaa left. P0, P1 have no reader.'
  );
  assert.equal(sentence({ joined: ['g-aaaaa'] }), '…aaaaa joined. No partition moved.');
  assert.equal(sentence({ joined: ['g-1-a', 'g-1-b', 'g-1-c', 'g-1-d'] }), '4 consumers joined. No partition moved.');
  // with its cause, which names the members, and advice
  assert.equal(
    sentence({
      left: ['g-aaaaa'],
      cause: 'ContainerExited',
      why: 'g-aaaaa crashed with exit code 3.',
      advice: 'Read its last log lines: kubectl logs --previous g-aaaaa',
      moved: [{ topic: 't', partition: 2, from: 'g-aaaaa', to: 'g-bbbbb' }],
      unownedMs: 10240
    }),
    '…aaaaa crashed with exit code 3. P2 moved from …aaaaa to …bbbbb. Without a reader for 10.2 s. Read its last log lines: kubectl logs --previous g-aaaaa'
  );
  assert.equal(
    sentence({ left: ['g-aaaaa'], cause: 'Unknown', why: 'Cause unknown: no member joined or left.' }),
    '…aaaaa left. Cause unknown: no member joined or left. No partition moved.'
  );
  assert.equal(sentence({ group: null, note: 'Broker 3 stopped.' }), 'Broker 3 stopped.');
  assert.equal(w.rebalanceTook({ group: null }), 'no rebalance');
  assert.equal(w.rebalanceTook({ group: 'g', durationMs: null }), '', 'it fell between two polls');
  assert.equal(w.rebalanceTook({ group: 'g', durationMs: 3100 }), '3.1 s');
});

test('the curl can be pasted into a shell', () => {
  assert.equal(
    w.sendCurl('http://127.0.0.1:8081/send-message', { topic: 't', value: "it's" }, 1),
    `curl -H 'Content-Type: application/json' -d '{"topic":"t","value":"it'\\''s"}' 127.0.0.1:8081/send-message`
  );
  assert.match(w.sendCurl('http://h/send-message', { topic: 't', value: 'v' }, 5), /^for i in \$\(seq 5\); do curl .*; done$/);
});

test('age of a lag, and groups of other applications', () => {
  assert.equal(w.lagAge({ lag: 12, oldest: 55_000, drain: null }), 'oldest 55 s');
  assert.equal(w.lagAge({ lag: 12, oldest: 55_000, drain: 180_000 }), 'oldest 55 s, done in 3 min');
  assert.equal(w.lagAge({ lag: 0, oldest: 0, drain: 0 }), '');
  assert.equal(w.lagAge({ lag: 12, oldest: null, drain: null }), '', 'unknown');
  const others = [
    { name: 'billing', members: 1, lag: 1200 },
    { name: 'audit', members: 0, lag: null }
  ];
  assert.equal(
    w.othersSentence(others, 5),
    'Groups of other applications on these topics, not managed here: billing (1 consumer, lag at most 1,200), audit (0 consumers, lag ?) and 3 more.'
  );
  const odd = [
    { name: 'done', members: 1, lag: 0, upperBound: false },
    { name: 'silent', lag: null, upperBound: true }
  ];
  assert.equal(
    w.othersSentence(odd, 2),
    'Groups of other applications on these topics, not managed here: done (1 consumer, lag 0), silent (? consumers, lag ?).'
  );
});
