/** LaTeX commands grouped by their meaning in an answer. */

const set = (names: string): ReadonlySet<string> => new Set(names.split(' '));

/** Symbols and commands for relations between two sides. */
export const RELATIONS: Readonly<Record<string, string>> = {
  '=': '=',
  '==': '=',
  '<': '<',
  lt: '<',
  '>': '>',
  gt: '>',
  '<=': '<=',
  le: '<=',
  leq: '<=',
  leqslant: '<=',
  leqq: '<=',
  '>=': '>=',
  ge: '>=',
  geq: '>=',
  geqslant: '>=',
  geqq: '>=',
  '!=': '!=',
  ne: '!=',
  neq: '!=',
  in: 'in',
  approx: 'approx',
  simeq: 'approx',
  sim: 'approx',
};
/** Commands whose value is not computed here; an answer with one of these is only compared as written. */
export const UNREADABLE = set(
  'int iint oint sum prod lim pmod mod equiv mid ldots cdots dots dotsc dotsm vdots to rightarrow Rightarrow mapsto implies iff forall exists cap perp parallel subset notin propto cong hline',
);
/** Marks over a name, which are part of the name. */
export const ACCENTS = set('bar overline dot ddot tilde widehat widetilde underline');
/** Environments whose rows and columns are a matrix. */
export const MATRICES = set('matrix pmatrix bmatrix array smallmatrix Bmatrix vmatrix');
/** Commands that end a factor or stand between two. */
export const BETWEEN_FACTORS = set('cup setminus backslash pm mp cdot times div ast rvert rfloor rceil bmod');
/** Signs of currency, by the unit that they are. */
export const CURRENCIES: Readonly<Record<string, string>> = {
  dollar: 'dollar',
  euro: 'euro',
  pounds: 'gbp',
  yen: 'yen',
};
