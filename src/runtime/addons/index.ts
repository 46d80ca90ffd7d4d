/** Add-ons, the namespace `addons` of generated code. */
export { max, min } from './addon.js';
export type {
  AddOn,
  AddOnHost,
  Answer,
  Hooks,
  Json,
  Measured,
  Moment,
  Monitor,
  Phase,
  SavedCheckpoint,
} from './addon.js';
export { checkpoint } from './checkpoint.js';
export type { CheckpointOptions } from './checkpoint.js';
export { earlyStopping } from './early-stopping.js';
export type { EarlyStoppingOptions } from './early-stopping.js';
export { imageGrid } from './image-grid.js';
export type { ImageGridOptions } from './image-grid.js';
export { predictions } from './predictions.js';
export type { PredictionsOptions } from './predictions.js';
export { axis, sweep } from './sweep.js';
export type { SweepOptions } from './sweep.js';
