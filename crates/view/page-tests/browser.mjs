// A browser for tests and pictures: Debian's Chromium. It listens for anything that the policy refused or that was thrown.
import { chromium } from 'playwright-core';

export const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
      '--font-render-hinting=none'
    ]
  });

/** @param {any} browser @param {{width?: number, height?: number, theme?: string, still?: boolean}} [how] */
export async function open(browser, url, { width = 1280, height = 800, theme = 'light', still = false } = {}) {
  const context = await browser.newContext({
      viewport: { width, height },
      colorScheme: theme,
      reducedMotion: still ? 'reduce' : 'no-preference'
    }),
    page = await context.newPage(),
    faults = [];
  page.on('console', m => {
    if (m.type() === 'error' || /Content Security Policy|TrustedHTML|TrustedScript/.test(m.text())) faults.push(m.text());
  });
  page.on('pageerror', e => faults.push(String(e)));
  await page.goto(url, { waitUntil: 'domcontentloaded' });
  return { page, faults, close: () => context.close() };
}

/** Work of the page's main thread, in CPU time: wall-clock times include other load of this machine. */
export async function watch(browser, page, seconds) {
  await browser.startTracing(page, { categories: ['toplevel', 'devtools.timeline', 'v8.execute'] });
  await page.waitForTimeout(seconds * 1000);
  const events = JSON.parse((await browser.stopTracing()).toString()).traceEvents;
  const key = e => `${e.pid}:${e.tid}`,
    mains = new Set(events.filter(e => e.name === 'thread_name' && e.args.name === 'CrRendererMain').map(key));
  const mine = events.filter(e => e.ph === 'X' && mains.has(key(e)) && e.tdur != null).sort((a, b) => a.ts - b.ts);
  const calls = mine.filter(e => /^(FunctionCall|EvaluateScript|v8.run)/.test(e.name));
  let script = 0,
    end = 0;
  for (const e of calls) if (e.ts >= end) ((script += e.tdur), (end = e.ts + e.dur)); // not those inside another
  const tasks = mine.filter(e => /RunTask$/.test(e.name)).map(e => e.tdur / 1000);
  return {
    script: script / 1000 / seconds,
    longest: Math.max(...tasks),
    tasks: tasks.length,
    all: tasks.reduce((a, t) => a + t, 0) / seconds
  };
}
