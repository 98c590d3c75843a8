// Prepares `npm start` and `npm test`: checks that the installed packages match the lockfile and installs them if not.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Optional for users of the package (their npm may fail at its install script), needed here. */
const NEEDED = 'node_modules/onnxruntime-node';

/** Runs a command in the project's root; exits with its code if it fails. */
export function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (error) {
    console.error(`error: ${command} could not be run (${error.message})`);
    process.exit(1);
  }
  if (status !== 0) process.exit(status ?? 1);
}

/** Name and version of each package in a lockfile, sorted; null if there is no readable lockfile. */
function packagesOf(file) {
  try {
    const { packages } = JSON.parse(readFileSync(file, 'utf8'));
    return Object.entries(packages)
      .filter(([name, entry]) => name !== '' && (!entry.optional || name === NEEDED))
      .map(([name, { version }]) => ({ name, version }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch {
    return null;
  }
}

/** Whether a package is installed. An interrupted npm may leave its complete list although packages are missing. */
function isThere({ name, version }) {
  try {
    return JSON.parse(readFileSync(join(root, name, 'package.json'), 'utf8')).version === version;
  } catch {
    return false;
  }
}

/** Installs the packages of the lockfile unless they are there already. */
export function ensureInstalled() {
  const [major] = process.versions.node.split('.').map(Number);
  if (major < 20) {
    console.error(`error: Node.js 20 or newer is needed, this is ${process.version}`);
    process.exit(1);
  }
  const wanted = packagesOf(join(root, 'package-lock.json'));
  const installed = packagesOf(join(root, 'node_modules', '.package-lock.json'));
  if (JSON.stringify(installed) === JSON.stringify(wanted) && wanted?.every(isThere)) return;
  console.error('installing packages …');
  // `npm ci` begins by removing node_modules, whatever its state.
  const args = ['ci', '--ignore-scripts', '--no-fund', '--no-audit', '--loglevel=error'];
  const { status, signal, error } = spawnSync('npm', args, {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32',
  });
  if (status === 0) return;
  const why = error ? ` (${error.message})` : signal ? ` (${signal})` : '';
  console.error(
    `error: the packages could not be installed${why}; run the same command again. ` +
      `If it fails again, remove ${join(root, 'node_modules')}${existsSync(join(root, 'package-lock.json')) ? '' : ' and get package-lock.json back'}`,
  );
  process.exit(status || 1);
}

/** Path of a package's command-line program. */
export function bin(name) {
  return join(root, 'node_modules', '.bin', name);
}
