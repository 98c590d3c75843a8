/**
 * Diagnostics as rows of name, value and meaning, for the summary of `analyze` and the report. Diagnostics without
 * data have no row.
 */
import type { LogAnalysis, LogFigures } from '../figures.js';
import type { MergedFigures, SplitFigures } from './figures.js';

/** Minimum number of training steps for reporting growth. */
const LEAST_STEPS = 6;

export type DiagnosticRow = readonly [name: string, value: string, meaning: string];
type Row = DiagnosticRow;

export function diagnosticRows({ all, splitPrompts, steps }: LogAnalysis): DiagnosticRow[] {
  const { merged, klAlone, sharing } = all.diagnostics;
  const rows: Row[] = [...trainerRows(all), ...noiseRows(all), ...retokenisedRows(all)];
  if (merged.ids > 0) {
    const meaning = `${count(merged.prompts)} prompts; by id ${shifted(merged)}`;
    rows.push(['ids with several prompts', count(merged.ids), meaning]);
  }
  if (splitPrompts.prompts > 0) {
    const meaning = `${count(splitPrompts.groups)} groups; ${shifted(splitPrompts)}`;
    rows.push(['prompts with several ids', count(splitPrompts.prompts), meaning]);
  }
  if (splitPrompts.singletons > 0)
    rows.push(['… groups of one', count(splitPrompts.singletons), 'their advantage is always 0']);
  rows.push(...ageRows(all));
  if (klAlone.copies > 0) {
    const meaning = `with β > 0 the KL term is their only gradient; counting each step once ${percent(klAlone.once, 1)}`;
    rows.push(['tokens with Â = 0', percent(klAlone.copies, 1), meaning]);
  }
  rows.push(['|λ|/k of a token', fixed(sharing, 3), 'mean; 1: all completions are alike'], ...growth(steps));
  return rows;
}

function trainerRows({ diagnostics: { trainer } }: LogFigures): Row[] {
  const rows: Row[] = [];
  if (trainer && trainer.tokens > 0) {
    const meaning = `mean |ln π − ln π of the sampler| of ${count(trainer.tokens)} tokens; k3 ${fixed(trainer.kl, 5)}`;
    rows.push(['trainer against sampler', fixed(trainer.difference, 4), meaning]);
    rows.push(['… ratios beyond 10%', percent(trainer.outside, 1), 'outside [0.9, 1.1]']);
  }
  if (trainer && trainer.entropies > 0) {
    const meaning = `nats, mean of ${count(trainer.entropies)} tokens; where completions diverge ${fixed(trainer.atBranches, 3)}`;
    rows.push(['entropy', fixed(trainer.entropy, 3), meaning]);
  }
  return rows;
}

function noiseRows({ diagnostics: { noise } }: LogFigures): Row[] {
  if (!noise) return [];
  const equal = noise.pairs === noise.equalPairs;
  const meaning = `deviation of ln π of ${count(noise.tokens)} shared tokens${equal ? ': all values equal' : ''}`;
  const rows: Row[] = [['sampler’s noise', fixed(noise.deviation, 4), meaning]];
  if (!equal) {
    const bounds = `outside [0.9, 1.1]; largest difference of ln π ${fixed(noise.largest, 3)}`;
    rows.push(['… ratios beyond 10%', percent(noise.outside, noise.pairs), bounds]);
  }
  return rows;
}

function retokenisedRows({ diagnostics: { retokenised } }: LogFigures): Row[] {
  if (!retokenised) return [];
  const { branches, retokenised: broken, tokens, equalTexts } = retokenised;
  const rows: Row[] = [];
  if (broken > 0) {
    const meaning = `of ${count(branches)} branches; ${count(tokens)} tokens are shared only as text`;
    rows.push(['same text, other tokens', count(broken), meaning]);
  }
  if (equalTexts > 0) rows.push(['equal texts, other tokens', count(equalTexts), 'completions']);
  return rows;
}

function ageRows({ diagnostics: { age } }: LogFigures): Row[] {
  if (!age) return [];
  const meaning = `versions, mean; at most ${count(age.largest)}; ${count(age.mixed)} of ${count(age.completions)} sampled by several`;
  return [['age of the weights', fixed(age.mean, 2), meaning]];
}

function shifted({ shift, flipped, completions }: MergedFigures | SplitFigures): string {
  return `advantages off by ${fixed(shift, 2)}, ${count(flipped)} of ${count(completions)} with another sign`;
}

/** Change of sharing and depth from the first third of the steps to the last; empty for few steps. */
function growth(steps: LogAnalysis['steps']): Row[] {
  if (steps.length < LEAST_STEPS) return [];
  const third = Math.floor(steps.length / 3);
  const ends = (figure: (figures: LogFigures) => number): number[] =>
    [steps.slice(0, third), steps.slice(-third)].map(
      (list) => list.reduce((sum, { figures }) => sum + figure(figures), 0) / list.length,
    );
  const sharing = ends(({ diagnostics }) => diagnostics.sharing);
  const depth = ends(({ meanPathDepth }) => meanPathDepth);
  const arrow = (values: readonly number[]): string => values.map((value) => fixed(value, 2)).join(' → ');
  const certain = sharing[1] > sharing[0] + 0.1 ? '; the policy becomes certain' : '';
  return [['… over the steps', arrow(sharing), `first and last third; path depth ${arrow(depth)}${certain}`]];
}

const count = (n: number): string => n.toLocaleString('en-US');
const fixed = (value: number, digits: number): string => value.toFixed(digits).replace('-', '−');
const percent = (part: number, whole: number): string =>
  whole > 0 ? `${((100 * part) / whole).toFixed(1)}%` : '–';
