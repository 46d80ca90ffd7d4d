/** The validations of a run: when each is due, and what a pass tells. */
import { recurrence, type Recurrence, type Speed } from '../../values/durations.js';
import type { Json, MetricsLine, Moment } from '../addons/addon.js';
import type { Control } from './control.js';
import { evaluateStage } from './evaluate.js';
import { evaluatedPass, type HookCalls } from './hook-calls.js';
import type { OpenStage, Session } from './session.js';
import type { Outputs } from './stage.js';
import type { Finished } from './totals.js';

/** One validation step. */
interface Validation {
  readonly open: OpenStage;
  readonly recurrence: Recurrence;
  /** The step at which it was last measured. */
  measuredAt: number;
}

export interface ValidationsOptions {
  readonly session: Session;
  readonly hooks: HookCalls;
  readonly control: Control;
  /** At most so many batches. */
  readonly limit: number | null;
  readonly moment: () => Moment;
  readonly validating: (name: string, done: number, of: number) => void;
  readonly log: (line: MetricsLine) => void;
  /** Seconds since the run's start when it starts here: more than 0 where it is resumed. */
  readonly from: number;
}

export class Validations {
  readonly #all: readonly Validation[];
  #due: readonly Validation[] = [];
  #wereCut = false;

  constructor(private readonly options: ValidationsOptions) {
    const { session, from } = options;
    this.#all = session.of('validate').map((open) => ({
      open,
      recurrence: recurrence(open.stage.plan.every ?? { unit: 'epochs', value: 1 }, session.pace, from),
      measuredAt: 0,
    }));
  }

  /** The step at which each was last measured, by its name: what a checkpoint keeps. */
  get state(): Readonly<Record<string, Json>> {
    return Object.fromEntries(this.#all.map(({ open, measuredAt }) => [open.stage.plan.name, measuredAt]));
  }

  /** Names of those that are due and not run yet. */
  get due(): readonly string[] {
    return this.#due.map(({ open }) => open.stage.plan.name);
  }

  restore(measured: Readonly<Record<string, number>>, due: readonly string[]): void {
    for (const one of this.#all) one.measuredAt = measured[one.open.stage.plan.name] ?? 0;
    this.#due = this.#all.filter(({ open }) => due.includes(open.stage.plan.name));
  }

  /**
   * A few batches of each before training: what is wrong with a validation shows at once. Nothing of it stays, since evaluation
   * changes no state and its metrics are thrown away. False where a signal came.
   */
  async sanity(batches: number): Promise<boolean> {
    const { session, control, validating, moment } = this.options;
    for (const { open } of this.#all) {
      const { name } = open.stage.plan;
      const of = Math.min(open.batches, batches);
      const each = (_outputs: unknown, done: number): void => validating(`sanity ${name}`, done, of);
      const { step } = moment();
      if ((await evaluateStage(session, open, { step, limit: batches, control, each })) === null)
        return false;
    }
    return true;
  }

  /** The first step after `step` at which one may be due. */
  next(step: number, speed: Speed): number {
    if (this.options.limit !== null) return Number.POSITIVE_INFINITY;
    return Math.min(...this.#all.map(({ recurrence: every }) => every.next(step, speed)));
  }

  /** Whether a signal cut off the newest pass, or one after it. */
  get wereCut(): boolean {
    return this.#wereCut;
  }

  /** Whether some are due now, which stays so until they are run. A dev run has them once, at its end, whatever their intervals are. */
  get areDue(): boolean {
    if (this.options.limit !== null) return false;
    if (this.#due.length === 0) {
      const { step, seconds } = this.options.moment();
      this.#due = this.#all.filter(({ recurrence: every }) => every.due(step, seconds));
    }
    return this.#due.length > 0;
  }

  /** Runs those that are due. Null where nothing was measured. */
  async runDue(): Promise<ReadonlyMap<string, number> | null> {
    const due = this.#due;
    this.#due = [];
    return this.#run(due);
  }

  /** Runs those that were not measured at this step, which is the last. */
  async runLate(): Promise<ReadonlyMap<string, number> | null> {
    return this.#run(this.#all.filter((one) => this.#isLate(one)));
  }

  /** Whether one was not measured at this step: a signal cut it off. */
  get areLate(): boolean {
    return this.#all.some((one) => this.#isLate(one));
  }

  #isLate({ measuredAt }: Validation): boolean {
    return measuredAt < this.options.moment().step;
  }

  async #run(due: readonly Validation[]): Promise<ReadonlyMap<string, number> | null> {
    if (due.length === 0) return null;
    const { session, hooks, control, limit, moment, validating, log } = this.options;
    await session.checkFinite();
    const all = new Map<string, number>();
    const names = due.map(({ open }) => open.stage.plan.name);
    await hooks.each('validationStart', (own) => own.validationStart?.(moment(), names));
    for (const validation of due) {
      const { stage, batches } = validation.open;
      const { name } = stage.plan;
      const count = Math.min(batches, limit ?? batches);
      const { step } = moment();
      const pass = (show: (rows: Outputs) => Promise<void>): Promise<Finished | null> =>
        evaluateStage(session, validation.open, {
          step,
          limit,
          control,
          each: async (outputs, done) => {
            validating(name, done, count);
            await show(outputs);
            const at = { step: name, done, of: count };
            await hooks.each('validationBatch', (own) => own.validationBatch?.(moment(), at));
          },
        });
      const details = { step, batches: count };
      const timed = { name: `step ${name}`, category: 'validation', details } as const;
      const metrics = await evaluatedPass(hooks, name, async (show) =>
        session.timed(timed, () => pass(show)),
      );
      // What was measured before the signal is whole, and counts.
      if (metrics === null) {
        this.#wereCut = true;
        break;
      }
      validation.measuredAt = step;
      const { tables, classes } = stage.totals;
      const line = { stage: name, over: 'pass', at: moment(), metrics, tables, classes } as const;
      log({ ...line, rates: new Map(), throughput: null });
      for (const [metric, value] of metrics) all.set(`${name}.${metric}`, value);
    }
    const { seconds } = moment();
    for (const { recurrence: every } of due) every.skipTo(seconds);
    if (all.size === 0) return null;
    await hooks.each('validationEnd', (own) => own.validationEnd?.(moment(), all));
    return all;
  }
}
