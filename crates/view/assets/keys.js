// The diagram by keyboard: one stop for Tab, arrow keys inside it. In: keys, focus, the pointer. Out: focus moves, highlights, actions.
/** @param {any} stage @param {{highlight: (partition: string | null, box: string | null) => void, open: (box: any) => void, view: () => void, help: () => void, scale: (group: string, by: number) => void, wires: () => import('./wire.js').Wire[]}} does */
export function startKeys(stage, does) {
  const boxes = () => /** @type {any[]} */ ([...stage.querySelectorAll('.nav')]);
  const isPart = (/** @type {any} */ n) => n.classList.contains('part');
  const show = (/** @type {any} */ n) => does.highlight(isPart(n) ? n.dataset.partition : null, isPart(n) ? null : n.dataset.box);
  const of = (/** @type {Event} */ e) => /** @type {any} */ (e.target)?.closest?.('.nav');

  stage.addEventListener('pointerover', (/** @type {Event} */ e) => {
    const n = of(e);
    if (n) show(n);
    else if (!stage.querySelector('.nav:focus-visible')) does.highlight(null, null);
  });
  stage.addEventListener('pointerleave', () => does.highlight(null, null));
  stage.addEventListener('focusin', (/** @type {Event} */ e) => {
    const n = of(e);
    if (!n) return;
    rove(n);
    if (n.matches(':focus-visible')) show(n);
  });
  stage.addEventListener('focusout', () => does.highlight(null, null));
  stage.addEventListener('keydown', (/** @type {KeyboardEvent} */ e) => {
    const n = of(e);
    if (e.ctrlKey || e.metaKey || e.altKey || !n) return;
    const all = boxes(),
      row = all.filter(b => isPart(b) === isPart(n)),
      i = row.indexOf(n);
    /** @type {any} */ let to = null;
    switch (e.key) {
      case 'ArrowRight':
        to = row[(i + 1) % row.length];
        break;
      case 'ArrowLeft':
        to = row[(i - 1 + row.length) % row.length];
        break;
      case 'Home':
        to = row[0];
        break;
      case 'End':
        to = row[row.length - 1];
        break;
      case 'ArrowDown':
        if (isPart(n)) {
          const w = does.wires().find(x => x.arrow.key === n.dataset.partition);
          to = all.find(b => b.dataset.box === w?.box) ?? all.find(b => !isPart(b));
        }
        break;
      case 'ArrowUp':
        if (!isPart(n)) {
          const w = does.wires().find(x => x.box === n.dataset.box);
          to = all.find(b => isPart(b) && b.dataset.partition === w?.arrow.key) ?? all.find(isPart);
        }
        break;
      case '+':
      case '=':
        if (n.dataset.in) does.scale(n.dataset.in, 1);
        break;
      case '-':
        if (n.dataset.in) does.scale(n.dataset.in, -1);
        break;
      case 't':
      case 'T':
        does.view();
        break;
      case '?':
        does.help();
        break;
      default:
        return;
    }
    e.preventDefault();
    to?.focus();
  });
  /** Exactly one box can be reached by Tab. */
  function rove(/** @type {any} */ chosen) {
    for (const b of boxes()) b.tabIndex = b === chosen ? 0 : -1;
  }
  return {
    /** Call after boxes were added or removed. */ settle() {
      const all = boxes();
      if (!all.some(b => b.tabIndex === 0)) rove(all[0]);
    }
  };
}
