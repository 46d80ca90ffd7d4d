/** What a run writes about itself: `run.json`, `summary.json`, the head of its checkpoints, lines of metrics. */
import { cpus } from 'node:os';
import type { Json, SavedCheckpoint } from '../addons/addon.js';
import type { CheckpointHead } from '../checkpoint/write.js';
import type { Table } from '../rows/reduction.js';
import { record } from '../../values/json-record.js';
import { aboutRun } from '../run/about-run.js';
import { jsonNumber, jsonOf } from '../run/folder.js';
import type { GitState } from '../run/git.js';
import type { Best } from '../progress/training.js';
import type { FitResult, MetricsRecord } from './fit.js';
import { optionFacts } from './option-facts.js';
import type { AnyTrainer } from './run.js';
import type { ParamOrigin } from './params.js';
import type { Session } from './session.js';

/** When a run began, by two clocks. */
export interface Started {
  /** For people: milliseconds since 1970, by a clock that is set, back too. */
  readonly at: number;
  /** Milliseconds of a clock that only goes on, by which lengths of time are measured. */
  readonly ticks: number;
}

export const startedNow = (): Started => ({ at: Date.now(), ticks: performance.now() });

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
    readonly resumed: Resumed | null;
  },
  reason: string | null,
): Promise<Readonly<Record<string, unknown>>> {
  const before = start.resumed?.before ?? [];
  const [first] = before;
  const at = first === undefined ? new Date(start.at).toISOString() : record('a start', first)['at'];
  const described = {
    ...headOf(trainer, session),
    origins: trainer.resolved.origins,
    overrides: trainer.overrides,
    options: { ...optionFacts(trainer.options), sanity: trainer.options.sanity },
    pace: session.pace,
    data: await readFiles(session),
    ...(session.pretrained === null ? {} : { pretrained: session.pretrained.facts }),
    devices: [devices(session)],
    compile: session.decisions,
    node: process.version,
    git: start.git,
    started: at,
    ended: null,
    reason: null,
  };
  const own: Json = {
    at: new Date(start.at).toISOString(),
    from: start.resumed?.from ?? null,
    step: start.resumed?.step ?? 0,
    seconds: start.resumed?.seconds ?? 0,
    allowed: start.resumed?.allowed ?? [],
    compiler: described.spec.compiler,
    engine: described.engine,
    node: described.node,
    commit: start.git?.commit ?? null,
    ended: null,
    reason: null,
  };
  const all = { ...described, starts: [...before, own] };
  return reason === null ? all : endedAs(all, reason);
}

/** Where a run went on from a checkpoint. */
export interface Resumed {
  /** The checkpoint's name. */
  readonly from: string;
  readonly step: number;
  /** Seconds that the run had taken until then. */
  readonly seconds: number;
  /** What differs from the run until then and is meant, a line each. */
  readonly allowed: readonly string[];
  /** `starts` of `run.json` as it was. */
  readonly before: readonly Json[];
}

/** `run.json` of a run that has ended just now. */
export function endedAs(
  described: Readonly<Record<string, unknown>>,
  reason: string,
): Readonly<Record<string, unknown>> {
  const end = { ended: new Date().toISOString(), reason };
  const starts: readonly unknown[] = Array.isArray(described['starts']) ? described['starts'] : [];
  const last = starts.at(-1);
  return {
    ...described,
    ...end,
    starts: last === undefined ? [] : [...starts.slice(0, -1), { ...record('a start', last), ...end }],
  };
}

/**
 * `starts` of the `run.json` in a run's folder, for a run that goes on there: at least one. Of a file of before they were written down it
 * is the run's own, of one that cannot be read nothing is known but that there was one.
 */
export async function startsIn(folder: string): Promise<readonly Json[]> {
  // The run goes on all the same.
  const run = (await aboutRun(folder).catch(() => null)) ?? {};
  const { starts } = run;
  if (Array.isArray(starts) && starts.length > 0) return starts.map(jsonOf);
  const part = (name: 'spec' | 'git', key: string): Json => {
    const value = run[name];
    return typeof value === 'object' && value !== null ? jsonOf(record(name, value)[key] ?? null) : null;
  };
  const own = (key: string): Json => jsonOf(run[key] ?? null);
  return [
    {
      at: own('started'),
      from: null,
      step: 0,
      seconds: 0,
      allowed: [],
      compiler: part('spec', 'compiler'),
      engine: own('engine'),
      node: own('node'),
      commit: part('git', 'commit'),
      ended: own('ended'),
      reason: own('reason'),
    },
  ];
}

/** Where these params of the run in a folder came from, by name: as its `run.json` says, and nothing where that cannot be read. */
export async function originsIn(
  folder: string,
  params: readonly { readonly name: string }[],
): Promise<Readonly<Record<string, ParamOrigin>>> {
  try {
    const origins = new Map(Object.entries(record('origins', (await aboutRun(folder))?.['origins'])));
    return Object.fromEntries(
      params.flatMap(({ name }): readonly [string, ParamOrigin][] =>
        origins.get(name) === 'default' ? [[name, 'default']] : [],
      ),
    );
  } catch {
    return {};
  }
}

/** What each data set was read from, by the sets' names. */
export async function readFiles(session: Session): Promise<Json> {
  const sets = await Promise.all(
    [...session.openSets].map(async ({ label, rows, files, live }) => {
      if (live !== undefined) return [label, { live: true, files: [] }] as const;
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
  {
    best,
    resumes,
    pointers,
    tables,
    classes,
  }: {
    readonly best: ReadonlyMap<string, Best>;
    /** Steps after which it was resumed. */
    readonly resumes: readonly number[];
    readonly pointers: ReadonlyMap<string, SavedCheckpoint>;
    readonly tables: ReadonlyMap<string, Table>;
    /** Of those whose rows and columns have names. */
    readonly classes: ReadonlyMap<string, readonly string[]>;
  },
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
    resumes,
    stepsPerSecond: at.seconds > 0 ? at.step / at.seconds : null,
    rowsPerSecond: at.seconds > 0 ? rows / at.seconds : null,
    metrics: Object.fromEntries([...result.metrics].map(([name, value]) => [name, jsonNumber(value)])),
    ...(tables.size === 0
      ? {}
      : { tables: Object.fromEntries([...tables].map(([name, table]) => [name, jsonTable(table)])) }),
    ...(classes.size === 0 ? {} : { classes: Object.fromEntries(classes) }),
    best: [...best.values()].map(({ metric, value, at: when }) => ({
      metric,
      value: jsonNumber(value),
      step: when.step,
      epoch: when.epoch,
    })),
    checkpoints: Object.fromEntries([...pointers].map(([name, checkpoint]) => [name, checkpoint.folder])),
  };
}
