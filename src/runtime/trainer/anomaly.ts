/**
 * `detect_anomaly`: after each batch the run looks whether it was finite. One that was not is run once more from the state before
 * it, op by op, to say where that came from. State stays what it is without.
 */
import type { HostTensor, StateVariable } from '../engine/engine.js';
import { laterBy } from '../engine/failed-call.js';
import { allFinite } from '../engine/finite.js';
import { endReplay, KernelLog, wrongValueOf, type Culprit } from '../engine/inspect.js';
import { showNumber } from '../progress/format.js';
import { RunError } from '../run/run-error.js';
import type { Tensor } from '../tensor.js';
import type { Session } from './session.js';
import type { BatchRun, Stage } from './stage.js';

type Judged = Iterable<readonly [name: string, value: Tensor]>;

/** Looks at the losses and gradients of a replay. */
export class Inspection {
  readonly log = new KernelLog();
  #found: string | null = null;

  /** `windowWasBad` where an earlier batch of the window was not finite: then what has added up is not either, whatever this one is. */
  constructor(private readonly windowWasBad: boolean) {}

  /** What was not finite and why; null where the replay found nothing. */
  get found(): string | null {
    return this.#found;
  }

  /** Ends the replay at the first value of the batch that is not finite. Names are for messages: `the loss`. */
  judgeBatch(values: Judged): void {
    this.#judge(values);
  }

  /** The same for what the batch and those before it have added up to. */
  judgeWindow(values: Judged): void {
    if (!this.windowWasBad) this.#judge(values);
  }

  #judge(values: Judged): void {
    for (const [name, value] of values) {
      const wrong = wrongValueOf(value);
      if (wrong === null) continue;
      this.#found = `${name} was ${showNumber(wrong)}: ${explain(this.log.culpritOf(value))}`;
      endReplay();
    }
  }
}

function explain(culprit: Culprit | null): string {
  if (culprit === null) return 'what it is made of was so before the step';
  const { op, place, isGradient, isGiven, value, input } = culprit;
  const what = `${isGradient ? 'the gradient of ' : ''}${op}${place === null ? '' : ` (${place})`}`;
  if (isGiven) return `${what} got data or weights that are not finite`;
  const of = input === null ? '' : ` of values from ${showNumber(input.least)} to ${showNumber(input.most)}`;
  return `${what} made ${showNumber(value)}${of}`;
}

type Snapshot = ReadonlyMap<StateVariable, HostTensor>;

// More of them say nothing new.
const mostNotes = 3;

export class AnomalyWatch {
  #noted = 0;
  /** The last step (from 0) of which a batch was not finite. */
  #badStep = -1;

  constructor(
    private readonly session: Session,
    private readonly note: (line: string) => void,
  ) {}

  /** Runs batches one by one. Rejects with a RunError at the first that is not finite, or tells of it where such are skipped. */
  async runAll(stage: Stage, runs: readonly BatchRun[]): Promise<void> {
    for (const [index, one] of runs.entries()) {
      const { badStep, onNan } = this.session;
      // Where updates are skipped a window may have several bad batches: each is to be seen.
      if (onNan === 'skip') badStep.upload({ dtype: 'f32', shape: [], values: Float32Array.of(-1) });
      const before = await this.#snapshot();
      await stage.runAll([one]).catch((error: unknown) => {
        throw laterBy(index, error);
      });
      if (await this.#wasFine(before)) continue;
      if (this.session.onNan === 'skip' && this.#noted >= mostNotes) continue;
      const { step } = one.run.clock;
      const windowWasBad = this.#badStep === step;
      this.#badStep = step;
      const found = await this.#replay(stage, one, before, windowWasBad);
      if (found === null && windowWasBad) continue;
      const rows = this.session.rowsAt(step + 1, one.run.draws.micro);
      const line = `${found ?? 'a value was not finite, and is when the step is run op by op'}, at step ${step + 1} (${rows})`;
      if (this.session.onNan === 'stop') throw new RunError(line);
      this.#noted += 1;
      this.note(`${line}: its update is skipped`);
    }
  }

  async #wasFine(before: Snapshot): Promise<boolean> {
    const { badStep, accumulators, scaling } = this.session;
    const [now] = (await badStep.download()).values;
    if (now !== before.get(badStep)?.values[0]) return false;
    // Gradients of a batch are looked at in the step itself only when the window is over: then it is too late to say which batch.
    // Those that are scaled may leave their range: that is no fault.
    if (scaling !== null) return true;
    for (const sum of accumulators.values()) if (!allFinite((await sum.download()).values)) return false;
    return true;
  }

  async #replay(
    stage: Stage,
    one: BatchRun,
    before: Snapshot,
    windowWasBad: boolean,
  ): Promise<string | null> {
    const after = await this.#snapshot();
    // A window's sums that the batch itself made were nothing before.
    for (const [variable, { dtype, shape, values }] of after)
      variable.upload(before.get(variable) ?? { dtype, shape, values: new Float32Array(values.length) });
    const inspection = new Inspection(windowWasBad);
    this.session.inspection = inspection;
    try {
      await stage.inspect(one, inspection.log);
      return inspection.found;
    } finally {
      this.session.inspection = null;
      for (const [variable, values] of after) variable.upload(values);
    }
  }

  /** Everything that a train step computes with and changes. */
  async #snapshot(): Promise<Snapshot> {
    const { session } = this;
    const all = [
      ...session.modelState,
      ...session.optimizerState,
      ...session.accumulators.values(),
      ...(session.updatedAt?.values() ?? []),
      session.badStep,
      session.skipped,
      ...(session.scaling === null ? [] : [session.scaling.overflowed]),
    ];
    const values = new Map<StateVariable, HostTensor>();
    for (const variable of all) values.set(variable, copyOf(await variable.download()));
    return values;
  }
}

/** A device may give its own memory, which the next step writes to. */
function copyOf({ dtype, shape, values }: HostTensor): HostTensor {
  return { dtype, shape, values: values.slice() };
}
