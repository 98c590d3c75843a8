/** Collects what tests measured on a real server, for docs/results/tinker.md, which `npm run test:tinker` writes. */
import { appendFileSync } from 'node:fs';

/** SkyRL's version that is tested. */
export const version = process.env.TINKER_VERSION ?? '0.4.0';

export function fact(name: string, value: unknown): void {
  const file = process.env.TINKER_FACTS;
  if (file) appendFileSync(file, `${JSON.stringify({ version, name, value })}\n`);
}
