/**
 * How a step is run when nobody says: the ways that make sense for it are timed on its first runs, which train as any other,
 * and the fastest stays. What was found out is kept for the next run of the same step on the same machine.
 */
import { createHash } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { cpus, homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { makeFolder } from '../../../values/folders.js';
import type { TracedStep } from './traced-step.js';

/** One way to run a step. */
export interface Way {
  /** Compiled by XLA, or by TensorFlow's own kernels. */
  readonly xla: boolean;
  /** Several runs in one call. */
  readonly loop: boolean;
}

const ownKernels: Way = { xla: false, loop: false };

/** What is timed. Milliseconds a run. */
interface Trial {
  readonly way: Way;
  readonly times: number[];
}

// The first calls of a way compile it or wake up what it needs.
const warmUp = 1;
const singleRuns = 8;
const loopCalls = 3;
/** Runs that one call of a trial takes: a run need not be long for its trials to be worth it. */
const trialRuns = 32;

// Below so many milliseconds a run, calling costs enough for a loop to be worth a try.
const shortRun = 4;

/** XLA's convolutions on a CPU are several times slower than TensorFlow's own, in a loop twenty times. */
const convolutions = /^(Conv|Depthwise|MaxPool|AvgPool|FusedBatchNorm)/;

/** XLA has no kernels for whole sequences. */
const sequences = /^BlockLSTM/;

/** A guess at how long XLA compiles a graph, in milliseconds, from those that were measured. */
function compileTime(nodes: number): number {
  return 400 + 1.2 * nodes;
}

export interface ChoiceOptions {
  /** Which ways may be taken: any, or those of one compiler. */
  readonly mode: 'auto' | 'graph' | 'xla';
  readonly step: TracedStep;
  /** How many runs are still to come, as far as is known. */
  readonly expected: number;
  readonly onCpu: boolean;
  /** Names the library and the device, for what is kept. */
  readonly engine: string;
  /** Whether a loop can be made at all. */
  readonly canLoop: boolean;
  /** Several runs in a call: always or never where that was asked for, else what is the fastest. */
  readonly loop: boolean | null;
  /** How the run did it that this one goes on from, as `wayText` says it; null where there was none. */
  readonly pinned: string | null;
}

export class CompileChoice {
  readonly #options: ChoiceOptions;
  readonly #trials: Trial[] = [];
  #done = 0;
  #milliseconds = 0;
  #each = 0;
  #chosen: Way | null;
  #text: string | null = null;

  constructor(options: ChoiceOptions) {
    this.#options = options;
    const { mode, canLoop, onCpu, step, loop, pinned } = options;
    if (pinned !== null) {
      this.#chosen = wayNamed(pinned);
      this.#text = `${pinned} (as before)`;
      return;
    }
    if (mode === 'xla' || (mode === 'graph' && loop !== null)) {
      const xla = mode === 'xla';
      this.#chosen = { xla, loop: canLoop && (loop ?? !(onCpu && convolves(step))) };
      this.#text = nameOf(this.#chosen);
      return;
    }
    this.#chosen = recall(keyOf(options));
    if (this.#chosen !== null) this.#text = `${nameOf(this.#chosen)} (as measured before)`;
    else this.#trials.push({ way: ownKernels, times: [] });
  }

  /**
   * How the next call is made. The first is one of TensorFlow's own kernels also where it is known that XLA is faster: XLA compiles for
   * about a second, and whoever waits for the first step should not wait for that as well.
   */
  get way(): Way {
    const { mode, pinned } = this.#options;
    if (mode === 'auto' && pinned === null && this.#done === 0) return ownKernels;
    return this.#chosen ?? this.#trials.at(-1)?.way ?? ownKernels;
  }

  /** How long a call took lately, once the way is chosen; 0 before, when calls are timed with nothing beside them. */
  get milliseconds(): number {
    return this.#chosen === null ? 0 : this.#milliseconds;
  }

  /** How long one run took lately, in milliseconds; 0 before the first. */
  get each(): number {
    return this.#each;
  }

  /** How many runs the next call takes at most. */
  get atOnce(): number {
    return this.#chosen === null ? trialRuns : Number.POSITIVE_INFINITY;
  }

  /** What was chosen, once it is. */
  get settled(): string | null {
    // One that has not run yet has its first call still before it.
    return this.#chosen === null || (this.#done === 0 && this.#options.pinned === null)
      ? null
      : nameOf(this.#chosen);
  }

  /** What was chosen and why, once it is. */
  get text(): string | null {
    return this.#text;
  }

  /** Takes the time of a call into account. */
  note(runs: number, milliseconds: number): void {
    this.#done += runs;
    this.#milliseconds = milliseconds;
    this.#each = milliseconds / runs;
    const trial = this.#trials.at(-1);
    if (this.#chosen !== null || trial === undefined) return;
    trial.times.push(milliseconds / runs);
    const enough = warmUp + (trial.way.loop ? loopCalls : singleRuns);
    if (trial.times.length < enough) return;
    const next = this.#next();
    if (next === null) this.#choose();
    else this.#trials.push({ way: next, times: [] });
  }

  /** The next way that is worth its trial, or null. */
  #next(): Way | null {
    const { mode, step, expected, onCpu, canLoop } = this.#options;
    const best = this.#best();
    const left = expected - this.#done;
    const tried = ({ xla, loop }: Way): boolean =>
      this.#trials.some(({ way }) => way.xla === xla && way.loop === loop);
    const short = canLoop && best.time < shortRun;
    const graphLoop: Way = { xla: false, loop: true };
    if (short && !tried(graphLoop) && left > 10 * trialRuns) return graphLoop;
    const nodes = [...step.ops.values()].reduce((total, count) => total + count, 0);
    const mayCompile =
      mode === 'auto' &&
      !step.computesIndices &&
      !(onCpu && convolves(step)) &&
      ![...step.ops.keys()].some((op) => sequences.test(op));
    const xla: Way = { xla: true, loop: canLoop };
    // Half of the time that is left is what XLA can be expected to save.
    if (mayCompile && !tried(xla) && left * best.time * 0.5 > compileTime(nodes)) return xla;
    return null;
  }

  #best(): { readonly way: Way; readonly time: number } {
    const timed = this.#trials.map(({ way, times }) => ({ way, time: median(times.slice(warmUp)) }));
    return timed.reduce((best, one) => (one.time < best.time ? one : best));
  }

  #choose(): void {
    const { way } = this.#best();
    this.#chosen = way;
    const others = this.#trials.map(
      (trial) => `${nameOf(trial.way)} ${median(trial.times.slice(warmUp)).toPrecision(2)} ms`,
    );
    this.#text = others.length === 1 ? nameOf(way) : `${nameOf(way)} (a step: ${others.join(', ')})`;
    remember(keyOf(this.#options), way);
  }
}

function convolves({ ops }: TracedStep): boolean {
  return [...ops.keys()].some((op) => convolutions.test(op));
}

function nameOf({ xla, loop }: Way): string {
  return `${xla ? 'xla' : 'graph'}${loop ? ', several steps a call' : ''}`;
}

/** The way of that name. Throws where there is none. */
export function wayNamed(name: string): Way {
  for (const xla of [true, false])
    for (const loop of [true, false]) if (nameOf({ xla, loop }) === name) return { xla, loop };
  throw new Error(`there is no way to run a step that is called ${JSON.stringify(name)}`);
}

/** Names a step by what it computes, on any machine. */
export function stepKey(name: string, step: TracedStep): string {
  return hashOf([name, ...computedBy(step)]);
}

function computedBy({ ops, inputs, resources }: TracedStep): readonly unknown[] {
  return [
    [...ops].sort(([a], [b]) => (a < b ? -1 : 1)),
    inputs,
    resources.map(({ shape, dtype }) => [shape, dtype]),
  ];
}

const hashOf = (parts: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.POSITIVE_INFINITY;
}

/** Names a step by what it computes, and the machine. */
function keyOf({ mode, step, engine, canLoop, expected }: ChoiceOptions): string {
  const processor = cpus();
  const parts = [
    engine,
    mode,
    processor[0]?.model ?? '',
    processor.length,
    canLoop,
    // A short run does not try what a long one would.
    Math.round(Math.log2(expected + 1)),
    ...computedBy(step),
  ];
  return hashOf(parts);
}

function choicesFile(): string {
  const base = process.env['XDG_CACHE_HOME'] ?? '';
  return join(isAbsolute(base) ? base : join(homedir(), '.cache'), 'ztrain', 'compile-choices.json');
}

// More are of specs that nobody runs any more.
const mostKept = 200;

function readChoices(): ReadonlyMap<string, Way> {
  try {
    const read: unknown = JSON.parse(readFileSync(choicesFile(), 'utf8'));
    const entries = typeof read === 'object' && read !== null ? Object.entries(read) : [];
    return new Map(
      entries.flatMap(([key, way]: [string, unknown]): [string, Way][] => (isWay(way) ? [[key, way]] : [])),
    );
  } catch {
    // None were kept, or what is there is none: they are found out again.
    return new Map();
  }
}

function isWay(value: unknown): value is Way {
  return (
    typeof value === 'object' &&
    value !== null &&
    'xla' in value &&
    typeof value.xla === 'boolean' &&
    'loop' in value &&
    typeof value.loop === 'boolean'
  );
}

function recall(key: string): Way | null {
  return readChoices().get(key) ?? null;
}

function remember(key: string, way: Way): void {
  const kept = [...readChoices()].filter(([other]) => other !== key).slice(1 - mostKept);
  const file = choicesFile();
  const temporary = `${file}.${process.pid}`;
  try {
    makeFolder(dirname(file));
    writeFileSync(temporary, JSON.stringify(Object.fromEntries([...kept, [key, way]])));
    renameSync(temporary, file);
  } catch {
    // Without a cache the next run measures again.
  }
}
