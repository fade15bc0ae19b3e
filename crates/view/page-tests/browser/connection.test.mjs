// The connection of the page, and its pages without a practice, in a real browser.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { open } from '../browser.mjs';
import { scenes } from '../feed/scenes.mjs';
import { serve } from '../feed/server.mjs';
import { browser, feed, show, violations } from '../shown.mjs';

test('the connection: lost with the server, back with the server, actions off meanwhile', async () => {
  const s = scenes['practice-3'](),
    mine = await serve({ [s.name]: s }),
    port = mine.port,
    { page, close } = await open(browser, `${mine.url}/p/${s.namespace}/${s.name}`);
  await page.waitForFunction(() => document.body.dataset.conn === 'live');
  assert.equal(await page.locator('#state').textContent(), 'live');
  await mine.close();
  await page.waitForFunction(() => document.getElementById('state').textContent === 'disconnected, retrying');
  assert.ok(await page.getByText('Disconnected, retrying.').isVisible());
  assert.equal(await page.locator('[data-act=more]').first().getAttribute('aria-disabled'), 'true');
  const changed = scenes['practice-3']();
  changed.groups[0].members[0].name = 'changed-meanwhile-abcde';
  const again = await serve({ [s.name]: changed }, port);
  await page.waitForFunction(
    () => document.body.dataset.conn === 'live' && document.querySelector('[data-owner="changed-meanwhile-abcde"]'),
    null,
    { timeout: 15_000 }
  );
  assert.equal(await page.locator('#notice:visible').count(), 0);
  await close();
  await again.close();
});

test('the age of the data: live, N s old, hidden after five minutes', async () => {
  const s = scenes['practice-3'](),
    mine = await serve({ [s.name]: s }),
    context = await browser.newContext(),
    page = await context.newPage();
  await page.clock.install();
  await page.goto(`${mine.url}/p/${s.namespace}/${s.name}`);
  const state = text => page.waitForFunction(t => new RegExp(t).test(document.getElementById('state').textContent), text);
  await state('^live$');
  mine.send(s.name, 'beat', { now: s.now + 1000 });
  await page.clock.runFor(14_000);
  await state('^1[3-9] s old$');
  mine.send(s.name, 'beat', { now: s.now + 15_000 });
  await state('^live$');
  mine.drop();
  await page.clock.runFor(2000);
  await state('^disconnected, retrying$');
  assert.equal(await page.locator('.card').first().isVisible(), true);
  await page.clock.runFor(330_000);
  assert.match(await page.locator('#notice').textContent(), /older than five minutes/);
  assert.equal(await page.locator('.card').first().isVisible(), false);
  mine.drop(false);
  await page.clock.runFor(8000);
  await state('^live$');
  await page.clock.runFor(1000);
  assert.equal(await page.locator('.card').first().isVisible(), true);
  await context.close();
  await mine.close();
});

test('a missing practice, a list, and a single one', async () => {
  const { page, close } = await open(browser, `${feed.url}/p/local/nothing-here`);
  await page.getByText('There is no practice nothing-here in local.').waitFor();
  await close();
  const l = await open(browser, `${feed.url}/`);
  await l.page.locator('.practices a').first().waitFor();
  assert.ok((await l.page.locator('.practices a').count()) > 5);
  assert.deepEqual(await violations(l.page), []);
  assert.deepEqual(l.faults, []);
  await l.close();
  const s = scenes['practice-3'](),
    only = await serve({ [s.name]: s }),
    o = await open(browser, `${only.url}/`);
  await o.page.waitForURL(`${only.url}/p/local/practice-3`);
  await o.close();
  await only.close();
  const none = await serve({}),
    n = await open(browser, `${none.url}/`);
  await n.page.getByText('No practice yet').waitFor();
  assert.deepEqual(await violations(n.page), []);
  await n.close();
  await none.close();
});

test('a hidden tab keeps no stream', async () => {
  const { page, s, close } = await show('practice-1');
  for (let i = 0; feed.readers(s.name) !== 1 && i < 50; i++) await page.waitForTimeout(50); // others of this file may still be closing
  await page.evaluate(() => {
    Object.defineProperty(document, 'hidden', { value: true, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  });
  for (let i = 0; feed.readers(s.name) && i < 50; i++) await page.waitForTimeout(50);
  assert.equal(feed.readers(s.name), 0);
  await page.evaluate(() => {
    delete document.hidden;
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await page.waitForFunction(() => document.body.dataset.conn === 'live');
  await close();
});
