// The one event stream of a page. In: an address. Out: its events, and the age of the last one. It retries, and it closes while the tab is hidden.
// Deliberately absent: the meaning of events.

const QUIET = 12_000,
  DEAD = 25_000,
  WAITS = [1, 2, 3, 5];

/** @typedef {{state: 'opening' | 'live' | 'old' | 'lost' | 'hidden', age: number, retryIn: number}} Link  ages in ms, retryIn in whole seconds */

/** @param {string} url @param {string[]} types @param {(type: string, data: any) => void} received @param {(link: Link) => void} changed */
export function stream(url, types, received, changed) {
  /** @type {EventSource | null} */ let source = null;
  let last = 0,
    retryAt = 0,
    failures = 0,
    ended = false,
    opened = 0;
  const now = () => performance.now();
  /** @type {Link['state']} */ let state = 'opening';

  function report() {
    if (state === 'live' && now() - last > QUIET) state = 'old';
    changed({ state, age: last ? now() - last : 0, retryIn: Math.max(0, Math.ceil((retryAt - now()) / 1000)) });
  }
  function close() {
    source?.close();
    source = null;
  }
  function lose() {
    close();
    state = 'lost';
    retryAt = now() + 1000 * WAITS[Math.min(failures++, WAITS.length - 1)];
    report();
  }
  function open() {
    close();
    opened = now();
    retryAt = 0;
    const mine = (source = new EventSource(url));
    for (const type of types)
      mine.addEventListener(type, event => {
        if (mine !== source) return;
        const was = state;
        last = now();
        failures = 0;
        state = 'live';
        received(type, JSON.parse(/** @type {MessageEvent} */ (event).data));
        if (was !== 'live') report();
      });
    mine.onerror = () => {
      if (mine === source) lose();
    };
  }
  const clock = setInterval(() => {
    if (ended || state === 'hidden') return;
    if (!source && now() >= retryAt) open();
    else if (source && now() - Math.max(last, opened) > DEAD) lose(); // open, but without even a beat
    report();
  }, 1000);
  const visibility = () => {
    if (ended) return;
    if (document.hidden) {
      close();
      state = 'hidden';
    } else {
      if (state === 'hidden') state = last ? 'old' : 'opening';
      open();
      report();
    }
  };
  document.addEventListener('visibilitychange', visibility);
  if (document.hidden) state = 'hidden';
  else open();
  return {
    retry() {
      failures = 0;
      open();
    },
    end() {
      ended = true;
      clearInterval(clock);
      close();
      document.removeEventListener('visibilitychange', visibility);
    }
  };
}
