/**
 * Reads the curves of a run from its `metrics.jsonl`, line by line: the file of a long run need not fit into memory, and the run
 * may still be writing it.
 */
import { createReadStream, existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { PlotError, type Curve, type Point, type Resume, type RunCurves } from './curves.js';

type Fields = ReadonlyMap<string, unknown>;

const fieldsOf = (value: unknown): Fields | null =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? new Map<string, unknown>(Object.entries(value))
    : null;

const parse = (text: string): Fields | null => {
  try {
    return fieldsOf(JSON.parse(text));
  } catch {
    return null;
  }
};

/** JSON has no NaN and no infinities: a run writes them as these texts. */
const notFinite = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
]);

const numberOf = (value: unknown): number | undefined =>
  typeof value === 'number' ? value : typeof value === 'string' ? notFinite.get(value) : undefined;

/** What a line says besides its metrics. */
const about: ReadonlySet<string> = new Set(['stage', 'over', 'step', 'epoch', 'wall']);

/** `run.json`: the trainer, how many steps an epoch has, and where it was resumed. A run writes it before the first line of metrics. */
const describe = (
  folder: string,
): {
  readonly trainer: string;
  readonly stepsPerEpoch: number | null;
  readonly starts: readonly unknown[];
} => {
  let run: Fields | null = null;
  try {
    run = parse(readFileSync(join(folder, 'run.json'), 'utf8'));
  } catch {
    // What it measured can be drawn all the same.
  }
  const trainer = fieldsOf(run?.get('spec'))?.get('trainer');
  const perEpoch = fieldsOf(run?.get('pace'))?.get('stepsPerEpoch');
  const starts = run?.get('starts');
  return {
    trainer: typeof trainer === 'string' ? trainer : '',
    stepsPerEpoch: typeof perEpoch === 'number' && perEpoch > 0 ? perEpoch : null,
    starts: Array.isArray(starts) ? starts : [],
  };
};

/** Resumes whose steps still are the run's: one that went further back has replaced what came after it. */
const resumesOf = (starts: readonly unknown[], stepsPerEpoch: number | null): readonly Resume[] => {
  const kept: Resume[] = [];
  for (const start of starts.slice(1).map(fieldsOf)) {
    const step = numberOf(start?.get('step'));
    if (step === undefined) continue;
    while ((kept.at(-1)?.step ?? -1) >= step) kept.pop();
    const epoch = stepsPerEpoch === null ? (numberOf(start?.get('epoch')) ?? 0) : step / stepsPerEpoch;
    kept.push({ step, epoch, time: numberOf(start?.get('seconds')) ?? 0 });
  }
  return kept;
};

interface Growing {
  readonly stage: string;
  readonly metric: string;
  readonly over: string;
  readonly points: Point[];
}

/**
 * A train metric is logged over windows and over epochs. The one with more points says more; of as many, the epochs, which cover
 * each step.
 */
const finer = (a: Growing, b: Growing): Growing => {
  if (a.points.length !== b.points.length) return a.points.length > b.points.length ? a : b;
  return b.over === 'epoch' ? b : a;
};

/**
 * The curves of one run. A last line that a kill has cut off is left out. Rejects with a PlotError where the folder holds no run, where
 * nothing is measured so far, or where a line before the last cannot be read.
 */
