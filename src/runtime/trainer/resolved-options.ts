/** Options of a run with all defaults filled in, as the prelude states them. */
import type { CompileMode } from '../engine/tensorflow/compiled-step.js';
import type { Precision } from '../engine/tensorflow/precision.js';
import type { Clip } from '../optim/optimizer.js';
import { RunError } from '../run/run-error.js';
import { UsageError } from '../../values/overrides.js';
import { steps, type Quantity } from '../../values/units.js';
import type { TrainerOptions } from './spec.js';

export interface ResolvedOptions {
  readonly epochs: number | null;
  readonly steps: number | null;
  readonly accumulate: number;
  readonly clip: Clip | null;
  readonly seed: number;
  readonly compile: CompileMode;
  readonly onNan: 'stop' | 'skip' | 'ignore';
  readonly logEvery: Quantity<'steps'>;
  readonly progress: 'auto' | 'bar' | 'plain' | 'none';
  readonly summary: boolean;
  readonly runDir: string | null;
  readonly precision: Precision;
  readonly profile: 'simple' | 'trace' | null;
}

/** Throws a UsageError for values out of range, a RunError for what this engine cannot do. */
export function resolveOptions(options: TrainerOptions): ResolvedOptions {
  const { epochs = null, steps: limit = null, accumulate = 1, seed = 0, logEvery = steps(50) } = options;
  whole('epochs', epochs, 1);
  whole('steps', limit, 1);
  if (epochs !== null && limit !== null) {
    throw new UsageError(`both epochs = ${epochs} and steps = ${limit} are set; keep one of them`);
  }
  whole('accumulate', accumulate, 1);
  whole('seed', seed, 0);
  whole('log_every', logEvery.value, 1);
  const { devices = 'auto' } = options;
  if (devices !== 'auto' && devices !== 1) {
    throw new RunError(`devices = ${devices}: several devices are not built yet; use 1 or "auto"`);
  }
  return {
    epochs,
    steps: limit,
    accumulate,
    clip: options.clip ?? null,
    seed,
    compile: options.compile ?? 'auto',
    precision: options.precision ?? 'f32',
    profile: options.profile ?? null,
    onNan: options.onNan ?? 'stop',
    logEvery,
    progress: options.progress ?? 'auto',
    summary: options.summary ?? true,
    runDir: options.runDir ?? null,
  };
}

function whole(name: string, value: number | null, least: number): void {
  if (value !== null && (!Number.isSafeInteger(value) || value < least)) {
    throw new UsageError(`${name} takes a whole number of at least ${least}, got ${value}`);
  }
}
