// Practice 3 on a node that is up with the release `cgp`: in a namespace of its own, under names of its own, seen through the operator. For operator.test.mjs.
// In: the node's environment (`eval "$(make -s node)"`). Leaves the actions off and no namespace, also after a failure or Ctrl-C.
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { mortal, ports, repository, sample, served, settled, until } from './kit.mjs';

const { KUBECONFIG, BOOTSTRAP_HOST } = process.env;
assert.ok(KUBECONFIG && BOOTSTRAP_HOST, 'KUBECONFIG or BOOTSTRAP_HOST is not set: bring a node up with `eval "$(make -s node)"` first');
export const bootstrap = BOOTSTRAP_HOST;
export const RELEASE = ['-n', 'kafka-practice'],
  OPERATOR = 'deployment/cgp-operator',
  NAME = 'practice-3';
export const suffix = Date.now().toString(36).slice(-6),
  namespace = `page-${suffix}`,
  manifest = sample(3).replaceAll(/\bmy-/g, `p${suffix}-`),
  TOPIC = `p${suffix}-topic`,
  [ONE, TWO, THREE] = [1, 2, 3].map(n => `p${suffix}-consumer-group-${n}`);

const how = { cwd: repository(''), maxBuffer: 1 << 26, env: { ...process.env, KUBECACHEDIR: join(dirname(KUBECONFIG), 'kube-cache') } };
export const kubectl = async (...words) => (await promisify(execFile)('kubectl', words, how)).stdout;
/** kubectl in the practice's namespace. */
export const inside = (...words) => kubectl('-n', namespace, ...words);
const json = async (...words) => JSON.parse(await inside('get', '-o', 'json', ...words));
export const apply = text => execFileSync('kubectl', ['-n', namespace, 'apply', '-f', '-'], { ...how, input: text });
/** A group in the manifest, as it is in Kubernetes. */
export const spec = async group => (await json('cgp', NAME)).spec.groups.find(g => g.name === group);
/** The pods of a group that are not going. */
export const podsOf = async group =>
  (await json('pods', '-l', `kafka-practice.dev/group=${group}`)).items
    .filter(p => !p.metadata.deletionTimestamp)
    .map(p => p.metadata.name)
    .sort();
/** State and logs of the cluster, for a failed test. */
export const diagnostics = async () =>
  (await Promise.all([inside('get', 'cgp,pods', '-o', 'wide'), kubectl(...RELEASE, 'logs', OPERATOR, '--tail=40')])).join('\n');

const rollout = [...RELEASE, 'rollout', 'status', OPERATOR, '--timeout=120s'];
/** The command that the page names. */
export const turned = on =>
  `helm upgrade cgp charts/consumer-group-practice -n kafka-practice --reset-then-reuse-values --set view.actions=${on}`;
let actions = false;
/** Turns the page's actions on or off, and waits for the operator. */
export function turn(on) {
  actions = true; // until it is known that they are not
  const [helm, ...words] = turned(on).split(' ');
  execFileSync(helm, words, how);
  execFileSync('kubectl', rollout, how);
  actions = on;
}

/** Opens a way from a local port to one in the cluster. Out: what closes it. */
export async function forward(where, target, port, own) {
  const child = mortal(spawn('kubectl', [...where, 'port-forward', target, `${own}:${port}`], how));
  let output = '';
  for (const out of [child.stdout, child.stderr]) out.on('data', words => (output += words));
  const ended = () => child.exitCode != null || child.signalCode != null;
  await until(`a way to ${target}`, () => {
    assert.ok(!ended(), output);
    return output.includes('Forwarding from 127.0.0.1');
  });
  return async () => {
    child.kill();
    await until('the way is closed', ended);
  };
}

let port, close;
/** Opens the way to the operator that runs now, at the same address each time. */
export async function reach() {
  await close?.();
  await kubectl(...rollout);
  close = await forward(RELEASE, OPERATOR, 8080, port);
}

/** The practice, once all its consumers have arrived. */
export async function arrive() {
  const labels = { 'kafka-practice.dev/test': 'page', 'pod-security.kubernetes.io/enforce': 'restricted' };
  left = false;
  execFileSync('kubectl', ['create', '-f', '-'], {
    ...how,
    input: JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } })
  });
  if (JSON.parse(execFileSync('helm', ['get', 'values', 'cgp', ...RELEASE, '--all', '-o', 'json'], how)).view.actions) turn(false);
  apply(manifest);
  await inside('wait', '--for=condition=Ready', `cgp/${NAME}`, '--timeout=60s');
  port = await ports();
  await reach();
  const practice = served(`http://127.0.0.1:${port}`, namespace, NAME);
  await settled(practice);
  return practice;
}

let left = true;
/** Deletes everything again. */
export function leave() {
  if (left) return;
  left = true;
  close?.();
  try {
    if (actions) turn(false);
  } finally {
    execFileSync('kubectl', ['delete', 'namespace', namespace, '--ignore-not-found', '--timeout=120s'], how);
  }
}
process.on('exit', leave);
