// Sending: a form with the curl that does the same, and a steady load. In: topics, allowed actions. Out: requests (through page.js).
import { add, command, el, keyed, set, text } from './dom.js';
import { rate, sendCurl } from './words.js';

/** @param {any} host @param {{send: (body: any) => void, load: (n: number) => void}} does */
export function makeSend(host, does) {
  const label = (/** @type {string} */ name, /** @type {any} */ input, kind = '') => add(el('label', kind, name), input);
  const topic = el('select'),
    partition = el('select'),
    count = el('input', '', null, { type: 'number', min: 1, max: 1000, value: 1 }),
    key = el('input', '', null, { placeholder: 'random', autocomplete: 'off' }),
    value = el('input', '', null, { value: 'testing-value', autocomplete: 'off' });
  const go = el('button', 'btn primary go', 'Send'),
    form = el('form', 'form'),
    curl = command(),
    off = el('div', 'off'),
    how = command(),
    first = command();
  const speed = el('input', '', null, { type: 'number', min: 1, max: 10000, value: 10, 'aria-label': 'Steady load, messages a second' }),
    toggle = el('button', 'btn', '▶ Start load'),
    loadNow = el('span', 'load');
  const head = add(el('div', 'head2'), el('h2', '', 'Send messages'), loadNow, speed, toggle);
  add(form, label('Topic', topic), label('Partition', partition), label('Count', count), label('Key', key), label('Value', value), go);
  add(host, head, form, add(off, el('span', '', ''), how.box), first.box, curl.box);
  let may = '',
    running = false,
    url = '',
    shape = '';

  const body = () => ({
    topic: topic.value,
    value: value.value,
    ...(key.value ? { key: key.value } : {}),
    ...(partition.value !== '' ? { partition: +partition.value } : {})
  });
  const number = () => Math.min(1000, Math.max(1, Math.floor(+count.value || 1)));
  const show = () => text(curl.code, sendCurl(url, body(), number()));
  form.oninput = show;
  topic.onchange = () => {
    shape = '';
  };
  form.onsubmit = (/** @type {Event} */ e) => {
    e.preventDefault();
    if (!may) does.send({ ...body(), count: number() });
  };
  toggle.onclick = () => {
    if (!may) does.load(running ? 0 : Math.min(10000, Math.max(1, Math.floor(+speed.value || 1))));
  };

  return {
    /** @param {import('./scene.js').Scene} s @param {string} why why actions are off; '' = they are on */
    draw(s, why) {
      may = why;
      url = s.sendUrl;
      const now = s.topics.map(t => `${t.name} ${t.parts.length}`).join('\n');
      if (now !== shape) {
        shape = now;
        const chosen = topic.value,
          part = partition.value;
        keyed(
          topic,
          s.topics,
          t => t.name,
          t => el('option', '', t.name, { value: t.name }),
          () => {}
        );
        if (s.topics.some(t => t.name === chosen)) topic.value = chosen;
        const parts = s.topics.find(t => t.name === topic.value)?.parts ?? [];
        keyed(
          partition,
          [null, ...parts],
          p => (p ? String(p.partition) : 'any'),
          p => el('option', '', p ? String(p.partition) : 'any (by key)', { value: p ? p.partition : '' }),
          () => {}
        );
        if ([...partition.options].some((/** @type {any} */ o) => o.value === part)) partition.value = part;
      }
      show();
      running = (s.load?.messagesPerSecond ?? 0) > 0;
      text(loadNow, running ? `Steady load ${rate(s.load.messagesPerSecond)}` : 'a second');
      speed.hidden = running;
      text(toggle, running ? '■ Stop load' : '▶ Start load');
      for (const b of [go, toggle]) set(b, { 'aria-disabled': why ? 'true' : null, title: why || null });
      const shut = !s.actions.enabled;
      off.hidden = !shut;
      curl.box.hidden = !s.sendUrl;
      first.box.hidden = !s.sendHow;
      text(first.code, s.sendHow);
      if (shut) {
        text(off.firstChild, 'Actions are off.' + (s.actions.how ? ' Turn them on with:' : ''));
        text(how.code, s.actions.how ?? '');
        how.box.hidden = !s.actions.how;
      }
      form.hidden = shut;
      if (shut) speed.hidden = true;
      toggle.hidden = loadNow.hidden = shut;
    }
  };
}
