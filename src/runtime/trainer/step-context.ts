/**
 * What code inside a step may ask about the step: its mode, its name, where in the models it is, and what is to be
 * assigned when it ends. Set by the loop alone; there is one at a time, because a step's body is synchronous.
 *
 * Known after this file: nothing in a step reads the host's clock, a counter of executions or a global mode.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import type { Engine, StateVariable } from '../engine/engine.js';

/** `train` uses batch statistics and dropout, `eval` running statistics and none. */
export type Mode = 'train' | 'eval';

export interface StepContext {
  readonly engine: Engine;
  /** Inside of a module: as that one has it. */
  mode: Mode;
  /** The step's name, e.g. `train`, `validate`, `hard`. */
  readonly stage: string;
  /** The parts of the step around the current call, e.g. `['opt_d']` inside `update opt_d`. */
  readonly regions: string[];
  /** Rows in the batch, or null where the step reads several data sets. */
  readonly rows: number | null;
  /** Full paths of the modules around the current call, outermost first, and `@label` for each view. */
  readonly path: string[];
  /** Paths of parts whose weights are frozen in this step: they and what is in them are in evaluation mode. */
  readonly stillParts: Set<string>;
  /** A figure that a measure step has found, by `step.name`. Throws where there is none. */
  readonly figure: (name: string) => StateVariable;
  /** State to be replaced when the region ends (running statistics), newest value. */
  readonly pending: Map<StateVariable, Tensor>;
}

let current: StepContext | null = null;

/** Runs a step's body (or a part of it) with `context` as the current one. */
export function withStepContext<T>(context: StepContext, body: () => T): T {
  const before = current;
  current = context;
  try {
    return body();
  } finally {
    current = before;
  }
}

export function stepContext(
  engine: Engine,
  stage: string,
  mode: Mode,
  rows: number | null,
  figure: StepContext['figure'] = notMeasured,
): StepContext {
  const path: string[] = [];
  return { engine, mode, stage, rows, regions: [], path, stillParts: new Set(), figure, pending: new Map() };
}

function notMeasured(name: string): never {
  throw new Error(`${name} is a figure of a measure step, and this step is of no run that has one`);
}

/** The current step. Throws outside of one. */
export function currentStep(): StepContext {
  if (current === null) {
    throw new Error(
      'a model was called outside a step: weights and random numbers exist only there; call it in a step, or use trainer.predict()',
    );
  }
  return current;
}

/** Enters a module's path, or a view's `@label`, for the calls in `body`. */
export function enterModule<T>(name: string, body: () => T): T {
  const step = currentStep();
  const { path, mode } = step;
  path.push(name);
  if (isStill(step, name)) step.mode = 'eval';
  try {
    return body();
  } finally {
    step.mode = mode;
    path.pop();
  }
}

/** Whether a part, or one around it, is frozen. Groups of layers have weights and a path, and are no modules. */
function isStill({ stillParts }: StepContext, path: string): boolean {
  for (let end = path.length; stillParts.size > 0 && end > 0; end = path.lastIndexOf('.', end - 1)) {
    if (stillParts.has(path.slice(0, end))) return true;
  }
  return false;
}

/** Enters a part of the step (an update) for the calls in `body`. */
export function enterRegion<T>(name: string, body: () => T): T {
  const { regions } = currentStep();
  regions.push(name);
  try {
    return body();
  } finally {
    regions.pop();
  }
}

/** Enters a turn of a loop until the returned function is called. */
export function enterTurn(turn: number): () => void {
  const { regions } = currentStep();
  regions.push(`turn ${turn}`);
  return () => {
    regions.pop();
  };
}

/**
 * The label that keys a draw's random numbers: step, regions, the views and the innermost module around the call, name.
 * It depends on the place of the call alone, never on how often it ran.
 */
export function drawLabel(name: string): string {
  const { stage, regions, path } = currentStep();
  const views = path.filter((entry) => entry.startsWith('@'));
  const inner = path.filter((entry) => !entry.startsWith('@')).slice(-1);
  return [stage, ...regions, ...views, ...inner, name].join('/');
}

/** Replaces state when the region ends; until then `latest` sees the new value. */
export function assignLater(variable: StateVariable, value: Tensor): void {
  currentStep().pending.set(variable, value);
}

/** The state's value as this step has left it so far. */
export function latest(variable: StateVariable): Tensor {
  return currentStep().pending.get(variable) ?? variable.read();
}
