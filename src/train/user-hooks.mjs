/**
 * Loads user modules from any folder: esbuild strips TypeScript, the content of a file decides between ESM and
 * CommonJS (package.json is ignored), file extensions may be omitted, and `lambda-grpo` resolves to the running
 * package. Applies only to the files of the user, from the module of the task on; packages in node_modules load as
 * usual. JavaScript, because the runtime loads hooks before any compiler is available.
 */
import { existsSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Script } from 'node:vm';

/** URLs of the user's files. */
const files = new Set();
/** URL of the running package's folder. */
let home = '';

/** @param {{ entry: string, home: string }} data */
export function initialize(data) {
  files.add(data.entry);
  home = data.home;
}

/** @type {import('node:module').ResolveHook} */
export async function resolve(specifier, context, next) {
  if (files.has(specifier)) return { url: specifier, format: 'module', shortCircuit: true };
  if (context.parentURL === undefined || !files.has(context.parentURL)) return next(specifier, context);
  if (/^lambda-grpo(\/|$)/.test(specifier)) return runningPackage(specifier, context, next);
  const result = await resolved(specifier, context, next);
  const { pathname, protocol } = new URL(result.url);
  if (protocol !== 'file:' || pathname.includes('/node_modules/')) return result;
  if (!/\.([mc]?[jt]sx?|json)$/.test(pathname)) return result;
  if (pathname.endsWith('.json') && Object.keys(context.importAttributes ?? {}).length > 0) return result;
  files.add(result.url);
  return { ...result, format: 'module', shortCircuit: true };
}

async function resolved(specifier, context, next) {
  try {
    return await next(specifier, context);
  } catch (error) {
    if (!/^(\.{0,2}\/|file:)/.test(specifier)) throw error;
    const path = fileURLToPath(new URL(specifier, context.parentURL));
    const other = [
      ...['.ts', '.tsx', '.js', '.mjs', '.cjs', '.mts', '.cts', '.json'].map((ending) => path + ending),
      path.replace(/\.([mc]?)jsx?$/, '.$1ts'),
      path.replace(/\.jsx?$/, '.tsx'),
      `${path}/index.ts`,
      `${path}/index.js`,
    ].find((candidate) => existsSync(candidate) && statSync(candidate).isFile());
    if (other === undefined) throw error;
    return { url: pathToFileURL(other).href, shortCircuit: true };
  }
}

async function runningPackage(specifier, context, next) {
  try {
    return await next(specifier, { ...context, parentURL: new URL('package.json', home).href });
  } catch (error) {
    // In the package's own repository, before it is built.
    const url = new URL(`src/${specifier.slice('lambda-grpo'.length)}/index.ts`.replaceAll('//', '/'), home);
    if (!existsSync(url)) throw error;
    files.add(url.href);
    return { url: url.href, format: 'module', shortCircuit: true };
  }
}

/** @type {import('node:module').LoadHook} */
export async function load(url, context, next) {
  if (!files.has(url)) return next(url, context);
  const path = fileURLToPath(url);
  const text = (await readFile(path, 'utf8')).replace(/^#!.*/, '');
  return { format: 'module', source: await moduleOf(path, text), shortCircuit: true };
}

async function moduleOf(path, text) {
  const [ending] = /\.[^.]+$/.exec(path) ?? [''];
  if (ending === '.json') return `export default ${text};`;
  const code = /^\.[mc]?tsx?$|^\.jsx$/.test(ending) ? await stripped(path, text, ending) : text;
  if (!isCommonJs(ending, code)) return `${commonNames(code)}${code}`;
  const native = ending === '.cjs' || (ending === '.js' && !(await isInModules(path)));
  return native ? required(path) : wrapped(code);
}

/** Whether the runtime treats a .js file as ESM, by the nearest package.json. */
async function isInModules(path) {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    const text = await readFile(join(folder, 'package.json'), 'utf8').catch(() => null);
    if (text !== null) return JSON.parse(text).type === 'module';
    if (dirname(folder) === folder) return false;
  }
}

async function stripped(path, text, ending) {
  const { transform } = await import('esbuild');
  try {
    const { code } = await transform(text, {
      loader: ending.endsWith('x') ? 'tsx' : 'ts',
      target: `node${process.versions.node}`,
      sourcefile: path,
      sourcemap: 'inline',
    });
    return code;
  } catch (error) {
    const [first] = error.errors ?? [];
    if (!first) throw error;
    throw new SyntaxError(`${first.text}${first.location ? ` (line ${first.location.line})` : ''}`);
  }
}

/** Decided by the file ending, else by parsing: code with imports, exports or top-level await is not CommonJS. */
function isCommonJs(ending, code) {
  if (/^\.c[jt]s$/.test(ending)) return true;
  if (/^\.m[jt]s$/.test(ending)) return false;
  try {
    new Script(`(function (exports, require, module, __filename, __dirname) {${code}\n})`);
    return true;
  } catch {
    return false;
  }
}

/**
 * CommonJS variables for an ESM file that uses them, as TypeScript in CommonJS projects may; added without a new line.
 */
function commonNames(code) {
  const values = {
    require: "(await import('node:module')).createRequire(import.meta.url)",
    __filename: "(await import('node:url')).fileURLToPath(import.meta.url)",
    __dirname: "(await import('node:url')).fileURLToPath(new URL('.', import.meta.url))",
  };
  return Object.entries(values)
    .filter(
      ([name]) =>
        new RegExp(`\\b${name}\\b`).test(code) && !new RegExp(`\\b${name}\\b\\s*(=[^=]|\\})`).test(code),
    )
    .map(([name, value]) => `const ${name} = ${value};`)
    .join('');
}

const DEFAULT = 'exported?.__esModule && "default" in exported ? exported.default : exported';

/** A CommonJS file loaded as usual, except for its imports of this package. */
function required(path) {
  return `import Module, { createRequire } from 'node:module';
import * as index from 'lambda-grpo';
import * as tree from 'lambda-grpo/tree';
import * as objective from 'lambda-grpo/objective';
const running = { 'lambda-grpo': index, 'lambda-grpo/tree': tree, 'lambda-grpo/objective': objective };
const load = Module._load;
Module._load = function (request, ...rest) { return running[request] ?? load.call(this, request, ...rest); };
let exported;
try { exported = createRequire(import.meta.url)(${JSON.stringify(path)}); } finally { Module._load = load; }
export default ${DEFAULT};`;
}

/** A CommonJS file whose types had to be stripped. */
function wrapped(code) {
  return `const module = { exports: {} }; const { createRequire } = await import('node:module'); const { fileURLToPath } = await import('node:url'); const native = createRequire(import.meta.url); const running = await import('lambda-grpo'); const required = (name) => (name === 'lambda-grpo' ? running : native(name)); (function (exports, require, module, __filename, __dirname) {${code}
}).call(module.exports, module.exports, Object.assign(required, native), module, fileURLToPath(import.meta.url), fileURLToPath(new URL('.', import.meta.url)));
const exported = module.exports;
export default ${DEFAULT};`;
}
