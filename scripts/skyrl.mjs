// `npm run skyrl`: starts a SkyRL server, which speaks the Tinker API, on this machine's CPU. The first call installs
// it (.venv-tinker-<version>, about 2 GB). Without a model it makes a tiny one. It serves on loopback until Ctrl-C; its
// two processes, API and engine, end with this process. `startServer` does the same for tests.
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { root, run } from './ensure.mjs';

const PYTHON = join(root, 'scripts', 'python');
/** Path of the tiny model relative to the root; server and configuration must use the same string. */
export const TINY = 'models/tiny-qwen3';

/** PyTorch comes first: SkyRL alone would install another build of it. 0.4 asks for Python 3.12 but runs on 3.11. */
const PACKAGES = {
  '0.3.0': [['torch==2.13.0'], ['skyrl[tinker,jax]==0.3.0', 'jax==0.10.2', 'flax==0.12.8']],
  '0.4.0': [
    ['torch==2.13.0'],
    [
      ...['tinker==0.25.0', 'jax==0.10.2', 'flax==0.12.8', 'optax>=0.2.5', 'transformers>=5.6.1,<=5.16.1'],
      ...[
        'peft==0.18.1',
        'fastapi[standard]',
        'sqlmodel',
        'sqlalchemy[asyncio]',
        'aiosqlite',
        'aiohttp',
        'psutil',
      ],
      ...['datasets>=4', 'pillow', 'rich', 'safetensors', 'tokenizers>=0.22', 'typer', 'hf_transfer'],
      ...['cloudpathlib', 'zstandard', 'xxhash'],
    ],
    ['--no-deps', '--ignore-requires-python', 'skyrl==0.4.0'],
  ],
};
export const VERSIONS = Object.keys(PACKAGES);

/**
 * Settings for a small model on a CPU, where compiling takes longest. Programs are compiled for each number of
 * sequences, so sequences are trained one at a time and sampled in batches padded to 16. A model that is not unloaded
 * keeps its place for 300 s.
 */
const CPU = {
  max_lora_adapters: 16,
  max_lora_rank: 8,
  train_micro_batch_size: 1,
  sample_max_num_sequences: 16,
};

/** @returns path of a Python that has this version of SkyRL; installs it unless it is there */
export function ensureSkyRL(version) {
  const venv = join(root, `.venv-tinker-${version}`);
  const python = join(venv, 'bin', 'python');
  const receipt = join(venv, 'packages.json');
  const wanted = JSON.stringify(PACKAGES[version]);
  if (existsSync(receipt) && readFileSync(receipt, 'utf8') === wanted) return python;
  const recent = 'import sys; sys.exit(sys.version_info < (3, 11))';
  const base = [process.env.PYTHON, 'python3', 'python'].find(
    (name) => name && spawnSync(name, ['-c', recent], { stdio: 'ignore' }).status === 0,
  );
  if (!base) {
    console.error('error: SkyRL needs Python 3.11 or newer; expected it as python3 or in PYTHON, got none');
    process.exit(1);
  }
  console.error(`installing SkyRL ${version} in .venv-tinker-${version} (once, some minutes) …`);
  run(base, ['-m', 'venv', '--clear', venv]);
  for (const packages of PACKAGES[version]) {
    run(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...packages]);
  }
  // Written last: an environment with this file is complete.
  writeFileSync(receipt, wanted);
  return python;
}

/** Makes the tiny model unless it exists. */
export function ensureTinyModel(python) {
  if (existsSync(join(root, TINY, 'made.json'))) return;
  run(python, [join(PYTHON, 'make_tiny_qwen3.py'), TINY], { stdio: ['ignore', 'ignore', 'inherit'] });
}

export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Process groups that must not outlive this process. */
const running = new Set();
process.on('exit', () => {
  for (const pid of running) signalGroup(pid, 'SIGKILL');
});

