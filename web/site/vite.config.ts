/** Builds the site as static files in site/, with relative addresses; it loads nothing from other hosts. */
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
    // Keeps light-dark() as written: the fallback would need rules that the page does not have.
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    // Workers load the runtime when training starts.
    chunkSizeWarningLimit: 600,
  },
});
