/** Makes a server listen on a port. A port that is not available gives a one-line error. */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DashboardError, messageOf } from './errors.js';

/**
 * @param port undefined: the default port if it is free, else any
 * @returns the port
 * @throws DashboardError if the port or the host is not available
 */
export async function listen(
  server: Server,
  host: string,
  port: number | undefined,
  usual: number,
): Promise<number> {
  const attempt = (wanted: number): Promise<void> =>
    new Promise((done, failed) => {
      server.once('error', failed);
      server.listen({ host, port: wanted }, () => {
        server.off('error', failed);
        done();
      });
    });
  try {
    await attempt(port ?? usual).catch((error: NodeJS.ErrnoException) => {
      if (port !== undefined || (error.code !== 'EADDRINUSE' && error.code !== 'EACCES')) throw error;
      return attempt(0);
    });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE' || code === 'EACCES') {
      const why = code === 'EACCES' ? 'may not be used' : 'is in use';
      throw new DashboardError(`--port: ${port} ${why}; choose another, or 0 for any free port`);
    }
    throw new DashboardError(
      `--host: expected an address or a name of this machine, got '${host}' (${messageOf(error)})`,
    );
  }
  return (server.address() as AddressInfo).port;
}
