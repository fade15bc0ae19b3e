// Entry point: `/` is the list of practices, `/p/<namespace>/<name>` one of them. In: the address. Out: the page, and the menu of practices.
import { add, byId, el, keyed, set, text } from './dom.js';
import { openPractice } from './page.js';
import { startTheme } from './theme.js';
import { address, practices } from './list.js';

const [, , ns, name] = location.pathname.split('/').map(decodeURIComponent);
startTheme(byId('theme'));
const menu = byId('menu'),
  pop = byId('pop');
pop.addEventListener('toggle', async () => {
  if (!pop.open) return;
  const all = await fetch('/api/practices')
    .then(r => r.json())
    .catch(() => []);
  keyed(
    menu,
    all,
    (/** @type {any} */ p) => `${p.namespace}/${p.name}`,
    () => {
      const a = el('a');
      a.parts = [el('span'), el('span'), el('small')];
      return add(a, ...a.parts);
    },
    (a, p) => {
      set(a, { href: address(p), 'aria-current': p.namespace === ns && p.name === name ? 'page' : null });
      [p.ready ? '✓' : '○', p.name, practices.summary(p)].forEach((v, i) => text(a.parts[i], v));
    }
  );
});
addEventListener('click', e => {
  if (pop.open && !pop.contains(/** @type {Node} */ (e.target))) pop.open = false;
});
addEventListener('keydown', e => {
  if (e.key === 'Escape' && pop.open) {
    pop.open = false;
    pop.firstElementChild.focus();
  }
});

if (ns && name) {
  text(byId('ns'), ns);
  text(byId('name'), name);
  document.title = `${name} · live view`;
  openPractice(ns, name);
} else practices.open();
