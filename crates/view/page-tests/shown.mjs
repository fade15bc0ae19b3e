// The set-up of the browser tests: one browser and one feed for each test file. In: a scene's name. Out: its page, drawn.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before } from 'node:test';
import { launch, open } from './browser.mjs';
import { scenes } from './feed/scenes.mjs';
import { serve } from './feed/server.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
export let feed, browser;
export const at = s => `${feed.url}/p/${s.namespace}/${s.name}`;
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
export async function show(name, how = {}) {
  const s = (feed.practices[scenes[name]().name] = scenes[name]()),
    p = await open(browser, at(s) + (how.query ?? ''), how);
  await p.page.waitForFunction(() => document.body.dataset.conn === 'live' && document.querySelector('.part, tbody tr'));
  return { ...p, s };
}
export const violations = async page => {
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
