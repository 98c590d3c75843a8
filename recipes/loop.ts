// λ-GRPO as a short program: sample, reward, tree, coefficients, update, log, on the paper's binary tree (16 paths, one of them
// the best). No configuration, no run folder; every number follows from SEED. Run it: npx tsx recipes/loop.ts
import {
  askRule,
  binaryTree,
  type CreditRule,
  groupAdvantages,
  LocalEngine,
  lambdaWeights,
  memberSums,
  nodeBackend,
  ProcessTree,
  sequenceWeights,
} from 'lambda-grpo';

const SEED = 0;
const STEPS = 100;
const GROUP = 16;

/** A⁺ and A⁻ of each step of the tree. This rule is λ-GRPO; replace it by your own rule. Without `* scale` it is GRPO. */
const coefficients: CreditRule = (tree, _rewards, { advantages, weights }) => {
  const scale = lambdaWeights(tree); // 1/|λ|: a step counts once, however many completions share it
  const sum = (part: (a: number) => number) => memberSums(tree, (i) => weights[i] * part(advantages[i]));
  return {
    plus: sum((a) => Math.max(a, 0)).map((value, node) => value * scale[node]),
    minus: sum((a) => Math.min(a, 0)).map((value, node) => value * scale[node]),
  };
};

const task = binaryTree({ n: 1, negativeReward: -1, seed: SEED });
const policy = { temperature: 1, allowedTokens: task.allowedTokens };
const engine = new LocalEngine({
  backend: nodeBackend(),
  model: { vocabularySize: task.vocabulary.size, contextLength: 5, width: 64, layers: 2, heads: 2 },
  optimizer: { name: 'adamw', beta1: 0.9, beta2: 0.999, epsilon: 1e-3, weightDecay: 0 },
  seed: SEED,
});

for (let step = 1; step <= STEPS; step++) {
  // Sample: a group of completions of one prompt.
  const problem = task.trainProblem(step - 1);
  const { completions } = await engine.sample(
    [{ prompt: problem.promptTokens, count: GROUP, key: [step, 0] }],
    { ...policy, maxTokens: task.maxCompletionTokens, topK: 0, topP: 1, stopTokens: [], seed: SEED },
  );
  const paths = completions[0].map(({ tokens }) => tokens);

  // Reward, and the advantage of each completion in its group.
  const rewards = Float64Array.from(paths, (path) => task.reward(problem, path).reward);
  const advantages = groupAdvantages(rewards);

  // Tree: completions with the same beginning share their steps.
  const tree = ProcessTree.build(paths);

  // Coefficients: how much each step is pushed, averaged over the tokens of the group.
  const totals = { tokens: tree.tokenCount, sequences: GROUP, maxTokens: task.maxCompletionTokens };
  const weights = sequenceWeights(tree.lengths, 'token', totals);
  const noKl = new Float64Array(tree.nodeCount);
  const nodeCredit = await askRule(coefficients, tree, rewards, { advantages, weights }, noKl);
  const example = { prompt: problem.promptTokens, tree, coefficients: nodeCredit };

  // Update: one step of AdamW on the packed tree.
  const update = { learningRate: 1e-3, maxGradNorm: null, clipLow: 0.2, clipHigh: 0.2, klBeta: 0 };
  const { gradNorm } = await engine.update([example], { ...policy, ...update });

  // Log.
  const reward = rewards.reduce((a, b) => a + b, 0) / GROUP;
  const hits = paths.filter((path) => task.success(problem, path)).length / GROUP;
  console.log(
    `step ${step}: reward ${reward.toFixed(3)}, target ${hits.toFixed(3)}, steps ${tree.nodeCount}, gradient ${gradNorm.toPrecision(3)}`,
  );
}
await engine.dispose();
