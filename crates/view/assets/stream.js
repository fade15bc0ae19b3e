// The one event stream of a page. In: an address. Out: its events, and how old what we know is. It retries, and it closes while nobody looks.
// Deliberately absent: what the events mean.

const QUIET = 12_000,
  DEAD = 25_000,
  WAITS = [1, 2, 3, 5];

/** @typedef {{state: 'opening' | 'live' | 'old' | 'lost' | 'hidden', age: number, retryIn: number}} Link  ages in ms, retryIn in whole seconds */

/** @param {string} url @param {string[]} types @param {(type: string, data: any) => void} heard @param {(link: Link) => void} told */
export function stream(url, types, heard, told) {
  /** @type {EventSource | null} */ let source = null;
  let last = 0,
    retryAt = 0,
    failures = 0,
    ended = false,
    opened = 0;
  const now = () => performance.now();
  /** @type {Link['state']} */ let state = 'opening';

  function tell() {
    if (state === 'live' && now() - last > QUIET) state = 'old';
    told({ state, age: last ? now() - last : 0, retryIn: Math.max(0, Math.ceil((retryAt - now()) / 1000)) });
  }
  function close() {
    source?.close();
    source = null;
  }
  function lose() {
    close();
    state = 'lost';
    retryAt = now() + 1000 * WAITS[Math.min(failures++, WAITS.length - 1)];
    tell();
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
        heard(type, JSON.parse(/** @type {MessageEvent} */ (event).data));
        if (was !== 'live') tell();
      });
    mine.onerror = () => {
      if (mine === source) lose();
    };
  }
  const clock = setInterval(() => {
    if (ended || state === 'hidden') return;
    if (!source && now() >= retryAt) open();
    else if (source && now() - Math.max(last, opened) > DEAD) lose(); // open, but nothing comes: not even a beat
    tell();
  }, 1000);
  const look = () => {
    if (ended) return;
    if (document.hidden) {
      close();
      state = 'hidden';
    } else {
      if (state === 'hidden') state = last ? 'old' : 'opening';
      open();
      tell();
    }
  };
  document.addEventListener('visibilitychange', look);
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
      document.removeEventListener('visibilitychange', look);
    }
  };
}
