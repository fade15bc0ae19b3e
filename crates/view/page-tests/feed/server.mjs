// The page's own counterpart in its unit tests: the real assets under the real policy, and events that a test sends by hand.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { pack, sheet } from '../pack.mjs';

const assets = new URL('../../assets/', import.meta.url);
export const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";
const TYPES = { js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml', html: 'text/html' };

/** @param {Record<string, any>} practices name -> snapshot @param {number} [port] @param {boolean} [packed] as the server embeds it; otherwise module by module, as a debug build serves it */
export async function serve(practices, port = 0, packed = true) {
  const streams = new Map(),
    logs = new Set(),
    posts = [];
  let dropped = false,
    id = 0,
    answer = body => [200, { message: 'It is done.', sent: body.count }],
    foresees = (asked, group) => [
      200,
      {
        title: `${group}: ${asked}`,
        verb: `Do ${asked}`,
        starts: Math.max(0, Number(new URLSearchParams(asked).get('by'))),
        idle: '3 partitions, 4 consumers: 1 waits',
        rows: [
          { label: 'moves', number: '1..2 of 3 partitions', why: 'Kafka chooses which', warns: false },
          { label: 'idle', number: '1 of 4 consumers', why: '3 partitions, 4 consumers: 1 waits', warns: true }
        ]
      }
    ];
  const event = (type, data) => `id: ${++id}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
  const open = res => {
    res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    res.write(': hello\n\n');
  };
  const server = createServer((req, res) => {
    const url = new URL(req.url, 'http://x'),
      path = url.pathname.split('/').map(decodeURIComponent),
      json = (status, body) => {
        res.writeHead(status, { 'content-type': 'application/json' });
        res.end(JSON.stringify(body));
      };
    if (dropped) return void res.destroy();
    res.setHeader('Content-Security-Policy', CSP);
    res.setHeader('X-Content-Type-Options', 'nosniff');
    if (path[1] === 'assets') {
      try {
        const file = url.pathname.slice('/assets/'.length),
          ext = file.split('.').pop(),
          raw = readFileSync(new URL(file, assets));
        res.writeHead(200, { 'content-type': TYPES[ext] ?? 'text/plain' });
        res.end(!packed ? raw : file === 'main.js' ? pack(assets, file) : file === 'style.css' ? sheet(raw.toString()) : raw);
      } catch {
        json(404, {});
      }
    } else if (path[1] === 'api') {
      if (path.length === 3)
        return json(
          200,
          Object.values(practices).map(p => ({ namespace: p.namespace, name: p.name, ready: p.ready, summary: p.summary }))
        );
      const p = practices[path[4]],
        rest = path.slice(5);
      if (!p) return json(404, { message: 'no such practice' });
      if (!rest.length) return json(200, p);
      if (rest[0] === 'stream') {
        open(res);
        res.write(event('snapshot', p));
        const set = streams.get(p.name) ?? streams.set(p.name, new Set()).get(p.name);
        set.add(res);
        req.on('close', () => set.delete(res));
      } else if (rest[0] === 'logs') {
        open(res);
        const t = { res, consumer: rest[1] };
        logs.add(t);
        req.on('close', () => logs.delete(t));
        for (let i = 0; i < 50; i++)
          res.write(
            `event: line\ndata: ${JSON.stringify(i % 2 ? `Received message: key=k${i} & value=testing-value` : `Message Info: topic my-topic - partition [0] @ offset ${3400 + i / 2}`)}\n\n`
          );
      } else if (rest[2] === 'plan') {
        const [status, forecast] = foresees(url.search, rest[1]);
        json(status, forecast);
      } else if (req.method === 'POST') {
        let body = '';
        req.on('data', d => {
          body += d;
        });
        req.on('end', () => {
          const sent = JSON.parse(body || '{}');
          posts.push({ path: rest.join('/'), body: sent });
          const [status, reply] = answer(sent, rest);
          json(status, reply);
        });
      } else json(404, {});
    } else {
      res.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
      res.end(readFileSync(new URL('index.html', assets)));
    }
  });
  await new Promise(done => server.listen(port, '127.0.0.1', () => done(undefined)));
  return {
    port: /** @type {any} */ (server.address()).port,
    practices,
    posts,
    get url() {
      return `http://127.0.0.1:${this.port}`;
    },
    send(name, type, data) {
      for (const s of streams.get(name) ?? []) s.write(event(type, data));
    },
    line(text) {
      for (const l of logs) l.res.write(`event: line\ndata: ${JSON.stringify(text)}\n\n`);
    },
    readers: name => streams.get(name)?.size ?? 0,
    answers(f) {
      answer = f;
    },
    foresees(f) {
      foresees = f;
    },
    /** As if the server were away, until `drop(false)`. */
    drop(yes = true) {
      dropped = yes;
      if (yes) for (const set of streams.values()) for (const s of set) s.destroy();
    },
    async close() {
      server.closeAllConnections();
      await new Promise(done => server.close(done));
    }
  };
}

/** Messages as a running practice has them: every partition gets `perSecond` in all, every reading member consumes them. Ends with the returned function. */
export function run(feed, name, perSecond, now = () => Date.now()) {
  const s = feed.practices[name],
    base = now() - s.now,
    ends = s.partitions.map(p => p.end),
    took = new Map();
  let due = 0,
    last = Date.now(),
    polled = 0;
  const timer = setInterval(() => {
    const at = now() - base,
      dt = (Date.now() - last) / 1000;
    last = Date.now();
    due += perSecond * dt;
    const produced = new Map(),
      consumed = [];
    for (; due >= 1; due--) {
      const i = Math.floor(Math.random() * ends.length);
      ends[i]++;
      produced.set(i, ends[i]);
    }
    for (const g of s.groups)
      for (const m of g.members)
        if (m.state === 'running')
          for (const p of m.partitions) {
            const i = s.partitions.findIndex(x => x.topic === p.topic && x.partition === p.partition),
              key = `${g.name} ${i}`,
              had = took.get(key) ?? p.committed ?? 0,
              can = m.delayMs ? (dt * 1000) / m.delayMs : 1e9,
              n = Math.min(Math.max(0, ends[i] - had), Math.floor(can + Math.random()));
            if (n > 0) {
              took.set(key, had + n);
              consumed.push([g.name, p.topic, p.partition, m.name, n, had + n]);
            }
          }
    feed.send(name, 'flow', {
      now: at,
      produced: [...produced].map(([i, e]) => [s.partitions[i].topic, s.partitions[i].partition, e]),
      consumed
    });
    if (Date.now() - polled < 2000) return;
    polled = Date.now();
    s.partitions.forEach((p, i) => {
      p.end = ends[i];
    });
    for (const g of s.groups) {
      for (const p of [...g.members.flatMap(m => m.partitions), ...g.open]) {
        const i = s.partitions.findIndex(x => x.topic === p.topic && x.partition === p.partition);
        p.end = ends[i];
        p.committed = took.get(`${g.name} ${i}`) ?? p.committed;
        if (p.committed != null && p.lag != null) p.lag = p.end - p.committed;
      }
      g.lag = [...g.members.flatMap(m => m.partitions), ...g.open].reduce((a, p) => (a == null || p.lag == null ? null : a + p.lag), 0);
    }
    feed.send(name, 'patch', {
      now: at,
      partitions: s.partitions,
      groups: s.groups,
      history: Object.fromEntries(s.groups.map(g => [g.name, [[at, g.lag]]]))
    });
  }, 100);
  return () => clearInterval(timer);
}
