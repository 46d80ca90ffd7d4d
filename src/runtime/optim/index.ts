/** Optimizers, the namespace `optim` of generated code. */
export { adam, adamw, clipNorm, clipValue, rmsprop, sgd } from './optimizer.js';
export type {
  AdamOptions,
  Clip,
  Clock,
  Optimizer,
  Rate,
  RmspropOptions,
  SgdOptions,
  WeightGroup,
} from './optimizer.js';
