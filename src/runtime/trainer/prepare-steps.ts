/**
 * Gets ready, at the start of a run, what it will need later: the last batch of an epoch where it is smaller, and validations. What
 * cannot be traced is then told within the first seconds, and no trace is made in the middle of training.
 */
import type { HostBatch } from '../data/data.js';
import type { HostTensor } from '../engine/engine.js';
import { samplesAt } from './endless.js';
import type { OpenStage, Session } from './session.js';

/**
 * Of a run of so many steps, `trained` being batches that its train step has had. Rejects with what a later step would have rejected
 * with. Where the engine traces nothing, nothing is done.
 */
export async function prepareSteps(
  session: Session,
  steps: number,
  trained: readonly HostBatch[],
): Promise<void> {
  if (!session.engine.traces) return;
  const { stepsPerEpoch } = session.pace;
  for (const open of session.of('train')) {
    // A run may end before the end of its first epoch.
    if (steps >= stepsPerEpoch) prepareLast(session, open, trained, stepsPerEpoch - 1, true);
  }
  for (const open of session.of('validate')) {
    if (open.batches === 0) continue;
    const first = await samplesAt(open.data, 0, 0);
    prepare(session, open, first, 0, false);
    prepareLast(session, open, first, 0, false);
  }
}

/** The last batch of an epoch, where it has fewer rows than `full`: as zeros of its shapes, for it may be far away in the data. */
function prepareLast(
  session: Session,
  open: OpenStage,
  full: readonly HostBatch[],
  step: number,
  training: boolean,
): void {
  const last = open.batches - 1;
  const rows = open.data.map((set) => set.rowsOf(0, last).length);
  if (full.every((batch, index) => batch.rows === rows[index])) return;
  const short = full.map((batch, index) => shortened(batch, rows[index] ?? batch.rows));
  prepare(session, open, short, step, training);
}

function prepare(
  session: Session,
  { stage }: OpenStage,
  batches: readonly HostBatch[],
  step: number,
  training: boolean,
): void {
  const clock = session.clockAt(step);
  const draws = { seed: session.options.seed, step, micro: 0, rowOffset: 0 };
  stage.prepare({ batches, run: { clock, draws, scalars: session.scalarsAt(clock, training), last: true } });
}

function shortened(batch: HostBatch, rows: number): HostBatch {
  return { ...batch, rows, tensors: batch.tensors.map((tensor) => zerosOf(tensor, rows)) };
}

function zerosOf({ dtype, shape, values }: HostTensor, rows: number): HostTensor {
  const sizes = [rows, ...shape.slice(1)];
  const size = sizes.reduce((product, n) => product * n, 1);
  return { dtype, shape: sizes, values: values.slice(0, size).fill(0) };
}
