// The page as the server packs it (src/pack.rs): comments, indentation, needless spaces and line breaks out, all modules in one file,
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
const MARKS = '{}()[],;:?=<>&|*!';
const isSign = (/** @type {string} */ c) => c === '+' || c === '-';
/** Whether a space between two characters may go: `a + b`, and not `a + +b`. @param {string} a @param {string} b */
const needless = (a, b) => MARKS.includes(a) || (b !== '' && MARKS.includes(b)) || isSign(a) !== isSign(b);
/** @param {string} code */
function tight(code) {
  const templates = [],
    out = []; // joined once: the last character of a string that grows is found by copying all of it
  let before = '\n',
    i = 0;
  const literal = end => {
    for (let j = i + 1, inside = false; j < code.length && code[j] !== '\n'; j++)
      if (code[j] === '\\') j++;
      else if (end === '/' && '[]'.includes(code[j])) inside = code[j] === '[';
      else if (code[j] === end && !inside) return j + 1 - i;
    return 1;
  };
  const template = () => {
    for (let j = i + 1; j < code.length; j++)
      if (code[j] === '\\') j++;
      else if (code[j] === '`') return j + 1 - i;
      else if (code.startsWith('${', j)) return (templates.push(0), j + 2 - i);
    return code.length - i;
  };
  while (i < code.length) {
    const c = code[i],
      last = templates.length - 1;
    let n = 1;
    if (c === '}' && templates[last] === 0) {
      templates.pop();
      n = template();
    } else if (c === '`') n = template();
    else if (c === "'" || c === '"') n = literal(c);
    else if (c === '/' && ('\n{([,;:?=<>&|*!'.includes(before) || code.startsWith('return ', i - 7))) n = literal('/');
    else if (c === ' ' && needless(before, code[i + 1] ?? '')) {
      i++;
      continue;
    } else if (last >= 0 && '{}'.includes(c)) templates[last] += c === '{' ? 1 : -1;
    out.push(code.slice(i, i + n));
    i += n;
    before = code[i - 1];
  }
  return out.join('');
}
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
export const pack = (dir, name) => joined(tight(modules(dir, name, new Set()))).replace(/\n(?=[)\]}:?.])/g, '');
/** @param {string} text */
export const sheet = text =>
  [
    [' {', '{'],
    ['{ ', '{'],
    [' }', '}'],
    [': ', ':'],
    ['; ', ';'],
    [', ', ',']
  ].reduce((packed, [spaced, bare]) => packed.replaceAll(spaced, bare), joined(strip(text)));
