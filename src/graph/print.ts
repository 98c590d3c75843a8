/** Prints a graph as text, one operation per line, for debugging. */
import { formatShape } from './shape.js';
import { type Tensor, topologicalOrder } from './tensor.js';

export function printGraph(outputs: Readonly<Record<string, Tensor>>): string {
  const name = (t: Tensor): string => t.node.name ?? `%${t.node.id}${t.output > 0 ? `.${t.output}` : ''}`;
  const lines = topologicalOrder(Object.values(outputs)).map((node) => {
    const types = node.outputs.map((t) => `${t.dtype}${formatShape(t.shape)}`).join(', ');
    if (node.op === 'Input') return `input ${node.name}: ${types}`;
    if (node.op === 'Constant') return `%${node.id} = constant ${node.value?.join(' ')}: ${types}`;
    return `%${node.id} = ${node.op}(${node.inputs.map(name).join(', ')}): ${types}`;
  });
  for (const [label, tensor] of Object.entries(outputs)) lines.push(`output ${label} = ${name(tensor)}`);
  return lines.join('\n');
}
