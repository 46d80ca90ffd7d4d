/** The numbers of a run: how many windows an epoch has, and the run. */
import type { Data } from '../data/data.js';
import type { ReopenableData } from '../data/reopened.js';
import { RunError } from '../run/run-error.js';
import { counted } from '../../values/counted.js';
import type { Pace } from '../../values/durations.js';
import { nameAndText } from '../../values/overrides.js';
import { areEndless } from './endless.js';
import type { DataParts } from './open-data.js';
import { takenBatches } from './open-stage.js';
import type { ResolvedOptions } from './resolved-options.js';
import type { Lengths } from './spec.js';

/** Throws a RunError where live data is given epochs, and where a run that trains has windows longer than an epoch. */
export function paceOf(
  options: ResolvedOptions,
  { steps, kinds, bySpec }: Pick<DataParts, 'steps' | 'kinds' | 'bySpec'>,
  opened: ReadonlyMap<Data<unknown>, ReopenableData>,
): Pace {
  const { accumulate } = options;
  const plan = steps.find(({ kind }) => kind === 'train');
  const data = plan?.data.flatMap((set) => opened.get(set) ?? []) ?? [];
  const [first] = data;
  if (plan === undefined || first === undefined || data.length < plan.data.length) {
    return { stepsPerEpoch: 1, accumulate, rowsPerEpoch: 1, totalSteps: null };
  }
  const { epochs, steps: limit } = options;
  if (areEndless(data)) {
    if (epochs !== null)
      throw new RunError(
        `epochs = ${epochs}: live data (${data.map(({ label }) => label).join(' and ')}) has no epochs; ${insteadOfEpochs(bySpec)}`,
      );
    const endless = Number.POSITIVE_INFINITY;
    return { stepsPerEpoch: endless, accumulate, rowsPerEpoch: endless, totalSteps: limit };
  }
  const batches = takenBatches('train', data, options);
  if (kinds.includes('train') && accumulate > batches) {
    throw new RunError(
      `accumulate = ${accumulate} is more than the ${batches} ${batches === 1 ? 'batch' : 'batches'} of an epoch, and a window never crosses an epoch; take ${batches} or less, or a smaller batch`,
    );
  }
  const stepsPerEpoch = Math.ceil(batches / accumulate);
  const rowsPerEpoch = Math.min(first.rows, batches * (plan.data[0]?.options.batch ?? 1));
  const totalSteps = limit ?? (epochs === null ? null : epochs * stepsPerEpoch);
  return { stepsPerEpoch, accumulate, rowsPerEpoch, totalSteps };
}

/**
 * What is said of least lengths beyond the run's own, which let nothing end it early. Throws a RunError where both come from one hand, the
 * spec's or the command line's: not where the command line makes a short trial of the spec's run, or the run was begun with them. Those in
 * one unit were compared before.
 */
export function leastNotes(
  { minEpochs, minSteps, epochs }: ResolvedOptions,
  { kinds, overrides = [], goesOn = false }: Pick<DataParts, 'kinds' | 'overrides' | 'goesOn'>,
  { stepsPerEpoch, totalSteps: total }: Pace,
): readonly string[] {
  if (!kinds.includes('train') || total === null) return [];
  const given = overrides.map((text) => nameAndText(text)[0]);
  const isOtherLength = given.some((name) => saysLength.test(name));
  const run = epochs === null ? '' : ` (${counted(epochs, 'epoch')} of ${stepsPerEpoch})`;
  const whole = Math.floor(total / stepsPerEpoch);
  const leasts = [
    {
      name: 'trainer.min_steps',
      steps: minSteps,
      text: `min_steps = ${minSteps} is more than the run's ${counted(total, 'step')}${run}`,
      most: total,
    },
    {
      name: 'trainer.min_epochs',
      steps: minEpochs * stepsPerEpoch,
      text: `min_epochs = ${minEpochs} is ${counted(minEpochs * stepsPerEpoch, 'step')}, more than the run's ${total}`,
      most: whole,
    },
  ];
  return leasts.flatMap(({ name, steps, text, most }) => {
    if (!(steps > total)) return [];
    const help = most > 0 ? `lower it by ${name}=${most}` : `lengthen the run by trainer.steps=${steps}`;
    if (!goesOn && given.includes(name) === isOtherLength) throw new RunError(`${text}; ${help}`);
    return [`${text}: nothing ends it early; ${help} where something is to`];
  });
}

/** What changes the number of a run's steps. */
const saysLength = /^trainer\.(?:epochs|steps|accumulate|overfit|limit\b.*)$|\.batch$/;

/** Epochs of the command line take the place of the spec's steps. */
function insteadOfEpochs({ epochs = null, steps = null, maxTime = null }: Lengths = {}): string {
  if (epochs !== null || (steps === null && maxTime === null)) return 'set steps or max_time instead';
  return `leave trainer.epochs out, the spec sets ${steps === null ? 'max_time' : `steps = ${steps}`}`;
}
