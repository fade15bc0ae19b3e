// Cost of a busy page: 200 messages a second over 12 partitions and 6 groups.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { launch, open, watch } from '../browser.mjs';
import { sized } from '../feed/scenes.mjs';
import { run, serve } from '../feed/server.mjs';
import { pack, sheet } from '../pack.mjs';

let feed, browser;
before(async () => {
  browser = await launch();
  feed = await serve({ busy: sized(12, 6, 6, 'busy') });
});
after(async () => {
  await browser?.close();
  await feed?.close();
});

test('200 messages a second over 12 partitions and 6 groups: no task over 50 ms, at most 100 ms of script a second', async () => {
  const { page, faults, close } = await open(browser, `${feed.url}/p/shop/busy`),
    stop = run(feed, 'busy', 200);
  await page.waitForFunction(() => document.querySelectorAll('#wires .wire').length === 72);
  await page.waitForTimeout(2000);
  const seen = await watch(browser, page, 10);
  console.log(`CPU: script ${seen.script.toFixed(1)} ms/s, longest task ${seen.longest.toFixed(1)} ms of ${seen.tasks}`);
  stop();
  await close();
  assert.deepEqual(faults, []);
  assert.ok(seen.tasks > 500 && seen.script > 1, 'it was watched');
  assert.ok(seen.script <= 100, `${seen.script} ms of script a second`);
  assert.ok(seen.longest <= 50, `a task of ${seen.longest} ms`);
});

test('page, JS and CSS together, is at most 60 KB gzipped', () => {
  const dir = new URL('../../assets/', import.meta.url),
    size = text => gzipSync(text, { level: 9 }).length,
    read = f => readFileSync(new URL(f, dir), 'utf8');
  const js = size(pack(dir, 'main.js')),
    css = size(sheet(read('style.css'))),
    plot = size(read('vendor/uPlot.iife.min.js')),
    total = js + css + plot;
  console.log(`${total} bytes gzipped: page ${js}, style ${css}, uPlot ${plot}`);
  assert.ok(total <= 60 * 1024, `${total} bytes`);
});

test('uPlot is the file of its package, untouched', () => {
  const ours = readFileSync(new URL('../../assets/vendor/uPlot.iife.min.js', import.meta.url)),
    theirs = readFileSync(new URL('../node_modules/uplot/dist/uPlot.iife.min.js', import.meta.url));
  assert.ok(ours.equals(theirs));
});
