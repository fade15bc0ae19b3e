// Invented practices with the fields of ../../src/model.rs. In: a name. Out: the snapshot that a server would send.
// Invented, because these tests are about the page: the real server's tests show real groups.

const NOW = Date.UTC(2026, 10, 25, 14, 7, 35),
  SALT = 'bcdfghjklmnpqrstvwxz2456789';
const random = seed => () => (seed = (seed * 16807) % 2147483647) / 2147483647;

/** One group, from its owners and their partitions. @returns {any} */
export function group(name, topics, owners, more = {}) {
  const roll = random(name.length * 7919 + 11),
    five = () => Array.from({ length: 5 }, () => SALT[Math.floor(roll() * SALT.length)]).join('');
  const members = owners.map((o, i) => {
    const pod = o.pod ?? `${more.deployment ?? name}-${o.variant ? o.variant + '-' : ''}7c9d8b6f5-${five()}`;
    const partitions = (o.owns ?? []).map(([topic, partition, lag = 0, lagReason = null]) => cell(topic, partition, lag, lagReason));
    return {
      name: pod,
      pod,
      memberId: `${pod}-${i}`,
      clientId: pod,
      variant: o.variant ?? null,
      delayMs: o.delayMs ?? 0,
      partitions,
      partitionCount: partitions.length,
      lag: total(partitions),
      idleBecause: o.idle ?? null,
      state: o.state ?? 'running',
      since: o.since ?? NOW - 600_000
    };
  });
  const open = (more.open ?? []).map(([topic, partition, lag = 0, lagReason = null]) => cell(topic, partition, lag, lagReason));
  const { deployment, ...rest } = more;
  return {
    name,
    state: 'Stable',
    stopped: false,
    scaledToZero: false,
    protocol: 'Classic',
    assignor: 'CooperativeSticky',
    epoch: 3,
    replicas: members.length,
    readyReplicas: members.length,
    idle: members.filter(m => m.idleBecause).length,
    lag: total([...members.flatMap(m => m.partitions), ...open]),
    oldestAt: null,
    doneAt: null,
    health: null,
    message: null,
    truncated: false,
    scalable: true,
    sessionTimeoutMs: 10_000,
    topics,
    ...rest,
    members,
    open
  };
}
const cell = (topic, partition, lag, lagReason) => ({
  topic,
  partition,
  committed: lagReason === 'NoCommit' || lag == null ? null : END - lag,
  end: END,
  lag,
  lagReason,
  lost: null,
  unknownSince: null
});
const END = 5000;
const total = cells => (cells.some(c => c.lag == null) ? null : cells.reduce((a, c) => a + c.lag, 0));

/** @returns {any} */
export function practice(name, topics, groups, more = {}) {
  const partitions = topics.flatMap(([topic, n]) =>
    Array.from({ length: n }, (_, partition) => ({ topic, partition, start: 0, end: END, leader: 1, replicas: [1], isr: [1] }))
  );
  const history = Object.fromEntries(
    groups.map((g, i) => [
      g.name,
      Array.from({ length: 150 }, (_, k) => [
        NOW - (149 - k) * 2000,
        more.slope?.[g.name]
          ? Math.max(0, Math.round((g.lag ?? 0) - more.slope[g.name] * (149 - k) * 2))
          : g.lag == null
            ? null
            : Math.max(0, Math.round((g.lag ?? 0) + Math.sin(k * (i + 1)) * 2))
      ])
    ])
  );
  const { slope, ...rest } = more,
    consumers = groups.reduce((a, g) => a + g.members.length, 0);
  return {
    namespace: 'local',
    name,
    now: NOW,
    ready: true,
    sentence: 'All groups run.',
    kafka: {
      bootstrap: '127.0.0.1:9092',
      kind: 'apache',
      note: null,
      brokers: [{ id: 1, up: true, leads: partitions.length, since: NOW - 9e5 }]
    },
    actions: { enabled: true, how: null },
    sendUrl: 'http://127.0.0.1:8081/send-message',
    sendHow: null,
    load: null,
    summary: {
      topics: topics.length,
      partitions: partitions.length,
      groups: groups.length,
      consumers,
      idle: groups.reduce((a, g) => a + g.idle, 0),
      lag: groups.some(g => g.lag == null) ? null : groups.reduce((a, g) => a + g.lag, 0)
    },
    partitions,
    groups,
    otherGroups: [],
    otherGroupCount: 0,
    rebalances: [],
    history,
    ...rest
  };
}
const T = 'my-topic',
  own = (t, ...parts) => parts.map(p => (Array.isArray(p) ? [t, ...p] : [t, p, 0]));
