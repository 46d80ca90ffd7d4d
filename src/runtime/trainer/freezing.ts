/**
 * Weights that are kept from the start of a run for some steps, and the parts of models that they make up. Which of them a step
 * leaves alone is asked of the clock on the host, so that a step is traced once before and once after each thaw.
 */
import type { StateVariable } from '../engine/engine.js';
import { parts, type Part } from '../nn/module.js';
import type { BoundOptimizer } from '../optim/bound.js';
import { durationInSteps, type Pace } from '../../values/durations.js';
import type { Duration } from '../../values/units.js';
import type { StepTrace } from './stage.js';

/** A part of a model with the trained weights in it and below. */
interface WeightedPart {
  readonly path: string;
  readonly weights: readonly StateVariable[];
}

export class Freezing {
  /** Steps done when a weight may change for the first time. */
  readonly #until = new Map<StateVariable, number>();
  readonly #parts: readonly WeightedPart[];

  constructor(optimizers: Iterable<BoundOptimizer>, models: ReadonlyMap<string, Part>, pace: Pace) {
    for (const { freezes } of optimizers) {
      for (const [variable, freeze] of freezes) {
        const steps = stepsOf(freeze, pace);
        if (steps > 0) this.#until.set(variable, steps);
      }
    }
    this.#parts = this.#until.size === 0 ? [] : [...models].flatMap(([name, part]) => partsBelow(part, name));
  }

  /** Tells a step that trains, before its body runs, what it leaves alone. */
  begin(trace: StepTrace): void {
    const thaws = [...new Set(this.#until.values())].sort((a, b) => a - b);
    const open = new Set(
      thaws.filter((steps) =>
        trace.stage.ask(trace, `frozen for ${steps} steps`, ({ step }) => step < steps),
      ),
    );
    for (const [variable, steps] of this.#until) if (open.has(steps)) trace.frozen.add(variable);
    for (const { path, weights } of this.#parts) {
      if (weights.every((weight) => trace.frozen.has(weight))) trace.context.stillParts.add(path);
    }
  }
}

function stepsOf(freeze: Duration, pace: Pace): number {
  return freeze.unit === 'rest' ? Number.POSITIVE_INFINITY : Math.round(durationInSteps(freeze, pace));
}

/** Every part below `part` that has trained weights. */
function partsBelow(part: Part, path: string): readonly WeightedPart[] {
  const { children, weights } = part[parts];
  const below = [...children].map(([name, child]) => partsBelow(child, `${path}.${name}`));
  const own = [...weights.values()].flatMap((weight) => (weight.trainable ? [weight.variable] : []));
  // The first entry of a child's list is the child itself, with all weights below it.
  const all = [...own, ...below.flatMap(([child]) => child?.weights ?? [])];
  const inner = below.flat().filter((each) => each.weights.length > 0);
  return all.length === 0 ? [] : [{ path, weights: all }, ...inner];
}
