// The page of the real product on Apache Kafka, against Kafka's own ConsumerGroupCommand.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch } from '../browser.mjs';
import { agrees, described, sample, settled, show, until, up } from './kit.mjs';

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

test("arrows are what Kafka's own tool describes, before and after a consumer more", async () => {
  const { page, faults, close } = await show(browser, local),
    { bootstrap, kind } = (await local.api()).kafka;
  assert.equal(kind, 'apache');
  await local.send({ topic: 'my-topic', value: 'so that there is an end' });
  const before = await agrees(local, page);
  assert.equal(before.length, 9);
  assert.deepEqual(before, await described(bootstrap, GROUPS));
  await page.locator(`.foot[data-in="${GROUPS[0]}"] [data-act=more]`).click();
  await page.locator('[data-act=confirm]').click();
  await until('a third has joined', async () => (await local.group(GROUPS[0])).members.length === 3);
  await settled(local);
  const after = await agrees(local, page);
  assert.notDeepEqual(after, before);
  assert.deepEqual(after, await described(bootstrap, GROUPS));
  assert.deepEqual(faults, []);
  await close();
});
