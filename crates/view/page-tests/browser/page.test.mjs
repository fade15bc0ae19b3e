// The page in a real browser, under the real policy, with events that the test sends. The real server has its own tests.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { open } from '../browser.mjs';
import { scenes } from '../feed/scenes.mjs';
import { run, serve } from '../feed/server.mjs';
import { at, browser, feed, show, violations } from '../shown.mjs';

// two at a time, each in a context of its own: a page keeps one core busy at most, and no bound here is a time
const together = { concurrency: 2 };

describe('every scene', together, () => {
  for (const name of [
    'practice-1',
    'practice-2',
    'practice-3',
    'embedded',
    'rebalancing',
    'states',
    'two-topics',
    'large',
    'too-large',
    'hostile'
  ])
    for (const [width, height] of [
      [1280, 800],
      [390, 844]
    ])
      for (const theme of ['light', 'dark']) {
        test(`${name}, ${width}, ${theme}: accessible, nothing refused by the policy, no sideways scroll`, async () => {
          const { page, faults, close } = await show(name, { width, height, theme, still: true });
          await page.waitForTimeout(150);
          assert.deepEqual(await page.evaluate(() => [document.documentElement.scrollWidth <= innerWidth, document.title !== 'hit']), [
            true,
            true
          ]);
          assert.deepEqual(await violations(page), []);
          assert.deepEqual(faults, []);
          await close();
        });
      }
});

test('log panel, table, help and the lost connection are accessible too', async () => {
  const { page, faults, close } = await show('practice-3', { still: true });
  await page.locator('.card').first().click();
  await page.waitForFunction(() => document.querySelectorAll('.log li').length === 50);
  assert.deepEqual(await violations(page), []);
  await page.keyboard.press('Escape');
  await page.locator('.card').first().focus();
  await page.keyboard.press('?');
  assert.deepEqual(await violations(page), []);
  await page.locator('#vt').click();
  assert.deepEqual(await violations(page), []);
  assert.deepEqual(faults, []);
  await close();
});

test('arrows have the owner and lag of each partition', async () => {
  const { page, s, close } = await show('practice-3');
  const seen = await page.$$eval('#wires [data-group]', l =>
    l.map(e => [e.dataset.group, e.dataset.partition, e.dataset.owner, e.dataset.lag].join(' ')).sort()
  );
  assert.deepEqual(
    seen,
    s.groups
      .flatMap(g => g.members.flatMap(m => m.partitions.map(p => [g.name, `${p.topic}/${p.partition}`, m.name, p.lag].join(' '))))
      .sort()
  );
  await close();
});

test('a partition that moves: dots from its previous owner, then the arrow to its new owner', async () => {
  const { page, s, close } = await show('practice-3'),
    g = structuredClone(s.groups[0]),
    [a, b] = g.members,
    arrow = page.locator(`#wires [data-group="${g.name}"][data-partition="my-topic/0"]`);
  const started = await arrow.getAttribute('d');
  a.state = 'killed';
  a.since = s.now;
  feed.send(s.name, 'patch', { now: s.now + 100, groups: [g] });
  await page.waitForFunction(
    n => document.querySelector(`#wires [data-group="${n}"][data-partition="my-topic/0"]`).dataset.owner === '',
    g.name
  );
  assert.match(await arrow.getAttribute('class'), /none/);
  assert.equal(await page.locator('.card.killed .ring').count(), 1);
  assert.match(await page.locator(`section[data-group="${g.name}"] .st`).textContent(), /Waiting/);
  assert.match(await page.locator('.jour .open').first().textContent(), /No reader for P0, P1 until Kafka gives it up\..*s left/);
  const took = [];
  // to the other and back, five times: a busy machine may keep the browser from running for a while
  for (let move = 1; move <= 5; move++) {
    const [from, to] = move % 2 ? [a, b] : [b, a];
    to.state = 'running';
    to.partitions.push(...from.partitions);
    from.partitions = [];
    const sent = Date.now();
    feed.send(s.name, 'patch', { now: s.now + 100 + 100 * move, groups: [g] });
    await page.waitForFunction(
      ([n, owner]) => document.querySelector(`#wires [data-group="${n}"][data-partition="my-topic/0"]`).dataset.owner === owner,
      [g.name, to.name],
      { polling: 10 }
    );
    took.push(Date.now() - sent);
  }
  const median = [...took].sort((x, y) => x - y)[2];
  assert.ok(median < 500, `redrawn after ${took.join(', ')} ms`);
  await page.waitForFunction(
    ([n, before]) => document.querySelector(`#wires [data-group="${n}"][data-partition="my-topic/0"]`).getAttribute('d') !== before,
    [g.name, started]
  );
  await close();
});

