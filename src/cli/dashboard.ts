/** `lambda-grpo dashboard` and the option `--ui`: serves the dashboard. */
import { type Dashboard, startDashboard } from '../dashboard/index.js';
import { interrupted, onInterrupt } from './interrupt.js';
import { openReading, type ReadCommandOptions } from './read-options.js';
import { print, say } from './terminal.js';

export interface DashboardCommandOptions extends ReadCommandOptions {
  readonly port?: number;
  readonly host?: string;
}

/** Reports an internal error of the dashboard; the page is told too. */
function report(error: unknown): void {
  say(`dashboard: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
}

/** Serves until Ctrl-C or SIGTERM, both of which end it normally. */
export async function dashboardCommand(
  folder: string,
  options: DashboardCommandOptions,
  version: string,
): Promise<void> {
  const interrupt = onInterrupt(() => {});
  try {
    const { port, host } = options;
    const logs = await openReading(options);
    const dashboard = await startDashboard({ folder, version, report, port, host, logs });
    print(`dashboard of ${folder}: ${dashboard.address}\nPress Ctrl-C to stop it`);
    await interrupted(interrupt.signal);
    await dashboard.close();
  } finally {
    interrupt.release();
  }
}

/**
 * Serves the dashboard during a job. Its address goes to stderr; standard output belongs to the job.
 * @param singleRun whether the folder is that of a single run
 */
export async function serveBeside(folder: string, singleRun: boolean, version: string): Promise<Dashboard> {
  const dashboard = await startDashboard({ folder, singleRun, version, report });
  say(`dashboard: ${dashboard.address}`);
  return dashboard;
}
