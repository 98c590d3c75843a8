/** The kinds of work there are, and what each gives. */
import type { WorkContext } from './context.js';
import { runTheorem, type TheoremFigures, type TheoremSpec } from './theorem.js';

export { Interrupted, type WorkContext } from './context.js';
export type { TheoremFigures, TheoremSpec } from './theorem.js';

export type UnitSpec = TheoremSpec;

interface ResultByKind {
  readonly theorem: TheoremFigures;
}
export type ResultOf<S extends UnitSpec> = ResultByKind[S['kind']];

/** Does a unit. @throws Interrupted if the signal ended it early */
export async function runUnit(spec: UnitSpec, context: WorkContext): Promise<ResultByKind[UnitSpec['kind']]> {
  switch (spec.kind) {
    case 'theorem':
      return runTheorem(spec, context);
  }
}
