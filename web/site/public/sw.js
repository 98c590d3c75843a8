// Keeps the page's files, so that it opens again without its host. Files in assets/ are named after their content: what is kept of
// them is right for ever; the page itself is asked for first.
const CACHE = 'lambda-grpo-site';
const ASSET = /\/assets\/[^/]+$/;

self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

/** The page says which files it is made of. Those of an earlier build go. */
async function keep(addresses) {
  const cache = await caches.open(CACHE);
  const kept = await cache.keys();
  const page = (address) => /\/assets\/index-[^/]+$/.test(address);
  if (kept.some(({ url }) => page(url) && !addresses.includes(url)))
    await Promise.all(kept.map((request) => cache.delete(request)));
  await cache.addAll(addresses);
}

async function answer(request) {
  const cache = await caches.open(CACHE);
  const kept = () => cache.match(request, { ignoreSearch: true });
  if (ASSET.test(new URL(request.url).pathname)) {
    const there = await kept();
    if (there) return there;
  }
  try {
    const response = await fetch(request);
    if (response.ok) await cache.put(request, response.clone());
    return response;
  } catch (error) {
    const there = await kept();
    if (there) return there;
    throw error;
  }
}

self.addEventListener('message', (event) => event.waitUntil(keep(event.data)));
self.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method === 'GET' && new URL(request.url).origin === self.location.origin)
    event.respondWith(answer(request));
});
