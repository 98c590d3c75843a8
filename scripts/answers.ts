/**
 * Compares our checker of mathematical answers with the verdicts and answers of other checkers and datasets, and writes
 * the results to docs/answers.md, between `<!-- begin:name -->` and `<!-- end:name -->`: `npx tsx scripts/answers.ts`.
 * The data are not part of this project; without them nothing is written. Every disagreement needs a reason in the list
 * below; one without a reason is an error.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { answersEqual, checkAnswer } from '../src/task/math/index.js';

const DATA = join(import.meta.dirname, '../../shared/data');
const PAIRS = join(import.meta.dirname, '../src/task/math/pairs.txt');
const PAGE = join(import.meta.dirname, '../docs/answers.md');

/** Reason for each different verdict, by file and line of the case. */
const REASONS: Readonly<Record<string, string>> = {
  'math_verify_cases:16': 'The formula says ½ dollar = 10/9: a chain that contradicts itself is no answer.',
  'math_verify_cases:48': 'x = 5 + 5 + 1 = 1/3 contradicts itself.',
  'math_verify_cases:52': 'The gold answer says 1 = … = 0, which contradicts itself.',
  'math_verify_cases:55': 'z = 3 + 3 = 2 contradicts itself.',
  'math_verify_cases:64':
    'That case asks for two digits. By default a decimal counts as the rounded value from five significant digits on; for fewer there is `relativeTolerance`.',
  'math_verify_cases:96':
    'Two boxes with signs of addition between them may be a sum as well as a list: only the last box is read.',
  'math_verify_cases:139':
    'Bound variables are renamed where a function is defined (f(x) = 2x), not in a bare f(x).',
  'hendrycks_is_equiv:2':
    'Answers in a row have no order here: roots are roots in any order. Tuples have one.',
  'hendrycks_is_equiv:9': 'As above: a list without brackets has no order.',
};

interface Case {
  readonly gold: string;
  readonly prediction: string;
  readonly equal: boolean;
}
type Row = Record<string, unknown>;

const rows = (file: string): Row[] =>
  readFileSync(join(DATA, file), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Row);

const code = (text: string): string => {
  const line = text.replace(/\s+/g, ' ').trim();
  const short = line.length > 90 ? `…${line.slice(-88)}` : line;
  return `\`\`${short.replace(/\|/g, '\\|')} \`\``;
};

/** The cases whose verdicts differ, as a table. */
function table(name: string, cases: readonly Case[]): string {
  let [missed, accepted] = [0, 0];
  const lines: string[] = [];
  for (const [i, { gold, prediction, equal }] of cases.entries()) {
    const verdict = checkAnswer(prediction, gold);
    if (verdict.equal === equal) continue;
    if (equal) missed++;
    else accepted++;
    const why = REASONS[`${name}:${i + 1}`];
    if (!why)
      throw new Error(`${name}:${i + 1} differs without a reason: ${gold} / ${prediction.slice(-200)}`);
    lines.push(
      `| ${i + 1} | ${code(gold)} | ${code(verdict.extracted ?? prediction)} | ${equal ? 'equal' : 'different'} | ${verdict.equal ? 'equal' : 'different'} | ${why} |`,
    );
  }
  const agreed = cases.length - missed - accepted;
  const share = (value: number) => `${((100 * value) / cases.length).toFixed(1)} %`;
  return [
    `${agreed} of ${cases.length} verdicts agree (${share(agreed)}); ${missed} right answers missed, ${accepted} wrong ones accepted; with wrong acceptances counted double ${share(cases.length - missed - 2 * accepted)}.`,
    '',
    '| case | gold | answer | theirs | ours | why |',
    '|--:|---|---|---|---|---|',
    ...lines,
  ].join('\n');
}

