/** Builds the dashboard's pages to dist/web/, which `lambda-grpo dashboard` serves. */
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
    // Keeps light-dark() as written: the fallback would need rules that the page does not have.
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    // The page may only load its own files: no inline code in the HTML, no data: URLs.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
  },
});
