// What the server makes of the page when it serves it (src/pack.rs): comments, indentation and needless line breaks out, all modules in one file,
// in the order of their imports. In: the folder. Out: text. The sources keep to what this needs: no string contains a comment or spans lines;
// imports are one line each, on top, of './name.js', without `as`; no two modules use the same name on their top level.
import { readFileSync } from 'node:fs';

const strip = text =>
  text
    .replace(/\/\*[^]*?\*\/ ?/g, '')
    .split('\n')
    .map(l => l.split(' // ')[0].trim())
    .filter(l => l && !l.startsWith('//'))
    .join('\n') + '\n';
const joined = text => text.replace(/([,;{([])\n/g, '$1');

/** @param {URL} dir @param {string} name @param {Set<string>} done */
function modules(dir, name, done) {
  if (done.has(name)) return '';
  done.add(name);
  const text = readFileSync(new URL(name, dir), 'utf8'),
    imported = [...text.matchAll(/^import .* from '\.\/(.*)';$/gm)].map(([, n]) => modules(dir, n, done));
  return (
    imported.join('') +
    strip(text)
      .replace(/^import .*\n/gm, '')
      .replace(/^export /gm, '')
  );
}

/** @param {URL} dir @param {string} name */
export const pack = (dir, name) => joined(modules(dir, name, new Set()));
/** @param {string} text */
export const sheet = text => joined(strip(text));
