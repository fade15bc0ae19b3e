// The README's pictures: practices 1, 2 and 3 as they run, in docs/pictures. `npm run product-pictures`, or `make pictures`.
// The numbers in them are those of that run; pngquant makes them smaller where it is installed.
import { spawnSync } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import { launch } from '../browser.mjs';
import { repository, sample, settled, show, sleep, up } from './kit.mjs';

const out = repository('docs/pictures'),
  SECONDS = 110; // so that the charts of five minutes have something to show
const looks = {
  '': { width: 1280, height: 800, theme: 'light' },
  '-dark': { width: 1280, height: 800, theme: 'dark' },
  '-phone': { width: 390, height: 844, theme: 'light' }
};
/** Milliseconds between two messages, which go to the partitions in turn. In practice 3 two of group 2 need 5 s for each and fall behind. */
const paces = { 1: 700, 2: 350, 3: 800 };

async function take(browser, n) {
  const local = await up(sample(n));
  let sending;
  try {
    const { partitions } = await settled(local),
      send = p => local.send({ topic: p.topic, partition: p.partition, value: 'testing-value' }),
      pages = [];
    for (const [look, how] of Object.entries(looks)) pages.push([look, await show(browser, local, how)]);
    let i = 0;
    sending = setInterval(() => send(partitions[i++ % partitions.length]), paces[n]);
    await sleep(SECONDS * 1000);
    for (const [look, { page, faults, close }] of pages) {
      const path = `${out}/practice-${n}${look}.png`;
      await Promise.all(partitions.map(send));
      await sleep(600); // the dots of these are on their way
      await page.screenshot({ path });
      await close();
      if (faults.length) throw new Error(`${path}: ${faults.join('\n')}`);
      const packed = spawnSync('pngquant', ['--force', '--ext', '.png', '--quality', '85-100', '--strip', path]);
      console.log(path, statSync(path).size, packed.status === 0 ? 'packed' : 'as it is');
    }
  } finally {
    clearInterval(sending);
    await local.end();
  }
}

mkdirSync(out, { recursive: true });
const browser = await launch();
try {
  const taken = await Promise.allSettled(Object.keys(paces).map(n => take(browser, n))),
    failed = taken.filter(t => t.status === 'rejected').map(t => t.reason);
  if (failed.length) throw new AggregateError(failed, 'not every picture could be taken');
} finally {
  await browser.close();
}
