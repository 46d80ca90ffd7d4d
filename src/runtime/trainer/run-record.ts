/** What a run writes about itself: `run.json`, `summary.json`, the head of its checkpoints, lines of metrics. */
import { cpus } from 'node:os';
import type { Json, SavedCheckpoint } from '../addons/addon.js';
import type { CheckpointHead } from '../checkpoint/write.js';
import type { Table } from '../rows/reduction.js';
import { jsonNumber } from '../run/folder.js';
import type { GitState } from '../run/git.js';
import type { Part } from '../../values/limits.js';
import { showQuantity } from '../../values/units.js';
import type { Best } from '../progress/training.js';
import type { FitResult, MetricsRecord } from './fit.js';
import type { AnyTrainer } from './run.js';
import type { Session } from './session.js';

export function paramsByName(trainer: AnyTrainer): Readonly<Record<string, Json>> {
  const values = new Map<string, unknown>(Object.entries(trainer.params));
  return Object.fromEntries(
    trainer.spec.params.map(({ name, key }): [string, Json] => {
      const value = values.get(key);
      return [
        name,
        typeof value === 'number' || typeof value === 'boolean' || typeof value === 'string' ? value : null,
      ];
    }),
  );
}

/** What checkpoints and `run.json` say of the trainer. */
export function headOf(trainer: AnyTrainer, session: Session): CheckpointHead {
  const { spec } = trainer;
  return {
    spec: {
      name: spec.name,
      trainer: spec.trainer,
      sha256: spec.sha256 ?? '',
      language: spec.language ?? 1,
      compiler: spec.compiler ?? '',
      files: spec.files ?? [],
    },
    params: paramsByName(trainer),
    engine: session.engine.version,
    seed: session.options.seed,
  };
}

/** `run.json`. `reason` is null while the run goes on. */
export async function describe(
  trainer: AnyTrainer,
  session: Session,
  start: {
    readonly at: number;
    readonly git: GitState | null;
    /** Where it went on from a checkpoint; null for a new run. */
    readonly resumed: { readonly at: string; readonly step: number } | null;
  },
  reason: string | null,
): Promise<Readonly<Record<string, unknown>>> {
  return {
    ...headOf(trainer, session),
    origins: trainer.resolved.origins,
    overrides: trainer.overrides,
    options: {
      epochs: trainer.options.epochs,
      steps: trainer.options.steps,
      minEpochs: trainer.options.minEpochs,
      minSteps: trainer.options.minSteps,
      maxTime: trainer.options.maxTime,
      limit: limitsOf(trainer),
      overfit: partText(trainer.options.overfit),
      sanity: trainer.options.sanity,
      accumulate: trainer.options.accumulate,
      clip: trainer.options.clip,
      deterministic: trainer.options.deterministic,
      onNan: trainer.options.onNan,
      logEvery: trainer.options.logEvery,
      compile: trainer.options.compile,
      precision: trainer.options.precision,
    },
    pace: session.pace,
    data: await readFiles(session),
    ...(session.pretrained === null ? {} : { pretrained: session.pretrained.facts }),
    devices: [devices(session)],
    compile: session.decisions,
    node: process.version,
    git: start.git,
    started: new Date(start.at).toISOString(),
    ...(start.resumed === null ? {} : { resumed: start.resumed }),
    ended: reason === null ? null : new Date().toISOString(),
    reason,
  };
}

const partText = (part: Part | null | undefined): string | null =>
  part === null || part === undefined ? null : showQuantity(part);

function limitsOf({ options }: AnyTrainer): Json {
  const { train, validate, test, predict } = options.limit;
  return {
    train: partText(train),
    validate: partText(validate),
    test: partText(test),
    predict: partText(predict),
  };
}

/** What each data set was read from, by the sets' names. */
export async function readFiles(session: Session): Promise<Json> {
  const sets = await Promise.all(
    [...session.openSets].map(async ({ label, rows, files }) => {
      const read = files.map(async ({ file, bytes, sha256 }) => ({ file, bytes, sha256: await sha256 }));
      return [label, { rows, files: await Promise.all(read) }] as const;
    }),
  );
  return Object.fromEntries(sets);
}

/** What computes: the engine, and the machine that it runs on. */
function devices({ engine }: Session): Json {
  const processors = cpus();
  return {
    engine: engine.version,
    platform: `${process.platform}-${process.arch}`,
    processor: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
  };
}

/**
 * What the process holds (`process_bytes`, of which `heap_bytes` is JavaScript's heap), and the device (`device_bytes` of tensors, or of
 * state where steps are compiled, and how many `device_tensors`).
 */
export function memoryOf({ engine }: Session): ReadonlyMap<string, number> {
  const { rss, heapUsed } = process.memoryUsage();
  const { bytes, tensors } = engine.memory();
  return new Map([
    ['process_bytes', rss],
    ['heap_bytes', heapUsed],
    ['device_bytes', bytes],
    ['device_tensors', tensors],
  ]);
}

/** Row by row. */
export function jsonTable(table: Table): Json {
  return table.map((row) => row.map(jsonNumber));
}

/** A line of `metrics.jsonl`. */
export function jsonRecord({
  stage,
  over,
  at,
  metrics,
  tables,
  rates,
  throughput,
}: MetricsRecord): Readonly<Record<string, Json>> {
  const numbers = (values: ReadonlyMap<string, number>, prefix: string): Record<string, Json> =>
    Object.fromEntries([...values].map(([name, value]) => [`${prefix}${name}`, jsonNumber(value)]));
  return {
    stage,
    over,
    step: at.step,
    epoch: at.epoch,
    wall: Number(at.seconds.toFixed(3)),
    ...(throughput === null
      ? {}
      : {
          steps_per_second: Number(throughput.stepsPerSecond.toPrecision(5)),
          rows_per_second: Number(throughput.rowsPerSecond.toPrecision(5)),
        }),
    ...numbers(metrics, ''),
    ...Object.fromEntries([...tables].map(([name, table]) => [name, jsonTable(table)])),
    ...numbers(rates, 'lr.'),
  };
}

/** `summary.json`. */
export function summaryOf(
  result: FitResult,
  best: ReadonlyMap<string, Best>,
  pointers: ReadonlyMap<string, SavedCheckpoint>,
  tables: ReadonlyMap<string, Table>,
): unknown {
  const { at, rows } = result;
  return {
    reason: result.reason,
    because: result.because,
    signal: result.signal,
    steps: at.step,
    epochs: at.epoch,
    rows,
    seconds: at.seconds,
    stepsPerSecond: at.seconds > 0 ? at.step / at.seconds : null,
    rowsPerSecond: at.seconds > 0 ? rows / at.seconds : null,
    metrics: Object.fromEntries([...result.metrics].map(([name, value]) => [name, jsonNumber(value)])),
    ...(tables.size === 0
      ? {}
      : { tables: Object.fromEntries([...tables].map(([name, table]) => [name, jsonTable(table)])) }),
    best: [...best.values()].map(({ metric, value, at: when }) => ({
      metric,
      value: jsonNumber(value),
      step: when.step,
      epoch: when.epoch,
    })),
    checkpoints: Object.fromEntries([...pointers].map(([name, checkpoint]) => [name, checkpoint.folder])),
  };
}
