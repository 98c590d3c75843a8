/** A fresh clone that has only its files, an installation and a build, and the commands of the README's entry points ("doors") run in it. */
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Commands by the name of the door. */
export const doors: ReadonlyMap<string, string> = new Map(
  [
    ...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/<!-- door:(\w+) -->\n```sh\n([\s\S]*?)```/g),
  ].map(([, name, commands]) => [name, commands]),
);

/** Without what npm hands down to the programs it runs: a test may be one. */
const outside = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));

export class FreshClone {
  /** Where the clone lies, and what its commands create beside it. */
  readonly base = mkdtempSync(join(tmpdir(), 'lambda-grpo-doors-'));
  readonly folder = join(this.base, 'lambda-grpo');

  constructor() {
    mkdirSync(this.folder);
    const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
      cwd: root,
      encoding: 'utf8',
      maxBuffer: 1e8,
    });
    for (const file of files.split('\0').filter((name) => name !== '' && existsSync(join(root, name)))) {
      mkdirSync(dirname(join(this.folder, file)), { recursive: true });
      cpSync(join(root, file), join(this.folder, file));
    }
    cpSync(join(root, 'dist'), join(this.folder, 'dist'), { recursive: true });
    // Hard links where the system has them: the packages are 700 MB.
    const packages = join(this.folder, 'node_modules');
    const linked = spawnSync('cp', ['-al', join(root, 'node_modules'), packages]);
    if (linked.status !== 0) cpSync(join(root, 'node_modules'), packages, { recursive: true });
  }

  /**
   * Runs a door's commands one after the other, as a shell would, and stops at the first that fails.
   * @returns what they print
   * @throws Error with what they say if one fails
   */
  walk(name: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
    const options = {
      cwd: this.folder,
      env: { ...outside, NO_COLOR: '1', ...env },
      encoding: 'utf8',
      maxBuffer: 1e8,
    } as const;
    return new Promise((resolve, reject) => {
      execFile('sh', ['-e', '-c', doors.get(name) as string], options, (error, stdout, stderr) => {
        if (error) reject(new Error(`door ${name}: ${error.message}\n${stderr}`));
        else resolve(stdout);
      });
    });
  }

  remove(): void {
    rmSync(this.base, { recursive: true, force: true });
  }
}
