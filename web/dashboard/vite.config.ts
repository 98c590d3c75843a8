/** The dashboard's pages, served by `lambda-grpo dashboard` from dist/web/. */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
  logLevel: 'warn',
  build: {
    outDir: fileURLToPath(new URL('../../dist/web', import.meta.url)),
    emptyOutDir: true,
    target: 'es2022',
    // light-dark() as it is written: what would take its place needs rules that the page does not have.
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    // The page may load nothing but its own files: no code written into the HTML, no data: addresses.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
  },
});
