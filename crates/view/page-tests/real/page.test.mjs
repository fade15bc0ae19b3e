// The page of the real product on the broker in memory: practice 3 is started as people start it, and played with in a browser.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch } from '../browser.mjs';
import { agrees, boxes, choose, drawn, foot, readOnce, sample, settled, show, sleep, until, up, violations } from './kit.mjs';

const [ONE, TWO, THREE] = [1, 2, 3].map(n => `my-consumer-group-${n}`);
let local, browser;
before(async () => {
  [local, browser] = await Promise.all([up(sample(3)), launch()]);
  await settled(local);
});
after(async () => {
  await browser?.close();
  await local?.end();
});

test('arrows agree with status and API', async () => {
  const { page, faults, close } = await show(browser, local),
    arrows = await agrees(local, page);
  assert.equal(arrows.length, 9);
  // a tree: groups, their consumers, what each reads
  const status = await local.cli('status'),
    rows = [];
  let group = '';
  for (const line of status.split('\n')) {
    const of = /^[├└]─ (\S+)/.exec(line),
      consumer = /^[│ ] +[├└]─ (\S+)/.exec(line);
    if (of) group = of[1];
    if (consumer) for (const [, partition] of line.matchAll(/ (\S+\/\d+) +\S+\/\d+ /g)) rows.push(`${group} ${partition} ${consumer[1]}`);
  }
  assert.deepEqual(rows.sort(), arrows, status);
  assert.deepEqual(faults, []);
  await close();
});

test('a group of two is scaled to four: one is idle, with the reason; then to two again', async () => {
  const { page, close } = await show(browser, local);
  for (let i = 0; i < 2; i++) await foot(page, ONE).locator('[data-act=more]').click();
  const side = page.locator('#side .panel:visible');
  await until('the forecast is shown', async () => (await side.textContent()).includes('2 → 4 consumers'));
  assert.match(await side.textContent(), /1 of 4 consumers: 3 partitions, each has one owner in a group/);
  assert.equal((await local.group(ONE)).replicas, 2, 'nothing is done yet');
  await page.locator('[data-act=confirm]').click();
  const idle = page.locator(`[data-box][data-in="${ONE}"][data-state=idle]`);
  await idle.waitFor({ timeout: 40_000 });
  assert.match(await idle.textContent(), /3 partitions, 4 consumers: 1 waits/);
  await settled(local);
  assert.equal(new Set((await agrees(local, page)).filter(l => l.startsWith(`${ONE} `)).map(l => l.split(' ')[2])).size, 3);
  assert.equal(await boxes(page, ONE).count(), 4);
  for (let i = 0; i < 2; i++) await foot(page, ONE).locator('[data-act=less]').click();
  await page.locator('[data-act=confirm]').click();
  await until('two are left', async () => (await local.group(ONE)).members.length === 2);
  await settled(local);
  await agrees(local, page);
  await until('two boxes', async () => (await boxes(page, ONE).count()) === 2);
  await close();
});

test('a group is stopped and started; the table shows the same owners', async () => {
  const { page, close } = await show(browser, local);
  await foot(page, TWO).locator('[data-act=stop]').click();
  await page.locator('[data-act=confirm]').click();
  await page.locator(`.foot[data-in="${TWO}"][data-state=Stopped]`).waitFor({ timeout: 40_000 });
  await until('no arrow is left', async () => !(await drawn(page)).some(l => l.startsWith(`${TWO} `)));
  assert.equal(await page.locator('#wires .rest').count(), 1, 'one faint line');
  assert.equal((await local.group(TWO)).stopped, true);
  await foot(page, TWO).locator('[data-act=start]').click();
  await page.locator('[data-act=confirm]').click();
  await until('all are back', async () => (await local.group(TWO)).members.length === 3);
  await settled(local);
  const arrows = await agrees(local, page);
  await page.locator('#vt').click();
  assert.deepEqual(await agrees(local, page, 'tbody'), arrows);
  assert.equal(await page.locator('#wires:visible').count(), 0);
  await close();
});

