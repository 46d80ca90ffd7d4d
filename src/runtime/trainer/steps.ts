/** Steps as `configureSteps` lists them: what each is called, which data it reads, when it runs. */
import type { Data } from '../data/data.js';
import type { Batch } from '../data/record.js';
import { withBatch } from '../data/texts.js';
import type { Measured } from '../rows/measured.js';
import type { Tensor } from '../tensor.js';
import type { Duration } from '../../values/units.js';
import { epochs } from '../../values/units.js';

export type StageKind = 'train' | 'validate' | 'test' | 'predict' | 'measure';

/** A step without its batches' types. */
export interface StepPlan {
  readonly kind: StageKind;
  /** Names metrics: `validate`, or the name after `as`. */
  readonly name: string;
  readonly data: readonly Data<unknown>[];
  /** When a validation runs during training. */
  readonly every: Duration | null;
  /** Runs the body over the tensors of one batch of each data set. Only inside a step. */
  readonly run: (tensors: readonly (readonly Tensor[])[]) => unknown;
  /** Of a measure step: how each figure is joined, by name, known once the body was traced. */
  readonly measures?: ReadonlyMap<string, Pick<Measured, 'how' | 'perRow'>>;
}

export interface ValidateOptions {
  /** One epoch unless given. */
  readonly every?: Duration;
}

/** One batch of each data set, as a tuple. */
type DataOf<B extends readonly unknown[]> = { readonly [K in keyof B]: Data<B[K]> };

function plan<B extends readonly unknown[]>(
  kind: StageKind,
  name: string,
  data: DataOf<B>,
  every: Duration | null,
  body: (...batches: B) => unknown,
): StepPlan {
  const sets: readonly Data<unknown>[] = data;
  if (sets.length === 0) throw new Error(`step ${name} reads no data; give it at least one data set`);
  return {
    kind,
    name,
    data: sets,
    every,
    run: (tensors) => {
      const batches: readonly unknown[] = sets.map((set, index) =>
        withBatch(index, () => set.toBatch(tensors[index] ?? [])),
      );
      return oneOfEach<B>(batches, sets.length) ? body(...batches) : unreachable(name);
    },
  };
}

// Each batch was just made by the data set of its place, so the tuple has the type that the data sets' have.
function oneOfEach<B extends readonly unknown[]>(batches: readonly unknown[], count: number): batches is B {
  return batches.length === count;
}

function unreachable(name: string): never {
  throw new Error(`step ${name} got another number of batches than it reads; this is a fault of the runtime`);
}

/** A step that trains. The body calls `update`. */
export function train<B extends readonly unknown[]>(
  name: string,
  data: DataOf<B>,
  body: (...batches: B) => void,
): StepPlan {
  return plan('train', name, data, null, body);
}

/** A step that measures during training, in evaluation mode. */
export function validate<B extends readonly unknown[]>(
  name: string,
  data: DataOf<B>,
  options: ValidateOptions,
  body: (...batches: B) => unknown,
): StepPlan {
  return plan('validate', name, data, options.every ?? epochs(1), body);
}

/** A step that measures trained weights. */
export function test<B extends readonly unknown[]>(
  name: string,
  data: DataOf<B>,
  body: (...batches: B) => unknown,
): StepPlan {
  return plan('test', name, data, null, body);
}

/** A step that returns a row of output for each row of input. */
export function predict<B extends readonly unknown[]>(
  name: string,
  data: DataOf<B>,
  body: (...batches: B) => unknown,
): StepPlan {
  return plan('predict', name, data, null, body);
}

/** What an add-on computes of rows of data sets, as a step in evaluation mode. */
export function overRows(
  name: string,
  data: readonly Data<unknown>[],
  body: (batches: readonly Batch[]) => unknown,
): StepPlan {
  const run = (...batches: readonly unknown[]): unknown =>
    batches.every(isBatch) ? body(batches) : unreachable(name);
  return plan<readonly unknown[]>('validate', name, data, null, run);
}

// What a data set gives is a record, whatever its maps are.
function isBatch(batch: unknown): batch is Batch {
  return typeof batch === 'object' && batch !== null;
}

/** A step that finds figures of the data before training. The body returns them by name. */
export function measure<B extends readonly unknown[]>(
  name: string,
  data: DataOf<B>,
  body: (...batches: B) => Readonly<Record<string, Measured>>,
): StepPlan {
  const measures = new Map<string, Pick<Measured, 'how' | 'perRow'>>();
  const flat = (...batches: B): Readonly<Record<string, Tensor>> =>
    Object.fromEntries(
      Object.entries(body(...batches)).flatMap(([figure, { how, perRow, parts }]) => {
        measures.set(figure, { how, perRow });
        return Object.entries(parts).map(([part, value]) => [`${figure}/${part}`, value]);
      }),
    );
  return { ...plan('measure', name, data, null, flat), measures };
}
