/** Copies of models in a run: whose weights each of theirs follows, and how they do so on the device. */
import type { Copy } from '../copies/index.js';
import type { Engine, StateVariable } from '../engine/engine.js';
import { weightsOf, type NamedWeight, type Part } from '../nn/module.js';
import type { Weight } from '../nn/weight.js';
import * as ops from '../ops/index.js';
import type { Clock } from '../optim/optimizer.js';
import { readScalar } from '../optim/update.js';
import { RunError } from '../run/run-error.js';
import type { Scalar, Tensor } from '../tensor.js';
import { averageTakes, firstTaken } from '../../values/averages.js';
import type { Pace } from '../../values/durations.js';
import type { StepTrace } from './stage.js';

/** A weight of a copy and the one that it is a copy of. */
export interface CopiedWeight {
  readonly own: Weight;
  readonly source: Weight;
}

/** Pairs the weights of a copy with its model's; none of a model that is not there. Throws where the two are not alike. */
export function copiedWeights(name: string, { of, into }: Copy<never>): readonly CopiedWeight[] {
  if (typeof of === 'string') return [];
  const [sources, own] = [weightsOf(of), weightsOf(into)];
  const shapes = (weights: readonly Weight[]): string =>
    weights.map(({ shape }) => `[${shape.join()}]`).join();
  if (of === into || shapes(sources) !== shapes(own)) {
    throw new Error(
      `copy ${name} is not like its model: its weights are ${shapes(own)}, the model's ${shapes(sources)}; make both of one class with the same options, two instances`,
    );
  }
  return own.flatMap((weight, index): CopiedWeight[] => {
    const source = sources[index];
    return source === undefined ? [] : [{ own: weight, source }];
  });
}

type AverageOf<S extends object> = Extract<Copy<S>, { kind: 'average' }>;

interface BoundCopy<S extends object> {
  readonly name: string;
  readonly copy: Copy<S>;
  readonly weights: readonly CopiedWeight[];
  /** The model's path, under which its modules are called. */
  readonly path: string;
  /** Of an average: how many weights are in it. */
  readonly count: StateVariable | null;
}

export class Copies<S extends object> {
  readonly #copies: readonly BoundCopy<S>[];