test('a message that is sent on the page is read once by every group, and stays text', async () => {
  const { page, faults, dialogs, close } = await show(browser, local),
    value = `<img src=x onerror=alert(1)> ${Date.now()}`;
  await page.locator('.form select').nth(1).selectOption('0');
  await page.locator('.form label', { hasText: 'Value' }).locator('input').fill(value);
  await page.locator('.form .go').click();
  await page.locator('.jour .mine', { hasText: 'sent a message to my-topic/0' }).waitFor();
  const owners = (await agrees(local, page)).filter(l => l.includes(' my-topic/0 ')).map(l => l.split(' ')[2]);
  assert.equal(owners.length, 3);
  await readOnce(page, owners, value);
  assert.equal(await page.locator('img').count(), 0);
  assert.deepEqual(dialogs, []);
  assert.deepEqual(faults, []);
  await close();
});

test('a consumer that is restarted leaves, comes back, and is drawn as a new member', async () => {
  const { page, close } = await show(browser, local),
    [before] = (await local.group(ONE)).members;
  await choose(page, before.name);
  await page.getByRole('button', { name: 'Restart' }).click();
  await page.locator('.jour .mine').waitFor();
  await until('it is another member', async () => {
    const now = (await local.group(ONE)).members.filter(m => m.name === before.name);
    return now.length === 1 && now[0].memberId && now[0].memberId !== before.memberId;
  });
  await settled(local);
  await agrees(local, page);
  assert.equal(await page.locator(`[data-member="${before.memberId}"]`).count(), 0);
  await close();
});

test('a steady load is started on the page, reaches every group at that rate, and ends with it', async () => {
  const { page, faults, close } = await show(browser, local),
    speed = 20,
    panel = page.locator('.panel', { has: page.locator('.form') }),
    sum = numbers => numbers.reduce((a, n) => a + n, 0),
    ends = async () => (await local.api()).partitions.map(p => p.end),
    shown = () => page.$$eval('.part', all => all.map(e => +e.dataset.end)),
    /** Messages read by each group, from its commits. */
    read = async () => (await local.api()).groups.map(g => sum(g.members.flatMap(m => m.partitions.map(p => p.committed ?? 0)))),
    /** The moment at which more has been written, and how much by then. */
    grown = async () => {
      const then = sum(await ends());
      return until('the ends grow', async () => ((n, at) => n > then && [n, at])(sum(await ends()), Date.now()));
    };
  await panel.getByLabel('Steady load').fill(String(speed));
  await panel.getByRole('button', { name: 'Start load' }).click();
  await panel.getByText(`Steady load ${speed}/s`).waitFor();
  const [[first, from], were] = [await grown(), await read()];
  assert.equal((await local.api()).load.messagesPerSecond, speed);
  await until('every group reads, by its commits', async () => (await read()).every((n, i) => n > were[i]));
  await until('every partition and every group has a rate on the page', () =>
    page.evaluate(
      groups =>
        [
          [...document.querySelectorAll('.part .face')],
          ...groups.map(g => [...document.querySelectorAll(`[data-box][data-in="${g}"] dl > div:first-child`)])
        ].every((boxes, i) => boxes[i ? 'some' : 'every'](b => /[1-9][\d.]*\/s/.test(b.textContent))),
      [ONE, TWO, THREE]
    )
  );
  for (const group of [ONE, TWO, THREE])
    await until(`a dot arrives in ${group}`, () =>
      boxes(page, group).evaluateAll(all => {
        const canvas = document.getElementById('dots'),
          at = canvas.getBoundingClientRect(),
          scale = canvas.width / at.width;
        return all.some(e => {
          const box = e.getBoundingClientRect(),
            above = [box.left - at.left, box.top - at.top - 40, box.width, 40].map(n => Math.round(n * scale));
          return new Uint32Array(canvas.getContext('2d').getImageData(...above).data.buffer).some(p => p !== 0);
        });
      })
    );
  await sleep(from + 8000 - Date.now()); // long enough to measure its rate
  const [last, to] = await grown(),
    rate = (last - first) / ((to - from) / 1000);
  assert.ok(rate > speed * 0.7 && rate < speed * 1.3, `${rate} messages a second`);
  await panel.getByRole('button', { name: 'Stop load' }).click();
  await panel.getByRole('button', { name: 'Start load' }).waitFor();
  await until('the API knows of no load', async () => !(await local.api()).load);
  await sleep(3000); // messages in flight have arrived and were polled
  const after = await ends();
  assert.ok(sum(after) >= last);
  await sleep(5000);
  assert.deepEqual(await ends(), after);
  assert.deepEqual(await shown(), after);
  assert.deepEqual(faults, []);
  await close();
});

