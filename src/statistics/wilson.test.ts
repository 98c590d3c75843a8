import { describe, expect, it } from 'vitest';
import { wilsonInterval } from './wilson.js';

describe("Wilson's interval", () => {
  // Newcombe 1998 (Statistics in Medicine 17:857–872), table I, method 3.
  it.each([
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ])('%i of %i', (successes, count, low, high) => {
    const share = wilsonInterval(successes / count, count);
    expect(share.value).toBe(successes / count);
    expect(share.low).toBeCloseTo(low, 4);
    expect(share.high).toBeCloseTo(high, 4);
  });

  it('of all is that of none turned around', () => {
    const [none, all] = [wilsonInterval(0, 30), wilsonInterval(1, 30)];
    expect(all.low).toBeCloseTo(1 - none.high, 12);
    expect(none.low).toBe(0);
    expect(all.high).toBeCloseTo(1, 12);
  });
});
