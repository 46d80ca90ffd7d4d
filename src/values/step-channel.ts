/**
 * Tells the process of each step that a run has trained, by a channel of its name: a trainer's bundle has a copy of the runtime of its own,
 * and `ztrainc verify-resume` kills the process at one of them.
 */
import { channel, subscribe } from 'node:diagnostics_channel';

const name = 'ztrain:step';
const steps = channel(name);

/** Says that `step` steps of the run are trained: as training begins, and after each call of the engine. */
export function tellStep(step: number): void {
  if (steps.hasSubscribers) steps.publish(step);
}

/** Calls back with the number of steps that are trained. */
export function onStep(listener: (step: number) => void): void {
  subscribe(name, (step) => listener(Number(step)));
}
