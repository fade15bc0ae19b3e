// The list of practices. In: `GET /api/practices`, every few seconds. Out: links; a single practice opens at once; without one, instructions.
import { add, byId, cls, command, el, keyed, set, text, whole } from './dom.js';
import { many, num } from './words.js';

const POLL = 3000;
export const address = (/** @type {any} */ p) => `/p/${encodeURIComponent(p.namespace)}/${encodeURIComponent(p.name)}`;

export const practices = {
  /** @param {any} p */
  summary(p) {
    const s = p.summary ?? {};
    return [many(s.groups ?? 0, 'group'), many(s.consumers ?? 0, 'consumer'), s.idle ? `${s.idle} idle` : '', `lag ${num(s.lag)}`]
      .filter(Boolean)
      .join(', ');
  },
  open() {
    document.body.dataset.page = 'list';
    text(byId('name'), 'Practices');
    text(byId('ns'), '');
    const stage = byId('stage'),
      host = el('div', 'void'),
      found = el('ol', 'practices'),
      none = el('div', 'nothing'),
      ways = el('ol');
    for (const [where, line] of [
      ['In this cluster', 'kubectl apply -n kafka-practice -f deploy/samples/practice-3.yaml'],
      ['Without a cluster, on this machine', 'make local']
    ])
      add(ways, add(el('li'), el('b', '', where), command(line).box));
    add(
      none,
      el('h2', '', 'No practice yet'),
      el('p', '', 'No ConsumerGroupPractice found. Apply one, and it appears here without a reload.'),
      ways
    );
    add(stage, add(host, none, found));
    none.hidden = found.hidden = true;
    const first = new URLSearchParams(location.search).has('all') ? 'list' : 'go';
    async function poll() {
      /** @type {any[] | null} */ const all = await fetch('/api/practices')
        .then(r => (r.ok ? r.json() : null))
        .catch(() => null);
      document.body.dataset.conn = all ? 'live' : 'lost';
      text(byId('state'), all ? 'live' : 'disconnected, retrying');
      if (all?.length === 1 && first === 'go') {
        location.replace(address(all[0]));
        return;
      }
      if (all) {
        none.hidden = all.length > 0;
        found.hidden = !all.length;
        keyed(
          found,
          all,
          p => `${p.namespace}/${p.name}`,
          () => {
            const li = el('li'),
              a = el('a'),
              parts = ['b', 'small', 'span', 'small'].map(t => el(t));
            li.parts = parts;
            li.link = a;
            return add(li, add(a, ...parts));
          },
          (li, p) => {
            set(li.link, { href: address(p) });
            [
              p.name,
              p.namespace,
              p.ready ? '✓ Ready' : '○ Not ready',
              [p.summary && many(p.summary.partitions, 'partition'), practices.summary(p)].filter(Boolean).join(', ')
            ].forEach((v, i) => whole(li.parts[i], v));
            cls(li.parts[2], `st ${p.ready ? 'ok' : 'warn'}`);
          }
        );
      }
      setTimeout(poll, POLL);
    }
    poll();
  }
};
