/** ZT5026: what an update reads of weights that the same step has changed before, where several batches make a window. */
import { describe, expect, test } from 'vitest';
import { codesOf, found, only } from './training-spec.js';

const model = (name: string): string =>
  `model ${name} on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> dense(10) as head }`;

const models = [model('Net'), model('Other')].join('\n');
const optimizer = 'optimizer opt = adam { of = Net }\noptimizer other = adam { of = Other }';

const spec = (body: string, accumulate: string, more = '', optimizers = optimizer) => ({
  model: `${models}\n${more}`,
  optimizer: optimizers,
  train: `step train(batch in train_set) { ${body} }`,
  trainer: `trainer Digits { epochs = 1 ${accumulate} }`,
});

const trained = (name: string): string => `mean(softmax_cross_entropy(${name}(batch.image), batch.label))`;
const close = (a: string, b: string): string => `mean(squared_error(${a}, ${b}))`;
const first = `update opt { minimize ${trained('Net')} }`;
const second = (loss: string): string => `update other { minimize ${trained('Other')} + ${loss} }`;
const net = 'Net(batch.image)';
const other = 'Other(batch.image)';
const target = 'model Target = ema(Net, decay = 0.9)';

const codes = (...of: Parameters<typeof spec>): readonly string[] =>
  codesOf(spec(...of)).filter((code) => code !== 'ZT5002');

describe('weights that an earlier update of the step changes', () => {
  const read = `${first} ${second(close(other, net))}`;

  test('are told of with who changes them, and what to do', () => {
    expect(only(spec(read, 'accumulate = 5'))).toMatchObject({
      code: 'ZT5026',
      message:
        '`update other` reads `Net`, changed earlier in the step: only the last batch of a window sees that',
      at: second(close(other, net)),
      related: [
        [first, '`update opt` changes `Net`'],
        ['5', '5 batches a window'],
      ],
      help: 'take a batch of the whole window, 5 times as large, with `accumulate = 1`',
    });
  });
  test('are no matter without accumulation', () => {
    expect(codes(read, '')).toEqual([]);
    expect(codes(read, 'accumulate = 1')).toEqual([]);
  });
  test.each([
    ['by stop_gradient', `${first} ${second(close(other, `stop_gradient(${net})`))}`, ''],
    ['by a value between the updates', `${first} let made = ${net} ${second(close(other, 'made'))}`, ''],
    [
      'by a value of a value',
      `${first} let made = ${net} let more = made * 2 ${second(close(other, 'more'))}`,
      '',
    ],
    [
      'by a weight of the mean',
      `${first} update other { minimize mean(softmax_cross_entropy(${other}, batch.label), weight = max_of(${net}, axis = -1)) }`,
      '',
    ],
    [
      'by a value that a param chooses',
      `${first} let made = if tied then ${net} else ${other} ${second(close(other, 'made'))}`,
      'param tied: bool = true',
    ],
    [
      'in a branch that a param takes',
      `if tied { ${first} } ${second(close(other, net))}`,
      'param tied: bool = true',
    ],
    ['by an average', `${first} ${second(close(other, 'Target(batch.image)'))}`, target],
    ['by itself, after its own update', `${first} ${first}`, ''],
    ['in a loop', `for turn in 0..2 { ${first} }`, ''],
    ['in a loop, in the turn after', `for turn in 0..3 { ${second(close(other, net))} ${first} }`, ''],
    ['in one branch', `if run.step < 3.steps { ${first} } ${second(close(other, net))}`, ''],
    ['in a branch of the reader', `${first} if run.step < 3.steps { ${second(close(other, net))} }`, ''],
    ['every so often', `every 2.steps { ${first} } ${second(close(other, net))}`, ''],
  ])('%s', (_, body, more) => {
    expect(new Set(codes(body, 'accumulate = 5', more))).toEqual(new Set(['ZT5026']));
  });
  test('are named once for each update, however many turns there are', () => {
    expect(codes(`for turn in 0..9 { ${first} }`, 'accumulate = 5')).toEqual(['ZT5026']);
    expect(
      found(spec(`for turn in 0..9 { ${first} }`, 'accumulate = 5')).find(({ code }) => code === 'ZT5026')
        ?.related[0]?.[1],
    ).toBe('changes them in each turn');
  });
});

