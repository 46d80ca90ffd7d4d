/** ZT4101 and ZT4102: each trained weight has one optimizer. */
import { namedTwice, ownedTwice, unownedWeights } from '../../parser/messages.gen.js';
import type { Span } from '../../parser/source.js';
import { asConstant, mul, constant } from '../dims/size.js';
import type { Weight } from '../env.js';
import { counted, trainableWeights, type TrainingInput } from './input.js';
import { visitExpressions } from './walk.js';

/** How many numbers the weights hold, or null where a param decides. */
const numbersOf = (weights: readonly Weight[]): number | null => {
  let total = 0;
  for (const weight of weights) {
    const size = asConstant(
      weight.shape.reduce((product, each) => mul(product, each), weight.count ?? constant(1)),
    );
    if (size === null) return null;
    total += size;
  }
  return total;
};

const modelsInTraining = (input: TrainingInput): ReadonlyMap<string, Span> => {
  const used = new Map<string, Span>();
  for (const step of input.trainer.steps) {
    if (step.stage !== 'train') continue;
    visitExpressions(step.body, (expr) => {
      if (expr.kind === 'model' && !used.has(expr.model)) used.set(expr.model, expr.span);
    });
  }
  return used;
};

/** `explained` are models of which another error said already that nothing owns them. */
export const checkOwnership = (input: TrainingInput, explained: ReadonlySet<string>): void => {
  const { trainer, report } = input;
  const owners = new Map<string, { readonly optimizer: string; readonly span: Span }>();
  for (const optimizer of trainer.optimizers) {
    for (const { model, span, taken } of optimizer.of) {
      const before = owners.get(model);
      if (!before) {
        owners.set(model, { optimizer: optimizer.name, span });
        continue;
      }
      const related = [
        {
          span: before.span,
          label: before.optimizer === optimizer.name ? 'the first' : `owned by \`${before.optimizer}\` here`,
        },
      ];
      if (before.optimizer === optimizer.name) {
        report(
          namedTwice(span, { optimizer: optimizer.name, model }, { related, help: 'leave one of them out' }),
        );
      } else {
        report(
          ownedTwice(
            span,
            { model, first: `\`${before.optimizer}\``, second: `\`${optimizer.name}\`` },
            {
              related,
              help: taken
                ? `\`${optimizer.name}\` is \`${before.optimizer}\` with its attributes replaced, and has its \`of\` as well: give it another, \`of = …\`, or leave \`${optimizer.name}\` out`
                : 'leave the model to one of them; an optimizer may stand in several updates',
            },
          ),
        );
      }
    }
  }
  const [only, ...others] = trainer.optimizers;
  for (const [model, span] of modelsInTraining(input)) {
    const weights = trainableWeights(input, model);
    if (weights.length === 0 || owners.has(model) || explained.has(model)) continue;
    const numbers = numbersOf(weights);
    const declared = trainer.models.find((each) => each.name === model);
    const of = [...(only?.of.map((each) => each.model) ?? []), model];
    report(
      unownedWeights(
        span,
        { model },
        {
          related:
            declared && declared.span.file === span.file
              ? [{ span: declared.span, label: 'declared here' }]
              : [],
          notes: [
            `${counted(weights.length, 'weight')}${numbers === null ? '' : ` (${counted(numbers, 'number')})`} would keep ${weights.length === 1 ? 'its' : 'their'} random start`,
          ],
          help:
            only && others.length === 0
              ? `add it to the optimizer: \`of = [${of.join(', ')}]\``
              : `name it in the \`of\` of an optimizer, and that in an \`update\``,
        },
      ),
    );
  }
};
