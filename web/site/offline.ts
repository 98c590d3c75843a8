/** Without its host the page opens again as it was: a service worker (public/sw.js) keeps its files where the browser allows it. */
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
    // A browser that forbids it, as in a private window: the page works, as long as its host is there.
  }
}
