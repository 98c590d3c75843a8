/** `lambda-grpo site`: serves the page that explains the paper, on this machine alone. */
import { startSite } from '../dashboard/index.js';
import { interrupted, onInterrupt } from './interrupt.js';
import { print } from './terminal.js';

/** Serves until Ctrl-C or SIGTERM, both of which end it normally. */
export async function siteCommand({ port }: { readonly port?: number }): Promise<void> {
  const interrupt = onInterrupt(() => {});
  try {
    const site = await startSite({ port });
    print(`${site.address}\nPress Ctrl-C to stop it`);
    await interrupted(interrupt.signal);
    await site.close();
  } finally {
    interrupt.release();
  }
}
