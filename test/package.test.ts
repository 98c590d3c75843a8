/** The packed package as users install it: in a separate project, with types. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
let project: string;

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Without what npm hands down to the programs it runs: this test may be one. */
const outside = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));

function ended(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Ended {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: project,
    encoding: 'utf8',
    env: { ...outside, NO_COLOR: '1', ...env },
  });
  return { code: status, stdout, stderr };
}
const cli = (...args: string[]): Ended => ended(join(project, 'node_modules', '.bin', 'lambda-grpo'), args);

const quick = ['--set', 'evaluation.every=0', '--set', 'model.width=16', '--threads', '1'];
/** What was said when the runtime's install script could not fetch its GPU files. */
let plain: { installed: Ended; version: Ended; analyzed: Ended; trained: Ended };

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), 'lambda-grpo-package-'));
  const packed = spawnSync('npm', ['pack', '--json', '--pack-destination', project, '--loglevel=error'], {
    cwd: root,
    encoding: 'utf8',
  });
  const [{ filename }] = JSON.parse(packed.stdout) as { filename: string }[];
  writeFileSync(join(project, 'package.json'), '{"name":"other","version":"1.0.0","type":"module"}');
  const install = ['install', `./${filename}`, '--no-audit', '--no-fund', '--loglevel=error'];
  // Nothing listens there: the download fails on every machine.
  const noDownload = {
    GLOBAL_AGENT_HTTPS_PROXY: 'http://127.0.0.1:9',
    GLOBAL_AGENT_HTTP_PROXY: 'http://127.0.0.1:9',
  };
  const rows = [1, 0].map((reward) => ({ prompt: 'p', completion: `a ${reward}`, reward }));
  writeFileSync(join(project, 'log.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  plain = {
    installed: ended('npm', install, noDownload),
    version: cli('--version'),
    analyzed: cli('analyze', 'log.jsonl', '--group-size', '2', '--no-report'),
    trained: cli('train', 'node_modules/lambda-grpo/recipes/binary-tree.yaml', '--out', 'none', ...quick),
  };
  // As the README says.
  expect(ended('npm', [...install, '--ignore-scripts'])).toMatchObject({ code: 0, stderr: '' });
}, 400_000);
afterAll(() => rmSync(project, { recursive: true, force: true }));

describe.skipIf(process.platform !== 'linux' || process.arch !== 'x64')(
  'a plain npm install where the runtime’s script cannot fetch its GPU files',
  () => {
    it('works for reading logs; what computes says in one line how to install it', () => {
      expect(plain.installed.code).toBe(0);
      expect(plain.version).toMatchObject({ code: 0, stderr: '' });
      expect(plain.analyzed.code).toBe(0);
      expect(plain.analyzed.stdout).toContain('Groups and their trees');
      expect(plain.trained.code).toBe(1);
      expect(plain.trained.stderr).toMatch(
        /^error: onnxruntime-node is not installed: .*install lambda-grpo again with --ignore-scripts\n$/,
      );
    });
  },
);

describe('recipes', () => {
  it('run from a user’s folder, where they are installed, modules in TypeScript included', () => {
    for (const name of ['alphabet', 'calculator']) {
      const recipe = `node_modules/lambda-grpo/recipes/${name}.yaml`;
      // Wide enough to learn from the warm-up: without a reward above 0, step 3 would say that nothing is learnt.
      const wide = quick.map((word) => word.replace('width=16', 'width=32'));
      const train = ['train', recipe, '--out', `runs/${name}`, ...wide, '--set'];
      expect(cli(...train, 'train.steps=2')).toMatchObject({
        code: 0,
        stderr: '',
        stdout: expect.stringContaining('2 steps'),
      });
      expect(cli(...train, 'train.steps=3', '--resume'), name).toMatchObject({ code: 0, stderr: '' });
    }
    expect(ended(process.execPath, ['node_modules/lambda-grpo/recipes/counting.mjs'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('step 200: reward'),
    });
    // Node strips no types within node_modules: the program is copied, as a user would to change it.
    copyFileSync(
      join(project, 'node_modules', 'lambda-grpo', 'recipes', 'loop.ts'),
      join(project, 'loop.ts'),
    );
    const tsx = join(root, 'node_modules', 'tsx', 'dist', 'loader.mjs');
    expect(ended(process.execPath, ['--import', tsx, 'loop.ts'])).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringContaining('step 100: reward'),
    });
  });
});

describe('init', () => {
  const within = (name: string, command: string, ...args: string[]): Ended => {
    const { status, stdout, stderr } = spawnSync(command, args, {
      cwd: join(project, name),
      encoding: 'utf8',
      env: { ...outside, NO_COLOR: '1' },
    });
    return { code: status, stdout, stderr };
  };

  it('makes a project whose `npm start` trains it to the end, and whose types hold', () => {
    expect(cli('init', 'reverse')).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringMatching(/\n {2}cd reverse\n {2}npm start\n/),
    });
    const started = within('reverse', 'npm', 'start');
    expect(started.code).toBe(0);
    expect(started.stdout).toMatch(/100 steps, .*held-out accuracy \(greedy\) 1\.000/);
    const tsc = join(root, 'node_modules', '.bin', 'tsc');
    expect(within('reverse', tsc)).toMatchObject({ code: 0, stdout: '' });
    const task = readFileSync(join(join(project, 'reverse'), 'task.ts'), 'utf8');
    writeFileSync(join(join(project, 'reverse'), 'task.ts'), task.replace('text === reversed', 'reversed'));
    expect(within('reverse', tsc).stdout).toMatch(/^task\.ts\(\d+,\d+\): error/);
  });

  it('names the tarball that it was installed from, so that npm install finds it', () => {
    expect(cli('init', 'deep/er')).toMatchObject({ code: 0 });
    const { dependencies } = JSON.parse(readFileSync(join(project, 'deep', 'er', 'package.json'), 'utf8'));
    const source = dependencies['lambda-grpo'].replace(/^file:/, '');
    expect(source).toMatch(/\.tgz$/);
    expect(existsSync(join(project, 'deep', 'er', source))).toBe(true);
  });

  it('refuses to overwrite, in one line', () => {
    expect(cli('init', 'deep/er')).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^error: deep\/er\/task\.ts: already exists;[^\n]*\n$/),
    });
  });
});

