/** ZT4101 and ZT4102: each trained weight has one optimizer. */
import { namedTwice, ownedTwice, unownedPart, unownedWeights } from '../../parser/messages.gen.js';
import type { Span } from '../../parser/source.js';
import { asConstant, mul, constant } from '../dims/size.js';
import type { Weight } from '../env.js';
import type { IrOptimizer } from '../ir.js';
import { isAmong } from './groups.js';
import { counted } from '../../values/counted.js';
import { listed, trainableWeights, type TrainingInput } from './input.js';
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

/** Models that train steps call, each at its first call. */
export const modelsInTraining = (input: TrainingInput): ReadonlyMap<string, Span> => {
  const used = new Map<string, Span>();
  for (const step of input.trainer.steps) {
    if (step.stage !== 'train') continue;
    visitExpressions(step.body, (expr) => {
      if (expr.kind === 'model' && !used.has(expr.model)) used.set(expr.model, expr.span);
    });
  }
  return used;
};

interface Owner {
  readonly optimizer: IrOptimizer;
  readonly span: Span;
  readonly taken: boolean;
}

/** Optimizers that name a model, each once. */
const ownersOf = (input: TrainingInput): ReadonlyMap<string, readonly Owner[]> => {
  const owners = new Map<string, Owner[]>();
  for (const optimizer of input.trainer.optimizers) {
    for (const { model, span, taken = false } of optimizer.of) {
      const known = owners.get(model) ?? [];
      owners.set(model, known);
      const twice = known.find((each) => each.optimizer === optimizer);
      if (!twice) {
        known.push({ optimizer, span, taken });
        continue;
      }
      const related = [{ span: twice.span, label: 'the first' }];
      input.report(
        namedTwice(span, { optimizer: optimizer.name, model }, { related, help: 'leave one of them out' }),
      );
    }
  }
  return owners;
};

const isOwned = ({ optimizer: { owns } }: Owner, path: string): 'yes' | 'no' | 'perhaps' =>
  owns === null ? 'yes' : isAmong(owns, path);

/** Some of a list of paths, and how many others there are. */
export const someOf = (paths: readonly string[]): string =>
  `${listed(paths.slice(0, 3))}${paths.length > 3 ? ` and ${counted(paths.length - 3, 'other')}` : ''}`;

const checkTwice = (input: TrainingInput, model: string, owners: readonly Owner[]): void => {
  const paths = trainableWeights(input, model).map((weight) => weight.path);
  owners.forEach((second, place) => {
    for (const first of owners.slice(0, place)) {
      const both = paths.filter((path) => isOwned(first, path) === 'yes' && isOwned(second, path) === 'yes');
      const whole = first.optimizer.owns === null && second.optimizer.owns === null;
      if (both.length === 0 && !whole) continue;
      const [one, other] = [first.optimizer.name, second.optimizer.name];
      input.report(
        ownedTwice(
          second.span,
          { model, first: `\`${one}\``, second: `\`${other}\`` },
          {
            related: [{ span: first.span, label: `owned by \`${one}\` here` }],
            notes: whole ? [] : [`both own ${someOf(both)}`],
            help: !whole
              ? `leave them out of one: \`except = [${both
                  .slice(0, 1)
                  .map((path) => JSON.stringify(path))
                  .join()}, …]\``
              : second.taken
                ? `\`${other}\` is \`${one}\` with its attributes replaced, and has its \`of\` as well: give it another, \`of = …\`, or leave \`${other}\` out`
                : 'leave the model to one of them, or share it out by `match` and `except`; an optimizer may stand in several updates',
          },
        ),
      );
      return;
    }
  });
};

/** `explained` are models of which another error said already that nothing owns them. */
export const checkOwnership = (input: TrainingInput, explained: ReadonlySet<string>): void => {
  const { trainer, report } = input;
  const owners = ownersOf(input);
  for (const [model, each] of owners) checkTwice(input, model, each);
  const [only, ...others] = trainer.optimizers;
  for (const [model, span] of modelsInTraining(input)) {
    const all = trainableWeights(input, model);
    const own = owners.get(model) ?? [];
    const weights = all.filter(({ path }) => own.every((owner) => isOwned(owner, path) === 'no'));
    if (weights.length === 0 || explained.has(model)) continue;
    const numbers = numbersOf(weights);
    const notes = [
      `${counted(weights.length, 'weight')}${numbers === null ? '' : ` (${counted(numbers, 'number')})`} would keep ${weights.length === 1 ? 'its' : 'their'} random start`,
    ];
    const [owner] = own;
    if (owner) {
      const paths = weights.map(({ path }) => path);
      report(
        unownedPart(
          span,
          { model, weights: someOf(paths) },
          {
            related: own.map((each) => ({
              span: each.span,
              label: `\`${each.optimizer.name}\` owns another part`,
            })),
            notes,
            help: 'leave them to an optimizer by its `match`, and freeze them there where they are not to change: `freeze = rest` in a group',
          },
        ),
      );
      continue;
    }
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
          notes,
          help:
            only && others.length === 0
              ? `add it to the optimizer: \`of = [${of.join(', ')}]\``
              : `name it in the \`of\` of an optimizer, and that in an \`update\``,
        },
      ),
    );
  }
};