export async function readRun(path: string): Promise<RunCurves> {
  const file = join(path, 'metrics.jsonl');
  if (!existsSync(path)) throw new PlotError(`there is no folder ${path}; name a run's folder`, 'absent');
  if (!statSync(path).isDirectory())
    throw new PlotError(`${path} is a file; name the run's folder, which holds metrics.jsonl`, 'absent');
  if (!existsSync(file)) {
    const inside = readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && existsSync(join(path, entry.name, 'metrics.jsonl')))
      .map((entry) => join(path, entry.name));
    const [newest] = inside.sort().reverse();
    throw new PlotError(
      `${path} holds no run (there is no metrics.jsonl in it)${newest === undefined ? "; name a run's folder" : `; did you mean ${newest}?`}`,
      'absent',
    );
  }
  const { trainer, stepsPerEpoch, starts } = describe(path);
  const found = new Map<string, Growing>();
  let broken: number | null = null;
  let number = 0;
  const lines = createInterface({ input: createReadStream(file, 'utf8'), crlfDelay: Infinity });
  for await (const line of lines) {
    number += 1;
    if (line === '') continue;
    if (broken !== null)
      throw new PlotError(
        `${file}:${broken} is no line of metrics; it was written by something else`,
        'broken',
      );
    const fields = parse(line);
    const step = numberOf(fields?.get('step'));
    const stage = fields?.get('stage');
    if (fields === null || step === undefined || typeof stage !== 'string') {
      // The last one may be cut off; whether this is the last shows with the next.
      broken = number;
      continue;
    }
    const over = String(fields.get('over'));
    const epoch = stepsPerEpoch === null ? (numberOf(fields.get('epoch')) ?? 0) : step / stepsPerEpoch;
    const time = numberOf(fields.get('wall')) ?? 0;
    for (const [metric, given] of fields) {
      const value = about.has(metric) ? undefined : numberOf(given);
      if (value === undefined) continue;
      const key = JSON.stringify([stage, metric, over]);
      const curve = found.get(key) ?? { stage, metric, over, points: [] };
      found.set(key, curve);
      curve.points.push({ step, epoch, time, value });
    }
  }
  const chosen = new Map<string, Growing>();
  for (const curve of found.values()) {
    const key = JSON.stringify([curve.stage, curve.metric]);
    const other = chosen.get(key);
    chosen.set(key, other === undefined ? curve : finer(other, curve));
  }
  if (chosen.size === 0)
    throw new PlotError(`${path} has measured nothing so far; wait for its first line`, 'missing');
  const curves: readonly Curve[] = [...chosen.values()].map(({ stage, metric, points }) => ({
    stage,
    metric,
    points,
  }));
  return { path, trainer, curves, resumes: resumesOf(starts, stepsPerEpoch) };
}

/** A run of a sweep that has begun. */
export interface RunOfSweep {
  readonly path: string;
  /** What tells it from the others, as `lr=0.01 units=4`; empty where the sweep does not say. */
  readonly label: string;
}

/** The runs of a sweep, in its order; null where the folder is no sweep's. */
export function runsOfSweep(path: string): readonly RunOfSweep[] | null {
  let sweep: Fields | null;
  try {
    sweep = parse(readFileSync(join(path, 'sweep.json'), 'utf8'));
  } catch {
    return null;
  }
  const points = sweep?.get('points');
  if (!Array.isArray(points)) return null;
  const found = points.flatMap((point: unknown) => {
    const runs = fieldsOf(point)?.get('runs');
    if (!Array.isArray(runs)) return [];
    return runs.map(fieldsOf).flatMap((run) => {
      const folder = run?.get('folder');
      return typeof folder === 'string' && existsSync(join(path, folder, 'metrics.jsonl'))
        ? [{ path: join(path, folder), settings: settingsIn(run) }]
        : [];
    });
  });
  const values = new Map<string, Set<string>>();
  for (const { settings } of found)
    for (const [name, value] of settings) values.set(name, (values.get(name) ?? new Set()).add(value));
  // What all of them have says nothing; a single one is known by all that it has.
  const tells = (name: string): boolean => found.length === 1 || (values.get(name)?.size ?? 0) > 1;
  return found.map(({ path: run, settings }) => ({
    path: run,
    label: [...settings].flatMap(([name, value]) => (tells(name) ? [`${name}=${value}`] : [])).join(' '),
  }));
}

/** As a command line has them. */
function settingsIn(run: Fields | null): ReadonlyMap<string, string> {
  const settings = fieldsOf(run?.get('settings')) ?? new Map<string, unknown>();
  return new Map([...settings].map(([name, value]) => [name, value === null ? 'none' : String(value)]));
}
