/**
 * Weights that are kept for some steps, from the start of a run or to its end, and the parts of models that they make up. Which of them
 * a step leaves alone is asked of the clock on the host, so that a step is traced once between each two times at which that changes.
 */
import type { StateVariable } from '../engine/engine.js';
import { parts, type Part } from '../nn/module.js';
import type { BoundOptimizer } from '../optim/bound.js';
import type { Freeze } from '../optim/optimizer.js';
import { RunError } from '../run/run-error.js';
import { durationInSteps, type Pace } from '../../values/durations.js';
import type { Duration } from '../../values/units.js';
import type { StepTrace } from './stage.js';
import { counted } from '../../values/counted.js';

/** A part of a model with the trained weights in it and below. */
interface WeightedPart {
  readonly path: string;
  readonly weights: readonly StateVariable[];
}

export class Freezing {
  readonly #free = new Map<StateVariable, TrainedTimes>();
  readonly #parts: readonly WeightedPart[];

  /** Throws where a weight is frozen again before it has thawed. */
  constructor(optimizers: Iterable<BoundOptimizer>, models: ReadonlyMap<string, Part>, pace: Pace) {
    for (const { name, freezes } of optimizers) {
      for (const [variable, freeze] of freezes) {
        const free = freeOf(freeze, pace);
        if (free.until <= free.from && Number.isFinite(free.from))
          throw new RunError(
            `${name} freezes ${variable.path} after ${counted(free.until, 'step')}, and before that until ${free.from}: it would never change; freeze it later, or for the rest of the run`,
          );
        if (free.from > 0 || free.until < Number.POSITIVE_INFINITY) this.#free.set(variable, free);
      }
    }
    this.#parts = this.#free.size === 0 ? [] : [...models].flatMap(([name, part]) => partsBelow(part, name));
  }

  /** When a weight that an optimizer owns may change. */
  timesOf(variable: StateVariable): TrainedTimes {
    return this.#free.get(variable) ?? { from: 0, until: Number.POSITIVE_INFINITY };
  }

  /** Names of the learning rates whose weights are all left alone by the update after `step` others. */
  frozenRates(optimizers: Iterable<BoundOptimizer>, step: number): ReadonlySet<string> {
    const isFrozen = (variable: StateVariable): boolean => {
      const free = this.#free.get(variable);
      return free !== undefined && (step < free.from || step >= free.until);
    };
    const standsStill = (weights: readonly StateVariable[]): boolean =>
      weights.length > 0 && weights.every(isFrozen);
    return new Set(
      [...optimizers].flatMap(({ rateNames, rated }) =>
        rateNames.filter((_, index) => standsStill(rated[index] ?? [])),
      ),
    );
  }

  /** Tells a step that trains, before its body runs, what it leaves alone. */
  begin(trace: StepTrace): void {
    const asked = new Map<number, boolean>();
    const times = [...this.#free.values()].flatMap(({ from, until }) => [from, until]);
    for (const time of [...new Set(times)].sort((a, b) => a - b)) {
      // The start has passed, and the end of all time never does.
      const passed =
        time === 0 ||
        (time < Number.POSITIVE_INFINITY &&
          trace.stage.ask(trace, `after ${time} steps`, ({ step }) => step >= time));
      asked.set(time, passed);
    }
    for (const [variable, { from, until }] of this.#free)
      if (asked.get(from) !== true || asked.get(until) === true) trace.frozen.add(variable);
    for (const { path, weights } of this.#parts) {
      if (weights.every((weight) => trace.frozen.has(weight))) trace.context.stillParts.add(path);
    }
  }
}

/** Steps done when a weight may change for the first time, and when it does not any more. */
export interface TrainedTimes {
  readonly from: number;
  readonly until: number;
}

function freeOf(freeze: Freeze, pace: Pace): TrainedTimes {
  if ('unit' in freeze) return { from: stepsOf(freeze, pace), until: Number.POSITIVE_INFINITY };
  return { from: freeze.first === null ? 0 : stepsOf(freeze.first, pace), until: stepsOf(freeze.from, pace) };
}

function stepsOf(length: Duration, pace: Pace): number {
  return length.unit === 'rest' ? Number.POSITIVE_INFINITY : Math.round(durationInSteps(length, pace));
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
