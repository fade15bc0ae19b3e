// Actions, the journal and the table in a real browser, with answers that the test sends.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { open } from '../browser.mjs';
import { scenes } from '../feed/scenes.mjs';
import { at, browser, feed, show, violations } from '../shown.mjs';

test('on a phone no line of the journal ends within a name or between a number and its word', async () => {
  const s = (feed.practices['practice-2'] = scenes['practice-2']()),
    sentence = 'my-group-a, my-group-b and my-group-c joined. 12 partitions moved after 3.5 seconds of waiting-for-it.';
  s.rebalances = [
    {
      id: 'n',
      time: s.now - 9000,
      group: s.groups[0].name,
      epoch: null,
      joined: ['a'],
      left: [],
      moved: [],
      durationMs: 1,
      note: sentence
    },
    {
      id: 'l',
      time: s.now - 9900,
      group: s.groups[0].name,
      epoch: null,
      joined: ['a'],
      left: [],
      moved: [],
      durationMs: 1,
      note: 'long-'.repeat(40)
    }
  ];
  for (const width of [390, 360, 320]) {
    const { page, close } = await open(browser, at(s), { width, height: 844, still: true });
    await page.waitForFunction(() => document.querySelectorAll('.jour .words').length === 2);
    const seen = await page.evaluate(() =>
      [...document.querySelectorAll('.jour .words')].map(e => ({
        text: e.textContent,
        over: e.scrollWidth > e.clientWidth,
        high: [...e.querySelectorAll('.whole')].map(w => w.getBoundingClientRect().height)
      }))
    );
    assert.ok(seen[0].text.endsWith(sentence), 'the text is the same');
    assert.ok(seen[0].high.length >= 5);
    for (const h of seen[0].high) assert.ok(h < 25, `${width}: ${h} px are more than a line`);
    assert.ok(
      seen[1].high.some(h => h > 25),
      'what no line can hold is broken all the same'
    );
    assert.deepEqual(
      seen.map(e => e.over),
      [false, false]
    );
    await close();
  }
});

test('actions are sent, and the journal has their answers and commands', async () => {
  const { page, s, close } = await show('practice-3');
  feed.posts.length = 0;
  await page.locator(`section[data-group="${s.groups[0].name}"] [data-act=more]`).click();
  assert.deepEqual(feed.posts, [], 'not before it is confirmed');
  await page.locator('[data-act=confirm]').click();
  await page.waitForFunction(() => document.querySelector('.jour .mine'));
  assert.deepEqual(feed.posts, [{ path: 'groups/my-consumer-group-1/scale', body: { by: 1 } }]);
  assert.match(await page.locator('.jour .mine').textContent(), /It is done\.practice-local scale my-consumer-group-1 3/);
  await page.locator('.form input').nth(2).fill('<b>& value');
  assert.match(await page.locator('#side .panel:visible .curl code').last().textContent(), /"value":"<b>& value"/);
  await page.locator('.form .go').click();
  await page.locator('.card').nth(4).click();
  await page.getByRole('button', { name: 'Kill' }).click();
  await page.waitForFunction(() => document.querySelectorAll('.jour .mine').length === 3);
  assert.deepEqual(feed.posts.slice(1), [
    { path: 'send', body: { topic: 'my-topic', value: '<b>& value', count: 1 } },
    { path: `consumers/${s.groups[1].members[2].name}/kill`, body: {} }
  ]);
  feed.answers(() => [409, { message: 'The group is stopped.' }]);
  await page.getByRole('button', { name: 'Restart' }).click();
  await page.waitForFunction(() => document.querySelector('.jour .mine.open')?.textContent.includes('The group is stopped.'));
  feed.answers(body => [200, { message: 'It is done.', sent: body.count }]);
  await close();
});

test('the forecast of an action comes before it is confirmed, clicks add up, and it can be cancelled', async () => {
  const { page, s, close } = await show('practice-3');
  feed.posts.length = 0;
  const group = s.groups[0].name,
    control = act => page.locator(`section[data-group="${group}"] [data-act=${act}]`),
    side = page.locator('#side'),
    shows = text => page.waitForFunction(t => document.querySelector('#side')?.textContent.includes(t), text);
  await control('more').click();
  await shows(`${group}: ?by=1`);
  await control('more').click();
  await shows(`${group}: ?by=2`);
  assert.deepEqual(await side.locator('.panel:visible dt').allTextContents(), ['moves', 'idle']);
  assert.match(await side.locator('.panel:visible').textContent(), /1\.\.2 of 3 partitions: Kafka chooses which/);
  assert.equal(await page.locator('[data-act=confirm]').textContent(), 'Do ?by=2');
  assert.match(await side.locator('.curl:visible code').textContent(), /scale my-consumer-group-1 4/);
  const drawn = page.locator(`[data-in="${group}"][data-state=ghost]`);
  assert.deepEqual(
    await drawn.allTextContents(),
    ['3 partitions, 4 consumers: 1 waitsnew+ would start3 partitions, 4 consumers: 1 waits', 'new+ would start'].map(
      t => `Would start in ${group}. ${t}`
    )
  );
  await drawn.first().click();
  assert.equal(await page.locator('[data-act=confirm]').isVisible(), true, 'there is nothing to open yet');
  assert.deepEqual(await violations(page), []);
  await page.keyboard.press('Escape');
  assert.ok(await page.locator('.form').isVisible());
  assert.equal(await drawn.count(), 0);
  assert.equal(await page.evaluate(() => document.activeElement.dataset.act), 'more', 'the focus is where it was');
  await control('less').click();
  await shows(`${group}: ?by=-1`);
  await control('more').click();
  assert.ok(await page.locator('.form').isVisible(), 'one less and one more is nothing');
  await control('stop').click();
  await shows('?state=Stopped');
  feed.foresees(() => [409, { message: 'group is scaled by another controller' }]);
  await control('more').click();
  await shows('group is scaled by another controller');
  await page.getByRole('button', { name: 'Cancel' }).click();
  assert.deepEqual(feed.posts, []);
  await close();
});

test('actions that are off are shown, with the command that turns them on, and do nothing', async () => {
  const { page, s, close } = await show('states');
  feed.posts.length = 0;
  const more = page.locator('[data-act=more]').first();
  assert.equal(await more.getAttribute('aria-disabled'), 'true');
  assert.match(await more.getAttribute('title'), /helm upgrade/);
  await more.click({ force: true });
  await page.locator('[data-act=start]').click({ force: true });
  assert.ok(await page.getByText(s.actions.how).isVisible());
  assert.equal(await page.locator('.form:visible').count(), 0);
  assert.deepEqual(feed.posts, []);
  await close();
});

test('on a phone twelve calm consumers are one row, which opens', async () => {
  const { page, close } = await show('large', { width: 390, height: 844 });
  const rows = page.locator('section[data-group=billing] .row');
  assert.equal(await rows.count(), 1);
  assert.match(await rows.textContent(), /12 consumers, calm/);
  await rows.click();
  await page.waitForFunction(() => document.querySelectorAll('section[data-group=billing] .row').length === 12);
  await close();
});

test('too many to draw: the table has the reason, and a button draws it anyway', async () => {
  const { page, close } = await show('too-large');
  assert.ok(await page.getByText('Too many to draw: 48 partitions.').isVisible());
  await page.getByText('Draw it anyway').click();
  assert.equal(await page.locator('#wires .wire').count(), 48 * 6);
  await close();
});
