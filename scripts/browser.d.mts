/** Path of a Chromium, or undefined. */
export function findBrowser(): string | undefined;
/** Installs one if there is none and it can be done. */
export function ensureBrowser(): void;
