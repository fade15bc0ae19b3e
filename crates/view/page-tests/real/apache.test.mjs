// The page of the real product on Apache Kafka, against what Kafka's own ConsumerGroupCommand says.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { launch } from '../browser.mjs';
import { agrees, sample, settled, show, until, up } from './kit.mjs';

const GROUPS = [1, 2, 3].map(n => `my-consumer-group-${n}`);
let local, browser;
before(async () => {
  [local, browser] = await Promise.all([up(sample(3), ['--kafka', 'apache']), launch()]);
  await settled(local);
});
after(async () => {
  await browser?.close();
  await local?.end();
});

/** The jars that practice-local has fetched for its broker; the tool is among them. */
function classPath() {
  const cache = process.env.CGP_CACHE || join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'consumer-group-practice'),
    jars = join(cache, 'kafka');
  assert.ok(existsSync(jars), `${jars} is missing, though practice-local has started a broker from there`);
  return join(jars, '*');
}

/** group, partition, owner of each line that Kafka's tool prints, in the words of the page's arrows. */
async function described(bootstrap) {
  const { stdout } = await promisify(execFile)('java', [
    ...['-Xmx128m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-cp', classPath()],
    'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand',
    ...['--bootstrap-server', bootstrap, '--describe', ...GROUPS.flatMap(g => ['--group', g])]
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
    .filter(l => GROUPS.includes(l[at[0]]))
    .map(l => `${l[at[0]]} ${l[at[1]]}/${l[at[2]]} ${l[at[3]] === '-' ? '' : l[at[3]]}`)
    .sort();
}

test("arrows are what Kafka's own tool describes, before and after a consumer more", async () => {
  const { page, faults, close } = await show(browser, local),
    { bootstrap, kind } = (await local.api()).kafka;
  assert.equal(kind, 'apache');
  await local.send({ topic: 'my-topic', value: 'so that there is an end' });
  const before = await agrees(local, page);
  assert.equal(before.length, 9);
  assert.deepEqual(before, await described(bootstrap));
  await page.locator(`.foot[data-in="${GROUPS[0]}"] [data-act=more]`).click();
  await until('a third has joined', async () => (await local.group(GROUPS[0])).members.length === 3);
  await settled(local);
  const after = await agrees(local, page);
  assert.notDeepEqual(after, before);
  assert.deepEqual(after, await described(bootstrap));
  assert.deepEqual(faults, []);
  await close();
});
