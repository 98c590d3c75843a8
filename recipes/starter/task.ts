// The task: write three letters in reverse order. Change anything and run `npm start` again.
import { defineTask } from 'lambda-grpo';

const letters = [...'abcd'];
const words = letters.flatMap((a) => letters.flatMap((b) => letters.map((c) => a + b + c)));
const reversed = (word: string): string => [...word].reverse().join('');

export default defineTask<string>({
  name: 'reverse',
  vocabulary: { pieces: ['<bos>', ...letters], bos: '<bos>' }, // with model.path in train.yaml: delete this line
  problems: words.filter((_, index) => index % 5 !== 2),
  heldOut: words.filter((_, index) => index % 5 === 2),
  prompt: (word) => word,
  answer: reversed,
  reward: ({ text }, word) => [...reversed(word)].filter((letter, i) => text[i] === letter).length / 3,
  success: ({ text }, word) => text === reversed(word),
  maxCompletionTokens: 3,
});
