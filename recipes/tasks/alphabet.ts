// A custom task of one turn: after a letter, write the three that follow it. Train it: lambda-grpo train recipes/alphabet.yaml
import { defineTask } from 'lambda-grpo';

const letters = [...'abcdefghij'];
const after = (letter: string): string =>
  [1, 2, 3].map((i) => letters[(letters.indexOf(letter) + i) % letters.length]).join('');

export default defineTask<string>({
  name: 'alphabet',
  vocabulary: { pieces: ['<bos>', ...letters], bos: '<bos>' },
  problems: letters,
  heldOut: letters,
  prompt: (letter) => letter,
  answer: after,
  reward: ({ text }, letter) => ({
    right: [...after(letter)].filter((wanted, i) => text[i] === wanted).length / 3,
    variety: new Set(text).size / 3,
  }),
  weights: { right: 1, variety: 0.1 },
  success: ({ text }, letter) => text === after(letter),
  maxCompletionTokens: 3,
});
