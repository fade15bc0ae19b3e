// The page as the operator serves it, by `kubectl port-forward`: first read-only, as the chart installs it, then with its actions turned on.
// Expected values come from Kafka's own tool, kubectl and the pods' logs. In: a node that is up with the release `cgp`; see cluster.mjs.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, open } from '../browser.mjs';
import { NAME, ONE, RELEASE, THREE, TOPIC, TWO, apply, arrive, bootstrap, forward, inside, kubectl } from './cluster.mjs';
import { diagnostics, leave, manifest, namespace, podsOf, reach, spec, suffix, turn, turned } from './cluster.mjs';
import { agrees, boxes, choose, described, foot, ports, readOnce, sent, settled, show, until, violations } from './kit.mjs';

let practice, browser;
before(async () => {
  browser = await launch();
  practice = await arrive();
});
after(async () => {
  await browser?.close();
  leave();
});
/** A test whose failure prints the cluster's state and logs. */
const check = (what, body) =>
  test(what, () =>
    body().catch(async error => {
      console.error(await diagnostics());
      throw error;
    })
  );

/** Waits until a group's members are so many pods, as kubectl lists them, and the page shows who reads what. Out: the pods, and the owners in the page. */
async function shown(page, group, n) {
  const pods = await until(`the ${n} pods of ${group} are its members`, async () => {
    const members = (await practice.group(group)).members.map(m => m.name).sort();
    return members.length === n && members.join() === (await podsOf(group)).join() && members;
  });
  await settled(practice);
  const arrows = (await agrees(practice, page)).filter(l => l.startsWith(`${group} `));
  assert.equal(arrows.length, 3);
  return { pods, owners: [...new Set(arrows.map(l => l.split(' ')[2]))].sort() };
}
const act = async (page, group, what) => {
  await foot(page, group).locator(`[data-act=${what}]`).click();
  await page.locator('[data-act=confirm]').click();
};

check("the list of practices leads to the page, whose arrows are what Kafka's own tool describes", async () => {
  const { page, faults, close } = await open(browser, `${practice.url}/?all`);
  await page.locator(`.practices a[href="/p/${namespace}/${NAME}"]`).click();
  await page.locator('.part').first().waitFor();
  assert.equal(page.url(), practice.page);
  const arrows = await agrees(practice, page);
  assert.equal(arrows.length, 9);
  assert.deepEqual(arrows, await described(bootstrap, [ONE, TWO, THREE]));
  assert.deepEqual(faults, []);
  await close();
});

check('the manifest scales a group of two to four: one is idle, and the page has the reason', async () => {
  const { page, close } = await show(browser, practice);
  apply(manifest.replace('replicas: 2', 'replicas: 4'));
  assert.equal((await spec(ONE)).replicas, 4);
  assert.equal((await shown(page, ONE, 4)).owners.length, 3);
  const idle = page.locator(`[data-box][data-in="${ONE}"][data-state=idle]`);
  await idle.waitFor();
  assert.match(await idle.textContent(), /3 partitions, 4 consumers: 1 waits/);
  assert.equal(await boxes(page, ONE).count(), 4);
  assert.deepEqual(await agrees(practice, page), await described(bootstrap, [ONE, TWO, THREE]));
  await close();
});

check("a message by the producer's Service is read once by every group", async () => {
  const { page, faults, close } = await show(browser, practice),
    own = await ports(),
    end = await forward(['-n', namespace], `service/${NAME}-producer`, 8081, own),
    value = `by the Service ${suffix}`,
    { partition } = await sent(`http://127.0.0.1:${own}/send-message`, { topic: TOPIC, value }),
    owners = (await agrees(practice, page)).filter(l => l.includes(` ${TOPIC}/${partition} `)).map(l => l.split(' ')[2]);
  assert.equal(owners.length, 3);
  await readOnce(page, owners, value);
  assert.deepEqual(faults, []);
  await end();
  await close();
});

check("a consumer's pod is deleted: its arrows go to the newcomer", async () => {
  const { page, close } = await show(browser, practice),
    [gone] = await podsOf(THREE);
  await inside('delete', 'pod', gone, '--wait=false');
  await until('another pod is there', async () => !(await podsOf(THREE)).includes(gone));
  const { pods, owners } = await shown(page, THREE, 1);
  assert.deepEqual(owners, pods);
  await until('its box has gone', async () => !(await page.locator(`[data-box][data-owner="${gone}"]`).count()));
  await close();
});

