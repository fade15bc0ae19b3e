// Widths of text without a browser: a table of a wide sans, in thousandths of the size. Every layout must hold with it, and with a wider one still.
const NARROW = "ijl.,:;'|!()[]f t/-I▲",
  WIDE = 'mwMW@%…★○◔⟳■✓✕—';
const one = c =>
  NARROW.includes(c)
    ? c === ' '
      ? 300
      : '-▲t/f'.includes(c)
        ? 420
        : 310
    : WIDE.includes(c)
      ? 900
      : /[A-Z]/.test(c)
        ? 680
        : /\d/.test(c)
          ? 640
          : c === '\u2060'
            ? 0
            : 590;
/** @param {number} factor 1 = about Inter, 1.12 = about DejaVu Sans */
export const table =
  (factor = 1) =>
  (text, size, weight) =>
    (([...text].reduce((a, c) => a + one(c), 0) * size) / 1000) * factor * (weight >= 600 ? 1.05 : 1);
