/**
 * Our side of the measurements: trains a trainer and takes orders at standard input, `{"steps": 64}`, between which it waits. It
 * answers with the milliseconds that the steps took; all of the loop is in them: batches, schedules, totals of metrics. The peers'
 * workers keep the same protocol (`peers/protocol.py`).
 */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { AddOn, Answer, Hooks, Moment } from '../src/runtime/addons/addon.js';
import type { Engine } from '../src/runtime/engine/engine.js';
import { libraryIn } from '../src/runtime/engine/tensorflow/library-files.js';
import { createTensorFlowEngine } from '../src/runtime/engine/tensorflow/tensorflow-engine.js';
import { runFit, type AnyTrainer } from '../src/runtime/trainer/run.js';
import type { TrainerSetup } from '../src/runtime/trainer/trainer.js';
import { timeCalls } from './call-time.js';

export interface WorkerOptions {
  readonly library: string;
  readonly compile: 'auto' | 'graph' | 'xla' | 'eager';
  /** Each step in a call of its own, whatever the engine would do. */
  readonly single: boolean;
  /** Steps before the first order. */
  readonly warmUp: number;
  readonly threads: number;
}

type TrainerClass = new (setup?: TrainerSetup) => AnyTrainer;

interface Order {
  readonly steps?: number;
  readonly end?: boolean;
}

/** Largest resident memory of this process so far, in MiB. */
function peakMemory(): number {
  const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(line?.[1] ?? Number.NaN) / 1024;
}

/** Milliseconds that processors have worked for this process, all threads together. */
function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function answer(what: object): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

async function* orders(): AsyncGenerator<Order, void, undefined> {
  for await (const line of createInterface({ input: process.stdin })) {
    const order: unknown = JSON.parse(line);
    if (typeof order === 'object' && order !== null) yield order;
  }
}

/** Trains until it is told to end. */
export async function work(trainerClass: TrainerClass, options: WorkerOptions): Promise<void> {
  const files = libraryIn(options.library);
  if (files === null) throw new Error(`there is no TensorFlow library in ${options.library}`);
  const engine = await createTensorFlowEngine({
    files,
    compile: options.compile,
    intraThreads: options.threads,
    interThreads: options.threads,
  });
  const calls = timeCalls(engine);
  const next = orders();
  let until = options.warmUp;
  let from = 0;
  let began = performance.now();
  let native = 0;
  let processor = 0;
  let isFirst = true;

  const stepEnd = async (at: Moment): Promise<Answer> => {
    if (isFirst) answer({ first: true });
    isFirst = false;
    if (at.step < until) return undefined;
    answer({
      ms: performance.now() - began,
      steps: at.step - from,
      native: calls.milliseconds() - native,
      cpu: processorTime() - processor,
      peak: peakMemory(),
    });
    const order = await next.next();
    if (order.done === true || order.value.end === true) return 'end-run';
    from = at.step;
    until = at.step + (order.value.steps ?? 1);
    native = calls.milliseconds();
    processor = processorTime();
    began = performance.now();
    return undefined;
  };
  const hooks: Hooks<Answer> = {
    stepEnd,
    nextStepEnd: (step) => (options.single || isFirst ? step + 1 : Math.max(step + 1, until)),
  };
  const timing: AddOn = {
    kind: 'bench',
    phase: 'dependent',
    owns: ['stop'],
    withOptions: () => timing,
    start: () => hooks,
  };
  const trainer = new trainerClass();
  await runFit(timed(trainer, engine, timing), { runDir: null, stream: { write: () => undefined } });
  process.exit(0);
}

/** The trainer with an engine of ours and the add-on that times it. */
function timed(trainer: AnyTrainer, engine: Engine, timing: AddOn): AnyTrainer {
  return {
    spec: trainer.spec,
    params: trainer.params,
    resolved: trainer.resolved,
    options: trainer.options,
    overrides: trainer.overrides,
    dataNames: () => trainer.dataNames(),
    settableData: () => trainer.settableData(),
    dataSets: () => trainer.dataSets(),
    inSpecWith: (params, name) => trainer.inSpecWith(params, name),
    prepare: async (options) => {
      const prepared = await trainer.prepare({ ...options, engine });
      return { ...prepared, addOns: [...prepared.addOns, timing] };
    },
  };
}
