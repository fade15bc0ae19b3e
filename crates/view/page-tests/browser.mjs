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
