/**
 * `reproduce`: does those units of an experiment that are not done yet, and writes its report. An interrupted run
 * continues where it stopped: units are in the work folder, long runs have checkpoints.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { UserError } from '../errors.js';
import { FolderLock, makeFolder } from '../files/index.js';
import type { Experiment, Places, Verdict } from './experiment.js';
import { machinesText } from './machine.js';
import { readReport, writeReport } from './page.js';
import { ResultStore } from './results.js';
import { schedule } from './schedule.js';
import type { Unit } from './unit.js';

export interface ReproduceOptions {
  readonly experiment: Experiment;
  readonly quick: boolean;
  readonly seeds?: number;
  readonly places: Places;
  /** Folder of the reports. */
  readonly out: string;
  /** Folder of the units, shared by all experiments. */
  readonly work: string;
  /** Number of units at the same time; default: one per core. */
  readonly jobs?: number;
  /** Runs nothing: writes a page from the finished units, even while another process does more. */
  readonly soFar?: boolean;
  readonly signal?: AbortSignal;
  readonly progress?: (done: number, total: number, label: string) => void;
}

export interface Reproduced {
  readonly verdict: Verdict;
  readonly summary: string;
  /** The page that was written. */
  readonly page: string;
}

/**
 * Runs one experiment and writes its report.
 * @returns null if it was interrupted
 * @throws UserError if a required path is missing, or a folder cannot be written
 */
export async function reproduce(options: ReproduceOptions): Promise<Reproduced | null> {
  const { experiment, quick, seeds, places, out, jobs = availableParallelism() } = options;
  const version = packageVersion();
  // Plain JSON, so that the page is the same when it is written again from the file.
  const settings = plain(experiment.settings({ quick, seeds }));
  const units = experiment.units(settings, places);
  const store = options.soFar ? lookAt(options, version, units) : await doUnits(options, version, units);
  if (store === null) return null;
  const done = units.filter((u) => store.has(u));
  const data = plain(experiment.data(settings, store, places));
  const report = experiment.report(settings, data);
  const making = {
    version,
    command: commandOf(options),
    quick,
    seconds: store.seconds(done),
    jobs,
    ...(done.length < units.length ? { units: [done.length, units.length] as const } : {}),
    date: new Date().toISOString().slice(0, 10),
    machine: machinesText(store.machines(done)),
  };
  const page = await writeReport(out, experiment, { making, settings, data }, report);
  return { verdict: report.verdict, summary: report.summary, page };
}

/** @returns null if it was interrupted */
async function doUnits(
  { work, jobs = availableParallelism(), signal, progress }: ReproduceOptions,
  version: string,
  units: readonly Unit[],
): Promise<ResultStore | null> {
  await makeFolder(work);
  const lock = await FolderLock.take(work);
  try {
    const store = await ResultStore.open(work, version);
    return (await schedule(units, { store, jobs, signal, progress })) ? null : store;
  } finally {
    await lock.release();
  }
}

/** @throws UserError if no unit is finished, or the experiment does not support a page before its end */
function lookAt(
  { experiment, work }: ReproduceOptions,
  version: string,
  units: readonly Unit[],
): ResultStore {
  if (!experiment.partial) {
    throw new UserError(
      `--so-far: expected an experiment whose page can be made of complete seeds, got ${experiment.name}`,
    );
  }
  const store = ResultStore.look(work, version);
  if (!units.some((u) => store.has(u))) {
    throw new UserError(`--so-far: ${work}: expected units of ${experiment.name} that are done, got none`);
  }
  return store;
}

/**
 * Writes an experiment's page again from the figures in its JSON file, with the current text, intervals and rule; runs
 * nothing.
 * @throws UserError if there is no such file, or the folder cannot be written
 */
export async function rewrite(experiment: Experiment, out: string): Promise<Reproduced> {
  const file = readReport(out, experiment);
  const report = experiment.report(file.settings, file.data);
  const page = await writeReport(out, experiment, file, report);
  return { verdict: report.verdict, summary: report.summary, page };
}

/** Converted as for the file, so that the page is the same when it is written again. */
function plain<T>(data: T): T {
  return JSON.parse(JSON.stringify(data)) as T;
}

/** The command, with paths left out. */
function commandOf({ experiment, quick, seeds, places, soFar }: ReproduceOptions): string {
  const words = ['lambda-grpo reproduce', experiment.name];
  if (quick) words.push('--quick');
  if (seeds !== undefined) words.push(`--seeds ${seeds}`);
  if (soFar) words.push('--so-far');
  if (places.reference !== undefined) words.push('--reference <checkout>');
  if (places.logs !== undefined) words.push('--logs <folder>');
  if (places.checkpoint !== undefined) words.push('--checkpoint <file>');
  if (places.pretrained !== undefined) words.push('--pretrained');
  if (places.problems !== undefined) words.push('--problems <file>');
  return words.join(' ');
}

function packageVersion(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
