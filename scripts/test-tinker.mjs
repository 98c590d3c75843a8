// `npm run test:tinker [version | file …]`: trains on real SkyRL servers. Installs what is missing (SkyRL too, once),
// builds, runs test/skyrl or the given files for each version, and writes the measurements to docs/results/tinker.md.
// The latest value of each figure is kept in runs/.
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { bin, ensureInstalled, root, run } from './ensure.mjs';
import { ensureSkyRL, ensureTinyModel, VERSIONS } from './skyrl.mjs';

const args = process.argv.slice(2);
const files = args.filter((word) => !/^\d/.test(word));
const named = args.filter((word) => /^\d/.test(word));
const unknown = named.find((version) => !VERSIONS.includes(version));
if (unknown !== undefined) {
  console.error(`error: expected versions of ${VERSIONS.join(' and ')}, got ${unknown}`);
  process.exit(1);
}
const load = Math.round(loadavg()[0]);
ensureInstalled();
const versions = named.length > 0 ? named : VERSIONS;
for (const version of versions) ensureTinyModel(ensureSkyRL(version));
await import('./build.mjs');

const folder = join(root, 'runs', 'test-tinker');
mkdirSync(folder, { recursive: true });
const facts = join(folder, 'facts.jsonl');
for (const version of versions) {
  const began = Date.now();
  run(bin('vitest'), ['run', '--maxWorkers=1', ...files], {
    env: { ...process.env, SKYRL: '1', TINKER_VERSION: version, TINKER_FACTS: facts },
  });
  if (files.length === 0) {
    const value = Math.round((Date.now() - began) / 1000);
    appendFileSync(facts, `${JSON.stringify({ version, name: 'time of all tests, s', value })}\n`);
  }
}

const measured = existsSync(facts)
  ? readFileSync(facts, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  : [];
const names = [...new Set(measured.map(({ name }) => name))];
const cell = (version, name) =>
  measured.findLast((entry) => entry.version === version && entry.name === name)?.value ?? '–';
const rows = [
  ['', ...VERSIONS.map((version) => `SkyRL ${version}`)],
  VERSIONS.map(() => '---').concat('---'),
  ...names.map((name) => [name, ...VERSIONS.map((version) => cell(version, name))]),
];
writeFileSync(
  join(root, 'docs', 'results', 'tinker.md'),
  `# Runs on real servers

\`npm run test:tinker\`, ${new Date().toISOString().slice(0, 10)}: SkyRL's JAX backend on the CPU with the tiny model of
\`scripts/python/make_tiny_qwen3.py\`, a server of its own for each file of \`test/skyrl\`, whose tests fail where a figure is not
what it should be. Machine: ${cpus().length} × ${cpus()[0].model.trim()}, Node.js ${process.version}, load average ${load} before the tests${load > 1 ? ' (other programs ran beside them)' : ''}.

${rows.map((cells) => `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`).join('\n')}
`,
);