for (const [width, height] of [
  [1280, 800],
  [390, 844]
])
  for (const theme of ['light', 'dark'])
    test(`${width}, ${theme}: accessible, nothing refused by the policy, no other host is asked`, async () => {
      const { page, faults, hosts, close } = await show(browser, local, { width, height, theme, still: true });
      assert.deepEqual(await violations(page), []);
      assert.deepEqual(faults, []);
      assert.deepEqual([...hosts], [new URL(local.url).host]);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
      await close();
    });

test('the policy of the real server, and where its address leads', async () => {
  const { headers } = await fetch(local.page),
    policy = headers.get('content-security-policy');
  for (const part of ["default-src 'none'", "require-trusted-types-for 'script'", "frame-ancestors 'none'"])
    assert.ok(policy.includes(part), policy);
  assert.ok(!policy.includes('unsafe'), policy);
  const { page, faults, close } = await show(browser, local, { url: `${local.url}/` });
  assert.equal(page.url(), local.page);
  assert.deepEqual(faults, []);
  await close();
});

test('a consumer that is killed is shown so until Kafka gives it up, then its partitions move', async () => {
  const { page, close } = await show(browser, local),
    killed = (await local.group(ONE)).members.find(m => m.partitions.length === 2);
  await choose(page, killed.name);
  await page.getByRole('button', { name: 'Kill' }).click();
  await page.locator(`[data-box][data-member="${killed.memberId}"][data-state=killed]`).waitFor({ timeout: 20_000 });
  await page.locator(`.foot[data-in="${ONE}"][data-state="Waiting for timeout"]`).waitFor();
  const silent = (await drawn(page)).filter(l => l.startsWith(`${ONE} `) && l.endsWith(' '));
  assert.deepEqual(
    silent,
    killed.partitions.map(p => `${ONE} ${p.topic}/${p.partition} `)
  );
  await until('Kafka has given it up', async () => !(await local.group(ONE)).members.some(m => m.memberId === killed.memberId), 90);
  await settled(local, 90);
  await agrees(local, page);
  assert.equal(await page.locator('[data-state=killed]').count(), 0);
  await close();
});

test('the server is killed and started again: the page shows it, then is live, without a reload', async () => {
  const { page, close } = await show(browser, local);
  await page.evaluate(() => {
    window.mark = 1;
  });
  await local.crash();
  await page.waitForFunction(() => document.getElementById('state').textContent === 'disconnected, retrying');
  assert.equal(await page.locator('[data-act=more]').first().getAttribute('aria-disabled'), 'true');
  await local.start();
  await settled(local);
  await page.waitForFunction(() => document.body.dataset.conn === 'live');
  await agrees(local, page);
  assert.equal(await page.evaluate(() => window.mark), 1);
  assert.equal(await page.locator('#notice:visible').count(), 0);
  assert.equal((await drawn(page)).filter(l => l.startsWith(`${THREE} `)).length, 3);
  await close();
});
