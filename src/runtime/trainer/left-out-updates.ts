/** Updates that a run has left out: those that were skipped for a fault, and those that overflowed under loss scaling. */
import type { Json } from '../addons/addon.js';
import { counted } from '../../values/counted.js';
import type { StateVariable } from '../engine/engine.js';
import type { Session } from './session.js';

type Counts = Pick<Session, 'skipped' | 'scaling'>;

const countOf = async (variable: StateVariable | undefined): Promise<number> =>
  (await variable?.download())?.values[0] ?? 0;

/** What a checkpoint keeps. */
export const keptCounts = async ({ skipped, scaling }: Counts): Promise<Readonly<Record<string, Json>>> => ({
  skipped: await countOf(skipped),
  ...(scaling === null ? {} : { overflowed: await countOf(scaling.overflowed) }),
});

/** Puts back what a checkpoint kept. Older ones have no `overflowed`. */
export function restoreCounts({ skipped, scaling }: Counts, state: Readonly<Record<string, unknown>>): void {
  const upload = (variable: StateVariable | undefined, value: unknown): void =>
    variable?.upload({ dtype: 'f32', shape: [], values: Float32Array.of(Number(value ?? 0)) });
  upload(skipped, state['skipped']);
  upload(scaling?.overflowed, state['overflowed']);
}

/** For a person, at the end of a run. */
export async function leftOutUpdates({ skipped, scaling }: Counts): Promise<readonly string[]> {
  const [faulty, overflowed] = [await countOf(skipped), await countOf(scaling?.overflowed)];
  return [
    ...(faulty === 0
      ? []
      : [
          `${were(faulty)} skipped: ${faulty === 1 ? 'its' : 'their'} loss, gradient, its square or running statistics were not finite`,
        ]),
    ...(overflowed === 0
      ? []
      : [
          `${were(overflowed)} left out while loss scaling looked for its scale: gradients overflowed in 16 bits`,
        ]),
  ];
}

const were = (count: number): string => `${counted(count, 'update')} ${count === 1 ? 'was' : 'were'}`;
