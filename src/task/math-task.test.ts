/** The math task: when a completion ends, and how it is scored. Tokens are the characters of the text. */
import { describe, expect, it } from 'vitest';
import { checkAnswer } from './math/index.js';
import { mathTask } from './math-task.js';
import { pieceVocabulary } from './vocabulary.js';

const vocabulary = pieceVocabulary({
  pieces: ['<s>', '\n', ...Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i))],
  bos: '<s>',
});
const { encode } = vocabulary;

const task = (stopAtBox: boolean, suffix = '') =>
  mathTask({
    train: [{ id: '1', problem: '2 + 2', answer: '4' }],
    heldOut: [{ id: '2', problem: '3 + 3', answer: '6' }],
    vocabulary,
    stopTokens: [0],
    prompt: (problem) => ({ text: problem + suffix, tokens: encode(problem + suffix) }),
    maxPromptTokens: 100,
    maxCompletionTokens: 200,
    stopAtBox,
    weights: { accuracy: 1, format: 0 },
    check: (completion, gold) => checkAnswer(completion, gold, { boxedOnly: stopAtBox }),
    seed: 1,
  });

/** The beginning of a completion up to where the watcher ends it. */
function sampled(mathTask: ReturnType<typeof task>, text: string): Int32Array {
  const tokens = encode(text);
  const ends = mathTask.watch?.();
  const at = ends ? tokens.findIndex((token) => ends(token)) : -1;
  return at < 0 ? tokens : tokens.slice(0, at + 1);
}

describe('the task of mathematics', () => {
  const score = (mathTask: ReturnType<typeof task>, text: string) =>
    mathTask.success(mathTask.trainProblem(0), sampled(mathTask, text));

  it('in training the first box with content outside of the thinking part is the answer', () => {
    const training = task(true);
    expect(score(training, 'So \\boxed{4}, no, \\boxed{5}.')).toBe(true);
    expect(score(training, 'I write it in \\boxed{}: it is \\boxed{4} or so')).toBe(true);
    expect(score(training, '<think>perhaps \\boxed{9}</think> so \\boxed{4}')).toBe(true);
    expect(score(training, '<think>perhaps \\boxed{4}</think> so \\boxed{9}')).toBe(false);
    expect(score(training, 'The answer is 4.')).toBe(false);
  });

  it('without stopping, what a completion concludes is the answer', () => {
    const whole = task(false);
    expect(whole.watch).toBeUndefined();
    expect(score(whole, 'So \\boxed{4}, no, it is \\boxed{5}.')).toBe(false);
    expect(score(whole, 'So \\boxed{5}, no, it is \\boxed{4}.')).toBe(true);
    expect(score(whole, 'The answer is 4.')).toBe(true);
  });

  it('a prompt that opens the thinking part opens it for the watcher and for the verdict', () => {
    const thinking = task(true, '<think>\n');
    expect(score(thinking, 'perhaps \\boxed{9}</think> so \\boxed{4}')).toBe(true);
    expect(score(thinking, 'perhaps \\boxed{4}</think> so \\boxed{9}')).toBe(false);
    expect(score(task(false, '<think>\n'), 'I think the answer is 4. Let me')).toBe(false);
  });
});
