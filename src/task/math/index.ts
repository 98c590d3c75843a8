/** Mathematical answers: where one stands in a completion, and whether two are the same. */
export { type AnswerOptions, type AnswerVerdict, answersEqual, checkAnswer } from './check.js';
export { type Extracted, extractAnswer } from './extract.js';
