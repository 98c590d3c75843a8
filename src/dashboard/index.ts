/** The dashboard: a server for run folders. Its front end is in web/; api.ts has the types that both share. */
export type * from './api.js';
export { DashboardError } from './errors.js';
export type { LogOptions } from './log-reader.js';
export { type Dashboard, type DashboardOptions, DEFAULT_PORT, startDashboard } from './server.js';
export { type Site, startSite } from './site-server.js';
