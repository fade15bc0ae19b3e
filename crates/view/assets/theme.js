// Light, dark, or the system's theme. In: clicks, the stored choice. Out: data-theme on the root, and a call of each canvas painter.
const KEY = 'theme',
  root = document.documentElement,
  system = matchMedia('(prefers-color-scheme: dark)');
const watchers = new Set(/** @type {(() => void)[]} */ ([]));

/** Whether the user asks for no motion. */
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
  const apply = () => {
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
    apply();
  };
  system.addEventListener('change', apply);
  apply();
}
