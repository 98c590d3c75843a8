/**
 * Opens what a run starts from: the model of the configuration (a folder, a Hub name, or a small random model), its
 * tokenizer and chat template, and the task.
 */
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { UserError } from '../errors.js';
import { decimalOf, WrittenNumber } from '../input/index.js';
import { storedWeights, withCheckpoint } from '../model/files.js';
import { type FetchProgress, resolveModel } from '../model/hub.js';
import {
  loadParameters,
  type ModelConfig,
  type Parameters,
  type StoredDType,
  type StoredWeights,
} from '../model/index.js';
import { escapeBytes } from '../rollouts/index.js';
import { readDataset, readRows } from '../task/files.js';
import {
  createTask,
  type DatasetRow,
  definedTask,
  type MathTaskConfig,
  mathChecker,
  mathTask,
  type Solution,
  solutionExamples,
  solutionOf,
  type Task,
  type Vocabulary,
} from '../task/index.js';
import { loadChatTemplate, loadTokenizer } from '../text/files.js';
import { type ChatTemplate, checkTokenizer, type ModelTokenizer } from '../text/index.js';
import { type Config, ConfigError } from './config.js';
import { loadDefinition } from './user-module.js';
import { watchedCalls } from './user-watch.js';
import { warnOnce } from './warnings.js';

/** A model that was found but not yet loaded. */
export interface OpenedModel {
  readonly folder: string;
  /** Commit of the Hub; null for a local folder. */
  readonly commit: string | null;
  readonly config: ModelConfig;
  /** Type in which its weights are stored. */
  readonly dtype: StoredDType;
  /** Reads the weights, as float32. */
  weights(): Promise<Parameters>;
  /** Location for reading by the runtime itself; null: the weights must be loaded. */
  stored(): Promise<StoredWeights | null>;
}

/** Tokenizer and chat template of a model. */
export interface ModelText {
  readonly folder: string;
  readonly tokenizer: ModelTokenizer;
  readonly template: ChatTemplate | null;
}

/**
 * The configured model; null: a small random one.
 * @throws ModelError in one line
 */
export async function openModel(
  { path, revision }: Pick<Config['model'], 'path' | 'revision'>,
  onFetch?: (progress: FetchProgress) => void,
): Promise<OpenedModel | null> {
  if (path === null) return null;
  const { folder, commit } = await resolveModel(path, { revision: revision ?? undefined, onFetch });
  const { config, dtype, warnings } = await withCheckpoint(folder, async (checkpoint) => checkpoint);
  for (const line of warnings) warnOnce(line);
  return {
    folder,
    commit,
    config,
    dtype,
    weights: () => withCheckpoint(folder, loadParameters),
    stored: () => withCheckpoint(folder, storedWeights),
  };
}

/**
 * Tokenizer and chat template: the configured ones, or the model's own; null if there is neither.
 * @param engine whose base model may be on this machine too
 * @throws TextError if a file is invalid, or the tokenizer has ids that the model lacks
 */
export async function openText(
  { tokenizer: named }: Pick<Config['model'], 'tokenizer'>,
  model: Pick<OpenedModel, 'folder' | 'config'> | null,
  engine?: Config['engine'],
): Promise<ModelText | null> {
  const folder = named ?? model?.folder ?? folderOfBase(engine);
  if (folder === undefined) return null;
  const tokenizer = await loadTokenizer(folder);
  if (model) checkTokenizer(tokenizer, model.config.vocabularySize, folder);
  return { folder, tokenizer, template: await loadChatTemplate(folder, tokenizer.config) };
}

/** If a server's model is also on this machine, its tokenizer is found there. */
function folderOfBase(engine: Config['engine'] | undefined): string | undefined {
  if (engine?.name !== 'tinker') return undefined;
  return existsSync(join(engine.base_model, 'tokenizer.json')) ? engine.base_model : undefined;
}

/** Adapts a tokenizer to the interface of tasks. */
export function vocabularyOf(tokenizer: ModelTokenizer, size: number): Vocabulary {
  return {
    size,
    bos: null,
    eos: tokenizer.eos[0] ?? null,
    encode: (text) => tokenizer.encode(text),
    encodePrompt: (text) => tokenizer.encodePrompt(text),
    decode: (tokens) => tokenizer.decode(tokens),
    tokenText: (id) => escapeBytes(tokenizer.bytes(id)),
  };
}

/**
 * The configured task, with the model's own text format if it needs one.
 * @throws TaskError, TextError or ConfigError in one line
 */
export async function openTask(
  config: Pick<Config, 'task' | 'seed' | 'model' | 'warmup'>,
  text: ModelText | null,
  model: Pick<OpenedModel, 'config'> | null,
): Promise<Task> {
  return withSolutions(await taskOf(config, text, model), config, text, model);
}

