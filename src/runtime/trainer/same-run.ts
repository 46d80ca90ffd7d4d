/** Whether a run that goes on is the one that its checkpoint is of: by what the checkpoint says, before any of its tensors is read. */
import { record } from '../../values/json-record.js';
import { checkFits } from '../checkpoint/read.js';
import { RunError } from '../run/run-error.js';
import { otherOrder } from './epoch-order.js';
import { withoutOtherScaling } from './loss-scaling.js';
import { isFigure } from './measured-figures.js';
import { whyMisfit } from './misfit.js';
import { otherPretrained } from './pretrained.js';
import type { ResumeHead } from './resume.js';
import { reachedHeirs } from './reached-heirs.js';
import { compareLocks, isSameSpec, lockOf, otherEpochs, type Lock } from './run-lock.js';
import { headOf } from './run-record.js';
import type { AnyTrainer, RunOptions } from './run.js';
import { shortPath } from './short-path.js';
import type { Prepared } from './prepared.js';

/** Throws where a run is not the one that the checkpoint is of, but for what is allowed. What differs, a line each. */
export async function checkSame(
  trainer: AnyTrainer,
  prepared: Prepared,
  head: ResumeHead,
  { allow = [], allowedBefore }: Pick<RunOptions, 'allow' | 'allowedBefore'>,
): Promise<readonly string[]> {
  const { session, attribute } = prepared;
  const { checkpoint, state } = head;
  const { spec } = headOf(trainer, session);
  if (checkpoint.trainer !== spec.trainer) {
    throw new RunError(
      `${checkpoint.folder} was written by ${checkpoint.trainer}, this is ${spec.trainer}; take a checkpoint of this trainer`,
    );
  }
  const lock = await lockOf(trainer, session);
  const never =
    otherHeirs(trainer, prepared, state, lock) ??
    otherEpochs(state, lock) ??
    (await otherOrder(head, lock, inSpecBefore(trainer, prepared, state, lock))) ??
    otherPretrained(prepared, state, lock);
  return compareLocks(shortPath(checkpoint.folder), state['lock'], lock, allow, {
    attribute,
    allowedBefore,
    never,
  });
}

/** What the spec of a run has said with its params; nothing is known of one that is another one now. */
function inSpecBefore(
  trainer: AnyTrainer,
  { attribute }: Prepared,
  state: ResumeHead['state'],
  here: Lock,
): (name: string, now: unknown) => unknown {
  const before = record('lock', state['lock']);
  const params = record('params', before['params']);
  if (!isSameSpec(before, here)) return () => undefined;
  // Of what has no name for a command line nothing has changed.
  if (JSON.stringify(params) === JSON.stringify(here['params']))
    return (name, now) => attribute(name)?.inSpec ?? now;
  return (name) => trainer.inSpecWith(params, name);
}

/** What forbids to go on where overrides of an older run would hold for more than they did. */
function otherHeirs(
  trainer: AnyTrainer,
  { session, attribute }: Prepared,
  state: ResumeHead['state'],
  here: Lock,
): string | null {
  const before = record('lock', state['lock']);
  const { overrides } = before;
  if (before['overrides_reach_heirs'] === true || !Array.isArray(overrides)) return null;
  // What tests and predictions read is not read here.
  const read = [...session.of('train'), ...session.of('validate')].flatMap(({ data }) =>
    data.map(({ label }) => label),
  );
  const reached = reachedHeirs(trainer, attribute, overrides.map(String), isSameSpec(before, here), read);
  return reached.length === 0 ? null : reached.join('\n  ');
}

/** The same, and then names and shapes of what is kept of weights and optimizers: they are in the manifest. */
export async function checkHead(
  trainer: AnyTrainer,
  prepared: Prepared,
  head: ResumeHead,
  options: Pick<RunOptions, 'allow' | 'allowedBefore'>,
): Promise<void> {
  const { session } = prepared;
  const changes = await checkSame(trainer, prepared, head, options);
  const { tensors, folder } = head.checkpoint;
  const why = (): string =>
    whyMisfit(head.checkpoint, trainer, record('lock', head.state['lock'])['spec_tokens_sha256'], changes);
  const [model, optimizer] = (['model.safetensors', 'optimizer.safetensors'] as const).map(
    (name) => new Map([...(tensors.get(name) ?? [])].filter(([path]) => !isFigure(path))),
  );
  checkFits(
    session.modelState.filter(({ path }) => !isFigure(path)),
    session.copies.withoutUnmade(model ?? new Map()),
    folder,
    why,
  );
  const state = withoutOtherScaling(session.optimizerState, optimizer ?? new Map(), options.allow ?? []);
  checkFits(state.variables, state.tensors, folder, why);
}
