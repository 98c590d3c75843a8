/** The site: static files in site/, relative addresses, nothing from elsewhere. */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
  logLevel: 'warn',
  worker: { format: 'es' },
  build: {
    outDir: fileURLToPath(new URL('../../site', import.meta.url)),
    emptyOutDir: true,
    target: 'es2022',
    // light-dark() as it is written: what would take its place needs rules that the page does not have.
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    // What computes is loaded by the workers, when training starts.
    chunkSizeWarningLimit: 600,
  },
});
