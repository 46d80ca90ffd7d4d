/** Add-ons, the namespace `addons` of generated code. */
export { max, metric, min, named } from './addon.js';
export type {
  AddOn,
  AddOnHost,
  Answer,
  AnswerOf,
  Ending,
  Hooks,
  Json,
  Measured,
  Metric,
  MetricsLine,
  Moment,
  Monitor,
  Phase,
  QuietAnswer,
  SavedCheckpoint,
  Start,
  ValidationPass,
} from './addon.js';
export { checkpoint } from './checkpoint.js';
export type { CheckpointOptions } from './checkpoint.js';
export { earlyStopping } from './early-stopping.js';
export type { EarlyStoppingOptions } from './early-stopping.js';
export { imageGrid } from './image-grid.js';
export type { ImageGridOptions } from './image-grid.js';
export { csvLog, deviceStats, lrLog } from './logs.js';
export type { LrLogOptions } from './logs.js';
export { first, over } from './over.js';
export type { Computed, FirstRows, Over } from './over.js';
export { predictions } from './predictions.js';
export type { PredictionsOptions } from './predictions.js';
export { pretrained } from './pretrained.js';
export type { PretrainedOptions } from './pretrained.js';
export { axis, sweep } from './sweep.js';
export type { SweepOptions } from './sweep.js';
export { extern } from './extern-add-on.js';
export type { ExternAddOn } from './extern-add-on.js';
export { env } from './secret.js';
export type { Secret } from './secret.js';
