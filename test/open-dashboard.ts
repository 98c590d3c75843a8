/** Dashboards for a test: opened on a free port, asked for JSON, and closed at its end, when none may have reported a fault. */
import { afterAll, expect } from 'vitest';
import { type Dashboard, type DashboardOptions, startDashboard } from '../src/dashboard/index.js';

const opened: Dashboard[] = [];
const faults: unknown[] = [];
afterAll(async () => {
  await Promise.all(opened.map((dashboard) => dashboard.close()));
  expect(faults).toEqual([]);
});

/** A dashboard on a folder that looks for changes every 50 ms. */
export async function openDashboard(
  folder: string,
  options: Partial<DashboardOptions> = {},
): Promise<Dashboard> {
  const report = (error: unknown) => faults.push(error);
  const dashboard = await startDashboard({ folder, version: '1', port: 0, poll: 50, report, ...options });
  opened.push(dashboard);
  return dashboard;
}

/** The JSON at a path; its status must be 200. */
export async function getJson<T>(dashboard: Dashboard, path: string): Promise<T> {
  const response = await fetch(new URL(path, dashboard.address));
  expect(response.status, path).toBe(200);
  return (await response.json()) as T;
}

/**
 * Looks again and again, each request reads more, until the value is as wanted.
 * @throws Error that names `what` and the last value after 15 s
 */
export async function until<T>(
  look: () => Promise<T>,
  isWanted: (value: T) => boolean,
  what: string,
): Promise<T> {
  const end = Date.now() + 15_000;
  for (;;) {
    const value = await look();
    if (isWanted(value)) return value;
    if (Date.now() > end) throw new Error(`${what}: got ${JSON.stringify(value).slice(0, 400)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
