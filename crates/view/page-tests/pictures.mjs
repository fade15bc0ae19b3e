// Screenshots of the invented scenes, to look at: `npm run pictures [scene...]` writes them to out/.
import { mkdirSync } from 'node:fs';
import { launch, open } from './browser.mjs';
import { scenes } from './feed/scenes.mjs';
import { run, serve } from './feed/server.mjs';

const chosen = process.argv.slice(2),
  out = new URL('out/', import.meta.url).pathname,
  sizes = {
    wide: [1280, 800],
    phone: [390, 844],
    ...(process.env.SIZES === 'all' ? { big: [1600, 1000], mid: [1024, 768], tablet: [800, 900] } : {}),
  };
mkdirSync(out, { recursive: true });
const feed = await serve(
    Object.fromEntries(
      Object.entries(scenes).map(([, f]) => {
        const s = f();
        return [s.name, s];
      }),
    ),
  ),
  browser = await launch();
const rates = { large: 1600, 'too-large': 0, states: 0 };
for (const name of Object.keys(scenes)) {
  if (chosen.length && !chosen.includes(name)) continue;
  const s = scenes[name]();
  feed.practices[s.name] = s;
  for (const [size, [width, height]] of Object.entries(sizes))
    for (const theme of ['light', 'dark']) {
      const stop = run(feed, s.name, rates[name] ?? 6),
        { page, faults, close } = await open(browser, `${feed.url}/p/${s.namespace}/${s.name}`, { width, height, theme });
      await page.waitForFunction(
        () => document.body.dataset.conn === 'live' && (document.querySelector('.part') || document.querySelector('tbody tr')),
      );
      await page.waitForTimeout(+(process.env.WAIT ?? 3500));
      await page.screenshot({ path: `${out}${name}-${size}-${theme}.png`, fullPage: size === 'phone' });
      if (faults.length) console.log(name, size, theme, faults);
      stop();
      await close();
    }
}
await browser.close();
await feed.close();
