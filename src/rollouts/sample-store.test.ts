import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fileSource } from '../input/files.js';
import { ById } from './grouping.js';
import type { Sample } from './sample.js';
import { SampleStore } from './sample-store.js';
import { textUnits } from './text-units.js';

const { scratch } = fileSource('').machine;

const sampleOf = (i: number): Sample => ({
  group: `g${i % 7}`,
  step: null,
  line: i + 1,
  prompt: { tokens: Int32Array.of(1, i % 7) },
  tokens: Int32Array.from({ length: 20 }, (_, t) => t * i),
  logprobs: Float32Array.of(-i),
  parts: [{ text: `é ${i}`, sampled: true }],
  reward: i / 3,
});

test('samples come back as they were put, from memory and from the file', () => {
  const store = new SampleStore(scratch, 5000);
  try {
    const numbers = Array.from({ length: 100 }, (_, i) => store.put(sampleOf(i)));
    for (const i of [99, 0, 50, 3]) expect(store.take(numbers[i])).toEqual(sampleOf(i));
    numbers.push(store.put(sampleOf(100)));
    expect(store.take(numbers[100])).toEqual(sampleOf(100));
  } finally {
    store.close();
  }
});

test('scattered rows are put together in the order of their first ones', () => {
  const grouping = new ById({ file: 'f', format: 'generic', scratch });
  const samples = Array.from({ length: 70 }, (_, i) => sampleOf(i));
  expect(samples.flatMap((sample) => [...grouping.add(sample)])).toEqual([]);
  const groups = [...grouping.end()];
  expect(groups.map(({ id }) => id)).toEqual(['g0', 'g1', 'g2', 'g3', 'g4', 'g5', 'g6']);
  expect(groups[3].completions.map(({ reward }) => reward * 3)).toEqual(
    Array.from({ length: 10 }, (_, n) => expect.closeTo(3 + 7 * n, 9)),
  );
});

test('text units joined are the text, whatever it is', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      expect(textUnits(text).join('')).toBe(text);
      for (const unit of textUnits(text)) expect(unit).not.toBe('');
    }),
  );
  expect(textUnits(' Für x_1,\n  3.5  ')).toEqual([' Für', ' x_1', ',', '\n  3', '.', '5', '  ']);
});