test('numbers follow flow at once', async () => {
  const { page, s, close } = await show('practice-3'),
    took = [];
  // five times: a busy machine may keep the browser from running for a while
  for (let end = 5077; end <= 5081; end++) {
    const sent = Date.now();
    feed.send(s.name, 'flow', { now: s.now + end - 5027, produced: [['my-topic', 1, end]], consumed: [] });
    await page.waitForFunction(e => document.querySelector('.part[data-partition="my-topic/1"]').dataset.end === e, String(end), {
      polling: 10
    });
    took.push(Date.now() - sent);
  }
  const median = [...took].sort((a, b) => a - b)[2];
  assert.ok(median < 300, `after ${took.join(', ')} ms`);
  await page.waitForFunction(() => document.querySelector('.part[data-partition="my-topic/1"]').textContent.includes('5,081'));
  await close();
});

test('text from the server stays text', async () => {
  const { page, faults, close } = await show('hostile');
  const bad = '<img src=x onerror=document.title="hit">';
  await page.locator('.card').first().click();
  await page.waitForFunction(() => document.querySelectorAll('.log li').length >= 50);
  feed.line(bad);
  await page.waitForFunction(t => [...document.querySelectorAll('.log li')].some(l => l.textContent === t), bad);
  await page.locator('#vt').click();
  assert.equal(await page.locator('img').count(), 0);
  assert.notEqual(await page.title(), 'hit');
  assert.deepEqual(faults, []);
  await close();
});

test('the diagram by keyboard: one stop, arrows between boxes, Enter opens the log, Escape gives the focus back', async () => {
  const { page, s, close } = await show('practice-3', { still: true });
  assert.equal(await page.locator('.nav[tabindex="0"]').count(), 1);
  await page.locator('#skip').focus();
  await page.keyboard.press('Enter');
  const now = () =>
    page.evaluate(() => document.activeElement.dataset.partition ?? document.activeElement.dataset.owner ?? document.activeElement.id);
  assert.equal(await now(), 'my-topic/0');
  await page.keyboard.press('ArrowRight');
  assert.equal(await now(), 'my-topic/1');
  assert.equal(await page.locator('#wires .wire.on').count(), 3);
  await page.keyboard.press('End');
  await page.keyboard.press('ArrowDown');
  const owner = await now();
  assert.ok(
    s.groups.some(g => g.members.some(m => m.name === owner && m.partitions.some(p => p.partition === 2))),
    owner
  );
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelectorAll('.log li').length === 50);
  assert.equal(await page.locator('.is-sel').count(), 1);
  await page.keyboard.press('Escape');
  assert.equal(await now(), owner);
  assert.equal(await page.locator('.log:visible').count(), 0);
  await page.keyboard.press('ArrowUp');
  assert.match(await now(), /^my-topic/);
  await page.keyboard.press('t');
  assert.equal(await page.locator('table:visible').count(), 1);
  await close();
});

