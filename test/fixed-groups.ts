/**
 * The tiny GPT-2 and the groups of test/trl, and our λ-GRPO gradient on them: the reference for gradients of Python
 * trainers.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { LocalEngine, type TrainExample } from '../src/engine/index.js';
import { readSafetensors } from '../src/model/files.js';
import {
  CREDIT_RULES,
  type CreditName,
  groupAdvantages,
  lossCoefficients,
  type Normalisation,
  sequenceWeights,
} from '../src/objective/index.js';
import { nodeBackend } from '../src/runtime/node.js';
import { ProcessTree } from '../src/tree/index.js';

interface Facts {
  readonly beta: number;
  /** λ-GRPO's loss by TRL, beta = 0. */
  readonly losses: Readonly<Record<'grpo' | 'dapo', number>>;
  readonly groups: readonly {
    readonly promptTokens: readonly number[];
    readonly completions: readonly (readonly number[])[];
    readonly rewards: readonly number[];
    readonly referenceLogprobs: readonly (readonly number[])[];
  }[];
}

const folder = fileURLToPath(new URL('.', import.meta.url));
export const facts: Facts = JSON.parse(readFileSync(`${folder}trl/groups.json`, 'utf8'));

/** Tensors by name. @param name a file of test/, without its ending */
export async function tensorsOf(name: string): Promise<Map<string, Float32Array>> {
  const { tensors } = await readSafetensors(`${folder}${name}.safetensors`);
  return new Map([...tensors].map(([key, { data }]) => [key, data]));
}

/** An engine with the weights of test/trl; names and layouts are transformers' own, without `transformer.`. */
export async function tinyGpt2(): Promise<LocalEngine> {
  const engine = new LocalEngine({
    model: { vocabularySize: 16, contextLength: 32, width: 32, layers: 2, heads: 2 },
    seed: 1,
    optimizer: { name: 'sgd', momentum: 0, weightDecay: 0 },
    backend: nodeBackend(),
    threads: 1,
  });
  const weights = await tensorsOf('trl/model');
  for (const [name, view] of engine.parameters.views) {
    const tensor = weights.get(name);
    if (tensor?.length !== view.length) throw new Error(`test/trl/model.safetensors: no ${name} of its size`);
    view.set(tensor);
  }
  return engine;
}

export interface Setting {
  readonly normalisation: Normalisation;
  /** p of |λ|^−p; 1 by default. */
  readonly lambdaExponent?: number;
  readonly klBeta?: number;
  /** ε of the advantages; 1e-4 by default. */
  readonly epsilon?: number;
  /** A credit rule in the place of |λ|^−p. */
  readonly credit?: CreditName;
}

/** Our loss and gradients by name, both groups in one optimizer step. */
export async function ours(
  engine: LocalEngine,
  { normalisation, lambdaExponent = 1, klBeta = 0, epsilon, credit }: Setting,
) {
  const trees = facts.groups.map(({ completions }) => ProcessTree.build(completions));
  const totals = {
    tokens: trees.reduce((n, tree) => n + tree.tokenCount, 0),
    sequences: trees.reduce((n, tree) => n + tree.groupSize, 0),
    maxTokens: 12,
  };
  const batch = trees.map((tree, g): TrainExample => {
    const { promptTokens, rewards, referenceLogprobs } = facts.groups[g];
    const weights = sequenceWeights(tree.lengths, normalisation, totals);
    const advantages = groupAdvantages(rewards, { epsilon });
    return {
      prompt: Int32Array.from(promptTokens),
      tree,
      coefficients: credit
        ? CREDIT_RULES[credit].rule(tree, Float64Array.from(rewards), { advantages, weights })
        : lossCoefficients(tree, advantages, weights, { lambdaExponent }),
      ...(klBeta > 0 && { referenceLogprobs: onTree(tree, referenceLogprobs) }),
    };
  });
  const { loss, gradients } = await engine.gradients(batch, {
    learningRate: 0,
    maxGradNorm: null,
    clipLow: 0.2,
    clipHigh: 0.2,
    klBeta,
    temperature: 1,
  });
  return { loss, gradients: new Map(engine.parameters.specs.map(({ name }, i) => [name, gradients[i]])) };
}

/** A value of each distinct token, depth-first, from those of each completion. */
function onTree(tree: ProcessTree, values: readonly (readonly number[])[]): Float32Array {
  const out: number[] = [];
  for (let node = 0; node < tree.nodeCount; node++) {
    out.push(...values[tree.representative(node)].slice(tree.start[node], tree.end[node]));
  }
  return Float32Array.from(out);
}
