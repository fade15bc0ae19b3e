// What the server makes of the page when it embeds it: comments and indentation out, all modules in one file, in the order of their imports.
// In: the folder. Out: text. The sources keep to what this needs: comments are whole lines or /* */; no string contains either or spans lines;
// imports are one line each, on top, of './name.js', without `as`; no two modules use the same name on their top level.
import { readFileSync } from 'node:fs';

export const strip = text =>
  text
    .replace(/\/\*[^]*?\*\/ ?/g, '')
    .split('\n')
    .map(l => l.trim())
    .filter(l => l && !l.startsWith('//'))
    .join('\n') + '\n';

/** @param {URL} dir @param {string} name @param {Set<string>} [done] */
export function pack(dir, name, done = new Set()) {
  done.add(name);
  const text = readFileSync(new URL(name, dir), 'utf8');
  const before = [...text.matchAll(/^import .* from '\.\/(.*)';$/gm)]
    .filter(([, n]) => !done.has(n))
    .map(([, n]) => (done.has(n) ? '' : pack(dir, n, done)));
  return (
    before.join('') +
    strip(text)
      .replace(/^import .*\n/gm, '')
      .replace(/^export /gm, '')
  );
}
