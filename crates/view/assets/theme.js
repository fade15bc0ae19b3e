// Light, dark, or what the system says. In: clicks, the stored choice. Out: data-theme on the root, and a call to those who paint on canvas.
const KEY = 'theme',
  root = document.documentElement,
  system = matchMedia('(prefers-color-scheme: dark)');
const watchers = new Set(/** @type {(() => void)[]} */ ([]));

/** Motion is not wanted. */
export const reduced = matchMedia('(prefers-reduced-motion: reduce)');
/** @param {() => void} f */
export const onTheme = f => {
  watchers.add(f);
};
export const isDark = () => (root.dataset.theme || (system.matches ? 'dark' : 'light')) === 'dark';

/** @param {any} button */
export function startTheme(button) {
  try {
    const v = localStorage.getItem(KEY);
    if (v === 'dark' || v === 'light') root.dataset.theme = v;
  } catch {
    /* storage may be forbidden */
  }
  const tell = () => {
    button.setAttribute('aria-label', `Change to ${isDark() ? 'light' : 'dark'}`);
    for (const f of watchers) f();
  };
  button.onclick = () => {
    const next = isDark() ? 'light' : 'dark';
    if ((next === 'dark') === system.matches) delete root.dataset.theme;
    else root.dataset.theme = next;
    try {
      if (root.dataset.theme) localStorage.setItem(KEY, next);
      else localStorage.removeItem(KEY);
    } catch {
      /* as above */
    }
    tell();
  };
  system.addEventListener('change', tell);
  tell();
}
