/** Builds `lambda-grpo/view` as one module without dependencies in dist/view/. */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  logLevel: 'warn',
  build: {
    outDir: fileURLToPath(new URL('../../dist/view', import.meta.url)),
    emptyOutDir: true,
    target: 'es2022',
    // Keeps light-dark() as written: the fallback would need rules that the page does not have.
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    lib: { entry: 'index.ts', formats: ['es'], fileName: () => 'index.js' },
  },
});
