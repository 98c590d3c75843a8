/**
 * A real browser for tests: Debian's Chromium through playwright-core. It is installed where that can be done (as
 * root, with apt-get). Without one the tests are skipped on a developer's machine, and fail in CI.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const PLACES = [
  process.env.CHROMIUM ?? '',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
];

function find(): string | undefined {
  return PLACES.find((place) => place !== '' && existsSync(place));
}

function install(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return undefined;
  if (spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).error) return undefined;
  try {
    const options = { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } } as const;
    execFileSync('apt-get', ['update', '-qq'], options);
    execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium'], options);
  } catch {
    return undefined;
  }
  return find();
}

const program = find() ?? install();
if (!program && process.env.CI) {
  throw new Error('no Chromium for the browser tests: install it, or name it in CHROMIUM');
}

/** Whether browser tests can run here; `describe.skipIf(!hasBrowser)`. */
export const hasBrowser = program !== undefined;
if (!hasBrowser)
  console.warn('browser tests are skipped: no Chromium here (install it, or name it in CHROMIUM)');

/** A headless browser that opens no connection of its own. */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: program,
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
