/** ZT4203, ZT4204 and ZT5024: the run has one length, and an epoch holds at least one window, best of all whole ones. */
import {
  excludingOptions,
  noBatches,
  noRunLength,
  shortWindow,
  windowTooLarge,
} from '../../parser/messages.gen.js';
import { partOf } from '../../values/limits.js';
import { showQuantity } from '../../values/units.js';
import { endlessData } from './live.js';
import { counted } from '../../values/counted.js';
import { optionOf, type TrainingInput } from './input.js';
import type { Run } from './run.js';

export const checkRunLength = ({ trainer, report }: TrainingInput, run: Run): void => {
  const epochs = run.epochs === null ? null : optionOf(trainer.options, 'epochs');
  const steps = run.steps === null ? null : optionOf(trainer.options, 'steps');
  if (epochs && steps) {
    const [first, second] = epochs.span.start < steps.span.start ? [epochs, steps] : [steps, epochs];
    report(
      excludingOptions(
        second.span,
        { first: 'epochs', second: 'steps' },
        { related: [{ span: first.span, label: 'the other length' }], help: 'leave one of them out' },
      ),
    );
  } else if (!epochs && !steps && run.maxTime === null) {
    report(
      noRunLength(trainer.span, {
        help:
          endlessData(trainer) === null
            ? 'write `epochs = 10`, `steps = 1_000` or `max_time = 2.hours` in the trainer'
            : 'write `steps = 1_000` or `max_time = 2.hours` in the trainer',
      }),
    );
  }
};

export const checkWindow = ({ trainer, report }: TrainingInput, run: Run): void => {
  const { batches, accumulate } = run;
  if (!batches) return;
  const rows = `\`${batches.data.name}\` has ${counted(batches.rows, 'row')}, a batch ${batches.size}`;
  if (batches.all < 1) {
    report(
      noBatches(
        optionOf(batches.data.options, 'batch')?.span ?? batches.data.span,
        { data: batches.data.name },
        {
          notes: [`${rows}, and \`drop_last\` leaves a smaller one out`],
          help: `write a batch of ${batches.rows} or less, or leave \`drop_last\` out`,
        },
      ),
    );
    return;
  }
  // A part that is none is told of as such.
  if (batches.count < 1 || !Number.isInteger(batches.count)) return;
  if (accumulate === undefined || batches.count % accumulate === 0) return;
  const { option, part } = partOf('train', run.taken);
  const limited =
    part === null
      ? []
      : [
          `\`${option} = ${showQuantity(part)}\` takes ${batches.count} of ${counted(batches.all, 'batch', 'batches')}`,
        ];
  const place = optionOf(trainer.options, 'accumulate')?.span ?? trainer.span;
  if (accumulate <= batches.count) {
    const left = batches.count % accumulate;
    const windows = counted(Math.ceil(batches.count / accumulate), 'window');
    report(
      shortWindow(
        place,
        { windows, left, accumulate },
        {
          notes: [rows, ...limited],
          help: `write \`accumulate = ${divisorNear(batches.count, accumulate)}\`, or leave ${counted(left, 'batch', 'batches')} out by \`limit = { train: ${batches.count - left}.batches }\`, or keep it with \`# allow ZT5024\``,
        },
      ),
    );
    return;
  }
  report(
    windowTooLarge(
      place,
      { accumulate, batches: counted(batches.count, 'batch', 'batches') },
      {
        notes: [rows, ...limited],
        help: `write \`accumulate = ${batches.count}\` or less, or a smaller batch`,
      },
    ),
  );
};

/** The number nearest to `near`, the smaller of two, that divides `count`. */
const divisorNear = (count: number, near: number): number => {
  for (let away = 1; away < near; away += 1)
    for (const each of [near - away, near + away]) if (count % each === 0) return each;
  return 1;
};
