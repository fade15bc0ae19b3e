#!/usr/bin/env node
// Keeps private words out of strings and docs: what a person reads names the actor and uses Kafka's and Kubernetes' own verbs.
// In: the files that git tracks. Out: one line for each hit, `FILE:LINE: WORD: use ...`, and exit code 1; nothing and 0 without one.
// Reads string literals of Rust and JavaScript (not comments, not code), and all of Markdown, the chart and the CRD. Changes nothing.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

/** Each word, what to write instead, and why it is here: a reader cannot search the web for it, or it hides who acts. */
const WORDS = [
  ['nobody', 'name the component that does not act: no consumer, no broker'],
  ['somebody', 'name the actor: another client, another application'],
  ['someone', 'name the actor: another client, an autoscaler'],
  ['whoever', 'name the reader: you, a user who may edit the practice'],
  ['anew', 'recreated, restarted, again'],
  ['told', 'reported, configured'],
  ['gets? on', 'is healthy, makes progress'],
  ['go(?:es)? on', 'continues, keeps running'],
  ['looks? at', 'polls, reads, checks'],
  ['looked at', 'polled, read, checked'],
  ['is none of', 'does not belong to'],
  ['made anew', 'recreated'],
  ['deeds?', 'changes'],
  ['verdicts?', 'health, the name in status']
].map(([word, instead]) => ({ word: new RegExp(`\\b${word}\\b`, 'i'), instead }));

/** Kept as they were written: a decision is a record of its day, and the licence is not ours. */
const LEFT_OUT = /^(LICENSE|NOTICE|docs\/decisions\/|CHANGELOG\.md|\.ci\/words\.mjs|.*\/vendor\/|.*package-lock\.json|.*\.test\.yaml)/;

/** String literals of Rust or JavaScript with the line on which each begins; comments and code are passed over. */
function* strings(text, rust) {
  const token = rust
    ? /\/\/[^\n]*|\/\*[\s\S]*?\*\/|b?r(#*)"[\s\S]*?"\1|b?"(?:\\[\s\S]|[^"\\])*"|b?'(?:\\[^\n]{1,8}|[^'\\\n])'/g
    : /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[\s\S]|[^`\\])*`/g;
  for (const found of text.matchAll(token)) {
    const literal = found[0];
    if (literal.startsWith('/')) continue;
    yield { line: text.slice(0, found.index).split('\n').length, text: literal };
  }
}

/** What a person reads in a file: strings of code, all lines of prose. */
function* prose(file, text) {
  if (/\.(rs|js|mjs)$/.test(file)) yield* strings(text, file.endsWith('.rs'));
  else for (const [number, line] of text.split('\n').entries()) yield { line: number + 1, text: line };
}

const tracked = execFileSync('git', ['ls-files', '-z'], { encoding: 'utf8' }).split('\0');
const read = tracked.filter(existsSync).filter(file => /\.(rs|js|mjs|md|html|tpl|yaml)$|(^|\/)NOTES\.txt$/.test(file) && !LEFT_OUT.test(file));
let hits = 0;
for (const file of read) {
  for (const { line, text } of prose(file, readFileSync(file, 'utf8'))) {
    for (const { word, instead } of WORDS) {
      const found = text.match(word);
      if (!found) continue;
      hits += 1;
      console.log(`${file}:${line + text.slice(0, found.index).split('\n').length - 1}: ${found[0]}: use ${instead}`);
    }
  }
}
if (hits > 0) {
  console.log(`${hits} private words in ${read.length} files: the list with what to write instead is in .ci/words.mjs`);
  process.exitCode = 1;
}
