/**
 * Checks the ids in a tokenizer.json before the library builds a table as long as the largest id: an id of 2³¹ would
 * need a table of 16 GB.
 */

/** The largest vocabularies have a few hundred thousand. */
const MOST_IDS = 1 << 24;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The fault of the first invalid id; null: all are valid. */
export function badId(tokenizer: Record<string, unknown>): string | null {
  const { model, added_tokens: added } = tokenizer;
  const vocabulary = isObject(model) ? model.vocab : undefined;
  const fine = (id: unknown) => Number.isInteger(id) && (id as number) >= 0 && (id as number) < MOST_IDS;
  const wrong = (key: string, id: unknown) =>
    `${key}: expected a whole number from 0, below ${MOST_IDS}, got ${JSON.stringify(id)}`;
  if (Array.isArray(vocabulary) && vocabulary.length > MOST_IDS)
    return `model.vocab: expected at most ${MOST_IDS} tokens, got ${vocabulary.length}`;
  if (isObject(vocabulary)) {
    for (const token in vocabulary)
      if (!fine(vocabulary[token])) return wrong(`model.vocab[${JSON.stringify(token)}]`, vocabulary[token]);
  }
  if (added === undefined || added === null) return null;
  if (!Array.isArray(added)) return 'added_tokens: expected a list';
  for (const [i, token] of added.entries()) {
    const id: unknown = isObject(token) ? token.id : token;
    if (!fine(id)) return wrong(`added_tokens[${i}].id`, id);
  }
  return null;
}
