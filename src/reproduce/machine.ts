/** The machine that did units of work, without host names and paths. */
import { arch, cpus, platform } from 'node:os';

/** `2 × AMD EPYC (linux x64), Node.js v20.20.2` */
export function machine(): string {
  const all = cpus();
  const model = all[0]?.model.trim() || 'unknown processor';
  return `${all.length} × ${model} (${platform()} ${arch()}), Node.js ${process.version}`;
}

/** Names the machines, and how many units each did if there are several. @param units by machine */
export function machinesText(units: ReadonlyMap<string, number>): string {
  const byCount = [...units].sort(([, a], [, b]) => b - a);
  if (byCount.length === 1) return byCount[0][0];
  return byCount.map(([name, count]) => `${name} (${count} ${count === 1 ? 'unit' : 'units'})`).join('; ');
}
