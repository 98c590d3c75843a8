// A custom task: count upwards from a letter. The policy starts random; the reward is the share of letters
// before the first mistake.
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createRunFolder,
  LocalEngine,
  nodeBackend,
  pieceVocabulary,
  resolveConfig,
  train,
} from 'lambda-grpo';

const letters = [...'ABCDEFGH'];
const vocabulary = pieceVocabulary({ pieces: ['<bos>', ...letters], bos: '<bos>' });
const problem = (index) => {
  const first = letters[index % 4];
  const promptTokens = Int32Array.of(vocabulary.bos, ...vocabulary.encode(first));
  const from = letters.indexOf(first) + 1;
  return { id: first, promptText: first, promptTokens, answer: letters.slice(from, from + 4).join('') };
};
const right = ({ answer }, tokens) => {
  const mistake = [...vocabulary.decode(tokens)].findIndex((letter, i) => letter !== answer[i]);
  return mistake < 0 ? answer.length : mistake;
};

const task = {
  name: 'counting',
  vocabulary,
  maxPromptTokens: 2,
  maxCompletionTokens: 4,
  stopTokens: [],
  allowedTokens: [...vocabulary.encode(letters.join(''))],
  trainProblem: problem,
  heldOut: [0, 1, 2, 3].map(problem),
  reward: (p, tokens) => ({ reward: right(p, tokens) / 4 }),
  success: (p, tokens) => right(p, tokens) === 4,
};

const config = resolveConfig({
  task: { name: 'custom', label: 'counting' },
  method: 'lambda-grpo',
  optimizer: { learning_rate: 1e-3 },
  sampling: { group_size: 16, prompts_per_step: 4 },
  train: { steps: 200 },
});
const engine = new LocalEngine({
  backend: nodeBackend(),
  model: { vocabularySize: vocabulary.size, contextLength: 6, width: 64, layers: 2, heads: 2 },
  optimizer: { name: 'adamw', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
  seed: 0,
});
const folder = await createRunFolder(await mkdtemp(join(tmpdir(), 'counting-')), config);
await train({
  config,
  task,
  engine,
  folder,
  observer: {
    step: ({ step, reward_mean, success_rate }) =>
      step % 40 === 0 &&
      console.log(`step ${step}: reward ${reward_mean.toFixed(2)}, all right ${success_rate.toFixed(2)}`),
  },
});
await engine.dispose();
