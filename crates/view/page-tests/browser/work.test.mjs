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

/** CPU time, in ms a second, of a fixed piece of work in the same browser: position and text of 240 elements, ten times a second. A second of a
 * slow or busy machine holds less work: a bound in milliseconds alone would fail there. @returns {Promise<number>} */
async function reference() {
  const page = await browser.newPage();
  await page.setContent('<svg width="800" height="600"></svg>');
  await page.evaluate(() => {
    const svg = document.querySelector('svg'),
      make = () => svg.appendChild(document.createElementNS('http://www.w3.org/2000/svg', 'text')),
      all = Array.from({ length: 240 }, make);
    let n = 0;
    setInterval(() => {
      n += 1;
      for (const [i, text] of all.entries()) {
        text.setAttribute('transform', `translate(${(i * 7 + n) % 800} ${(i * 13) % 600})`);
        text.textContent = `lag ${(i * n) % 1000}`;
      }
      svg.getBBox();
    }, 100);
  });
  const { script } = await watch(browser, page, 5);
  await page.close();
  return script;
}

test('200 messages a second over 12 partitions and 6 groups: no task over 50 ms, at most 100 ms of script a second', async () => {
  const unit = await reference();
  const { page, faults, close } = await open(browser, `${feed.url}/p/shop/busy`),
    stop = run(feed, 'busy', 200);
  await page.waitForFunction(() => document.querySelectorAll('#wires .wire').length === 72);
  await page.waitForTimeout(2000);
  const seen = await watch(browser, page, 10);
  console.log(
    `CPU: script ${seen.script.toFixed(1)} ms/s, ${(seen.script / unit).toFixed(2)} of the reference, longest task ${seen.longest.toFixed(1)} ms of ${seen.tasks}`
  );
  stop();
  await close();
  assert.deepEqual(faults, []);
  assert.ok(seen.tasks > 500 && seen.script > 1, 'it was watched');
  const most = Math.max(100, 1.5 * unit); // seen together: 0.8 to 1.04 of the reference
  assert.ok(seen.script <= most, `${seen.script} ms of script a second, more than ${most}`);
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
