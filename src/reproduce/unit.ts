/**
 * A unit of work: done at once or not at all, alone in what it computes, named by its content. A unit whose content
 * and version are in the store is not done again, so a `reproduce` that was cut off goes on where it was, and
 * experiments that need the same run share it.
 */
import { createHash } from 'node:crypto';
import type { ResultOf, UnitSpec } from './work/index.js';

export interface Unit<S extends UnitSpec = UnitSpec> {
  /** Digest of the content. */
  readonly id: string;
  /** For progress. */
  readonly label: string;
  readonly spec: S;
  /** About how long it takes, in any measure that is the same for all units of an experiment. */
  readonly cost: number;
  /** Units that must be done before. */
  readonly needs: readonly string[];
  /** Nothing else may run meanwhile: it takes times. */
  readonly alone: boolean;
}

/**
 * @param spec plain JSON; its keys always come in the same order
 * @param options content: what the unit is named by, where the spec holds places of files; default: the spec
 */
export function unit<S extends UnitSpec>(
  label: string,
  spec: S,
  options: { cost?: number; needs?: readonly string[]; alone?: boolean; content?: unknown } = {},
): Unit<S> {
  const { content = spec } = options;
  const id = createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 16);
  return {
    id: `${spec.kind}-${id}`,
    label,
    spec,
    cost: Math.max(1, Math.round(options.cost ?? 1)),
    needs: options.needs ?? [],
    alone: options.alone ?? false,
  };
}

export type { ResultOf };
