/** Mathematical answers: finding one in a completion, and deciding whether two are equal. */
export { type AnswerOptions, type AnswerVerdict, answersEqual, checkAnswer } from './check.js';
export { type Extracted, extractAnswer } from './extract.js';
