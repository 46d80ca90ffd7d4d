/** ZT4115: what is frozen for a time thaws before the run ends. */
import { neverThawed, wrongType } from '../../parser/messages.gen.js';
import { showQuantity } from '../../values/units.js';
import { evaluateIr } from '../evaluate.js';
import type { IrExpr, IrTrainer } from '../ir.js';
import { counted, optionOf, type TrainingInput } from './input.js';
import { lengthNotes, type Run } from './run.js';
import { durationOf, scaleOf } from './schedules.js';

/** Every `freeze` of optimizers and their groups. */
export const freezesOf = (trainer: IrTrainer): readonly IrExpr[] =>
  trainer.optimizers.flatMap(({ options, groups }) =>
    [options, ...groups.map((group) => group.options)].flatMap((each) => optionOf(each, 'freeze') ?? []),
  );

export const checkFreezes = (input: TrainingInput, run: Run): void => {
  const scale = (run.epochs === null) !== (run.steps === null) ? scaleOf(run) : null;
  for (const freeze of freezesOf(input.trainer)) {
    if (freeze.kind !== 'quantity') continue;
    const value = evaluateIr(freeze, run.names);
    if (typeof value === 'number' && (value < 0 || (freeze.unit === 'steps' && !Number.isInteger(value)))) {
      input.report(
        wrongType(freeze.span, {
          what: '`freeze`',
          found: `${value}`,
          expected: value < 0 ? 'a time of at least 0' : 'a whole number of steps',
        }),
      );
      continue;
    }
    const duration = durationOf(freeze, run);
    const length = duration && scale ? scale.lengthOf(duration) : null;
    if (!duration || !scale || length === null || length < scale.total) continue;
    input.report(
      neverThawed(
        freeze.span,
        { length: showQuantity(duration), run: counted(scale.total, scale.one) },
        {
          notes: lengthNotes(run),
          help: 'thaw earlier, or write `freeze = rest` where the weights are to be kept',
        },
      ),
    );
  }
};
