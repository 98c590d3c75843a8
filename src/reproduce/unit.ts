/**
 * A unit of work: done completely or not at all, a function of its content, and named by it. A unit whose content and
 * version are in the store is not done again, so an interrupted `reproduce` continues where it stopped, and experiments
 * that need the same run share it.
 */
import { createHash } from 'node:crypto';
import type { ResultOf, UnitSpec } from './work/index.js';

export interface Unit<S extends UnitSpec = UnitSpec> {
  /** Digest of the content. */
  readonly id: string;
  /** Name for progress messages. */
  readonly label: string;
  readonly spec: S;
  /** Approximate duration, in any unit that is the same for all units of an experiment. */
  readonly cost: number;
  /** Units that must be done first. */
  readonly needs: readonly string[];
  /** Nothing else may run at the same time, because it measures time. */
  readonly alone: boolean;
}

/**
 * @param spec plain JSON with keys in a fixed order
 * @param options content: the name's content if the spec holds file locations; default: the spec
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
