/**
 * `lambda-grpo analyze`: the hidden process rewards in any rollout log. Reads the logs group by group, builds each
 * group's tree, and prints figures over all of them (docs/analyze.md). All output files are complete or absent.
 */
import { stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import {
  analyzeRead,
  asTrained,
  describeTrained,
  type GroupAnalysis,
  type GroupCredit,
  type LogAnalysis,
  LogGatherer,
  type StepFigures,
} from '../analysis/index.js';
import { UserError } from '../errors.js';
import { findFiles, readRollouts } from '../rollouts/files.js';
import { BadRowsError, type Group } from '../rollouts/index.js';
import { openRules } from './analyze-credit.js';
import { Messages } from './analyze-messages.js';
import { checkPaths, csvOutput, type Output, reportOutput, weightsOutput } from './analyze-outputs.js';
import { summaryText } from './analyze-summary.js';
import { follow } from './follow.js';
import { visible, wantsColour } from './format.js';
import { onInterrupt } from './interrupt.js';
import { Progress } from './progress.js';
import { openReading, type ReadCommandOptions, withSkipBad } from './read-options.js';
import { RunObjectives } from './run-objective.js';
import { withStandardInput } from './standard-input.js';
import { INTERRUPTED, outputIsTTY, print, printJson, say } from './terminal.js';

export interface AnalyzeCommandOptions extends ReadCommandOptions {
  readonly scale?: 'std' | 'none';
  /** Compare branches by the tokenizer's text, to detect turns that were tokenised again. */
  readonly checkTokens?: boolean;
  readonly json?: boolean;
  /** Run again whenever the logs have grown, until Ctrl-C. */
  readonly follow?: boolean;
  readonly csv?: string;
  /** Credit rules, by name or module. */
  readonly credit?: readonly string[];
  readonly weights?: string;
  /** Path of the report; false: no report. */
  readonly report: string | false;
  readonly maxGroups: number;
}

export function analyzeCommand(
  paths: readonly string[],
  options: AnalyzeCommandOptions,
  version: string,
): Promise<void> {
  if (options.follow === true && paths.includes('-'))
    return Promise.reject(new UserError('--follow: expected files or folders, got standard input'));
  return withStandardInput(paths, (kept, shown) =>
    options.follow === true
      ? follow(kept, (round) => analyze(kept, shown, options, version, round))
      : analyze(kept, shown, options, version),
  );
}

/** @param shown converts a text that names the paths for display */
async function analyze(
  paths: readonly string[],
  shown: (text: string) => string,
  options: AnalyzeCommandOptions,
  version: string,
  round = 0,
): Promise<void> {
  const { read: reading, withTexts } = await openReading(options);
  const logs = (await findFiles(paths)).map(({ path }) => path);
  checkPaths(
    Object.entries(writtenFiles(options)).map(([name, path]) => [`--${name}`, path] as const),
    logs,
  );

  if (options.checkTokens === true && options.tokenizer === undefined)
    throw new UserError(
      '--check-tokens: expected --tokenizer as well (it gives the text of token ids), got none',
    );
  const rules = await openRules(options.credit ?? []);
  const objectives = new RunObjectives();
  const outputs: Output[] = [];
  const messages = new Messages(shown);
  let bar: Progress | null = null;
  const interrupt = onInterrupt(() => {
    bar?.clear();
    say('stopping; no file is written (Ctrl-C again: stop now) …');
  });
  const checkInterrupt = (): void => {
    if (interrupt.signal.aborted) throw new Interrupted('interrupted');
  };
  try {
    // Weights first: they are the only output that can still fail when the others are complete.
    if (options.weights !== undefined)
      outputs.push(
        await weightsOutput(
          options.weights,
          rules.map(({ name }) => name),
        ),
      );
    if (options.csv !== undefined) outputs.push(await csvOutput(options.csv));
    if (options.report !== false) {
      outputs.push(
        await reportOutput(options.report, options.maxGroups, ({ all }) => ({
          source: titleOf(paths.map(shown)),
          version,
          notes: [...trainedAs(objectives), ...messages.remarks(all)],
        })),
      );
    }

    const read = new BytesRead(await sizesOf(logs));
    bar = new Progress({ label: 'analyze', total: read.total, unit: 'MB' });
    const gatherer = new LogGatherer();
    const formats: Record<string, number> = {};
    const leftOut = new Set<string>();
    let groups = 0;
    let breath = performance.now();
    const source = readRollouts(paths, {
      ...reading,
      ...(options.follow === true && { growing: true }),
      onBad: ({ file, line, message }) => {
        if (line === null) leftOut.add(file);
        messages.skipped(message);
      },
      onNote: (note) => messages.note(note),
      onRead: ({ file, bytes }) => {
        checkInterrupt();
        read.update(file, bytes);
        bar?.update(read.done, `${groups} groups`);
      },
    });
    for await (const group of source) {
      // Many groups may come without returning to the event loop, and Ctrl-C is only noticed there.
      if (performance.now() - breath > 100) {
        await setImmediate();
        breath = performance.now();
        checkInterrupt();
        bar.update(read.done, `${groups} groups`);
      }
      const analysis = analyzed(group, options, objectives, messages);
      if (!analysis) continue;
      groups++;
      const format = group.source?.format ?? 'own';
      formats[format] = (formats[format] ?? 0) + 1;
      const credit: GroupCredit[] = [];
      for (const rule of rules) credit.push(await rule.credit(analysis, `group ${group.id}`));
      const readable = withTexts(withName(group, shown));
      const score = gatherer.add(options.checkTokens === true ? readable : group, analysis, credit);
      for (const output of outputs) await output.add?.(readable, analysis, score, credit);
    }
    if (groups === 0) throw new UserError(`${shown(paths.join(' '))}: expected a log with groups, got none`);
    bar.clear();

    const analysis = gatherer.result();
    for (const output of outputs) await output.complete(analysis);
    checkInterrupt();
    for (const output of outputs) await output.publish();
    // Messages of an earlier round need not be repeated.
    if (round === 0) messages.print(options.json ? 'json' : 'summary');
    if (options.json) {
      printJson(
        jsonOf(analysis, {
          version,
          paths: paths.map(shown),
          files: logs.length,
          formats,
          messages,
          options,
          objectives,
        }),
      );
    } else {
      const colour = wantsColour({ isTTY: outputIsTTY() });
      print(
        summaryText(analysis, {
          formats,
          files: logs.length,
          leftOut: leftOut.size,
          warnings: messages.warnings.list,
          colour,
        }).trimEnd(),
      );
      for (const line of trainedAs(objectives)) print(`\n${line}`);
      const written = writtenFiles(options);
      if (Object.keys(written).length > 0) print();
      for (const [name, path] of Object.entries(written)) print(`${name}: ${visible(path)}`);
    }
  } catch (error) {
    bar?.clear();
    for (const output of outputs) await output.abort();
    if (!(error instanceof Interrupted)) {
      if (options.follow !== true) messages.print(options.skipBad === true ? 'skipping failure' : 'failure');
      throw error instanceof BadRowsError ? new UserError(withSkipBad(error)) : error;
    }
    say('interrupted; no file was written');
    process.exitCode = INTERRUPTED;
  } finally {
    interrupt.release();
  }
}

/**
 * What was read, by the names of files and folders without their location, which readers of the page do not need. Log
 * folders have the same name in every run, so theirs includes the name of the run.
 */
function titleOf(paths: readonly string[]): string {
  const names = paths.map((path) => {
    const [name, folder] = [basename(resolve(path)), basename(dirname(resolve(path)))];
    return /^(rollouts|completions)$/.test(name) && folder !== '' ? `${folder}/${name}` : name;
  });
  const distinct = [...new Set(names)];
  return distinct.length > 3 ? `${distinct[0]} and ${distinct.length - 1} more` : distinct.join(', ');
}

/** Thrown on Ctrl-C to leave the readers. */
class Interrupted extends UserError {}

/**
 * The group's analysis; null if it cannot be analysed and bad groups are skipped.
 * @throws UserError with file and line
 */
function analyzed(
  group: Group,
  options: AnalyzeCommandOptions,
  objectives: RunObjectives,
  messages: Messages,
): GroupAnalysis | null {
  const { format, file } = group.source ?? {};
  const trainedHere = options.scale === undefined && format === 'own' && file !== undefined;
  const objective = trainedHere ? objectives.for(file) : null;
  try {
    return analyzeRead(group, {
      scale: options.scale,
      asTrained: objective && asTrained(group, objective),
    });
  } catch (error) {
    if (!(error instanceof UserError) || options.skipBad !== true) throw error;
    messages.skipped(error.message);
    return null;
  }
}

/** Names the file as the user knows it. */
function withName(group: Group, shown: (text: string) => string): Group {
  const { source } = group;
  return source ? { ...group, source: { ...source, file: shown(source.file) } } : group;
}

interface Circumstances {
  readonly version: string;
  readonly paths: readonly string[];
  readonly files: number;
  readonly formats: Readonly<Record<string, number>>;
  readonly messages: Messages;
  readonly options: AnalyzeCommandOptions;
  readonly objectives: RunObjectives;
}

/** The output of `--json`: the figures of all groups at the top level, those of each step in `steps`. */
function jsonOf(
  { all, splitPrompts, steps, sources }: LogAnalysis,
  about: Circumstances,
): Record<string, unknown> {
  const { version, paths, files, formats, messages, options, objectives } = about;
  const byStep = (list: StepFigures) => list.map(({ step, figures }) => ({ step, ...figures }));
  return {
    ...all,
    splitPrompts,
    steps: byStep(steps),
    bySource: sources.map(({ label, format, all: figures, steps: sourceSteps }) => ({
      source: label,
      format,
      ...figures,
      steps: byStep(sourceSteps),
    })),
    advantageScale: options.scale ?? 'std',
    asTrained: trainedAs(objectives),
    sources: paths,
    files,
    formats,
    ...messages.json(),
    written: writtenFiles(options),
    version,
  };
}

/** How groups of runs were judged, one line for each way. */
function trainedAs({ all }: RunObjectives): string[] {
  return [...new Set(all.flatMap((objective) => (objective ? [describeTrained(objective)] : [])))];
}

/** The requested output files, by option. */
function writtenFiles({ csv, weights, report }: AnalyzeCommandOptions): Record<string, string> {
  return {
    ...(csv === undefined ? {} : { csv }),
    ...(weights === undefined ? {} : { weights }),
    ...(report === false ? {} : { report }),
  };
}

/** Progress through the files, in MB. */
class BytesRead {
  readonly total: number;
  private finished = 0;
  private current = 0;

  constructor(private readonly sizes: ReadonlyMap<string, number>) {
    this.total = [...sizes.values()].reduce((a, b) => a + b, 0) / 1e6;
  }

  update(file: string, bytes: number | null): void {
    const size = this.sizes.get(file) ?? 0;
    this.current = bytes === null ? 0 : Math.min(bytes, size);
    if (bytes === null) this.finished += size;
  }

  get done(): number {
    return (this.finished + this.current) / 1e6;
  }
}

async function sizesOf(files: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const sizes = new Map<string, number>();
  for (const file of files) sizes.set(file, (await stat(file).catch(() => ({ size: 0 }))).size);
  return sizes;
}