  constructor(
    private readonly engine: Engine,
    copies: ReadonlyMap<string, Copy<S>>,
    /** Null where nothing is trained, and nothing taken in. */
    private readonly pace: Pace | null,
    paths: ReadonlyMap<Part, string>,
    private readonly clockOf: (clock: Clock) => Clock<S>,
  ) {
    this.#copies = [...copies].map(([name, copy]) => ({
      name,
      copy,
      weights: copiedWeights(name, copy),
      path: paths.get(copy.into) ?? '',
      count:
        copy.kind === 'average'
          ? engine.variable(`${name}/count`, {
              dtype: 'f32',
              shape: [],
              // From the start on, the first weights are in it, which are its own at the start.
              values: Float32Array.of(pace !== null && firstTaken(copy.from, pace) === 0 ? 1 : 0),
            })
          : null,
    }));
  }

  /** What checkpoints keep besides the weights. */
  get state(): readonly StateVariable[] {
    return this.#copies.flatMap(({ count }) => count ?? []);
  }

  /** Tensors of a checkpoint without those of models that are not made: trainers before this one made them, and saved what they began with. */
  withoutUnmade<T>(tensors: ReadonlyMap<string, T>): ReadonlyMap<string, T> {
    const unmade = this.#copies.flatMap(({ copy: { of } }) => (typeof of === 'string' ? [`${of}.`] : []));
    return unmade.length === 0
      ? tensors
      : new Map([...tensors].filter(([path]) => !unmade.some((start) => path.startsWith(start))));
  }

  /** Names of the scalars that each step takes in. */
  get scalarNames(): readonly string[] {
    return this.#copies.flatMap(({ name, copy }) => (copy.kind === 'ema' ? [`pull:${name}`] : []));
  }

  /** 1 - decay of each average at a step: taken here, where it keeps its digits. Throws for a decay that is none. */
  pullsAt(clock: Clock): readonly number[] {
    const own = this.clockOf(clock);
    return this.#copies.flatMap(({ name, copy }) => {
      if (copy.kind !== 'ema') return [];
      const decay = typeof copy.decay === 'number' ? copy.decay : copy.decay(own);
      if (!(decay >= 0 && decay <= 1)) {
        throw new RunError(
          `the decay of ${name} is ${decay} at step ${clock.step + 1}; it must be from 0 to 1`,
        );
      }
      return [1 - decay];
    });
  }

  /** Before a step that trains: what is frozen is in evaluation mode. */
  begin(trace: StepTrace): void {
    for (const { copy, path } of this.#copies) if (copy.kind === 'frozen') trace.context.stillParts.add(path);
  }

  /** After an update that changed weights, unless it was not `fine`. */
  follow(trace: StepTrace, changed: ReadonlySet<StateVariable>, fine: Tensor | null): void {
    for (const { name, copy, weights } of this.#copies) {
      if (copy.kind !== 'ema' || !weights.some(({ source }) => changed.has(source.variable))) continue;
      const given = trace.scalars.get(`pull:${name}`);
      if (given === undefined)
        throw new Error(`the decay of ${name} did not reach the step; this is a fault of the runtime`);
      const pull = fine === null ? given : ops.select<Scalar>(fine, given, 0);
      for (const { own, source } of weights) {
        if (own.trainable) this.#move(own.variable, source.variable, pull);
      }
    }
  }

  /** At the end of a window of the train step: averages take weights in, and running statistics are those of the model. */
  finish(trace: StepTrace): void {
    if (!trace.last) return;
    for (const one of this.#copies) {
      if (one.copy.kind === 'frozen') continue;
      if (one.copy.kind === 'average') this.#average(trace, one, one.copy);
      for (const { own, source } of one.weights) {
        if (!own.trainable) own.variable.assign(source.variable.read());
      }
    }
  }

  /**
   * The clock goes from step `from` to step `to` without training. Averages take the weights in once where they would have in
   * between: there is one state of the weights to take.
   */
  async passOver(from: number, to: number): Promise<void> {
    for (const one of this.#copies) {
      if (one.copy.kind !== 'average') continue;
      const takes = this.#takesAt(one.copy);
      let isDue = false;
      for (let step = from + 1; step <= to && !isDue; step += 1) isDue = takes(step);
      if (!isDue) continue;
      const compiled = this.engine.compile(`${one.name} takes weights in`, () => {
        this.#takeIn(one);
        return [];
      });
      try {
        await compiled.run([], { seed: 0, step: from, micro: 0, rowOffset: 0 });
      } finally {
        compiled.dispose();
      }
    }
  }

  /** Whether an average takes weights in when so many steps are done. */
  #takesAt({ from, every }: AverageOf<S>): (done: number) => boolean {
    return averageTakes(from, every, this.#trainingPace());
  }

  #trainingPace(): Pace {
    if (this.pace === null)
      throw new Error('an average takes weights in where nothing is trained; this is a fault of the runtime');
    return this.pace;
  }

  #average(trace: StepTrace, one: BoundCopy<S>, copy: AverageOf<S>): void {
    const { name, weights } = one;
    const first = firstTaken(copy.from, this.#trainingPace());
    const takes = this.#takesAt(copy);
    const early = trace.stage.ask(trace, `${name} waits`, ({ step }) => step + 1 < first);
    if (early) {
      for (const { own, source } of weights) if (own.trainable) own.variable.assign(source.variable.read());
    }
    if (trace.stage.ask(trace, `${name} takes weights in`, ({ step }) => takes(step + 1))) this.#takeIn(one);
  }

  /** Moves an average towards the weights as they are now. */
  #takeIn({ weights, count }: BoundCopy<S>): void {
    if (count === null) return;
    const trained = weights.filter(({ own }) => own.trainable);
    const taken = ops.add<Scalar>(readScalar(count), 1);
    count.assign(taken);
    const pull = ops.div<Scalar>(1, taken);
    for (const { own, source } of trained) this.#move(own.variable, source.variable, pull);
  }

  /** own += pull · (source - own) */
  #move(own: StateVariable, source: StateVariable, pull: Scalar): void {
    const before = own.read();
    const amount = ops.mul<Tensor>(ops.sub<Tensor>(before, source.read()), pull);
    if (this.engine.updateInPlace) this.engine.updateInPlace({ kind: 'subtract', weight: own, amount });
    else own.assign(ops.sub<Tensor>(before, amount));
  }
}

/** Where a copy's first values come from: the path of the weight that each of its weights is a copy of. */
export function copiedPaths(
  copies: ReadonlyMap<string, Copy<never>>,
  weights: readonly NamedWeight[],
): ReadonlyMap<Weight, string> {
  const paths = new Map(weights.map(({ path, weight }) => [weight, path]));
  const found = new Map<Weight, string>();
  const pairs = [...copies].flatMap(([name, copy]) =>
    copiedWeights(name, copy).map((pair) => ({ name, ...pair })),
  );
  for (const { name, own, source } of pairs) {
    const path = paths.get(source);
    if (path === undefined || !paths.has(own)) {
      throw new Error(`copy ${name} is of a model that configureModels did not return; return it there`);
    }
    if (found.has(own)) throw sharedCopy(name);
    found.set(own, path);
  }
  for (const { name, source } of pairs) if (found.has(source)) throw sharedCopy(name);
  for (const [name, { of, into }] of copies) {
    if (typeof of !== 'string') continue;
    if (weights.some(({ path }) => path.startsWith(`${of}.`)))
      throw new Error(`copy ${name} is of ${of}, which the trainer has; name the model itself`);
    for (const weight of weightsOf(into)) {
      const path = paths.get(weight);
      if (path === undefined)
        throw new Error(`copy ${name} is into a model that configureModels did not return; return it there`);
      if (found.has(weight)) throw sharedCopy(name);
      found.set(weight, `${of}${path.slice(path.indexOf('.'))}`);
    }
  }
  return found;
}

function sharedCopy(name: string): Error {
  return new Error(
    `copy ${name} and another one share a model; copy a model that is no copy, each into its own`,
  );
}
