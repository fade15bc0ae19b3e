// The page in a real browser, under the real policy, with events that the test sends. The real server has its own tests.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { launch, open } from '../browser.mjs';
import { scenes } from '../feed/scenes.mjs';
import { run, serve } from '../feed/server.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
let feed, browser;
const at = s => `${feed.url}/p/${s.namespace}/${s.name}`;
before(async () => {
  browser = await launch();
  feed = await serve(
    Object.fromEntries(
      Object.values(scenes).map(f => {
        const s = f();
        return [s.name, s];
      })
    )
  );
});
after(async () => {
  await browser?.close();
  await feed?.close();
});
/** A page of a scene, once it is drawn. */
async function show(name, how = {}) {
  const s = (feed.practices[scenes[name]().name] = scenes[name]()),
    p = await open(browser, at(s) + (how.query ?? ''), how);
  await p.page.waitForFunction(() => document.body.dataset.conn === 'live' && document.querySelector('.part, tbody tr'));
  return { ...p, s };
}
const violations = async page => {
  await page.evaluate(axe); // by the debugger, not by the page, whose policy would refuse it
  return page.evaluate(async () =>
    (await window.axe.run(document, { resultTypes: ['violations'] })).violations.map(
      v =>
        `${v.id}: ${v.nodes
          .map(n => n.target.join(' '))
          .slice(0, 4)
          .join(' | ')} (${v.nodes[0].any[0]?.message ?? v.help})`
    )
  );
};

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
  b.partitions.push(...a.partitions);
  a.partitions = [];
  const sent = Date.now();
  feed.send(s.name, 'patch', { now: s.now + 200, groups: [g] });
  await page.waitForFunction(
    ([n, owner]) => document.querySelector(`#wires [data-group="${n}"][data-partition="my-topic/0"]`).dataset.owner === owner,
    [g.name, b.name],
    { polling: 10 }
  );
  assert.ok(Date.now() - sent < 500, `redrawn after ${Date.now() - sent} ms`);
  await page.waitForTimeout(900);
  assert.notEqual(await arrow.getAttribute('d'), started);
  await close();
});

test('numbers follow flow at once', async () => {
  const { page, s, close } = await show('practice-3'),
    sent = Date.now();
  feed.send(s.name, 'flow', { now: s.now + 50, produced: [['my-topic', 1, 5077]], consumed: [] });
  await page.waitForFunction(() => document.querySelector('.part[data-partition="my-topic/1"]').dataset.end === '5077', null, {
    polling: 10
  });
  assert.ok(Date.now() - sent < 300);
  await page.waitForFunction(() => document.querySelector('.part[data-partition="my-topic/1"]').textContent.includes('5,077'));
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
  await state('^1[345] s old$');
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

for (const font of ['', '"DejaVu Sans"'])
  for (const [width, height] of [
    [1600, 1000],
    [1280, 800],
    [1024, 768],
    [800, 900],
    [390, 844]
  ])
    test(`no text is cut, ${width} ${font}`, async () => {
      for (const name of ['practice-2', 'practice-3', 'embedded', 'rebalancing', 'states', 'two-topics', 'large']) {
        const s = (feed.practices[scenes[name]().name] = scenes[name]()),
          context = await browser.newContext({ viewport: { width, height }, reducedMotion: 'reduce' }),
          page = await context.newPage();
        // before the page's modules run, which ask for the font once
        await page.addInitScript(f => {
          if (f) addEventListener('readystatechange', () => document.documentElement.style.setProperty('--sans', f), { capture: true });
        }, font);
        await page.goto(at(s));
        await page.waitForFunction(() => document.querySelector('.part') && document.querySelector('.card, .row'));
        await page.waitForTimeout(200);
        const cut = await page.evaluate(() =>
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
        assert.deepEqual(cut, [], `${name} at ${width}`);
        await context.close();
      }
    });
