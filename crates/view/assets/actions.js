// Actions, each with its command line. In: a practice's address. Out: requests, and the sentences of their answers.
// Deliberately absent: state; the live view changes when Kafka does, not when a button is pressed.
import { quoted } from './words.js';

/** @typedef {{path: string, body: any, line: string, plan?: string, verb?: string}} Action `plan` = path of its forecast */

/** @param {string} ns @param {string} name */
export const base = (ns, name) => `/api/practices/${encodeURIComponent(ns)}/${encodeURIComponent(name)}`;

/** All actions of one practice. @param {import('./scene.js').Scene} s */
export function actionsOf(s) {
  const local = s.kafka.kind !== 'cluster',
    at = base(s.ns, s.name),
    enc = encodeURIComponent;
  /** @returns {Action} */
  const make = (/** @type {string} */ path, /** @type {any} */ body, /** @type {string} */ words, /** @type {string} */ kubectl = '') => ({
    path,
    body,
    line: local
      ? `practice-local ${words}`
      : kubectl || `curl -H 'Content-Type: application/json' -d ${quoted(JSON.stringify(body))} ${location.origin}${at}/${path}`
  });
  return {
    scale: (/** @type {import('./scene.js').Group} */ g, /** @type {number} */ by) => ({
      ...make(`groups/${enc(g.name)}/scale`, { by }, `scale ${g.name} ${Math.max(0, (g.replicas ?? g.consumers) + by)}`),
      plan: `groups/${enc(g.name)}/plan?by=${by}`,
      verb: 'Scale'
    }),
    stop: (/** @type {string} */ g) => ({
      ...make(`groups/${enc(g)}/stop`, {}, `stop ${g}`),
      plan: `groups/${enc(g)}/plan?state=Stopped`,
      verb: 'Stop'
    }),
    start: (/** @type {string} */ g) => ({
      ...make(`groups/${enc(g)}/start`, {}, `start ${g}`),
      plan: `groups/${enc(g)}/plan?state=Running`,
      verb: 'Start'
    }),
    restart: (/** @type {import('./scene.js').Member} */ m) =>
      make(`consumers/${enc(m.name)}/restart`, {}, `restart ${m.name}`, `kubectl -n ${s.ns} delete pod ${m.pod || m.name}`),
    kill: (/** @type {import('./scene.js').Member} */ m) =>
      make(
        `consumers/${enc(m.name)}/kill`,
        {},
        `kill ${m.name}`,
        `kubectl -n ${s.ns} delete pod ${m.pod || m.name} --grace-period=0 --force`
      ),
    pause: (/** @type {import('./scene.js').Member} */ m) => make(`consumers/${enc(m.name)}/pause`, {}, `pause ${m.name}`),
    resume: (/** @type {import('./scene.js').Member} */ m) => make(`consumers/${enc(m.name)}/resume`, {}, `resume ${m.name}`),
    load: (/** @type {number} */ messagesPerSecond) => ({
      path: 'load',
      body: { messagesPerSecond },
      line: `curl -H 'Content-Type: application/json' -d '{"messagesPerSecond":${messagesPerSecond}}' ${location.origin}${at}/load`
    }),
    send: (/** @type {any} */ body) => ({ path: 'send', body, line: '' })
  };
}

/** Sends an action. @param {string} at @param {Action} action @returns {Promise<{ok: boolean, message: string, answer: any}>} */
export async function act(at, action) {
  try {
    const response = await fetch(`${at}/${action.path}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(action.body)
    });
    const answer = await response.json().catch(() => ({}));
    const message =
      [answer.message, answer.how && `Turn actions on with: ${answer.how}`].filter(Boolean).join(' ') ||
      (response.ok ? 'Done.' : `The server answered ${response.status}.`);
    return { ok: response.ok, message, answer };
  } catch {
    return { ok: false, message: 'Server unreachable: nothing was changed, as far as this page knows.', answer: {} };
  }
}
