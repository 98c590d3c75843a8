/** Text as a model sees it: token ids, and messages as its chat template writes them. files.ts reads them from a folder. */
export {
  type ChatTemplate,
  chatTemplate,
  configuredTemplate,
  type Message,
  type RenderOptions,
} from './chat-template.js';
export {
  checkTokenizer,
  type ModelTokenizer,
  modelTokenizer,
  TextError,
  type TextTokenizer,
  type TokenizerSettings,
} from './tokenizer.js';
