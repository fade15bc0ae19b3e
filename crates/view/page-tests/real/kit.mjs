// The real product for tests, figures and pictures: `practice-local` in a directory of its own, its page or the operator's in a browser. In: a manifest. Out: its state.
// Every wait has a deadline and names its goal. Of the page's structure only `data-` attributes, the form and the log are used here.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { open } from '../browser.mjs';

const here = path => fileURLToPath(new URL(path, import.meta.url));
export const repository = path => here(`../../../../${path}`);
export const sample = n => readFileSync(repository(`deploy/samples/practice-${n}.yaml`), 'utf8');
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
export const sleep = ms => new Promise(done => setTimeout(done, ms));

/** The program under test. */
function program() {
  const path = process.env.PRACTICE_LOCAL || join(process.env.CARGO_TARGET_DIR || repository('target'), 'debug/practice-local');
  assert.ok(existsSync(path), `${path} is missing: run 'cargo build -p practice-local' first, or name another one in PRACTICE_LOCAL`);
  return path;
}

/** Waits until `find` returns something. */
export async function until(what, find, seconds = 60) {
  for (const end = Date.now() + seconds * 1000; ; ) {
    const found = await find();
    if (found) return found;
    assert.ok(Date.now() < end, `not within ${seconds} s: ${what}`);
    await sleep(50);
  }
}

const free = port =>
  new Promise(done => {
    const s = createServer();
    s.once('error', () => done(false)).listen(port, '127.0.0.1', () => s.close(() => done(true)));
  });
/** Two neighbouring ports that nothing listens on, below those of outgoing connections. */
export async function ports() {
  for (let i = 0; i < 500; i++) {
    const port = 20_000 + 2 * Math.floor(Math.random() * 5_000);
    if ((await free(port)) && (await free(port + 1))) return port;
  }
  throw new Error('no two neighbouring ports between 20000 and 30000 are free');
}

