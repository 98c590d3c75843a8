/** A client of the Tinker API: sessions, models that are trained on a server, sampling from them. Needs only fetch. */
export { type Abortable, type ClientOptions, TinkerClient } from './client.js';
export { decodeSample, decodeTraining, encodeTraining } from './codec.js';
export { LostError, TinkerError, UnknownOutcomeError } from './errors.js';
export { ProtobufError } from './protobuf.js';
export { Sampler } from './sampler.js';
export { Session, type SessionOptions } from './session.js';
export { type ModelOptions, type TrainingInput, TrainingModel } from './training-model.js';
export type {
  AdamParameters,
  Datum,
  LossBounds,
  LossName,
  SampledSequence,
  SamplingRequest,
  TrainingAnswer,
  TrainingRequest,
  Wire,
} from './types.js';
