// What a busy page costs: 200 messages a second over 12 partitions and 6 groups.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { launch, open } from '../browser.mjs';
import { sized } from '../feed/scenes.mjs';
import { run, serve } from '../feed/server.mjs';
import { pack, strip } from '../pack.mjs';

let feed, browser;
before(async () => {
  browser = await launch();
  feed = await serve({ busy: sized(12, 6, 6, 'busy') });
});
after(async () => {
  await browser?.close();
  await feed?.close();
});

test('no task over 50 ms, at most 100 ms of script a second', async () => {
  const { page, faults, close } = await open(browser, `${feed.url}/p/shop/busy`),
    stop = run(feed, 'busy', 200);
  await page.waitForFunction(() => document.querySelectorAll('#wires .wire').length === 72);
  await page.waitForTimeout(3000);
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable');
  const metric = async () => Object.fromEntries((await session.send('Performance.getMetrics')).metrics.map(m => [m.name, m.value]));
  await page.evaluate(() => {
    window.long = [];
    new PerformanceObserver(l => window.long.push(...l.getEntries().map(e => Math.round(e.duration)))).observe({ type: 'longtask' });
  });
  // Whoever else uses this machine shows in wall-clock times: the best of three looks is the page's own.
  let script = Infinity,
    long = [0];
  for (let look = 0; look < 3 && (script > 100 || long.length); look++) {
    await page.evaluate(() => {
      window.long = [];
    });
    const before = await metric(),
      seconds = 6;
    await page.waitForTimeout(seconds * 1000);
    const after = await metric(),
      layout = ((after.LayoutDuration + after.RecalcStyleDuration - before.LayoutDuration - before.RecalcStyleDuration) * 1000) / seconds;
    script = ((after.ScriptDuration - before.ScriptDuration) * 1000) / seconds;
    long = await page.evaluate(() => window.long);
    console.log(
      `script ${script.toFixed(1)} ms/s, style and layout ${layout.toFixed(1)} ms/s, tasks over 50 ms: ${long.length ? long.join(', ') : 'none'}`
    );
  }
  stop();
  await close();
  assert.deepEqual(faults, []);
  assert.ok(script <= 100, `${script} ms of script a second`);
  assert.deepEqual(long, []);
});

test('page, JS and CSS together, is at most 60 KB gzipped', () => {
  const dir = new URL('../../assets/', import.meta.url),
    size = text => gzipSync(text, { level: 9 }).length,
    read = f => readFileSync(new URL(f, dir), 'utf8');
  const js = size(pack(dir, 'main.js')),
    css = size(strip(read('style.css'))),
    plot = size(read('vendor/uPlot.iife.min.js')),
    total = js + css + plot;
  console.log(`${total} bytes gzipped: page ${js}, style ${css}, uPlot ${plot}`);
  assert.ok(total <= 60 * 1024, `${total} bytes`);
});