describe('examples of the help', () => {
  /** Smaller, not other: what an example names stays as it is. */
  const smaller: Record<string, readonly string[]> = {
    train: [
      ...quick,
      '--set',
      'warmup.steps=1',
      '--set',
      'sampling.group_size=2',
      '--set',
      'sampling.prompts_per_step=4',
    ],
    compare: [...quick, '--set', 'train.steps=1', '--jobs', '1'].filter(
      (part, i, all) => part !== '--threads' && all[i - 1] !== '--threads',
    ),
  };

  it('run one after the other in a user’s folder', () => {
    cpSync(
      join(root, 'test', 'readers', 'fixtures', 'trl', 'chat'),
      join(project, 'outputs', 'completions'),
      {
        recursive: true,
      },
    );
    const help = cli('--help').stdout;
    const examples = [...help.matchAll(/^ {2}\$ lambda-grpo (.*)$/gm)].map(([, example]) => example);
    expect(examples.length).toBeGreaterThanOrEqual(6);
    for (const example of examples) {
      const args = example.split(' ');
      const ended = cli(
        ...args,
        ...(smaller[args[0]] ?? []),
        ...(args.includes('--resume')
          ? ['--set', 'train.steps=101']
          : args[0] === 'train'
            ? ['--set', 'train.steps=100']
            : []),
      );
      expect(ended, example).toMatchObject({ code: 0 });
    }
  });

  it('a configuration that is nowhere is refused with the names of the recipes', () => {
    for (const name of ['recipes/none.yaml', 'none.yaml']) {
      expect(cli('train', name)).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(
          new RegExp(
            `^error: ${name}: expected a configuration file, got a path that does not exist; .*alphabet\\.yaml.*\\n$`,
          ),
        ),
      });
    }
  });
});

describe('doctor', () => {
  it('says what is installed and that everything works here, and leaves nothing behind', () => {
    const temporary = join(project, 'tmp');
    mkdirSync(temporary);
    const { code, stdout, stderr } = ended(join(project, 'node_modules', '.bin', 'lambda-grpo'), ['doctor'], {
      TMPDIR: temporary,
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(new RegExp(`^Node\\.js +${process.version.replaceAll('.', '\\.')}$`, 'm'));
    expect(stdout).toMatch(/^onnxruntime-node +\d+\.\d+\.\d+/m);
    expect(stdout.match(/ works \(/g)).toHaveLength(4);
    expect(stdout).not.toContain('fails');
    expect(readdirSync(temporary)).toEqual([]);
  });

  it('names what fails and why, exit code 1', () => {
    const { code, stdout } = ended(join(project, 'node_modules', '.bin', 'lambda-grpo'), ['doctor'], {
      TMPDIR: join(project, 'nowhere'),
    });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^temporary files +fails: .*\(ENOENT\)/m);
  });
});

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
    // Its own lines alone: types of the browser and of Node, which other packages name, are left out here.
    const program = readFileSync(join(root, 'recipes', 'loop.ts'), 'utf8').replaceAll(
      'console.log',
      'String',
    );
    const faults = (source: string) =>
      check(source)
        .split('\n')
        .filter((line) => line.startsWith('use.ts'));
    expect(faults(program)).toEqual([]);
    expect(faults(program.replace('plus: sum(', 'plus: String('))).not.toEqual([]);
  });

  it('holds its documents, no tests, sources or runs; what the documents lead to is there', () => {
    const installed = join(project, 'node_modules', 'lambda-grpo');
    for (const name of ['dist', 'docs', 'recipes', 'README.md', 'LICENSE', 'CHANGELOG.md'])
      expect(existsSync(join(installed, name)), name).toBe(true);
    for (const name of ['src', 'test', 'bench', 'runs', '.ci'])
      expect(existsSync(join(installed, name)), name).toBe(false);
    const pages = ['README.md', ...readdirSync(join(installed, 'docs')).map((name) => join('docs', name))];
    const missing = pages
      .filter((page) => page.endsWith('.md'))
      .flatMap((page) =>
        [...readFileSync(join(installed, page), 'utf8').matchAll(/\]\((?!https?:|#)([^)\s#]+)/g)]
          .map(([, target]) => relative(installed, join(installed, dirname(page), target)))
          // Those are in the repository alone.
          .filter((target) => !/^(src|test|scripts|bench|web|CONTRIBUTING\.md)(\/|$)/.test(target))
          .filter((target) => !existsSync(join(installed, target)))
          .map((target) => `${page}: ${target}`),
      );
    expect(missing).toEqual([]);
  });

  it('has a program that may be executed, however often it was built', () => {
    expect(statSync(join(root, 'dist', 'cli', 'main.js')).mode & 0o111).toBe(0o111);
  });
});
