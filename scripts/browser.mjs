// The browser of the browser tests: Debian's Chromium, installed once before they begin where that can be done
// (Linux, as root, with apt-get). Where it cannot, the tests say what is missing.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Path of a Chromium, or undefined. */
export function findBrowser() {
  return [process.env.CHROMIUM, ...PLACES].find((place) => place && existsSync(place));
}

/** Installs one if there is none and it can be done. */
export function ensureBrowser() {
  if (findBrowser() || process.platform !== 'linux' || process.getuid?.() !== 0) return;
  const apt = (...args) =>
    spawnSync('apt-get', args, {
      stdio: 'ignore',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    }).status === 0;
  if (!apt('--version')) return;
  console.error('installing Chromium for the browser tests …');
  apt('update', '-qq');
  apt('install', '-y', '-qq', '--no-install-recommends', 'chromium');
}