async function taskOf(
  config: Pick<Config, 'task' | 'seed' | 'model'>,
  text: ModelText | null,
  model: Pick<OpenedModel, 'config'> | null,
): Promise<Task> {
  const { task, seed } = config;
  if (task.name === 'module') {
    const vocabulary =
      text && vocabularyOf(text.tokenizer, model?.config.vocabularySize ?? text.tokenizer.size);
    const { path, call_seconds: seconds, on_error: onError } = task;
    const call = watchedCalls({ file: path, seconds, tolerant: onError !== 'stop', warn: warnOnce });
    const exported = await loadDefinition(path, { ...task.options, seed }, call);
    const template = text?.template;
    return definedTask(exported, {
      call,
      vocabulary,
      render: template ? (messages) => template.render(messages) : null,
      context: config.model.context ?? model?.config.contextLength ?? null,
      maxCompletionTokens: task.max_completion_tokens,
      onError,
      warn: warnOnce,
    });
  }
  if (task.name !== 'math') {
    const turns = task.name === 'binary-tree' ? task.vocabulary : null;
    if (model && turns !== null && turns !== model.config.vocabularySize) {
      throw new ConfigError(
        `task.vocabulary: expected ${model.config.vocabularySize}, the vocabulary of ${config.model.path}, got ${turns}`,
      );
    }
    if (model && turns === null) {
      throw new ConfigError(
        `model.path: expected null with the task '${task.name}', which has its own vocabulary, got a model; text tasks such as math use one`,
      );
    }
    return createTask(task, seed);
  }
  if (!text) {
    throw new ConfigError("model.tokenizer: expected a folder, or model.path, for the task 'math', got null");
  }
  const { checkAnswer, extractAnswer } = await mathChecker();
  const rows = await readFiles(task.train, task, (solution) => extractAnswer(solution, true)?.answer ?? null);
  const apart = task.held_out_files.length > 0;
  if (!apart && rows.length <= task.held_out) {
    throw new ConfigError(
      `task.held_out: expected fewer than the ${rows.length} problems of the files, got ${task.held_out}`,
    );
  }
  const cut = apart ? rows.length : rows.length - task.held_out;
  return mathTask({
    train: rows.slice(0, cut),
    heldOut: apart
      ? await readFiles(
          task.held_out_files,
          task,
          (solution) => extractAnswer(solution, true)?.answer ?? null,
        )
      : rows.slice(cut),
    vocabulary: vocabularyOf(text.tokenizer, model?.config.vocabularySize ?? text.tokenizer.size),
    stopTokens: text.tokenizer.eos,
    prompt: promptWriter(task, text),
    maxPromptTokens: task.max_prompt_tokens,
    maxCompletionTokens: task.max_completion_tokens,
    stopAtBox: task.stop_at_box,
    weights: { accuracy: task.accuracy_weight, format: task.format_weight },
    check: (completion, gold) => checkAnswer(completion, gold, { boxedOnly: task.stop_at_box }),
    seed,
  });
}

/** The task with the configured warm-up solutions instead of its own. */
async function withSolutions(
  task: Task,
  { warmup, seed, model: { context } }: Pick<Config, 'warmup' | 'seed' | 'model'>,
  text: ModelText | null,
  model: Pick<OpenedModel, 'config'> | null,
): Promise<Task> {
  if (warmup.data === null) return task;
  const solutions: Solution[] = [];
  for (const file of warmup.data) {
    const rows = await readRows(file);
    if (rows.length === 0) throw new ConfigError(`${file}: expected solutions, got no row`);
    for (const { row, line } of rows) solutions.push(solutionOf(plain(row), `${file}:${line}`));
  }
  const template = text?.template;
  return {
    ...task,
    warmupExample: solutionExamples(solutions, {
      vocabulary: task.vocabulary,
      end: task.vocabulary.eos ?? task.stopTokens[0] ?? null,
      render: template ? (messages) => template.render(messages) : null,
      context: context ?? model?.config.contextLength ?? task.maxPromptTokens + task.maxCompletionTokens,
      seed,
    }),
  };
}

/** A row with its numbers as texts, digit by digit. */
const plain = (row: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      value instanceof WrittenNumber ? (decimalOf(value.text) ?? value.text) : value,
    ]),
  );

/** Problems of several files, with ids made unique by the file's name. */
async function readFiles(
  files: readonly string[],
  { columns }: Pick<MathTaskConfig, 'columns'>,
  answerOf: (solution: string) => string | null,
): Promise<DatasetRow[]> {
  const rows: DatasetRow[] = [];
  for (const file of files) {
    const name = basename(file).replace(/\.\w+$/, '');
    const named = { problem: columns.problem ?? undefined, answer: columns.answer ?? undefined };
    for (const row of await readDataset(file, named, answerOf)) {
      rows.push({ ...row, id: files.length > 1 ? `${name}/${row.id}` : row.id });
    }
  }
  return rows;
}

/** The prompt format of a problem. */
function promptWriter(
  { prompt, system_prompt: system }: Pick<MathTaskConfig, 'prompt' | 'system_prompt'>,
  { tokenizer, template, folder }: ModelText,
): (problem: string) => { text: string; tokens: Int32Array } {
  if (prompt === 'chat') {
    if (!template) {
      throw new ConfigError(`task.prompt: expected plain, as ${folder} has no chat template, got chat`);
    }
    return (problem) => {
      const messages = [
        ...(system === null ? [] : [{ role: 'system', content: system }]),
        { role: 'user', content: problem },
      ];
      const text = template.render(messages);
      return { text, tokens: tokenizer.encode(text) };
    };
  }
  return (problem) => {
    const text = system === null ? problem : `${system}\n\n${problem}`;
    const tokens = tokenizer.encodePrompt(text);
    if (tokens.length === 0) throw new UserError('expected a prompt with at least one token, got none');
    return { text, tokens };
  };
}
