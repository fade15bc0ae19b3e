// The stage: a layout painted into kept elements. In: a scene. Out: the diagram, or the table; clicks and keys inside it go to page.js.
import { card, part, pill, row } from './boxes.js';
import { reads } from './cards.js';
import { add, byId, cls, el, keyed, place, set, sv, text } from './dom.js';
import { makeDots } from './dots.js';
import { foot } from './group_footer.js';
import { startKeys } from './keys.js';
import { dotScale, layout, legendText, newMemory, tooMany } from './layout.js';
import { makeTable } from './table.js';
import { makeWires } from './wires.js';

/** Measures text in this browser's font. */
function measurer() {
  const paint = /** @type {CanvasRenderingContext2D} */ (document.createElement('canvas').getContext('2d')),
    family = getComputedStyle(document.body).fontFamily;
  /** @type {Map<string, number>} */ const known = new Map();
  return (/** @type {string} */ t, /** @type {number} */ size, /** @type {number} */ weight) => {
    const key = `${weight} ${size} ${t}`;
    let w = known.get(key);
    if (w == null) {
      if (known.size > 20_000) known.clear();
      paint.font = `${weight} ${size}px ${family}`;
      known.set(key, (w = paint.measureText(t).width));
    }
    return w;
  };
}

/** @param {{open: (member: string, group: string) => void, act: (kind: string, group: string) => void, view: () => void, help: () => void, insist: () => void, resized: () => void}} does */
export function makePicture(does) {
  const stage = byId('stage'),
    picture = el('div', '', null, { id: 'picture' }),
    frames = el('div'),
    svg = sv('svg', { id: 'wires', role: 'group', 'aria-label': 'Arrows from partitions to the consumers that read them' }),
    canvas = el('canvas', '', null, { id: 'dots', 'aria-hidden': 'true' });
  const titles = el('div'),
    parts = el('div', 'layer', null, { role: 'group', 'aria-label': 'Partitions' }),
    groups = el('div'),
    pills = el('div', '', null, { 'aria-hidden': 'true' }),
    legend = el('p', 'legend'),
    note = el('p', 'aside'),
    dotWords = el('span');
  add(legend, el('i'), dotWords);
  add(stage, add(picture, frames, svg, canvas, titles, parts, groups, pills, legend, note));
  const table = makeTable(stage, does.insist),
    wires = makeWires(svg),
    dots = makeDots(canvas, wires.faded),
    measure = measurer(),
    memory = newMemory();
  /** @type {import('./layout.js').Layout | null} */ let L = null;
  const boxOf = (/** @type {any} */ n) => {
    if (n.dataset.member === 'more') {
      memory.open = n.dataset.in;
      does.resized();
      return;
    }
    if (n.dataset.member && !/unowned|ghost/.test(n.dataset.state)) does.open(n.dataset.member, n.dataset.in);
  };
  stage.addEventListener('click', (/** @type {any} */ e) => {
    const b = e.target.closest('button');
    if (!b) return;
    if (b.dataset.act && b.getAttribute('aria-disabled') !== 'true') does.act(b.dataset.act, b.closest('[data-in]').dataset.in);
    else if (b.classList.contains('nav')) boxOf(b);
  });
  // The room the window leaves. Measured when something beside the stage changes its size, never while drawing.
  const room = { width: 0, height: 0 };
  function measureRoom() {
    room.width = stage.clientWidth;
    room.height = Math.max(
      0,
      innerHeight -
        [...document.body.children]
          .filter((/** @type {any} */ e) => e !== stage && e.offsetParent)
          .reduce((a, /** @type {any} */ e) => a + (getComputedStyle(e).position === 'static' ? e.offsetHeight : 0), 0)
    );
  }
  const resized = () => {
    measureRoom();
    does.resized();
  };
  const observer = new ResizeObserver(resized);
  for (const e of document.body.children) observer.observe(e);
  addEventListener('resize', resized);
  const keys = startKeys(picture, {
    highlight: (p, b) => wires.highlight(p, b),
    open: boxOf,
    view: () => does.view(),
    help: does.help,
    scale: (g, by) => does.act(by > 0 ? 'more' : 'less', g),
    wires: () => L?.wires ?? []
  });

  function title(/** @type {any} */ n, /** @type {import('./layout.js').Title} */ t) {
    cls(n, 'ktitle');
    keyed(
      n,
      t.items.map((i, at) => ({ ...i, at })),
      i => i.at + i.kind,
      i => (i.kind === 'legend' ? add(el('span'), el('i'), el('span')) : el(i.kind === 'b' ? 'b' : 'span')),
      (e, i) => {
        cls(e, i.kind === 'b' ? '' : i.kind);
        text(i.kind === 'legend' ? e.lastChild : e, i.text);
        set(e, { title: i.title || null });
      }
    );
    place(n, t.x, t.y, t.w);
  }

  return {
    stage,
    dots,
    /** @param {import('./scene.js').Scene} s @param {{view: 'diagram' | 'table', insist: boolean, selected: string, lost: boolean, may: (g: import('./scene.js').Group) => any}} how */
    draw(s, how) {
      const over = tooMany(s),
        asTable = how.view === 'table' || (!!over && !how.insist);
      picture.hidden = asTable;
      table.region.hidden = !asTable;
      if (asTable) {
        dots.clear();
        L = null;
        stage.style.minHeight = '';
        table.draw(s, how.insist ? '' : over);
        return;
      }
      document.body.dataset.dense = String(s.parts.length * s.groups.length > 60);
      if (!room.width) measureRoom();
      if (!room.width) return;
      L = layout(s, room.width, room.height, measure, memory);
      const drawn = L;
      cls(picture, L.big ? 'big' : '');
      stage.style.minHeight = `${L.height}px`;
      picture.style.height = `${L.height}px`;
      keyed(
        frames,
        L.frames,
        f => f.key,
        () => el('div'),
        (n, f) => {
          cls(n, `frame ${f.kind} c${f.hue}`);
          place(n, f.x, f.y, f.w, f.h);
        }
      );
      const moved = wires.paint(L);
      keyed(
        titles,
        L.titles,
        t => t.key,
        () => el('div'),
        title
      );
      keyed(
        parts,
        L.parts,
        b => b.key,
        () => el('button', 'part nav', null, { tabindex: -1 }),
        (n, b) => part(n, b)
      );
      keyed(
        groups,
        L.foots,
        f => f.key,
        f => {
          const sec = el('section'),
            boxes = el('div'),
            below = el('div');
          sec.boxes = boxes;
          sec.below = below;
          return add(sec, boxes, below);
        },
        (sec, f) => {
          set(sec, { 'aria-label': f.group.name, 'data-group': f.key, 'data-state': f.group.word.word });
          if (drawn.mode === 'cards')
            keyed(
              sec.boxes,
              drawn.cards.filter(c => c.group.name === f.key),
              c => `card ${c.key}`,
              () => el('button', '', null, { tabindex: -1 }),
              (n, c) => card(n, c, s.multi, how.selected, reads(c.member, s.multi, c.w - 24, measure))
            );
          else
            keyed(
              sec.boxes,
              drawn.rows.filter(r => r.group.name === f.key),
              r => `row ${r.key}`,
              () => el('button', '', null, { tabindex: -1 }),
              (n, r) => row(n, r, s.multi, how.selected)
            );
          foot(sec.below, f, how.may(f.group));
        }
      );
      keyed(
        pills,
        L.pills,
        p => p.key,
        () => el('div'),
        (n, p) => {
          const swept = moved.has(p.arrow.id);
          if (swept) {
            n.style.transitionDuration = '600ms';
            n.animate?.([{ boxShadow: '0 0 0 0 currentColor' }, { boxShadow: '0 0 0 5px transparent' }], {
              delay: 600,
              duration: 500,
              easing: 'ease-out'
            });
            setTimeout(() => {
              n.style.transitionDuration = '';
            }, 700);
          }
          pill(n, p);
        }
      );
      const scale = dotScale(s.reads),
        words = how.lost ? 'nothing moves: no data' : legendText(s);
      legend.hidden = !L.legend;
      note.hidden = !L.note;
      if (L.legend) {
        place(legend, L.legend.x, L.legend.y);
        text(dotWords, words);
      }
      if (L.note) {
        place(note, L.note.x, L.note.y, L.note.w);
        text(note, L.note.text);
      }
      dots.follow(L, scale);
      keys.settle();
    },
    /** @param {import('./scene.js').Scene | null} s */
    focusBox(s, /** @type {string} */ member) {
      /** @type {any} */ (
        [...stage.querySelectorAll('.nav')].find((/** @type {any} */ n) => n.dataset.member === member) ?? stage.querySelector('.nav')
      )?.focus();
    }
  };
}
