import { expect, test } from 'vitest';
import { UserError } from '../errors.js';
import { runCommand } from './errors.js';

async function ending(command: () => Promise<void> | void): Promise<{ text: string; code: number }> {
  let text = '';
  let code = 0;
  await runCommand(command, {
    say: (part) => {
      text += `${part}\n`;
    },
    setExitCode: (value) => {
      code = value;
    },
  });
  return { text, code };
}

class KeyError extends UserError {
  override name = 'KeyError';
}

test('a fault of the input is one line and exit code 1', async () => {
  const result = await ending(async () => {
    throw new KeyError('run.yaml:3: seed: expected a whole number ≥ 0, got -1');
  });
  expect(result).toEqual({
    text: 'error: run.yaml:3: seed: expected a whole number ≥ 0, got -1\n',
    code: 1,
  });
});

test('several faults are a line each', async () => {
  const result = await ending(() => {
    throw new KeyError('a\nb');
  });
  expect(result).toEqual({ text: 'error: a\nerror: b\n', code: 1 });
});

test('a fault of the program shows its stack and asks to be reported', async () => {
  const { text, code } = await ending(() => {
    throw new TypeError('x is undefined');
  });
  expect(text).toContain('TypeError: x is undefined\n    at ');
  expect(text).toMatch(/Please report it/);
  expect(code).toBe(1);
  expect((await ending(() => Promise.reject('odd'))).text).toContain('thrown: odd');
});

test('a command that ends well says nothing', async () => {
  expect(await ending(() => {})).toEqual({ text: '', code: 0 });
});
