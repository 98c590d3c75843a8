/**
 * A unit of work: seconds per token for computing the λ weights of groups of one size: with our tree, with the pairwise
 * form in the same language, and, if a checkout is named, with the paper's reference implementation in Python, all on
 * the same groups. Medians of rounds in which the groups alternate. One unit measures all sides, so that each ratio is
 * from the same moment.
 */

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../../errors.js';
import { makeFolder, remove, writeWhole } from '../../files/index.js';
import { Stream } from '../../random/stream.js';
import { median } from '../../statistics/index.js';
import { pairwiseWeights, syntheticGroup, treeWeights } from '../synthetic.js';
import type { WorkContext } from './context.js';
import { REFERENCE_PY } from './reference-py.js';

export interface TimingSpec {
  readonly kind: 'timing';
  /** Completions of a group. */
  readonly k: number;
  /** Approximate number of tokens in a completion. */
  readonly n: number;
  /** Mean intermediate proportion (§3.2). */
  readonly proportion: number;
  readonly groups: number;
  readonly rounds: number;
  /** Checkout of the reference and its Python; null: not used. */
  readonly reference: { readonly folder: string; readonly python: string } | null;
}

/** Seconds per token of the group (k·n tokens). */
export interface TimingFigures {
  readonly tree: number;
  readonly pairwise: number;
  /** Null: no reference was named. */
  readonly reference: number | null;
}

const WARM_UP_MS = 300;

export async function runTiming(spec: TimingSpec, context: WorkContext): Promise<TimingFigures> {
  const { k, n, proportion, rounds } = spec;
  const groups = Array.from({ length: spec.groups }, (_, i) =>
    syntheticGroup(k, n, proportion, new Stream('overhead', k, n, i)),
  );
  const tokens = groups.flat().reduce((sum, { length }) => sum + length, 0);
  const out = Array.from({ length: k }, () => new Float64Array(2 * n));
  treeWeights(groups[0], out);
  pairwiseWeights(groups[0]).forEach((weights, i) => {
    if (weights.some((w, t) => w !== out[i][t]))
      throw new Error(`completion ${i}: the two sides' weights differ`);
  });
  const until = performance.now() + WARM_UP_MS;
  while (performance.now() < until) treeWeights(groups[0], out);
  const time = (call: (group: readonly Int32Array[]) => unknown, repeats: number): number => {
    const from = performance.now();
    for (let i = 0; i < repeats; i++) for (const group of groups) call(group);
    return (performance.now() - from) / 1000 / (repeats * tokens);
  };
  const tree: number[] = [];
  const pairwise: number[] = [];
  // A round of the tree should take at least a few milliseconds; one call of the peer is slow enough.
  const repeats = Math.max(1, Math.ceil(4e6 / tokens));
  for (let round = 0; round < rounds; round++) {
    tree.push(time((group) => treeWeights(group, out), repeats));
    pairwise.push(time(pairwiseWeights, 1));
    context.progress((round + 1) / (rounds + 1));
  }
  return {
    tree: median(tree),
    pairwise: median(pairwise),
    reference: spec.reference && (await timeReference(spec.reference, groups, rounds, context)),
  };
}

/** @throws UserError if the reference cannot be run */
async function timeReference(
  { folder, python }: { folder: string; python: string },
  groups: readonly (readonly Int32Array[])[],
  rounds: number,
  { folder: work, id }: WorkContext,
): Promise<number> {
  if (!existsSync(join(folder, 'lambda_grpo', 'utils.py'))) {
    throw new UserError(
      `--reference: ${folder} has no lambda_grpo/utils.py; name a checkout of coli-saar/grpo-prm`,
    );
  }
  const unitFolder = join(work, 'units', id);
  await makeFolder(unitFolder);
  const [script, input] = [join(unitFolder, 'reference.py'), join(unitFolder, 'groups.json')];
  await writeWhole(script, REFERENCE_PY);
  await writeWhole(input, JSON.stringify(groups.map((group) => group.map((tokens) => Array.from(tokens)))));
  try {
    const printed = await output(python, [script, folder, input, String(rounds)]);
    const seconds = Number(printed.trim().split('\n').at(-1));
    if (!(seconds > 0)) throw new UserError(`--reference: it printed ${JSON.stringify(printed.slice(-200))}`);
    return seconds;
  } finally {
    await remove(unitFolder);
  }
}

function output(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let error = '';
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      error += chunk;
    });
    child.on('error', ({ message }) =>
      reject(new UserError(`--python: ${program} cannot be run: ${message}`)),
    );
    child.on('close', (code) => {
      if (code === 0) resolve(out);
      else
        reject(
          new UserError(`--reference: ${program} ended with ${code}: ${error.trim().split('\n').at(-1)}`),
        );
    });
  });
}
