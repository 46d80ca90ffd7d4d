/** Options of a run with all defaults filled in, as the prelude states them. */
import type { CompileMode } from '../engine/tensorflow/compiled-step.js';
import type { Precision } from '../engine/tensorflow/precision.js';
import type { Clip } from '../optim/optimizer.js';
import { RunError } from '../run/run-error.js';
import { faultOfPart, type Limits, type Part } from '../../values/limits.js';
import { UsageError } from '../../values/overrides.js';
import { showQuantity, steps, type Quantity } from '../../values/units.js';
import type { TrainerOptions } from './spec.js';

export interface ResolvedOptions {
  readonly epochs: number | null;
  readonly steps: number | null;
  readonly minEpochs: number;
  readonly minSteps: number;
  /** In seconds. */
  readonly maxTime: number | null;
  readonly limit: Limits;
  readonly overfit: Part | null;
  readonly devRun: number | null;
  readonly sanity: number;
  readonly reloadData: number | null;
  readonly deterministic: boolean;
  readonly detectAnomaly: boolean;
  readonly accumulate: number;
  readonly clip: Clip | null;
  readonly seed: number;
  readonly compile: CompileMode;
  readonly onNan: 'stop' | 'skip' | 'ignore';
  readonly logEvery: Quantity<'steps'>;
  readonly progress: 'auto' | 'bar' | 'plain' | 'none';
  /** The table of weights at the start: down to so many names below each model, or none (false), or all of them. */
  readonly summary: boolean | number;
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
  const { minEpochs = null, minSteps = null, maxTime = null } = options;
  whole('min_epochs', minEpochs, 1);
  whole('min_steps', minSteps, 1);
  atMost('min_epochs', minEpochs, 'epochs', epochs);
  atMost('min_steps', minSteps, 'steps', limit);
  if (maxTime !== null && !(maxTime.value > 0))
    throw new UsageError(`max_time takes more than 0 seconds, got ${maxTime.value}`);
  const { overfit = null, devRun = null, sanity = null } = options;
  const taken = options.limit ?? {};
  checkParts(taken, overfit);
  if (devRun !== null) checkPart('dev_run', devRun, false);
  if (sanity !== null) checkPart('sanity', sanity, false);
  if (options.detectAnomaly === true && options.onNan === 'ignore')
    throw new UsageError(
      'both detect_anomaly = true and on_nan = "ignore" are set; what is ignored is not looked for, take one of them away',
    );
  if (options.deterministic === true && options.compile === 'xla')
    throw new UsageError(
      'both deterministic = true and compile = "xla" are set; XLA may choose kernels by the clock, take compile = "graph"',
    );
  whole('reload_data', options.reloadData?.value ?? null, 1);
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
    minEpochs: minEpochs ?? 0,
    minSteps: minSteps ?? 0,
    maxTime: maxTime?.value ?? null,
    limit: taken,
    overfit,
    devRun: devRun?.value ?? null,
    sanity: sanity?.value ?? 0,
    detectAnomaly: options.detectAnomaly ?? false,
    deterministic: options.deterministic ?? false,
    reloadData: options.reloadData?.value ?? null,
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

/** A least length beyond the length itself holds a run that has ended. */
function atMost(name: string, least: number | null, other: string, length: number | null): void {
  if (least !== null && length !== null && least > length)
    throw new UsageError(
      `${name} = ${least} is more than ${other} = ${length}; lower it by trainer.${name}=${length}`,
    );
}

const kinds = ['train', 'validate', 'test', 'predict'] as const;

function checkParts(limit: Limits, overfit: Part | null): void {
  for (const kind of kinds) {
    const part = limit[kind] ?? null;
    if (part === null) continue;
    checkPart(`limit.${kind}`, part, kind !== 'train');
    if (overfit !== null && (kind === 'train' || kind === 'validate')) {
      throw new UsageError(
        `both overfit = ${showQuantity(overfit)} and limit.${kind} = ${showQuantity(part)} are set; overfit says how much is trained and validated on, keep one of them`,
      );
    }
  }
  if (overfit !== null) checkPart('overfit', overfit, false);
}

function checkPart(name: string, part: Part, isOffAllowed: boolean): void {
  const fault = faultOfPart(part, isOffAllowed);
  if (fault !== null) throw new UsageError(`${name} ${fault}`);
}

function whole(name: string, value: number | null, least: number): void {
  if (value !== null && (!Number.isSafeInteger(value) || value < least)) {
    throw new UsageError(`${name} takes a whole number of at least ${least}, got ${value}`);
  }
}
