/** Models that have their weights from another one: nobody trains them, and averages begin within the run. */
import { followsNothing, wrongKind, wrongType } from '../../parser/messages.gen.js';
import { showQuantity } from '../../values/units.js';
import { evaluateIr } from '../evaluate.js';
import { counted } from '../../values/counted.js';
import type { IrCopy } from '../ir-models.js';
import { optionOf, type TrainingInput } from './input.js';
import { modelsInTraining } from './ownership.js';
import type { Run } from './run.js';
import { lengthOf } from './lengths.js';
import { isLength, scaleOf } from './schedules.js';

export const checkCopies = (input: TrainingInput, run: Run): void => {
  const { trainer, report } = input;
  const copies = new Map(trainer.models.flatMap(({ name, copy }) => (copy ? [[name, copy] as const] : [])));
  for (const optimizer of trainer.optimizers) {
    for (const { model, span } of optimizer.of) {
      const copy = copies.get(model);
      if (!copy) continue;
      report(
        wrongKind(
          span,
          { name: model, found: `a copy of \`${copy.of}\``, expected: 'a model with weights of its own' },
          {
            related: [{ span: copy.span, label: `\`${copy.kind}\` gives it its weights` }],
            help: `an optimizer trains \`${copy.of}\`, and \`${model}\` ${copy.kind === 'frozen' ? 'keeps what that began with' : 'follows it'}`,
          },
        ),
      );
    }
  }
  checkFollowed(input, copies);
  const scale = (run.epochs === null) !== (run.steps === null) ? scaleOf(run) : null;
  for (const { kind, options } of copies.values()) {
    for (const name of ['from', 'every']) {
      const given = optionOf(options, name);
      const length = given?.kind === 'quantity' ? evaluateIr(given, run.names) : undefined;
      if (!given || typeof length !== 'number' || (name === 'from' && length === 0)) continue;
      const what = `\`${name}\` of \`${kind}\``;
      if (!isLength(given, length)) {
        report(
          wrongType(given.span, {
            what,
            found: `${length}`,
            expected: length > 0 ? 'a whole number of steps' : 'more than 0',
          }),
        );
        continue;
      }
      const duration = lengthOf(given, run);
      const steps = duration && scale && name === 'from' ? scale.lengthOf(duration) : null;
      if (!duration || !scale || steps === null || steps <= scale.total) continue;
      report(
        wrongType(given.span, {
          what,
          found: showQuantity(duration),
          expected: `a time within the run of ${counted(scale.total, scale.one)}`,
        }),
      );
    }
    const from = optionOf(options, 'from');
    if (from?.kind === 'rest')
      report(
        wrongType(from.span, {
          what: `\`from\` of \`${kind}\``,
          found: '`rest`',
          expected: 'when the average begins, e.g. `5.epochs`',
        }),
      );
  }
};

/** ZT4119: what follows a model has one that moves. A model that a train step calls is told of by ZT4101. */
const checkFollowed = (input: TrainingInput, copies: ReadonlyMap<string, IrCopy>): void => {
  const moving = new Set([
    ...input.trainer.optimizers.flatMap(({ of }) => of.map(({ model }) => model)),
    ...modelsInTraining(input).keys(),
  ]);
  for (const [name, { kind, of, span }] of copies) {
    if (kind === 'frozen' || moving.has(of)) continue;
    input.report(
      followsNothing(
        span,
        { kind, model: of },
        {
          notes: [`\`${name}\` would keep the weights that \`${of}\` begins with`],
          help: `write \`frozen(${of})\` where that is meant; else name \`${of}\` in the \`of\` of an optimizer`,
        },
      ),
    );
  }
};
