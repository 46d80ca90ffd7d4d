/** Phases of a spec that are written in TypeScript. */
import type { CurvePhase, Phase } from '../../values/schedule.js';
import type { Duration } from '../../values/units.js';
import { externError, inExtern, type Extern } from '../run/extern-error.js';

/**
 * The values of a phase: from its length, once that is known, a function of the update in it, 0 to `length` - 1. The function has
 * no memory: it is asked for any update, in any order, and gives the same number each time.
 */
export type Curve = (phase: CurvePhase) => (index: number) => number;

/** As `Curve`, of a phase that goes on from `from`: where the phase before it ended. */
export type StartedCurve = (phase: CurvePhase) => (index: number, from: number) => number;

/** What a spec declares of a phase of its own. */
export interface ExternPhase {
  readonly name: string;
  readonly file: string;
  /** Whether it declares `from`. */
  readonly starts: boolean;
}

/**
 * The phase with the curve that `make` gives for `options`. A value that is no finite number, and what the curve throws, is an error
 * that names the phase, its file and, where it is known, the line.
 */
export function extern<O extends object>(
  { name, file, starts }: ExternPhase,
  make: (options: O) => StartedCurve,
  options: NoInfer<O>,
  { over, from = null }: { readonly over: Duration; readonly from?: number | null },
): Phase {
  const about: Extern = { what: 'schedule', name, file };
  const curve = inExtern(about, () => make(options));
  return {
    kind: 'extern',
    name,
    starts,
    over,
    from,
    curve: (phase) => {
      const valueAt = inExtern(about, () => curve(phase));
      return (index, begin) => {
        const value: unknown = inExtern(about, () => valueAt(index, begin));
        if (typeof value === 'number' && Number.isFinite(value)) return value;
        throw externError(
          about,
          `gives ${String(value)} for update ${index} of ${phase.length}; give a finite number`,
        );
      };
    },
  };
}
