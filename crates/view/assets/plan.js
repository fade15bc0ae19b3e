// The server's forecast of an action on a group. In: a practice's address, an action. Out: the dock's right half, and a click that confirms it.
// Deliberately absent: any prediction of its own. Kafka and Kubernetes choose; the server forecasts.
import { add, command, el, text } from './dom.js';

/** @param {any} host @param {{act: (action: import('./actions.js').Action) => void, close: () => void, changed: () => void}} does */
export function makePlan(host, does) {
  const title = el('span'),
    cancel = el('button', 'btn', 'Cancel'),
    go = el('button', 'btn primary', '', { 'data-act': 'confirm' }),
    rows = el('dl', 'help', null, { 'aria-live': 'polite' }),
    line = command();
  add(host, add(el('div', 'head2'), add(el('h2'), title), cancel, go), rows, line.box);
  /** @type {import('./actions.js').Action | null} */ let action = null;
  let turn = 0,
    /** @type {{starts?: number, idle?: string}} */ foreseen = {};
  cancel.onclick = does.close;
  go.onclick = () => {
    if (!action || go.getAttribute('aria-disabled')) return;
    does.act(action);
    does.close();
  };
  return {
    foreseen: () => foreseen,
    end() {
      action = null;
      turn++;
      foreseen = {};
    },
    /** Fetches the forecast; the action can be confirmed before the answer. @param {string} at @param {import('./actions.js').Action} wanted */
    async ask(at, wanted) {
      const mine = ++turn;
      action = wanted;
      if (!title.textContent) text(title, 'Plan');
      text(go, wanted.verb ?? '');
      text(line.code, wanted.line);
      go.focus();
      const answer = await fetch(`${at}/${wanted.plan}`)
        .then(r => r.json())
        .catch(() => ({ message: 'Server unreachable.' }));
      if (mine !== turn) return;
      text(title, answer.title ?? wanted.line);
      text(go, answer.verb ?? wanted.verb);
      rows.replaceChildren(
        ...(answer.rows ?? [{ label: '', number: answer.message }]).flatMap((/** @type {any} */ r) => [
          el('dt', '', r.label),
          add(el('dd', r.warns ? 'w' : ''), ...[r.number && el('b', '', r.number), r.number && r.why && ': ', r.why].filter(Boolean))
        ])
      );
      foreseen = answer;
      does.changed();
    }
  };
}
