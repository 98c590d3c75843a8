/**
 * A real browser for tests: a Chromium driven by playwright-core. `npm test` installs one if possible. Without a
 * browser these tests are skipped on a developer's machine, and fail in CI.
 */
import { type Browser, chromium } from 'playwright-core';
import { findBrowser } from '../scripts/browser.mjs';

const program = findBrowser();
if (!program && process.env.CI) {
  throw new Error('no Chromium for the browser tests: install it, or name it in CHROMIUM');
}

/** Whether browser tests can run here; `describe.skipIf(!hasBrowser)`. */
export const hasBrowser = program !== undefined;
if (!hasBrowser)
  console.warn('browser tests are skipped: no Chromium here (install it, or name it in CHROMIUM)');

/** A headless browser that opens no connection of its own. @param webgpu with WebGPU, computed by the processor */
export function launchBrowser({ webgpu = false } = {}): Promise<Browser> {
  return chromium.launch({
    executablePath: program,
    headless: true,
    args: [
      '--no-sandbox',
      ...(webgpu ? ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'] : ['--disable-gpu']),
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
