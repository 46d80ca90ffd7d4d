/** A run that `ztrainc verify-resume` starts in a process of its own: it tells when each step was trained, or kills itself in the middle. */
import { writeFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { onStep } from '../values/step-channel.js';

/** Steps that are trained by then, and milliseconds since the process began. */
export type StepTime = readonly [step: number, milliseconds: number];

export type Watch =
  /** A file for a list of StepTime, written as the process ends. */
  | { readonly times: string }
  /** Is killed. */
  | {
      /** A file that is told of the kill, right before it: steps that were trained by then, or `ready`, where it had not begun to train. */
      readonly report: string;
      /** Steps after which it is killed; null: while it gets ready to train. */
      readonly step: number | null;
      /** Milliseconds from that step on, or from the start. */
      readonly after: number;
    };

/** What is shared with the thread that kills: whether it is time, steps that are trained, whether the thread is there. */
const [due, trained, isThere] = [0, 1, 2];

const startMilliseconds = 10_000;

/** A thread of its own, for the kill is to come in the middle of a step too, while the first thread computes. */
const killer = `
const { workerData: { cells, watch } } = require('node:worker_threads');
Atomics.store(cells, ${isThere}, 1);
Atomics.notify(cells, ${isThere});
if (watch.step !== null) Atomics.wait(cells, ${due}, 0);
// Nobody wakes it: it sleeps so long.
if (watch.after > 0) Atomics.wait(cells, ${isThere}, 1, watch.after);
require('node:fs').writeFileSync(watch.report, watch.step === null ? 'ready' : String(Atomics.load(cells, ${trained})));
process.kill(process.pid, 'SIGKILL');
`;

/** Watches the run that this process is about to train. */
export const watchSteps = (watch: Watch): void => {
  if ('times' in watch) {
    const times: StepTime[] = [];
    onStep((step) => void times.push([step, performance.now()]));
    process.once('exit', () => writeFileSync(watch.times, JSON.stringify(times)));
    return;
  }
  const cells = new Int32Array(new SharedArrayBuffer(3 * Int32Array.BYTES_PER_ELEMENT));
  // A run that comes to its end before is not held up.
  new Worker(killer, { eval: true, workerData: { cells, watch } }).unref();
  onStep((step) => {
    if (watch.step === null) {
      // It is ready sooner than was thought.
      writeFileSync(watch.report, 'ready');
      process.kill(process.pid, 'SIGKILL');
    }
    Atomics.wait(cells, isThere, 0, startMilliseconds);
    Atomics.store(cells, trained, step);
    if (watch.step === null || step < watch.step) return;
    Atomics.store(cells, due, 1);
    Atomics.notify(cells, due);
  });
};