/** Child processes, killed when this process ends. */
const running = new Set();
/** @param {import('node:child_process').ChildProcess} child */
export function mortal(child) {
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}
process.on('exit', () => running.forEach(child => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

const posted = (url, body) => fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
/** A message by the producer's own address; its answer. */
export async function sent(url, body) {
  const response = await posted(url, body);
  assert.ok(response.ok, `${response.status} of ${JSON.stringify(body)}`);
  return response.json();
}

/** A served practice: its page, its API, its actions. */
export function served(url, namespace, name) {
  const at = `${url}/api/practices/${namespace}/${name}`,
    api = async () => (await fetch(at)).json();
  return {
    name,
    url,
    page: `${url}/p/${namespace}/${name}`,
    api,
    group: async g => (await api()).groups.find(x => x.name === g),
    post: (path, body) => posted(`${at}/${path}`, body)
  };
}

/** Starts a manifest and waits until everything has arrived. @param {string} manifest @param {string[]} [args] */
export async function up(manifest, args = []) {
  const binary = program(),
    dir = mkdtempSync(join(tmpdir(), 'practice-page-')),
    port = await ports(),
    name = /^metadata:\s+name: (\S+)/m.exec(manifest)[1],
    file = join(dir, 'practice.yaml'),
    log = join(dir, 'output'),
    output = () => readFileSync(log, 'utf8');
  writeFileSync(file, manifest);
  let child;
  async function start() {
    const out = openSync(log, 'w');
    child = mortal(spawn(binary, ['up', file, '--port-base', String(port), ...args], { cwd: dir, stdio: ['ignore', out, out] }));
    const mine = child;
    await until(`${name} is ready`, () => {
      assert.equal(mine.exitCode, null, `practice-local has ended:\n${output()}`);
      return output().includes('ready in ');
    }).catch(e => {
      throw new Error(`${e.message}\n${output()}`);
    });
  }
  const ended = (seconds = 20) => until('practice-local ends', () => child.exitCode != null || child.signalCode, seconds);
  const local = {
    ...served(`http://127.0.0.1:${port}`, 'local', name),
    dir,
    sendUrl: `http://127.0.0.1:${port + 1}/send-message`,
    output,
    log: consumer => readFileSync(join(dir, `.local/logs/${consumer}.log`), 'utf8'),
    send: body => sent(local.sendUrl, body),
    /** Output of a command of practice-local. */
    cli: (...words) =>
      new Promise((done, failed) =>
        execFile(binary, words, { cwd: dir }, (error, out, why) =>
          error ? failed(new Error(`${words.join(' ')}: ${out}${why}`)) : done(out)
        )
      ),
    /** A crash, without any message. Its children notice; their ports are free afterwards. */
    async crash() {
      child.kill('SIGKILL');
      await ended();
      await until('its ports are free', async () => (await free(port)) && (await free(port + 1)));
    },
    start,
    async end() {
      if (child.exitCode == null && !child.signalCode) {
        child.kill('SIGTERM');
        await ended();
      }
      rmSync(dir, { recursive: true, force: true });
    }
  };
  await start().catch(async e => {
    child.kill('SIGKILL');
    throw e;
  });
  return local;
}

/** The page of a practice, once it is live and drawn. `hosts`: whom it has asked. `dialogs`: what has popped up. */
export async function show(browser, local, how = {}) {
  const hosts = new Set(),
    dialogs = [];
  const watched = {
    newContext: async options => {
      const context = await browser.newContext(options);
      context.on('request', r => hosts.add(new URL(r.url()).host));
      context.on('dialog', d => {
        dialogs.push(d.message());
        d.dismiss();
      });
      return context;
    }
  };
  const opened = await open(watched, how.url ?? local.page, how);
  await opened.page.waitForFunction(() => document.body.dataset.conn === 'live' && document.querySelector('.part, tbody tr'), null, {
    timeout: 30_000
  });
  return { ...opened, hosts, dialogs };
}

/** group, partition, owner of each arrow, or of each row of the table. */
export const drawn = (page, where = '#wires') =>
  page.$$eval(`${where} [data-group][data-partition]`, all =>
    all.map(e => [e.dataset.group, e.dataset.partition, e.dataset.owner].join(' ')).sort()
  );

/** The same by the API: an owner that does not answer reads nothing. */
export const owned = snapshot =>
  snapshot.groups
    .flatMap(g => [
      ...g.members.flatMap(m =>
        m.partitions.map(p => [g.name, `${p.topic}/${p.partition}`, m.state === 'running' ? m.name : ''].join(' '))
      ),
      ...g.open.map(p => [g.name, `${p.topic}/${p.partition}`, ''].join(' '))
    ])
    .sort();

/** Waits until every group is as large as it should be and every partition of it has an owner. */
export const settled = (local, seconds = 60) =>
  until(
    `every group of ${local.name} is stable`,
    async () => {
      const s = await local.api(),
        all = s.partitions.length;
      return (
        s.groups.every(
          g =>
            g.state === 'Stable' &&
            !g.open.length &&
            g.members.length === g.replicas &&
            g.members.every(m => m.state === 'running') &&
            g.members.reduce((n, m) => n + m.partitions.length, 0) === all
        ) && s
      );
    },
    seconds
  );

/** Waits until the page agrees with the API, and returns it. What is drawn is in the message if it never does. */
export async function agrees(local, page, where = '#wires', seconds = 15) {
  let seen, reported;
  await until(
    'the page agrees with the API',
    async () => {
      [reported, seen] = [owned(await local.api()), await drawn(page, where)];
      return reported.join('\n') === seen.join('\n');
    },
    seconds
  ).catch(() => assert.deepEqual(seen, reported));
  return seen;
}

export const foot = (page, group) => page.locator(`.foot[data-in="${group}"]`);
export const boxes = (page, group) => page.locator(`[data-box][data-in="${group}"]`);
/** Opens the log of a consumer. */
export async function choose(page, owner) {
  await page.locator(`[data-box][data-owner="${owner}"]`).first().click();
  await page.locator('.log:visible').waitFor();
}

/** The log of each of these consumers has the message, once. */
export async function readOnce(page, owners, value) {
  for (const owner of owners) {
    await choose(page, owner);
    await page.locator('.log li', { hasText: value }).waitFor({ timeout: 30_000 });
    assert.equal(await page.locator('.log li', { hasText: value }).count(), 1);
    await page.keyboard.press('Escape');
  }
}

/** Violations that axe finds. */
export async function violations(page) {
  await page.waitForTimeout(300);
  await page.evaluate(axe); // by the debugger, not by the page, whose policy would refuse it
  return page.evaluate(async () =>
    (await window.axe.run(document, { resultTypes: ['violations'] })).violations.map(
      v => `${v.id}: ${v.nodes.map(n => n.target.join(' ')).join(' | ')}`
    )
  );
}

/** Kafka's jars, as `make node` and practice-local keep them; its tools are among them. */
function classPath() {
  const cache = process.env.CGP_CACHE || join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'consumer-group-practice'),
    jars = join(cache, 'kafka');
  assert.ok(existsSync(jars), `${jars} is missing, though a broker was started from there`);
  return join(jars, '*');
}

/** group, partition, owner of each line that Kafka's own ConsumerGroupCommand prints, in the words of the page's arrows. */
export async function described(bootstrap, groups) {
  const { stdout } = await promisify(execFile)('java', [
    ...['-Xmx128m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-cp', classPath()],
    'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand',
    ...['--bootstrap-server', bootstrap, '--describe', ...groups.flatMap(g => ['--group', g])]
  ]);
  const lines = stdout
      .split('\n')
      .map(l => l.trim().split(/\s+/))
      .filter(l => l.length > 1),
    head = lines.find(l => l[0] === 'GROUP');
  assert.ok(head, stdout);
  const at = ['GROUP', 'TOPIC', 'PARTITION', 'CLIENT-ID'].map(h => head.indexOf(h));
  assert.ok(!at.includes(-1), stdout);
  return lines
    .filter(l => groups.includes(l[at[0]]))
    .map(l => `${l[at[0]]} ${l[at[1]]}/${l[at[2]]} ${l[at[3]] === '-' ? '' : l[at[3]]}`)
    .sort();
}
