// What `npm start` and `npm test` need before they can run: installed packages that match the lockfile.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Runs a command in the project's root; exits with its code if it fails. */
export function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (error) {
    console.error(`error: ${command} could not be run (${error.message})`);
    process.exit(1);
  }
  if (status !== 0) process.exit(status ?? 1);
}

/** The lockfile's packages and what npm last installed, as comparable text. */
function packagesOf(file) {
  if (!existsSync(file)) return null;
  const { packages } = JSON.parse(readFileSync(file, 'utf8'));
  const entries = Object.entries(packages).filter(([name, entry]) => name !== '' && !entry.optional);
  return JSON.stringify(entries.map(([name, { version }]) => [name, version]).sort());
}

/** Installs the packages of the lockfile unless they are there already. */
export function ensureInstalled() {
  const [major] = process.versions.node.split('.').map(Number);
  if (major < 20) {
    console.error(`error: Node.js 20 or newer is needed, this is ${process.version}`);
    process.exit(1);
  }
  const wanted = packagesOf(join(root, 'package-lock.json'));
  if (packagesOf(join(root, 'node_modules', '.package-lock.json')) === wanted) return;
  console.error('installing packages …');
  run('npm', ['ci', '--ignore-scripts', '--no-fund', '--no-audit', '--loglevel=error'], {
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32',
  });
}

/** Path of a package's command-line program. */
export function bin(name) {
  return join(root, 'node_modules', '.bin', name);
}
