/** What others install: the packed package, in a project of its own, with types. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
let project: string;

function npm(args: readonly string[], cwd: string): string {
  return execFileSync('npm', [...args, '--loglevel=error'], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), 'lambda-grpo-package-'));
  const [{ filename }] = JSON.parse(npm(['pack', '--json', '--pack-destination', project], root)) as {
    filename: string;
  }[];
  writeFileSync(join(project, 'package.json'), '{"name":"other","version":"1.0.0","type":"module"}');
  // The CPU library is inside the runtime's package; its install script would fetch GPU files from elsewhere.
  npm(['install', `./${filename}`, '--ignore-scripts', '--no-audit', '--no-fund'], project);
}, 300_000);
afterAll(() => rmSync(project, { recursive: true, force: true }));

describe('the packed package', () => {
  it('gives ProcessTree and analyzeGroup to another project', () => {
    writeFileSync(
      join(project, 'use.mjs'),
      `import { ProcessTree, analyzeGroup } from 'lambda-grpo';
       import { ProcessTree as Tree } from 'lambda-grpo/tree';
       import { groupAdvantages } from 'lambda-grpo/objective';
       const { stepAdvantages, tree } = analyzeGroup({ completions: [
         { tokens: Int32Array.of(1, 2), reward: 1 }, { tokens: Int32Array.of(1, 3), reward: 0 } ] });
       console.log(JSON.stringify([ProcessTree === Tree, tree.nodeCount, [...stepAdvantages].map((a) => a.toFixed(2)), groupAdvantages([1, 1]).length]));`,
    );
    const out = execFileSync(process.execPath, ['use.mjs'], { cwd: project, encoding: 'utf8' });
    expect(JSON.parse(out)).toEqual([true, 3, ['0.00', '0.71', '-0.71'], 2]);
  });

  it('has a program that runs', () => {
    const out = execFileSync(join(project, 'node_modules', '.bin', 'lambda-grpo'), ['--version'], {
      encoding: 'utf8',
    });
    expect(out.trim()).toBe(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version);
  });

  it('has types: another project in strict TypeScript compiles against it, and misuse does not', () => {
    const compilerOptions = {
      strict: true,
      noEmit: true,
      module: 'nodenext',
      target: 'es2022',
      lib: ['es2023'],
      types: [],
    };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['use.ts'] }));
    const check = (source: string): string => {
      writeFileSync(join(project, 'use.ts'), source);
      try {
        return execFileSync(join(root, 'node_modules', '.bin', 'tsc'), ['-p', '.'], {
          cwd: project,
          encoding: 'utf8',
        });
      } catch (error) {
        return (error as { stdout: string }).stdout;
      }
    };
    const imports = `import { ProcessTree } from 'lambda-grpo/tree'; import { lambdaWeights } from 'lambda-grpo/objective';`;
    expect(
      check(`${imports} export const w: Float64Array = lambdaWeights(ProcessTree.build([[1], [2]]));`),
    ).toBe('');
    expect(
      check(`${imports} export const w: string = lambdaWeights(ProcessTree.build([[1], [2]]));`),
    ).toContain("is not assignable to type 'string'");
  });

  it('holds no tests, sources of tests or runs', () => {
    const installed = join(project, 'node_modules', 'lambda-grpo');
    for (const name of ['dist', 'recipes', 'README.md', 'LICENSE', 'CHANGELOG.md'])
      expect(existsSync(join(installed, name)), name).toBe(true);
    for (const name of ['src', 'test', 'bench', 'runs', '.ci'])
      expect(existsSync(join(installed, name)), name).toBe(false);
  });
});
