// Screenshots of the invented scenes: `npm run pictures [scene...]` writes them to out/. SIZES=all for more widths.
import { mkdirSync } from 'node:fs';
import { launch, open } from './browser.mjs';
import { scenes } from './feed/scenes.mjs';
import { run, serve } from './feed/server.mjs';

const chosen = process.argv.slice(2);
const out = new URL('out/', import.meta.url).pathname;
const sizes = { wide: [1280, 800], phone: [390, 844] };
if (process.env.SIZES === 'all') Object.assign(sizes, { big: [1600, 1000], mid: [1024, 768], tablet: [800, 900] });
mkdirSync(out, { recursive: true });

const feed = await serve(Object.fromEntries(Object.values(scenes).map(f => [f().name, f()])));
const browser = await launch();
const rates = { large: 1600, 'too-large': 0, states: 0 };
/** Pages after a click, a key, a lost server. */
const moments = {
  log: ['practice-3', async page => page.locator('.card, .row').nth(4).click()],
  table: ['practice-3', async page => page.locator('#vt').click()],
  help: ['practice-2', async page => (await page.locator('.nav').first().focus(), page.keyboard.press('?'))],
  focus: ['large', async page => page.locator('.part').nth(3).hover()],
  lost: ['practice-3', async (page, f) => f.drop()],
  menu: ['practice-3', async page => page.locator('#pop > summary').click()]
};
for (const name of [...Object.keys(scenes), ...Object.keys(moments), 'list']) {
  if (chosen.length && !chosen.includes(name)) continue;
  for (const [size, [width, height]] of Object.entries(sizes))
    for (const theme of ['light', 'dark']) {
      const [scene, act] = moments[name] ?? [name, null];
      const s = scenes[scene]?.();
      if (s) feed.practices[s.name] = s;
      const stop = s ? run(feed, s.name, rates[scene] ?? 6) : () => {};
      const { page, faults, close } = await open(browser, s ? `${feed.url}/p/${s.namespace}/${s.name}` : `${feed.url}/`, {
        width,
        height,
        theme
      });
      await page.waitForFunction(() => document.body.dataset.conn === 'live' && document.querySelector('.part, tbody tr, .practices a'));
      await page.waitForTimeout(act ? 1500 : 3500);
      await act?.(page, feed);
      if (act) await page.waitForTimeout(1500);
      await page.screenshot({ path: `${out}${name}-${size}-${theme}.png`, fullPage: size === 'phone' });
      if (faults.length && name !== 'lost') console.log(name, size, theme, faults);
      stop();
      feed.drop(false);
      await close();
    }
}
await browser.close();
await feed.close();
