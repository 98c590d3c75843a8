/**
 * The part of a tokenizer.json that adds special tokens around a text (`<|begin_of_text|>`). As in transformers 5, it
 * alone decides how a plain prompt begins; `bos_token` and `add_bos_token` of the configuration do not.
 */

/** Ids put before and after a whole text. */
export interface Around {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

type Json = Readonly<Record<string, unknown>>;

const NOTHING: Around = { before: [], after: [] };

/**
 * @param config post_processor of a tokenizer.json
 * @throws Error naming an unsupported type
 */
export function specialTokensAround(config: unknown): Around {
  if (config === null || config === undefined) return NOTHING;
  const { type, ...options } = config as Json & { type?: unknown };
  switch (type) {
    case 'ByteLevel':
      return NOTHING;
    case 'Sequence':
      return (options.processors as unknown[]).map(specialTokensAround).reduce(
        (inner, outer) => ({
          before: [...outer.before, ...inner.before],
          after: [...inner.after, ...outer.after],
        }),
        NOTHING,
      );
    case 'BertProcessing':
    case 'RobertaProcessing': {
      const { cls, sep } = options as { cls: [string, number]; sep: [string, number] };
      return { before: [cls[1]], after: [sep[1]] };
    }
    case 'TemplateProcessing': {
      const { single, special_tokens: special } = options as {
        single: { Sequence?: unknown; SpecialToken?: { id: string } }[];
        special_tokens: Record<string, { ids: number[] }>;
      };
      const text = single.findIndex(({ Sequence }) => Sequence !== undefined);
      if (text < 0) throw new Error('post_processor: single: expected a place for the text, got none');
      const ids = single.map(({ SpecialToken: token }) => (token ? special[token.id].ids : []));
      return { before: ids.slice(0, text).flat(), after: ids.slice(text + 1).flat() };
    }
    default:
      throw new Error(`post_processor: expected a known type, got ${JSON.stringify(type)}`);
  }
}
