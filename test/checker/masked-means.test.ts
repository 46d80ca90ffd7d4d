/** A quotient of sums in a loss is a mean with a weight where it is one, and a number of the batch where it is not. */
import { describe, expect, test } from 'vitest';
import { check, codesOf, specOf } from './training-spec.js';

const train = (loss: string) => ({
  train: `step train(batch in train_set) {
    update opt {
      let mask = cast(batch.label > 2, f32)
      let each = softmax_cross_entropy(Net(batch.image), batch.label)
      let soft = sigmoid(each)
      let still = stop_gradient(soft)
      let rows = sum(mask)
      minimize ${loss}
    }
  }`,
  trainer: 'trainer Digits { epochs = 1 accumulate = 3 }',
});

const terms = (loss: string) => {
  const step = check(specOf(train(loss))).ir?.trainer?.steps.find(({ stage }) => stage === 'train');
  const update = step?.body.find(({ kind }) => kind === 'update');
  const minimize =
    update?.kind === 'update' ? update.body.find(({ kind }) => kind === 'minimize') : undefined;
  return minimize?.kind === 'minimize'
    ? minimize.terms.map((term) => {
        const of = term.kind === 'times' ? term.of : term;
        return `${term.kind === 'times' ? 'c · ' : ''}${of.kind}${'weight' in of && of.weight ? ' weighted' : ''}`;
      })
    : [];
};

describe('with a denominator of its own', () => {
  test.each([
    ['sum(mask * each) / sum(mask)', ['mean weighted']],
    ['sum(each * mask) / sum(mask)', ['mean weighted']],
    ['sum(each * mask) / rows', ['mean weighted']],
    ['0.5 * sum(each * mask) / sum(mask) + mean(each)', ['c · mean weighted', 'mean']],
    ['sum(each * still) / sum(still)', ['mean weighted']],
    ['mean(each, weight = mask)', ['mean weighted']],
    ['mean(each, weight = batch.label > 2)', ['mean weighted']],
  ])('%s', (loss, expected) => {
    expect(terms(loss)).toEqual(expected);
    expect(codesOf(train(loss)).filter((code) => code !== 'ZT5002')).toEqual([]);
  });
});

describe('where rows meet', () => {
  test.each([
    // The weight itself is trained, which a mean with a weight would stop.
    'sum(each * soft) / sum(soft)',
    'sum(each * mask) / sum(still)',
    'sum(each) / sum(mask)',
    'sum(each * mask) / (sum(mask) + 1)',
  ])('%s', (loss) => {
    expect(terms(loss)).toEqual(['each']);
    expect(codesOf(train(loss))).toContain('ZT5008');
  });
});
