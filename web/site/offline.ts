/**
 * Lets the page open again without its host: a service worker (public/sw.js) caches its files if the browser allows it.
 */
export async function keepOffline(): Promise<void> {
  if (!('serviceWorker' in navigator) || !isSecureContext) return;
  try {
    await navigator.serviceWorker.register('./sw.js');
    const { active } = await navigator.serviceWorker.ready;
    const files = performance.getEntriesByType('resource').map(({ name }) => name);
    const page = location.origin + location.pathname;
    const assets = files.filter((name) => new URL(name).pathname.includes('/assets/'));
    active?.postMessage([page, ...new Set(assets)]);
  } catch {
    // A browser may forbid it, for instance in a private window. The page then works only while its host is reachable.
  }
}
