// The invented scenes have exactly the fields of the server's JSON: renaming one in Rust without the page's fixtures fails here.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { scenes } from '../feed/scenes.mjs';

const read = path => readFileSync(new URL(path, import.meta.url), 'utf8');
const model = read('../../src/model.rs'),
  status = read('../../../api/src/status.rs');

/** JSON names of a struct's fields, and those that serde may leave out. @param {string} source @param {string} name */
function fields(source, name) {
  const [, body] = /** @type {RegExpExecArray} */ (new RegExp(`pub struct ${name}(?:<'a>)? \\{\\n([^]*?)\\n\\}`).exec(source));
  const all = [...body.matchAll(/((?: *#\[serde\([^\n]*\n)*) *pub (\w+):/g)].map(([, serde, field]) => ({
    name: field.replace(/_(\w)/g, (_, c) => c.toUpperCase()),
    skipped: /serde\(skip\)/.test(serde),
    optional: /skip_serializing_if/.test(serde)
  }));
  const kept = all.filter(f => !f.skipped);
  assert.ok(kept.length > 1, `${name} has fields`);
  return { all: kept.map(f => f.name), least: kept.filter(f => !f.optional).map(f => f.name) };
}
/** @param {any} json @param {string} name */
function has(json, name, source = model, more = /** @type {string[]} */ ([])) {
  const { all, least } = fields(source, name),
    keys = Object.keys(json);
  assert.deepEqual(
    keys.filter(k => ![...all, ...more].includes(k)),
    [],
    `${name}: unknown fields`
  );
  assert.deepEqual(
    [...least, ...more].filter(k => !keys.includes(k)),
    [],
    `${name}: missing fields`
  );
}

test('scenes have the fields of model.rs', () => {
  for (const make of Object.values(scenes)) {
    const s = make();
    has(s, 'Picture', model, ['history']);
    has(s.kafka, 'KafkaPicture');
    has(s.actions, 'Actions');
    has(s.summary, 'Summary', status);
    for (const p of s.partitions) has(p, 'PartitionPicture');
    for (const o of s.otherGroups) has(o, 'OtherGroupStatus', status);
    for (const r of s.rebalances) has(r, 'RebalancePicture');
    for (const g of s.groups) {
      has(g, 'GroupPicture');
      if (g.health) has(g.health, 'HealthPicture');
      for (const m of g.members) has(m, 'MemberPicture');
      for (const p of [...g.open, ...g.members.flatMap((/** @type {any} */ m) => m.partitions)]) has(p, 'Share');
    }
  }
});
