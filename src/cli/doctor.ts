/** `lambda-grpo doctor`: versions, machine and what works here, for bug reports. Uses no network. */
import { createRequire } from 'node:module';
import { availableParallelism, cpus, freemem, release, totalmem } from 'node:os';
import { runtimeProviders } from '../runtime/node.js';
import { selfTest } from '../train/index.js';
import { formatTable } from './table.js';
import { print } from './terminal.js';

const PACKAGES = ['onnxruntime-node', '@duckdb/node-api', 'esbuild', '@huggingface/tokenizers'];

export async function doctorCommand(version: string): Promise<void> {
  print(formatTable(['', ''], facts(version), Number.POSITIVE_INFINITY).split('\n').slice(2).join('\n'));
  const tests = await selfTest();
  const rows = tests.map(({ feature, fault, seconds }) => [
    feature,
    fault === null ? `works (${seconds.toFixed(1)} s)` : `fails: ${fault}`,
  ]);
  print(formatTable(['check', ''], rows, Number.POSITIVE_INFINITY).trimEnd());
  if (tests.some(({ fault }) => fault !== null)) process.exitCode = 1;
}

function facts(version: string): string[][] {
  const [cpu] = cpus();
  const threads = availableParallelism();
  return [
    ['lambda-grpo', version],
    ['Node.js', process.version],
    ['platform', `${process.platform} ${process.arch}, ${release()}${libc()}`],
    [
      'processor',
      `${cpu?.model.trim() || 'unknown'}, ${threads} ${threads === 1 ? 'thread' : 'threads'} for this process`,
    ],
    ['memory', memory()],
    ...PACKAGES.map((name) => [name, versionOf(name)]),
    ['ONNX Runtime providers', providers()],
  ];
}

/** The C library on Linux: the runtime's binaries need glibc. */
function libc(): string {
  if (process.platform !== 'linux') return '';
  const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime ? `, glibc ${header.glibcVersionRuntime}` : ', no glibc';
}

const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

function memory(): string {
  // 0, or more than the machine has: no limit.
  const limit = process.constrainedMemory();
  const limited = limit > 0 && limit < totalmem() ? `, limit of this process ${gib(limit)}` : '';
  return `${gib(totalmem())}, ${gib(freemem())} free${limited}`;
}

/**
 * The version of an installed package. Its package.json may not be exported, so it is searched beside the entry point.
 */
function versionOf(name: string): string {
  const require = createRequire(import.meta.url);
  for (const folder of require.resolve.paths(name) ?? []) {
    try {
      return (require(`${folder}/${name}/package.json`) as { version: string }).version;
    } catch {}
  }
  return 'not installed';
}

function providers(): string {
  try {
    const names = runtimeProviders();
    return names.map((name) => (name === 'cpu' ? 'cpu (used)' : `${name} (not used)`)).join(', ');
  } catch (error) {
    return `none: ${(error as Error).message}`;
  }
}
