/**
 * `detect_anomaly`: after each batch the run looks whether it was finite. One that was not is run once more from the state before
 * it, op by op, to say where that came from. State stays what it is without.
 */
import type { HostTensor, StateVariable } from '../engine/engine.js';
import { laterBy } from '../engine/failed-call.js';
import { endReplay, KernelLog, wrongValueOf, type Culprit } from '../engine/inspect.js';
import { showNumber } from '../progress/format.js';
import { RunError } from '../run/run-error.js';
import type { Tensor } from '../tensor.js';
import type { Session } from './session.js';
import type { BatchRun, Stage } from './stage.js';

/** Looks at the losses and gradients of a replay. */
export class Inspection {
  readonly log = new KernelLog();
  #found: string | null = null;

  /** What was not finite and why; null where the replay found nothing. */
  get found(): string | null {
    return this.#found;
  }

  /** Ends the replay at the first value that is not finite. Names are for messages: `the loss`. */
  judge(values: Iterable<readonly [name: string, value: Tensor]>): void {
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
      const found = await this.#replay(stage, one, before);
      const { step } = one.run.clock;
      const rows = this.session.rowsAt(step + 1, one.run.draws.micro);
      const line = `${found ?? 'a value was not finite, and is when the step is run op by op'}, at step ${step + 1} (${rows})`;
      if (this.session.onNan === 'stop') throw new RunError(line);
      this.#noted += 1;
      this.note(`${line}: its update is skipped`);
    }
  }

  async #wasFine(before: Snapshot): Promise<boolean> {
    const { badStep } = this.session;
    const [now] = (await badStep.download()).values;
    return now === before.get(badStep)?.values[0];
  }

  async #replay(stage: Stage, one: BatchRun, before: Snapshot): Promise<string | null> {
    const after = await this.#snapshot();
    // A window's sums that the batch itself made were nothing before.
    for (const [variable, { dtype, shape, values }] of after)
      variable.upload(before.get(variable) ?? { dtype, shape, values: new Float32Array(values.length) });
    const inspection = new Inspection();
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