test('a patch keeps the focus and all boxes', async () => {
  const { page, s, close } = await show('practice-3'),
    g = structuredClone(s.groups[1]);
  await page.locator('.card').nth(3).focus();
  await page.evaluate(() => {
    document.activeElement.mark = 1;
  });
  g.members[0].partitions[0].lag = 55;
  g.members.push({ ...g.members[0], name: 'new', memberId: 'new', partitions: [], idleBecause: '3 partitions, 4 consumers: 1 waits.' });
  feed.send(s.name, 'patch', { now: s.now + 100, groups: [g] });
  await page.waitForFunction(() => document.querySelectorAll('.card').length === 7);
  assert.equal(await page.evaluate(() => document.activeElement.mark), 1);
  assert.match(await page.locator('.card.idle').textContent(), /1 waits/);
  await close();
});

test('without motion there are no dots; with motion there are 200 at most', async () => {
  for (const still of [true, false]) {
    const { page, s, close } = await show('large', { still }),
      stop = run(feed, s.name, 1500);
    let painted = 0;
    for (let i = 0; i < 30 && !painted; i++) {
      await page.waitForTimeout(100);
      painted = await page.evaluate(() => {
        const c = document.getElementById('dots'),
          d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        let n = 0;
        for (let i = 3; i < d.length; i += 4) if (d[i]) n++;
        return n;
      });
    }
    stop();
    assert.equal(painted > 0, !still);
    await close();
  }
});

test('module by module, as a debug build serves it, it is the same page', async () => {
  const s = scenes['practice-3'](),
    plain = await serve({ [s.name]: s }, 0, false),
    { page, faults, close } = await open(browser, `${plain.url}/p/local/practice-3`);
  await page.waitForFunction(() => document.querySelectorAll('#wires .wire').length === 9);
  assert.deepEqual(faults, []);
  await close();
  await plain.close();
});

const widths = [
  [1600, 1000],
  [1280, 800],
  [1024, 768],
  [800, 900],
  [390, 844]
];
describe('every width', together, () => {
  for (const font of ['', '"DejaVu Sans"'])
    for (const name of ['practice-2', 'practice-3', 'embedded', 'rebalancing', 'states', 'two-topics', 'large'])
      test(`no text is cut at any width, ${name} ${font}`, async () => {
        const s = (feed.practices[scenes[name]().name] = scenes[name]()),
          context = await browser.newContext({ viewport: { width: 1600, height: 1000 }, reducedMotion: 'reduce' }),
          page = await context.newPage();
        // before the page's modules run, which ask for the font once
        await page.addInitScript(f => {
          if (f) addEventListener('readystatechange', () => document.documentElement.style.setProperty('--sans', f), { capture: true });
        }, font);
        await page.goto(at(s));
        await page.waitForFunction(() => document.querySelector('.part') && document.querySelector('.card, .row'));
        for (const [width, height] of widths) {
          await page.setViewportSize({ width, height });
          await page.waitForTimeout(400); // it is drawn again
          const look = () =>
            page.evaluate(() =>
              [
                ...document.querySelectorAll(
                  '.part .face > *, .card .nm, .card .own, .card .tag, .card dl, .card p, .row .nm, .row .chips, .row .sub, .row .lg, .pill, .foot h2 span, .foot .st, .ktitle, .ctl'
                )
              ]
                .filter(e => e.getClientRects().length)
                .filter(e => {
                  const r = document.createRange();
                  r.selectNodeContents(e);
                  const box = (e.closest('.part, .card, .row, .pill, .foot, .ktitle') ?? e).getBoundingClientRect(),
                    text = r.getBoundingClientRect();
                  return text.width && (text.left < box.left - 1 || text.right > box.right + 1 || text.bottom > box.bottom + 1);
                })
                .map(e => `${e.className || e.tagName}: ${e.textContent}`)
            );
          let cut = await look();
          for (let i = 0; cut.length && i < 50; i++) {
            await page.waitForTimeout(100); // a busy machine draws later
            cut = await look();
          }
          assert.deepEqual(cut, [], `${name} at ${width}`);
        }
        await context.close();
      });
});
