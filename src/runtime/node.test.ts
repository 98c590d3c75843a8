import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { load, nodeBackend, PLATFORMS } from './node.js';

const failing = (message: string) => () => {
  throw new Error(message);
};

test('ONNX Runtime is loaded once, and computes', () => {
  expect(nodeBackend().runtime).toBe(nodeBackend('cuda').runtime);
  expect(new (nodeBackend().runtime.Tensor)('float32', [1, 2], [2]).dims).toEqual([2]);
});

test('it does not report its use to its maker: its telemetry is off before it is loaded', () => {
  nodeBackend();
  expect(process.env.ORT_DISABLE_TELEMETRY).toBe('1');
});

test('the platforms that are named are those that the package has binaries for', () => {
  const main = createRequire(import.meta.url).resolve('onnxruntime-node');
  const folder = join(dirname(main), '..', 'bin', 'napi-v6');
  const shipped = readdirSync(folder).flatMap((os) =>
    readdirSync(join(folder, os)).map((cpu) => `${os}/${cpu}`),
  );
  expect(shipped.sort()).toEqual([...PLATFORMS].sort());
});

test('where it is not installed, or has no binary, one line says what to do', () => {
  // Node's own message for a missing package.
  const require = createRequire('/');
  expect(() => load(require, 'linux/x64')).toThrow(
    /^onnxruntime-node is not installed: .*install lambda-grpo again with --ignore-scripts$/,
  );
  const noBinary = failing(
    "Cannot find module '../bin/napi-v6/darwin/x64/onnxruntime_binding.node'\nRequire stack:",
  );
  expect(() => load(noBinary, 'darwin/x64')).toThrow(
    /^onnxruntime-node has no binary for darwin\/x64, only for linux\/x64, .*analyze, tree and dashboard/,
  );
  const musl = failing('Error loading shared library ld-linux-x86-64.so.2: No such file or directory\nstack');
  expect(() => load(musl, 'linux/x64')).toThrow(
    /^onnxruntime-node cannot be loaded: Error loading shared library ld-linux-x86-64\.so\.2: [^\n]*$/,
  );
});