function signalGroup(pid, signal) {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

/**
 * Starts a server and waits until it answers.
 * @param folder for its database, checkpoints and log; a server started again with the same folder continues from there
 * @returns its address, its log, `end` (ends both processes in order) and `kill` (ends them at once, like a crash)
 */
export async function startServer({ version, model, folder, port, config }) {
  const python = ensureSkyRL(version);
  mkdirSync(folder, { recursive: true });
  const log = join(folder, 'server.log');
  const output = openSync(log, 'a');
  const chosen = port ?? (await freePort());
  const url = `http://127.0.0.1:${chosen}`;
  const options = {
    'base-model': model,
    backend: 'jax',
    'backend-config': JSON.stringify(config ?? CPU),
    'checkpoints-base': join(folder, 'checkpoints'),
    'database-url': `sqlite:///${join(folder, 'tinker.db')}`,
    port: String(chosen),
  };
  const child = spawn(
    python,
    [
      join(PYTHON, 'skyrl_server.py'),
      ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]),
    ],
    {
      cwd: root,
      // Its own process group: Ctrl-C reaches only this process, which then ends the group.
      detached: true,
      stdio: ['ignore', output, output],
      env: {
        ...process.env,
        // Wide enough that lines of its log are not wrapped.
        COLUMNS: '200',
        JAX_PLATFORMS: process.env.JAX_PLATFORMS ?? 'cpu',
        JAX_COMPILATION_CACHE_DIR: join(root, `.venv-tinker-${version}`, 'compiled'),
        JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS: '0',
      },
    },
  );
  closeSync(output);
  running.add(child.pid);
  const exit = new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  let ended = null;
  exit.then((how) => {
    ended = how;
  });
  const gone = async () => {
    await exit;
    // The engine may outlive the API.
    for (let i = 0; i < 100 && groupLives(child.pid); i++) await sleep(50);
    signalGroup(child.pid, 'SIGKILL');
    running.delete(child.pid);
  };
  const kill = async () => {
    signalGroup(child.pid, 'SIGKILL');
    await gone();
  };
  const end = async () => {
    signalGroup(child.pid, 'SIGTERM');
    const late = setTimeout(() => signalGroup(child.pid, 'SIGKILL'), 10_000);
    await gone();
    clearTimeout(late);
  };
  const patience = Date.now() + 180_000;
  while (!(await answers(url))) {
    if (ended !== null || Date.now() > patience) {
      await kill();
      const last = readFileSync(log, 'utf8').trim().split('\n').slice(-15).join('\n');
      throw new Error(`SkyRL ${version} did not start (${ended ?? 'no answer in 180 s'}):\n${last}`);
    }
    await sleep(200);
  }
  return { url, log, pid: child.pid, end, kill, exit };
}

function groupLives(pid) {
  try {
    process.kill(-pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function answers(url) {
  try {
    return (await fetch(`${url}/api/v1/healthz`, { signal: AbortSignal.timeout(2000) })).ok;
  } catch {
    return false;
  }
}

async function main() {
  const { values } = parseArgs({
    options: {
      version: { type: 'string', default: VERSIONS.at(-1) },
      'base-model': { type: 'string', default: TINY },
      'backend-config': { type: 'string' },
      port: { type: 'string', default: '8000' },
      folder: { type: 'string', default: join(root, 'runs', 'skyrl') },
    },
  });
  if (!VERSIONS.includes(values.version)) {
    throw new Error(`--version: expected ${VERSIONS.join(' or ')}, got ${values.version}`);
  }
  const python = ensureSkyRL(values.version);
  if (values['base-model'] === TINY) ensureTinyModel(python);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(130));
  const server = await startServer({
    version: values.version,
    model: values['base-model'],
    folder: join(values.folder, values.version),
    config: values['backend-config'] && JSON.parse(values['backend-config']),
    port: Number(values.port) || undefined,
  });
  console.log(
    `SkyRL ${values.version} serves ${values['base-model']} at ${server.url} (log: ${server.log}); Ctrl-C ends it`,
  );
  throw new Error(`the server ended: ${await server.exit} (log: ${server.log})`);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  main().catch((error) => {
    console.error(`error: ${error.message}`);
    process.exit(1);
  });
}
