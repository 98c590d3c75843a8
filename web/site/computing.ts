/** Describes in words which device computes. */
import type { SiteProvider } from './messages.js';

export function computing(provider: SiteProvider, threads: number): string {
  if (provider === 'webgpu') return 'WebGPU';
  return `WebAssembly with SIMD on ${threads === 1 ? 'one thread' : `${threads} threads`}`;
}