/** Gold answers compared with themselves, and worked solutions with their gold answers. */
function datasets(): string {
  const lines = [
    '| dataset | answers | equal to themselves | solutions with a final answer | right |',
    '|---|--:|--:|--:|--:|',
  ];
  for (const name of [
    'gsm8k_train',
    'gsm8k_test',
    'math500',
    'aime24',
    'amc23',
    'minerva_math',
    'olympiadbench',
  ]) {
    let [count, self, solutions, right] = [0, 0, 0, 0];
    for (const { gold, solution } of answers(name)) {
      count++;
      if (answersEqual(gold, gold).equal && checkAnswer(`\\boxed{${gold}}`, gold).equal) self++;
      if (solution === null) continue;
      solutions++;
      if (checkAnswer(solution, gold).equal) right++;
    }
    lines.push(`| ${name} | ${count} | ${self} | ${solutions || '–'} | ${solutions ? right : '–'} |`);
  }
  return lines.join('\n');
}

/** Gold answers of a dataset, with the worked solution if that ends in a box or in `####`. */
function answers(name: string): { gold: string; solution: string | null }[] {
  return rows(`math/${name}.jsonl`).map((row) => {
    if (name.startsWith('gsm8k')) {
      const solution = String(row.answer);
      return { gold: solution.split('####')[1].trim(), solution };
    }
    const text = Array.isArray(row.solution) ? row.solution.join('\n') : String(row.solution ?? '');
    const boxed = /\\(?:boxed|framebox)/.test(text);
    const ownAnswer = row.answer ?? (row.final_answer as string[] | undefined)?.join(', ');
    const gold =
      ownAnswer === undefined
        ? (checkAnswer(text, '', { boxedOnly: true }).extracted ?? '')
        : String(ownAnswer);
    return { gold, solution: boxed ? text : null };
  });
}

/** Our own pairs, by kind. */
function ownPairs(): string {
  const lines = ['| kind | pairs | accepted wrongly | missed |', '|---|--:|--:|--:|'];
  const kinds = new Map<string, { count: number; accepted: number; missed: number }>();
  let kind = '';
  for (const line of readFileSync(PAIRS, 'utf8').split('\n')) {
    if (line.startsWith('# ')) kind = line.slice(2);
    const pair = /^(.*?) {2}(===|=\/=) {2}(.*)$/.exec(line);
    if (!pair || kind === '') continue;
    const [, a, sign, b] = pair;
    const row = kinds.get(kind) ?? { count: 0, accepted: 0, missed: 0 };
    kinds.set(kind, row);
    row.count++;
    const verdicts = [checkAnswer(a, b), checkAnswer(b, a)].map(({ equal }) => equal);
    if (sign === '===' && verdicts.includes(false)) row.missed++;
    if (sign !== '===' && verdicts.includes(true)) row.accepted++;
  }
  for (const [name, { count, accepted, missed }] of kinds) {
    lines.push(`| ${name} | ${count} | ${accepted} | ${missed} |`);
  }
  return lines.join('\n');
}

function main(): void {
  if (!existsSync(DATA)) {
    console.log(`nothing written: there is no ${DATA}`);
    return;
  }
  const parts: Record<string, string> = {
    pairs: ownPairs(),
    'math-verify': table('math_verify_cases', rows('grading/math_verify_cases.jsonl') as unknown as Case[]),
    hendrycks: table(
      'hendrycks_is_equiv',
      rows('grading/hendrycks_is_equiv.jsonl').map(({ a, b, expected }) => ({
        gold: `$${b}$`,
        prediction: `$${a}$`,
        equal: expected === true,
      })),
    ),
    datasets: datasets(),
  };
  let page = readFileSync(PAGE, 'utf8');
  for (const [name, text] of Object.entries(parts)) {
    const part = new RegExp(`(<!-- begin:${name} -->\n)[\\s\\S]*?(<!-- end:${name} -->)`);
    if (!part.test(page)) throw new Error(`docs/answers.md has no part ${name}`);
    page = page.replace(part, (_, open: string, close: string) => `${open}${text}\n${close}`);
  }
  writeFileSync(PAGE, page);
  console.log('docs/answers.md: written');
}

main();
