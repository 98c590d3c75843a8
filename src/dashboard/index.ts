/** The dashboard: a server over run folders. Its front end is in web/; what they share is api.ts. */
export type * from './api.js';
export { DashboardError } from './errors.js';
export type { LogOptions } from './log-reader.js';
export { type Dashboard, type DashboardOptions, DEFAULT_PORT, startDashboard } from './server.js';
export { type Site, startSite } from './site-server.js';