describe('nothing that was changed is read', () => {
  test.each([
    ['models apart', `${first} ${second(close(other, 'Other(batch.image) * 0'))}`, ''],
    ['a value of before', `let made = ${net} ${first} ${second(close(other, 'made'))}`, ''],
    [
      'an average of before',
      `let made = Target(batch.image) ${first} ${second(close(other, 'made'))}`,
      target,
    ],
    [
      'what is read and not minimized',
      `${first} metric seen = mean(${net}) update other { minimize ${trained('Other')} }`,
      '',
    ],
    ['weights that are changed after', `${second(close(other, net))} ${first}`, ''],
    [
      'a copy that keeps its weights',
      `${first} ${second(close(other, 'Kept(batch.image)'))}`,
      'model Kept = frozen(Net)',
    ],
    [
      'a mean that takes weights in at the end of the step',
      `${first} ${second(close(other, 'Mean(batch.image)'))}`,
      'model Mean = average(Net, from = 1.steps, every = 1.steps)',
    ],
    [
      'a loop of one turn, by a param',
      `for turn in 0..turns { ${first} }`,
      'param turns: int = 1 where turns > 0',
    ],
    [
      'a branch that a param does not take',
      `if tied { ${first} } ${second(close(other, net))}`,
      'param tied: bool = false',
    ],
    [
      'the other value of two',
      `${first} let made = if tied then ${net} else Kept(batch.image) ${second(close(other, 'made'))}`,
      'param tied: bool = false\nmodel Kept = frozen(Net)',
    ],
    ['a loop of one turn', `for turn in 0..1 { ${first} }`, ''],
    [
      'branches of which one is taken',
      `if run.step < 3.steps { ${first} } else { ${second(close(other, net))} }`,
      '',
    ],
  ])('%s', (_, body, more) => {
    expect(codes(body, 'accumulate = 5', more)).toEqual([]);
  });
  describe('an optimizer whose weights are frozen for the whole run', () => {
    const frozenBy = (freeze: string): readonly string[] =>
      codes(
        `${first} ${second(close(other, net))}`,
        'accumulate = 5',
        '',
        optimizer.replace('of = Net', `of = Net ${freeze}`),
      );
    test.each([
      'freeze = rest',
      'group all { match = ["**"] freeze = rest }',
      'group w { match = ["**.weight"] freeze = rest } group b { match = ["**.bias"] freeze = rest }',
    ])('by %s changes none', (freeze) => {
      expect(frozenBy(freeze)).toEqual(['ZT5025']);
    });
    test.each([
      'freeze = rest group bias { match = ["**.bias"] freeze = none }',
      'freeze = rest group bias { match = ["**.bias"] freeze = 2.steps }',
      'group w { match = ["**.weight"] freeze = rest }',
    ])('by %s changes some', (freeze) => {
      expect(frozenBy(freeze)).toEqual(['ZT5026']);
    });
    test('in one of its models alone changes the others', () => {
      const both = (frozen: string): string =>
        `optimizer opt = adam { of = [Net, Kept] group k { match = ["${frozen}.**"] freeze = rest } }\noptimizer other = adam { of = Other }`;
      const body = (read: string): string =>
        `update opt { minimize mean(softmax_cross_entropy(Net(batch.image) + Kept(batch.image), batch.label)) } ${second(close(other, `${read}(batch.image)`))}`;
      const kept = model('Kept').replace('as head', 'as kept');
      expect(codes(body('Kept'), 'accumulate = 5', kept, both('kept'))).toEqual([]);
      expect(codes(body('Net'), 'accumulate = 5', kept, both('kept'))).toEqual(['ZT5026']);
    });
  });
});
