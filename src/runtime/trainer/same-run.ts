/** Whether a run that goes on is the one that its checkpoint is of: by what the checkpoint says, before any of its tensors is read. */
import { optionTable } from '../../values/options.gen.js';
import { checkFits } from '../checkpoint/read.js';
import { RunError } from '../run/run-error.js';
import { isFigure } from './measured-figures.js';
import type { ResumeHead } from './resume.js';
import { compareLocks, lockOf, otherEpochs } from './run-lock.js';
import { headOf } from './run-record.js';
import type { AnyTrainer } from './run.js';
import type { Session } from './session.js';
import { shortPath } from './short-path.js';

/** Throws where a run is not the one that the checkpoint is of, but for what is allowed. What differs, a line each. */
export async function checkSame(
  trainer: AnyTrainer,
  session: Session,
  { checkpoint, state }: ResumeHead,
  allowed: readonly string[],
): Promise<readonly string[]> {
  const { spec } = headOf(trainer, session);
  if (checkpoint.trainer !== spec.trainer) {
    throw new RunError(
      `${checkpoint.folder} was written by ${checkpoint.trainer}, this is ${spec.trainer}; take a checkpoint of this trainer`,
    );
  }
  const lock = await lockOf(trainer, session);
  return compareLocks(shortPath(checkpoint.folder), state['lock'], lock, allowed, {
    inSpec: (name) => valueInSpec(trainer, name),
    never: otherEpochs(state, lock),
  });
}

/** What the spec says of `owner.option` of a data set; undefined of all else. */
function valueInSpec(trainer: AnyTrainer, name: string): string | undefined {
  const [owner = '', option = ''] = name.split('.');
  const key = optionTable.get('data/options')?.find((one) => one.name === option)?.key ?? option;
  const options = new Map<string, unknown>(Object.entries(trainer.dataSets().get(owner)?.options ?? {}));
  const value = options.get(key);
  if (value === null) return 'none';
  return typeof value === 'number' || typeof value === 'boolean' || typeof value === 'string'
    ? String(value)
    : undefined;
}

/** The same, and then names and shapes of what is kept of weights and optimizers: they are in the manifest. */
export async function checkHead(
  trainer: AnyTrainer,
  session: Session,
  head: ResumeHead,
  allowed: readonly string[],
): Promise<void> {
  await checkSame(trainer, session, head, allowed);
  const { tensors, folder } = head.checkpoint;
  const [model, optimizer] = (['model.safetensors', 'optimizer.safetensors'] as const).map(
    (name) => new Map([...(tensors.get(name) ?? [])].filter(([path]) => !isFigure(path))),
  );
  checkFits(
    session.modelState.filter(({ path }) => !isFigure(path)),
    session.copies.withoutUnmade(model ?? new Map()),
    folder,
  );
  checkFits(session.optimizerState, optimizer ?? new Map(), folder);
}
