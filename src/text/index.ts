/** Text as a model sees it: token ids, and messages as its chat template writes them. */
export {
  type ChatTemplate,
  chatTemplate,
  loadChatTemplate,
  type Message,
  type RenderOptions,
} from './chat-template.js';
export {
  checkTokenizer,
  loadTokenizer,
  type ModelTokenizer,
  TextError,
  type TextTokenizer,
} from './tokenizer.js';
