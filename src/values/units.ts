/**
 * Numbers with a unit, as `500.steps` or `0.25.epoch` in a spec. Units are types: a quantity of one is never compared
 * with a quantity of another before both were resolved against a run's length.
 */

export type Unit = 'steps' | 'epochs' | 'batches' | 'samples' | 'percent' | 'time' | 'bytes' | 'rest';

/** A number and its unit. `time` is in seconds, `bytes` in bytes; `rest` is what remains of the run (value 1). */
export interface Quantity<U extends Unit = Unit> {
  readonly unit: U;
  readonly value: number;
}

/** How long something lasts or how often it happens. */
export type Duration = Quantity<'steps' | 'epochs' | 'batches' | 'samples' | 'percent' | 'time' | 'rest'>;

function quantity<U extends Unit>(unit: U, value: number): Quantity<U> {
  return Object.freeze({ unit, value });
}

/** Windows of the train step. */
export const steps = (value: number): Quantity<'steps'> => quantity('steps', value);
/** Passes over the train step's data; fractions allowed. */
export const epochs = (value: number): Quantity<'epochs'> => quantity('epochs', value);
/** Batches of the data set, before accumulation. */
export const batches = (value: number): Quantity<'batches'> => quantity('batches', value);
/** Rows of the data set. */
export const samples = (value: number): Quantity<'samples'> => quantity('samples', value);
/** Hundredths of a whole that the place of use names. */
export const percent = (value: number): Quantity<'percent'> => quantity('percent', value);
export const seconds = (value: number): Quantity<'time'> => quantity('time', value);
export const minutes = (value: number): Quantity<'time'> => quantity('time', value * 60);
export const hours = (value: number): Quantity<'time'> => quantity('time', value * 3600);
export const days = (value: number): Quantity<'time'> => quantity('time', value * 86400);
export const bytes = (value: number): Quantity<'bytes'> => quantity('bytes', value);
export const KiB = (value: number): Quantity<'bytes'> => quantity('bytes', value * 2 ** 10);
export const MiB = (value: number): Quantity<'bytes'> => quantity('bytes', value * 2 ** 20);
export const GiB = (value: number): Quantity<'bytes'> => quantity('bytes', value * 2 ** 30);
/** What remains of the run. */
export const rest: Quantity<'rest'> = quantity('rest', 1);

/** Each spelling that the language allows after a number, with the quantity it makes. */
export const unitSpellings: ReadonlyMap<string, (value: number) => Quantity> = new Map<
  string,
  (value: number) => Quantity
>([
  ['step', steps],
  ['steps', steps],
  ['epoch', epochs],
  ['epochs', epochs],
  ['batch', batches],
  ['batches', batches],
  ['sample', samples],
  ['samples', samples],
  ['percent', percent],
  ['second', seconds],
  ['seconds', seconds],
  ['minute', minutes],
  ['minutes', minutes],
  ['hour', hours],
  ['hours', hours],
  ['day', days],
  ['days', days],
  ['KiB', KiB],
  ['MiB', MiB],
  ['GiB', GiB],
]);

const singular: Readonly<Record<Unit, string>> = {
  steps: 'step',
  epochs: 'epoch',
  batches: 'batch',
  samples: 'sample',
  percent: 'percent',
  time: 'second',
  bytes: 'byte',
  rest: 'rest',
};

/** As a reader says it: `500 steps`, `1 epoch`, `5 percent`, `the rest of the run`. */
export function showQuantity({ unit, value }: Quantity): string {
  if (unit === 'rest') return 'the rest of the run';
  const one = singular[unit];
  if (unit === 'percent' || value === 1) return `${value} ${one}`;
  return `${value} ${one === 'batch' ? 'batches' : `${one}s`}`;
}
