/** A small server that speaks the Hub's protocol over the given files: one model at one commit. */
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface HubServer {
  readonly url: string;
  /** Requests so far, `METHOD path`. */
  readonly requests: string[];
  /** Asks for the token hf_right. */
  wantsToken: boolean;
  /** What the branch main is at. */
  commit: string;
  /** Bytes of a file. */
  size(name: string): number;
  close(): Promise<void>;
}

export async function startHub(
  files: ReadonlyMap<string, Buffer>,
  commit: string,
  model = 'me/tiny',
): Promise<HubServer> {
  const api = new RegExp(`^/api/models/${model}/(revision|tree|paths-info)/(\\w+)$`);
  const file = new RegExp(`^/${model}/resolve/(\\w+)/([\\w.]+)$`);
  const oid = (name: string): string =>
    createHash('sha1')
      .update(files.get(name) as Buffer)
      .digest('hex');
  const entry = (path: string) => ({
    type: 'file',
    path,
    oid: oid(path),
    size: (files.get(path) as Buffer).length,
    lastCommit: { id: hub.commit, title: '', date: new Date(0).toISOString() },
  });
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '', 'http://x');
    hub.requests.push(`${request.method} ${pathname}`);
    const json = (value: unknown): void => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(value));
    };
    if (hub.wantsToken && request.headers.authorization !== 'Bearer hf_right') {
      response.statusCode = 401;
      json({ error: 'Invalid username or password.' });
      return;
    }
    const [, what, revision] = api.exec(pathname) ?? [];
    const [, at, name] = file.exec(pathname) ?? [];
    const known = /^[0-9a-f]{40}$/.test(revision ?? at ?? '');
    if (what === 'revision' && (known || revision === 'main')) {
      json({
        _id: '1',
        id: model,
        sha: known ? revision : hub.commit,
        private: false,
        downloads: 0,
        likes: 0,
        gated: false,
        lastModified: new Date(0).toISOString(),
      });
    } else if (what === 'tree' && known) json([...files.keys()].map(entry));
    else if (what === 'paths-info' && known) {
      let body = '';
      request.on('data', (part) => {
        body += part;
      });
      request.on('end', () => json((JSON.parse(body) as { paths: string[] }).paths.map(entry)));
    } else if (name !== undefined && known) {
      const bytes = files.get(name) as Buffer;
      const range = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? '');
      const from = Number(range?.[1] ?? 0);
      const to = range?.[2] ? Number(range[2]) : bytes.length - 1;
      response.statusCode = range ? 206 : 200;
      response.setHeader('etag', `"${oid(name)}"`);
      response.setHeader('content-range', `bytes ${from}-${to}/${bytes.length}`);
      response.end(bytes.subarray(from, to + 1));
    } else {
      response.statusCode = 404;
      json({ error: 'Repository not found' });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const hub: HubServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    wantsToken: false,
    commit,
    size: (name) => (files.get(name) as Buffer).length,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return hub;
}
