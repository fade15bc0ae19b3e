// The README's pictures: practices 1, 2 and 3 as they run, in docs/pictures. `npm run product-pictures [number...]`, or `make pictures`.
import { mkdirSync, statSync } from 'node:fs';
import { launch } from '../browser.mjs';
import { repository, sample, settled, show, sleep, up } from './kit.mjs';

const out = repository('docs/pictures');
mkdirSync(out, { recursive: true });
const looks = {
  '': { width: 1280, height: 800, theme: 'light' },
  '-dark': { width: 1280, height: 800, theme: 'dark' },
  '-phone': { width: 390, height: 844, theme: 'light' }
};
/** What is sent, so that something is to be seen: all at once, then so many a second for so long. */
const plots = {
  1: { burst: 3, perSecond: 2, seconds: 25 },
  2: { burst: 6, perSecond: 4, seconds: 25 },
  // two of group 2 need 5 s a message and fall behind, group 3 needs 2 s
  3: { burst: 30, perSecond: 2, seconds: 60 }
};
const chosen = process.argv.slice(2);
const browser = await launch();
for (const [n, { burst, perSecond, seconds }] of Object.entries(plots)) {
  if (chosen.length && !chosen.includes(n)) continue;
  const local = await up(sample(n));
  try {
    const { partitions } = await settled(local),
      pages = [];
    for (const [look, how] of Object.entries(looks)) pages.push([look, await show(browser, local, how)]);
    for (let i = 0; i < burst; i++) await local.send({ topic: partitions[0].topic, value: `message ${i + 1}` });
    const started = await local.post('load', { messagesPerSecond: perSecond });
    if (!started.ok) throw new Error(`${started.status} ${await started.text()}`);
    await sleep(seconds * 1000);
    for (const [look, { page, faults, close }] of pages) {
      const path = `${out}/practice-${n}${look}.png`;
      await page.screenshot({ path });
      await close();
      if (faults.length) throw new Error(`${path}: ${faults.join('\n')}`);
      console.log(path, statSync(path).size);
    }
  } finally {
    await local.end();
  }
}
await browser.close();