const entry = (id, ago, g, joined, moved, more = {}) => ({
  id,
  time: NOW - ago * 1000,
  group: g,
  epoch: null,
  joined,
  left: [],
  moved,
  durationMs: 3000,
  unownedMs: null,
  cause: null,
  why: null,
  advice: null,
  note: null,
  ...more
});

export const scenes = {
  'practice-1': () =>
    practice(
      'practice-1',
      [[T, 1]],
      [group('my-consumer-group', [T], [{ owns: own(T, 0) }], { deployment: 'practice-1-my-consumer-group' })],
      {
        kafka: {
          bootstrap: '127.0.0.1:40123',
          kind: 'embedded',
          note: 'In memory, gone at exit; every group uses the KIP-848 protocol.',
          brokers: [{ id: 1, up: true, leads: 1, since: NOW }]
        }
      }
    ),
  'practice-2': () => {
    const g = group(
      'my-consumer-group-1',
      [T],
      [{ owns: own(T, 0) }, { owns: own(T, 1) }, { owns: own(T, 2) }, { idle: '3 partitions, 4 consumers: 1 waits.' }],
      { deployment: 'practice-2-my-consumer-group-1' }
    );
    return practice('practice-2', [[T, 3]], [g], {
      rebalances: [
        entry('b', 93, g.name, [g.members[3].name], [], {}),
        entry(
          'a',
          700,
          g.name,
          g.members.slice(0, 3).map(m => m.name),
          [0, 1, 2].map(p => ({ topic: T, partition: p, from: null, to: g.members[p].name }))
        )
      ]
    });
  },
  'practice-3': () => {
    const d = 'practice-3-my-consumer-group-',
      one = group('my-consumer-group-1', [T], [{ owns: own(T, 0, [1, 1]) }, { owns: own(T, 2) }], { deployment: d + 1 }),
      two = group(
        'my-consumer-group-2',
        [T],
        [{ owns: own(T, 0) }, { owns: own(T, [1, 2]) }, { variant: 'slow', delayMs: 5000, owns: own(T, [2, 1264]) }],
        { deployment: d + 2 }
      ),
      three = group('my-consumer-group-3', [T], [{ delayMs: 100, owns: own(T, [0, 2], 1, [2, 1]) }], { deployment: d + 3 });
    const first = g => g.members[0].name;
    return practice('practice-3', [[T, 3]], [one, two, three], {
      slope: { 'my-consumer-group-2': 1.8 },
      rebalances: [
        entry('d', 317, two.name, [two.members[2].name], [{ topic: T, partition: 2, from: two.members[1].name, to: two.members[2].name }]),
        entry('c', 535, one.name, [one.members[1].name], [{ topic: T, partition: 2, from: first(one), to: one.members[1].name }]),
        entry(
          'b',
          741,
          three.name,
          [first(three)],
          [0, 1, 2].map(p => ({ topic: T, partition: p, from: null, to: first(three) }))
        ),
        entry(
          'a',
          748,
          one.name,
          [first(one)],
          [0, 1, 2].map(p => ({ topic: T, partition: p, from: null, to: first(one) }))
        )
      ]
    });
  },
  embedded: () => ({
    ...scenes['practice-3'](),
    kafka: {
      bootstrap: '127.0.0.1:40123',
      kind: 'embedded',
      note: 'In memory, gone at exit; every group uses the KIP-848 protocol.',
      brokers: [1, 2, 3].map(id => ({ id, up: true, leads: 1, since: NOW }))
    }
  }),
  rebalancing: () => {
    const s = scenes['practice-3'](),
      g = s.groups[0],
      m = g.members[0];
    m.state = 'killed';
    m.since = NOW - 4000;
    m.partitions.forEach((p, i) => {
      p.lag = 8 + i;
      p.committed = END - p.lag;
    });
    g.lag = 17;
    return s;
  },
  states: () =>
    practice(
      'states',
      [[T, 3]],
      [
        group('stopped-group', [T], [], { state: 'Empty', stopped: true, open: own(T, [0, 40], [1, 12], [2, 0]) }),
        group('new-group', [T], [{ owns: own(T, [0, 0, 'NoCommit'], [1, 5000, 'NoCommit']) }, { owns: own(T, [2, null, 'Unknown']) }], {
          state: 'Stable'
        }),
        group(
          'odd-group',
          [T],
          [
            { owns: own(T, [0, 90, 'Expired']) },
            { owns: own(T, [1, 0, 'Stale']), state: 'paused', since: NOW - 3000 },
            { state: 'running' }
          ],
          { state: 'PreparingRebalance', open: own(T, [2, 4]) }
        )
      ],
      {
        ready: false,
        sentence: 'group odd-group has 3 members, expected 2: member x does not belong to this practice',
        actions: { enabled: false, how: 'helm upgrade practice charts/consumer-group-practice --set view.actions=true' },
        otherGroups: [{ name: 'billing', state: 'Stable', members: 1, topics: [T], lag: 12, upperBound: true }],
        otherGroupCount: 1
      }
    ),
  'two-topics': () => {
    const O = 'orders',
      Y = 'payments',
      a = group(
        'shipping',
        [O, Y],
        [
          { delayMs: 20, owns: [...own(O, [0, 2]), ...own(Y, 0)] },
          { delayMs: 20, owns: [...own(O, 1), ...own(Y, [1, 1])] },
          { owns: own(O, [2, 3]) }
        ],
        { protocol: 'Consumer', assignor: 'Uniform' }
      ),
      b = group('audit', [Y], [{ owns: own(Y, 0) }, { owns: own(Y, 1) }], { assignor: 'Range' });
    const s = practice(
      'practice-4',
      [
        [O, 3],
        [Y, 2]
      ],
      [a, b],
      {
        kafka: {
          bootstrap: '127.0.0.1:19092',
          kind: 'apache',
          note: null,
          brokers: [
            { id: 1, up: true, leads: 3 },
            { id: 2, up: true, leads: 2 },
            { id: 3, up: false, leads: 0, since: NOW - 40_000 }
          ]
        }
      }
    );
    s.partitions.forEach((p, i) => Object.assign(p, { replicas: [1, 2, 3], isr: [1, 2], leader: 1 + (i % 2) }));
    s.rebalances.push(
      entry('x', 40, null, [], [], {
        durationMs: null,
        note: 'Broker 3 stopped. It led orders/2: broker 1 leads it now. No group rebalanced.'
      })
    );
    return s;
  },
  large: () => sized(24, 6, 12, 'large'),
  'too-large': () => sized(48, 6, 12, 'too-large'),
  hostile: () => {
    const bad = '<img src=x onerror=document.title="hit">',
      s = practice(
        'hostile',
        [['t.' + 'x'.repeat(80), 2]],
        [
          group(
            'g_' + 'long-name-'.repeat(20) + 'end',
            ['t'],
            [
              { pod: bad, owns: own('t.' + 'x'.repeat(80), 0) },
              { pod: 'a', owns: own('t.' + 'x'.repeat(80), 1) }
            ]
          )
        ]
      );
    s.groups.push(group(bad, ['t'], [{ pod: bad + 'two', idle: bad }]));
    s.history[bad] = [];
    s.sentence = bad;
    s.ready = false;
    s.kafka.note = bad;
    s.rebalances.push(entry('h', 5, bad, [bad], [], { durationMs: 10, note: bad }));
    return s;
  }
};

