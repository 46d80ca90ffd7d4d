/**
 * Measure steps: figures of the data that are found once, before the first training step, and kept from then on. A
 * checkpoint holds them; whoever starts from one never measures again.
 */
import type { HostTensor } from '../engine/engine.js';
import { RunError } from '../run/run-error.js';
import { allFinite } from '../engine/finite.js';
import { Joined } from '../rows/measured.js';
import type { Control } from './control.js';
import { evaluateStage } from './evaluate.js';
import type { Session } from './session.js';

export interface MeasureOptions {
  /** A dev run: at most so many batches, for nothing of it is kept. */
  readonly limit?: number | null;
  /** Told of each batch. */
  readonly live?: (step: string, done: number, of: number) => void;
}

/** Runs the measure steps. False where a signal ended it: nothing may be trained then. Rejects where a figure is not finite. */
export async function measureAll(
  session: Session,
  control: Control,
  { limit = null, live = () => undefined }: MeasureOptions = {},
): Promise<boolean> {
  for (const open of session.of('measure')) {
    const { plan } = open.stage;
    const joined = new Map<string, Joined>();
    const whole = await evaluateStage(session, open, {
      step: 0,
      limit,
      control,
      each: (outputs, done, rows) => {
        for (const [name, { how, perRow }] of plan.measures ?? []) {
          const own = joined.get(name) ?? new Joined(how);
          joined.set(name, own);
          const parts = [...outputs].flatMap(([key, value]): [string, HostTensor][] =>
            key.startsWith(`${name}/`) && value.dtype !== 'string'
              ? [[key.slice(name.length + 1), value]]
              : [],
          );
          own.add(new Map(parts), rows * perRow);
        }
        live(plan.name, done, open.batches);
      },
    });
    if (whole === null) return false;
    for (const [name, figure] of joined) {
      if (figure.isOfNothing)
        throw new RunError(
          `${plan.name}.${name} is of no value: in ${open.data[0]?.label ?? 'the data'} all of them are missing, or weigh 0; leave the figure out`,
        );
      const value = figure.finish();
      if (!allFinite(value.values))
        throw new RunError(
          `${plan.name}.${name} is not finite; look at the rows of ${open.data[0]?.label ?? 'the data'}`,
        );
      session.figures.keep(`${plan.name}.${name}`, value);
    }
  }
  return true;
}
