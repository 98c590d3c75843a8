// `npm run site`: the page that shows the paper, as static files in site/. `npm run site -- --serve [port]` shows it here as well.
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { bin, ensureInstalled, root, run } from './ensure.mjs';

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.wasm': 'application/wasm',
};

ensureInstalled();
run(bin('vite'), ['build', '--config', 'web/site/vite.config.ts']);
const folder = join(root, 'site');
if (process.argv[2] === '--serve') serve(Number(process.argv[3] ?? 4180));
else console.log(`built ${folder}: any static host shows it; npm run site -- --serve shows it here`);

function serve(port) {
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    console.error(`error: --serve: expected a port, 0 … 65535, got ${process.argv[3]}`);
    process.exit(1);
  }
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://127.0.0.1');
    const file = join(folder, normalize(pathname.endsWith('/') ? `${pathname}index.html` : pathname));
    if (!statSync(file, { throwIfNoEntry: false })?.isFile()) {
      response.writeHead(404).end();
      return;
    }
    response.setHeader('content-type', TYPES[extname(file)] ?? 'application/octet-stream');
    createReadStream(file)
      .on('error', () => response.destroy())
      .pipe(response);
  });
  server.on('error', (error) => {
    console.error(`error: port ${port}: ${error.message}`);
    process.exit(1);
  });
  server.listen(port, '127.0.0.1', () =>
    console.log(`http://127.0.0.1:${server.address().port}/\nCtrl-C ends it`),
  );
}
