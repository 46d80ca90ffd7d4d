/** The engine that runs a step now, and the names that draws of random numbers get while it does. */
import type { Engine } from './engine.js';

interface Running {
  readonly engine: Engine;
  readonly step: string;
}

let running: Running | null = null;
let nameDraw: (draw: string) => string = (draw) => draw;

/**
 * The engine of the step that runs now.
 *
 * @throws outside of a step
 */
export function currentEngine(): Engine {
  if (running === null) {
    throw new Error('no step runs now: this op needs the engine of a step, call it in the body of one');
  }
  return running.engine;
}

/** The name of the step that runs now, or null. */
export function currentStep(): string | null {
  return running?.step ?? null;
}

/** Runs `body` as the step `step` of `engine`. Steps don't nest. */
export function duringStep<T>(engine: Engine, step: string, body: () => T): T {
  if (running !== null) {
    throw new Error(`step \`${step}\` started inside step \`${running.step}\`: steps do not nest`);
  }
  running = { engine, step };
  try {
    return body();
  } finally {
    running = null;
  }
}

/** Sets how the name written at a draw becomes its label: the trainer puts the step's region and the call path before it. */
export function useDrawNames(name: (draw: string) => string): void {
  nameDraw = name;
}

/** The label of a draw, unique in a trainer and the same at every step. */
export function drawLabel(draw: string): string {
  return nameDraw(draw);
}