/** P partitions, G groups of C consumers, with a slow one and a killed one. */
export function sized(P, G, C, name = `sized-${P}x${G}x${C}`) {
  const names = ['billing', 'shipping', 'search-index', 'fraud-check', 'analytics', 'audit', 'seventh', 'eighth'],
    t = 'orders',
    roll = random(7);
  const groups = names.slice(0, G).map((n, gi) =>
    group(
      n,
      [t],
      Array.from({ length: C }, (_, i) => {
        const parts = Array.from({ length: P }, (_, p) => p).filter(
          p => (gi % 2 ? p % C : Math.floor((p * C) / Math.max(P, C))) === i || (P < C && p === i)
        );
        return {
          delayMs: 10,
          owns: own(t, ...[...new Set(parts)].map(p => [p, Math.floor(roll() * 4)])),
          idle: parts.length ? null : `${P} partitions, ${C} consumers: ${C - P} wait.`
        };
      }),
      { protocol: 'Consumer', assignor: 'Uniform', deployment: `load-${n}`, sessionTimeoutMs: 45_000 }
    )
  );
  const worst = groups[3 % G].members.filter(m => m.partitions.length).at(-1),
    gone = G > 1 ? groups[1].members[Math.min(4, C - 1)] : null;
  if (worst && P > 3) {
    worst.delayMs = 200;
    worst.partitions.forEach((p, i) => {
      p.lag = 3912 + 500 * i;
      p.committed = END - p.lag;
    });
    groups[3 % G].lag = total(groups[3 % G].members.flatMap(m => m.partitions));
  }
  if (gone && P > 3) {
    gone.state = 'killed';
    gone.since = NOW - 3000;
  }
  return practice(name, [[t, P]], groups, { namespace: 'shop', slope: { [groups[3 % G].name]: 15 } });
}
export { END, NOW };