check('actions are off: the page names the command that turns them on, the server refuses', async () => {
  const { page, close } = await show(browser, practice),
    asked = [],
    controls = page.locator('.foot [data-act]');
  page.on('request', r => r.method() === 'POST' && asked.push(r.url()));
  assert.equal(await controls.count(), 9);
  for (const control of await controls.all()) {
    assert.equal(await control.getAttribute('aria-disabled'), 'true');
    assert.ok((await control.getAttribute('title')).includes(turned(true)));
    await control.click({ force: true });
  }
  assert.ok(await page.locator('.form').isHidden());
  assert.equal(await page.locator('.off code').textContent(), turned(true));
  for (const [path, body] of [
    ['send', { topic: TOPIC, value: 'no' }],
    ['load', { messagesPerSecond: 1 }],
    [`groups/${ONE}/stop`, {}],
    [`consumers/${(await podsOf(ONE))[0]}/restart`, {}]
  ]) {
    const response = await practice.post(path, body);
    assert.deepEqual([response.status, (await response.json()).how], [403, turned(true)], path);
  }
  assert.deepEqual(asked, []);
  assert.notEqual((await spec(ONE)).state, 'Stopped');
  await close();
});

for (const theme of ['light', 'dark'])
  check(`${theme}: accessible, nothing refused by the policy, no other host is asked`, async () => {
    const { page, faults, hosts, close } = await show(browser, practice, { theme, still: true });
    assert.deepEqual(await violations(page), []);
    assert.deepEqual(faults, []);
    assert.deepEqual([...hosts], [new URL(practice.url).host]);
    await close();
  });

/** Without the operator the page is disconnected; afterwards it is live by itself, without a reload. */
async function away(page, take) {
  await page.evaluate(() => {
    window.mark = 1;
  });
  await take();
  await page.waitForFunction(() => document.getElementById('state').textContent === 'disconnected, retrying');
  assert.equal(await page.locator('[data-act=more]').first().getAttribute('aria-disabled'), 'true');
  await reach();
  await page.waitForFunction(() => document.body.dataset.conn === 'live');
  await settled(practice);
  await agrees(practice, page);
  assert.equal(await page.evaluate(() => window.mark), 1);
  assert.equal(await page.locator('#notice:visible').count(), 0);
}

check("the operator's pod is deleted: disconnected, then live again", async () => {
  const { page, close } = await show(browser, practice);
  await away(page, () => kubectl(...RELEASE, 'delete', 'pods', '-l', 'app.kubernetes.io/component=operator'));
  await close();
});

check('actions are turned on by the command that the page names: the page that is open has them', async () => {
  const { page, close } = await show(browser, practice);
  await away(page, () => turn(true));
  await until('the controls can be used', async () => !(await page.locator('.foot [data-act][aria-disabled]').count()));
  assert.ok(await page.locator('.form').isVisible());
  await close();
});

check('one consumer more, one less', async () => {
  const { page, faults, close } = await show(browser, practice);
  await act(page, THREE, 'more');
  const two = await shown(page, THREE, 2);
  assert.deepEqual(two.owners, two.pods);
  assert.equal((await spec(THREE)).replicas, 2);
  await act(page, THREE, 'less');
  const one = await shown(page, THREE, 1);
  assert.deepEqual(one.owners, one.pods);
  assert.equal((await spec(THREE)).replicas, 1);
  assert.deepEqual(faults, []);
  await close();
});

check('a consumer is restarted: its pod is deleted and replaced', async () => {
  const { page, close } = await show(browser, practice),
    [gone] = await podsOf(THREE);
  await choose(page, gone);
  await page.getByRole('button', { name: 'Restart' }).click();
  await page.locator('.jour .mine', { hasText: `pod ${gone} deleted` }).waitFor();
  await until('another pod is there', async () => !(await podsOf(THREE)).includes(gone));
  const { pods, owners } = await shown(page, THREE, 1);
  assert.deepEqual(owners, pods);
  await close();
});

check('a group is stopped and started', async () => {
  const { page, close } = await show(browser, practice);
  await act(page, TWO, 'stop');
  await page.locator(`.foot[data-in="${TWO}"][data-state=Stopped]`).waitFor({ timeout: 40_000 });
  await until('no pod is left', async () => !(await podsOf(TWO)).length);
  assert.equal((await spec(TWO)).state, 'Stopped');
  await act(page, TWO, 'start');
  await shown(page, TWO, 3);
  assert.equal((await spec(TWO)).state, 'Running');
  await close();
});

check('messages are sent: every one of them is in the logs of a group', async () => {
  const { page, close } = await show(browser, practice),
    value = `by the page ${suffix}`;
  await page.locator('.form label', { hasText: 'Count' }).locator('input').fill('7');
  await page.locator('.form label', { hasText: 'Value' }).locator('input').fill(value);
  await page.locator('.form .go').click();
  await page.locator('.jour .mine', { hasText: 'sent 7 messages' }).waitFor();
  const read = async () => (await inside('logs', '-l', `kafka-practice.dev/group=${ONE}`, '--tail=-1')).split(value).length - 1;
  await until('the group has read them', async () => (await read()) >= 7);
  assert.equal(await read(), 7);
  await close();
});
