// One practice's page. In: its stream, clicks, keys. Out: the scene for picture.js, journal, dock and header; requests.
// Deliberately absent: layout, words. A page knows its selection and the age of its data; everything else is in the scene.
import { act, actionsOf, base } from './actions.js';
import { add, anyLate, byId, cls, el, keyed, set, text } from './dom.js';
import { makeJournal } from './journal.js';
import { makeLog } from './log.js';
import { makePicture } from './picture.js';
import { makePlan } from './plan.js';
import { flow, ghosts, newModel, patch, sceneOf, snapshot } from './scene.js';
import { makeSend } from './send.js';
import { stream } from './stream.js';
import { onTheme } from './theme.js';
import { age, clock, many, num, othersSentence } from './words.js';

const FORGET = 300_000,
  SOON = 60,
  CALM = 200,
  CALMER = 490; // how long dom.js holds a busy number back, and a little more
const HELP = [
  ['← →', 'previous, next'],
  ['↓ ↑', 'from a partition to its reader, and back'],
  ['Home End', 'first, last'],
  ['Enter', 'the log of a consumer'],
  ['+ −', 'one consumer more, less'],
  ['T', 'table or diagram'],
  ['Esc', 'close this']
];

/** @param {string} ns @param {string} name */
export function openPractice(ns, name) {
  const at = base(ns, name),
    dock = byId('dock'),
    side = byId('side'),
    notice = byId('notice');
  let model = newModel(),
    view = /** @type {'diagram' | 'table'} */ (new URLSearchParams(location.search).get('view') === 'table' ? 'table' : 'diagram'),
    insist = false;
  /** @type {import('./scene.js').Scene | null} */ let scene = null;
  /** @type {import('./stream.js').Link} */ let link = { state: 'opening', age: 0, retryIn: 0 };
  let heardAt = 0,
    serverNow = 0,
    selected = { id: '', name: '', group: '' },
    timer = 0,
    due = 0,
    lastDraw = 0,
    missing = false;
  const now = () => serverNow + (link.state === 'live' ? performance.now() - heardAt : 0);
  const off = () =>
    link.state !== 'live'
      ? 'Not while disconnected.'
      : scene && !scene.actions.enabled
        ? `Actions are off.${scene.actions.how ? ` Turn them on with: ${scene.actions.how}` : ''}`
        : '';
  const can = () => actionsOf(/** @type {import('./scene.js').Scene} */ (scene));

  async function run(
    /** @type {import('./actions.js').Action} */ action,
    /** @type {(answer: any, message: string) => string} */ words = (_, message) => message
  ) {
    if (off() || !scene) return;
    const { ok, message, answer } = await act(at, action);
    journal.note(ok ? words(answer, message) : message, ok ? action.line : '', !ok, now());
    draw();
    return ok;
  }
  const memberNow = () =>
    scene?.groups.find(g => g.name === selected.group)?.members.find(m => m.id === selected.id) ??
    scene?.groups.find(g => g.name === selected.group)?.members.find(m => m.name === selected.name) ??
    null;

  const sendPanel = el('div', 'panel'),
    logPanel = el('div', 'panel', null, { hidden: '' }),
    planPanel = el('div', 'panel', null, { hidden: '' }),
    helpPanel = el('div', 'panel', null, { hidden: '' });
  let wanted = { group: '', by: 0 };
  /** @type {HTMLElement | null} */ let opener = null;
  const journal = makeJournal();
  const send = makeSend(sendPanel, {
    send: body =>
      run(
        can().send(body),
        a =>
          `sent ${a.sent > 1 ? many(a.sent, 'message') : 'a message'}${a.partition == null ? '' : a.sent > 1 ? `, the last to ${a.topic}/${a.partition} @ ${a.offset}` : ` to ${a.topic}/${a.partition} @ ${a.offset}`}.`
      ),
    load: async n => {
      if (await run(can().load(n))) model.snap.load = { messagesPerSecond: n }; // until the server's next patch, which wins
    }
  });
  const log = makeLog(logPanel, {
    act: kind => {
      const m = memberNow();
      if (m) run(can()[kind](m));
    },
    close: () => closeSide()
  });
  const plan = makePlan(planPanel, { act: action => run(action), close: () => closeSide(), changed: () => draw() });
  const closeHelp = el('button', 'btn quiet', '✕ Close');
  closeHelp.onclick = () => closeSide();
  add(
    helpPanel,
    add(el('div', 'head2'), el('h2', '', 'Keys in the diagram'), closeHelp),
    add(el('dl', 'help'), ...HELP.flatMap(([k, w]) => [el('dt', 'mono', k), el('dd', '', w)]))
  );
  add(side, sendPanel, logPanel, planPanel, helpPanel);
  const picture = makePicture({
    open: (id, group) => openLog(id, group),
    view: () => {
      view = view === 'table' ? 'diagram' : 'table';
      draw();
    },
    help: () => showSide('help'),
    insist: () => {
      insist = true;
      draw();
    },
    resized: () => soon(),
    act: (kind, group) => {
      const g = scene?.groups.find(x => x.name === group);
      if (!g || off()) return;
      const by = kind === 'more' ? 1 : kind === 'less' ? -1 : 0;
      if (wanted.group !== group) plan.end();
      // clicks add up; opposite ones cancel
      wanted = { group, by: by && wanted.group === group ? wanted.by + by : by };
      if (by && !wanted.by) return closeSide();
      opener = /** @type {HTMLElement} */ (document.activeElement);
      log.end();
      selected = { id: '', name: '', group: '' };
      showSide('plan');
      plan.ask(at, by ? can().scale(g, wanted.by) : kind === 'stop' ? can().stop(group) : can().start(group));
    }
  });

  function showSide(/** @type {'send' | 'log' | 'plan' | 'help'} */ which) {
    if (which !== 'plan') {
      plan.end();
      wanted = { group: '', by: 0 };
    }
    dock.dataset.side = which;
    sendPanel.hidden = which !== 'send';
    logPanel.hidden = which !== 'log';
    planPanel.hidden = which !== 'plan';
    helpPanel.hidden = which !== 'help';
    set(side, {
      'aria-label': which === 'send' ? 'Send messages' : which === 'log' ? `Log of ${selected.name}` : which === 'plan' ? 'Plan' : 'Keys'
    });
    draw();
  }
  function openLog(/** @type {string} */ id, /** @type {string} */ group) {
    const m = scene?.groups.find(g => g.name === group)?.members.find(x => x.id === id);
    if (!scene || !m) return;
    selected = { id, name: m.name, group };
    log.open(scene, m);
    showSide('log');
    if (innerWidth < 760) side.scrollIntoView({ block: 'start' });
  }
  function closeSide() {
    if (dock.dataset.side === 'send') return;
    const id = selected.id;
    log.end();
    selected = { id: '', name: '', group: '' };
    showSide('send');
    if (opener) opener.focus();
    else if (view === 'diagram' && scene) picture.focusBox(scene, id);
    opener = null;
  }
  addEventListener('keydown', e => {
    if (e.key === 'Escape') closeSide();
  });

  function draw() {
    clearTimeout(timer);
    timer = 0;
    lastDraw = performance.now();
    if (scene && model.snap) scene = ghosts(sceneOf(model, now()), wanted.group, plan.foreseen());
    header();
    if (!scene || !model.snap) return;
    const why = off(),
      can_ = can();
    picture.draw(scene, {
      view,
      insist,
      selected: selected.id,
      lost: link.state !== 'live',
      may: g => ({
        off: why,
        lines: {
          less: can_.scale(g, -1).line,
          more: can_.scale(g, 1).line,
          toggle: (g.stopped ? can_.start(g.name) : can_.stop(g.name)).line
        }
      })
    });
    journal.draw(scene);
    send.draw(scene, why);
    if (selected.id) {
      const m = memberNow();
      log.draw(scene, m, selected.name, why, k => (m ? can_[k](m).line : ''));
    }
    if (anyLate()) soon(CALMER);
  }
  /** Schedules a drawing: new owners at once, numbers at most five times a second. */
  function soon(every = SOON) {
    const wait = Math.max(0, every - (performance.now() - lastDraw));
    if (timer && due <= performance.now() + wait) return;
    clearTimeout(timer);
    due = performance.now() + wait;
    timer = window.setTimeout(draw, wait);
  }

  function header() {
    const live = link.state === 'live',
      lost = link.state === 'lost' || link.state === 'old';
    document.body.dataset.conn = live ? 'live' : link.state === 'opening' ? 'opening' : 'lost';
    const word = {
      opening: 'connecting',
      live: 'live',
      old: `${age(link.age)} old`,
      lost: scene ? 'disconnected, retrying' : 'no connection, retrying',
      hidden: 'paused'
    }[link.state];
    text(byId('state'), word);
    text(byId('age'), live ? `${(link.age / 1000).toFixed(1)} s ago` : link.state === 'lost' && link.age ? `${age(link.age)} old` : '');
    notice.hidden = !lost && !missing;
    if (missing) {
      text(byId('alarm'), `There is no practice ${name} in ${ns}.`);
      text(byId('detail'), 'Its name, above, opens the list of practices.');
    } else if (lost) {
      text(byId('alarm'), link.state === 'lost' ? '✕ Disconnected, retrying.' : 'No data from the server.');
      text(
        byId('detail'),
        !scene
          ? ''
          : link.age > FORGET
            ? 'The data is older than five minutes and hidden.'
            : `This is how it was at ${clock(serverNow)}. Actions are off until the connection is back.`
      );
      text(byId('retrying'), link.state === 'lost' && link.retryIn ? `in ${link.retryIn} s` : '');
    }
    byId('stage').classList.toggle('gone', link.age > FORGET && !live);
    set(byId('vp'), { 'aria-pressed': view === 'diagram' });
    set(byId('vt'), { 'aria-pressed': view === 'table' });
    if (!scene) return;
    const s = scene,
      sum = s.summary ?? {},
      bits = /** @type {[string, string, string][]} */ ([]);
    if (s.topics.length > 1) bits.push([num(s.topics.length), 'topics', '']);
    for (const [n, w] of /** @type {[number, string][]} */ ([
      [s.parts.length, 'partition'],
      [s.groups.length, 'group'],
      [s.groups.reduce((a, g) => a + g.consumers, 0), 'consumer']
    ]))
      bits.push([num(n), n === 1 ? w : w + 's', '']);
    // The groups' own numbers, which change between two polls; the server's where partitions were left out or a lag is unknown.
    const lags = s.groups.map(g => g.lag),
      lag = s.truncated || lags.includes(null) ? sum.lag : lags.reduce((a, l) => (a ?? 0) + (l ?? 0), 0);
    bits.push([num(s.groups.reduce((a, g) => a + g.idle, 0)), 'idle', ''], [num(lag), 'lag', s.groups.some(g => g.growing) ? 'w' : '']);
    keyed(
      byId('sum'),
      bits,
      b => b[1].replace(/s$/, ''),
      () => {
        const n = el('span');
        n.parts = [el('b'), el('span')];
        return add(n, ...n.parts);
      },
      (n, b) => {
        text(n.parts[0], b[0]);
        cls(n.parts[0], b[2]);
        text(n.parts[1], ' ' + b[1]);
      }
    );
    const ready = byId('ready');
    text(ready, s.ready ? '✓ Ready' : '○ Not ready');
    cls(ready, `st rdy ${s.ready ? 'ok' : 'warn'}`);
    set(ready, { title: s.sentence || null });
    text(byId('why'), s.ready ? '' : s.sentence);
    byId('why').hidden = s.ready || !s.sentence;
    text(byId('others'), othersSentence(s.otherGroups, s.otherGroupCount));
    byId('others').hidden = !s.otherGroups.length;
  }

  byId('vp').onclick = () => {
    view = 'diagram';
    draw();
  };
  byId('vt').onclick = () => {
    view = 'table';
    draw();
  };
  byId('retry').onclick = () => connection.retry();
  byId('skip').onclick = () => /** @type {any} */ (document.querySelector('.nav[tabindex="0"]') ?? byId('stage')).focus();
  onTheme(() => draw());
  const connection = stream(
    `${at}/stream`,
    ['snapshot', 'patch', 'flow', 'beat'],
    (type, data) => {
      heardAt = performance.now();
      serverNow = data.now ?? serverNow;
      missing = false;
      if (type === 'snapshot') model = snapshot(model, data);
      else if (!model.snap) return;
      else if (type === 'patch') patch(model, data);
      else if (type === 'flow') {
        flow(model, data);
        if (view === 'diagram')
          for (const [group, topic, partition, , count] of data.consumed ?? []) picture.dots.add(`${group}|${topic}/${partition}`, count);
      }
      link = { state: 'live', age: 0, retryIn: 0 };
      scene ??= sceneOf(model);
      if (type !== 'beat') soon(type === 'flow' ? CALM : SOON);
    },
    next => {
      const was = link.state;
      link = next;
      if (next.state === 'lost' && was !== 'lost') {
        picture.dots.clear();
        fetch(at)
          .then(r => {
            missing = r.status === 404;
            header();
          })
          .catch(() => {});
      }
      draw();
    }
  );
}
