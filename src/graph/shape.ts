/**
 * Shapes of symbolic tensors. A dimension is a number, or a symbol whose size is known only at run time ('N', 'rows');
 * a product of symbols is written 'B*L', with a factor '3*B*L'. Two symbols are equal only if their names are equal, so
 * shape errors are detected while the graph is built. A symbol never broadcasts as 1.
 */

/** Size of one axis: fixed, or a symbol bound at run time. */
export type Dim = number | string;
/** Sizes of all axes, outermost first. */
export type Shape = readonly Dim[];

/** Thrown while a graph is built: the operation, its shapes, and the shapes that it allows. */
export class ShapeError extends Error {
  override name = 'ShapeError';
}

export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i]);
}

/** The shape that `a` and `b` broadcast to (NumPy's rule: align right, 1 stretches). */
export function broadcastShapes(a: Shape, b: Shape, op: string): Shape {
  const rank = Math.max(a.length, b.length);
  const out: Dim[] = [];
  for (let i = 0; i < rank; i++) {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x === y || y === 1) out.push(x);
    else if (x === 1) out.push(y);
    else throw new ShapeError(`${op}: shapes ${formatShape(a)} and ${formatShape(b)} do not broadcast`);
  }
  return out;
}

/**
 * Product of dimensions as a number and a sorted list of symbols: equal if and only if the element counts are equal.
 */
function elementCount(shape: Shape): { factor: number; symbols: string } {
  let factor = 1;
  const symbols: string[] = [];
  for (const dim of shape) {
    if (typeof dim === 'number') factor *= dim;
    else {
      for (const part of dim.split('*')) {
        if (/^\d+$/.test(part)) factor *= Number(part);
        else symbols.push(part);
      }
    }
  }
  return { factor, symbols: symbols.sort().join('*') };
}

/** True if both shapes hold the same number of elements for every binding of their symbols. */
export function sameElementCount(a: Shape, b: Shape): boolean {
  const x = elementCount(a);
  const y = elementCount(b);
  return x.factor === y.factor && x.symbols === y.symbols;
}

/** A dimension multiplied by a number. */
export function times(count: number, dim: Dim): Dim {
  if (typeof dim === 'number') return count * dim;
  return count === 1 ? dim : `${count}*${dim}`;
}

/** Axis counted from the front; a negative axis counts from the back. */
export function normalizeAxis(axis: number, rank: number, op: string): number {
  const out = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || out < 0 || out >= rank) {
    throw new ShapeError(`${op}: axis ${axis} is outside a tensor of rank ${rank}`);
  }
  return out;
}
