/** Models made from others: with other parameters, or with weights from another one. */
import { describe, expect, test } from 'vitest';
import { check, codesOf, found, only, specOf } from './training-spec.js';

const model =
  'model Net(units: int = 16 where units > 2) on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> dense(units) as hidden |> relu() |> dense(10) as head }';
const uses = (name: string) =>
  `step validate(batch in test_set) every 1.epoch { metric loss = mean(softmax_cross_entropy(${name}(batch.image), batch.label)) }`;
const copy = (decl: string, more = {}) => ({
  model: `${model}\n${decl}`,
  validate: uses('Other'),
  trainer: 'trainer Digits { epochs = 4 }',
  ...more,
});

describe('accepted', () => {
  test.each([
    'model Other = ema(Net)',
    'model Other = ema(Net, decay = 0.99)',
    'model Other = ema(of = Net, decay = 1)',
    'schedule s { linear(from = 0.9, to = 1, over = rest) }\nmodel Other = ema(Net, decay = s)',
    'model Other = average(Net, from = 1.epoch)',
    'model Other = average(Net, from = 50.percent, every = 10.steps)',
    'model Other = frozen(Net)',
    'param old: path = "runs/old"\nmodel Other = frozen(Net, from = old)',
  ])('%s', (decl) => {
    expect(codesOf(copy(decl))).toEqual([]);
  });

  test('a copy has the graph and the parameters of its model, and weights that nobody trains', () => {
    const { ir, weights } = check(
      specOf({
        ...copy('model Small = Net(8)\nmodel Other = ema(Small, decay = 0.5)'),
        optimizer: 'optimizer opt = adam { of = [Net, Small] }',
        train:
          'step train(batch in train_set) { update opt { minimize mean(softmax_cross_entropy(Net(batch.image) + Small(batch.image), batch.label)) } }',
      }),
    );
    const models = ir?.trainer?.models ?? [];
    expect(models.map(({ name, class: of, copy: how }) => [name, of, how?.kind, how?.of])).toEqual([
      ['Net', 'Net', undefined, undefined],
      ['Small', 'Net', undefined, undefined],
      ['Other', 'Net', 'ema', 'Small'],
    ]);
    expect(models.map(({ options }) => options.map(({ value }) => value))).toMatchObject([
      [{ value: 16 }],
      [{ value: 8 }],
      [{ value: 8 }],
    ]);
    expect(weights.get('Other')?.some(({ trainable }) => trainable)).toBe(false);
    expect(weights.get('Small')?.every(({ trainable }) => trainable)).toBe(true);
  });

  const base =
    'model Base on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> dense(10) as head }';
  const made = (decl: string, more: Readonly<Record<string, string>> = {}) =>
    check(specOf({ ...copy(`${base}\n${decl}`), ...more })).ir?.trainer?.models.map(
      ({ name, copy: how }) => `${name}${how?.alone ? ' alone' : ''}`,
    );
  test('a model that only frozen copies are of is not made beside them', () => {
    expect(made('model Other = frozen(Base)')).toEqual(['Net', 'Other alone']);
    expect(made('param old: path = "runs/old"\nmodel Other = frozen(Base, from = old)')).toEqual([
      'Net',
      'Other alone',
    ]);
    expect(made('model Wide = Base()\nmodel Other = frozen(Wide)')).toEqual(['Net', 'Other alone']);
  });
  test.each([
    [
      'a step calls it',
      {
        validate:
          'step validate(batch in test_set) every 1.epoch { metric m = mean(Base(batch.image) - Other(batch.image)) }',
      },
    ],
    [
      'an optimizer has it',
      {
        optimizer: 'optimizer opt = adam { of = [Net, Base] }',
        train:
          'step train(batch in train_set) { update opt { minimize mean(softmax_cross_entropy(Net(batch.image) + Base(batch.image) + Other(batch.image), batch.label)) } }',
      },
    ],
  ])('it is where %s', (_what, more) => {
    expect(made('model Other = frozen(Base)', more)).toEqual(['Net', 'Base', 'Other']);
  });
  test('pretrained weights go into the copy by the name of its model, where it has none of its own', () => {
    const addon =
      'param weights: path = "w.safetensors" addon pretrained { from = weights into = Base.head layout = "torch" }';
    expect(made('model Other = frozen(Base)', { addon })).toEqual(['Net', 'Other alone']);
    expect(made('model Other = frozen(Base, from = weights)', { addon })).toEqual(['Net', 'Base', 'Other']);
    expect(
      codesOf({ ...copy(`${base}\nmodel Other = frozen(Base)`), addon: addon.replace('Base.head', 'Other') }),
    ).toEqual(['ZT2006']);
    expect(
      codesOf({
        ...copy(`${base}\nmodel Other = frozen(Base)`),
        addon: addon.replace('Base.head', 'Base.haed'),
      }),
    ).toEqual(['ZT4110']);
  });
  test.each(['ema(Base)', 'average(Base, from = 1.epoch)'])('%s of what nothing trains is told', (made) => {
    const { code, at } = only(
      copy(`${base}\nmodel Other = ${made}`, { trainer: 'trainer Digits { epochs = 3 }' }),
    );
    expect([code, at]).toEqual(['ZT4119', `model Other = ${made}`]);
  });
});

describe('an average that takes weights in once', () => {
  const average = (args: string, trainer = 'epochs = 4') =>
    found(copy(`model Other = average(Net, ${args})`, { trainer: `trainer Digits { ${trainer} }` })).filter(
      ({ code }) => code !== 'ZT5024',
    );
  test.each([
    [
      'from = 4.epochs',
      '4.epochs',
      '`from = 4 epochs` changes nothing: the run has 180 steps, after which `Other` takes weights in for the first time: it is `Net` itself',
    ],
    [
      'from = 3.5.epochs',
      '3.5.epochs',
      '`from = 3.5 epochs` changes nothing: the run has 180 steps, in which `Other` takes weights in once, at 3.5 epochs: it is `Net` as it was then',
    ],
    [
      'from = 1.epoch, every = 200.steps',
      '200.steps',
      '`every = 200 steps` changes nothing: the run has 180 steps, in which `Other` takes weights in once, at 1 epoch: it is `Net` as it was then',
    ],
    [
      'from = 0.steps, every = 5.epochs',
      '5.epochs',
      '`every = 5 epochs` changes nothing: the run has 180 steps, `Other` takes weights in for the first time after 5 epochs: it keeps those that `Net` begins with',
    ],
  ])('%s', (args, at, message) => {
    expect(average(args)).toMatchObject([{ code: 'ZT5020', at, message }]);
  });
  test.each(['from = 3.epochs', 'from = 0.steps, every = 4.epochs', 'from = 179.steps, every = 1.step'])(
    'not %s',
    (args) => {
      expect(average(args)).toEqual([]);
    },
  );
  test('a start beyond the run is an error, and one that is not known is left to the run', () => {
    expect(average('from = 5.epochs')).toMatchObject([{ code: 'ZT3203', at: '5.epochs' }]);
    expect(average('from = 100.steps', 'max_time = 1.hours')).toEqual([]);
  });
});

describe('shapes are those of the call', () => {
  const inner =
    'model Net on x: f32[n, 4] -> f32[n, 10] { return x |> dense(10) as head }\nmodel Other = ema(Net)';
  test('a wrong input is an error at the call of the copy', () => {
    const error = only(
      copy('', { model: `${inner}`, train: trainOn('reshape(batch.image, [batch.size * 16, 4])') }),
    );
    expect(error.code).toBe('ZT3101');
    expect(error.at).toBe('batch.image');
  });
  const trainOn = (input: string): string =>
    `step train(batch in train_set) { update opt { minimize mean(square(Net(${input}))) } }`;

  test('an instance is checked with its own parameters', () => {
    const cut =
      'model Net(side: int = 8) on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> reshape([n, side * 8]) |> dense(10) as head }';
    const error = only(copy('', { model: `${cut}\nmodel Other = Net(4)`, validate: uses('Other') }));
    expect(error.code).toBe('ZT3103');
  });
});

describe('refused', () => {
  test.each([
    ['model Other = ema(Net, decay = 1.5)', 'ZT3302'],
    ['model Other = ema(Net, decy = 0.9)', 'ZT2002'],
    ['model Other = ema()', 'ZT2004'],
    ['model Other = ema([Net, Net])', 'ZT2006'],
    ['model Other = ema(relu)', 'ZT2006'],
    ['model Other = ema(Other)', 'ZT2006'],
    ['model Third = frozen(Net)\nmodel Other = ema(Third)', 'ZT2006'],
    ['model Third = Net(8)\nmodel Other = Third(4)', 'ZT2006'],
    ['model Other = emma(Net)', 'ZT2001'],
    ['model Other = Net(1)', 'ZT3302'],
    ['model Other = Net(unit = 3)', 'ZT2002'],
    ['model Other = Net("a")', 'ZT3203'],
    ['model Other = average(Net)', 'ZT2004'],
    ['model Other = average(Net, from = 5)', 'ZT3202'],
    ['model Other = average(Net, from = 5.epochs)', 'ZT3203'],
    ['model Other = average(Net, from = rest)', 'ZT3203'],
    ['model Other = average(Net, from = 1.epoch, every = 0.steps)', 'ZT3203'],
    ['model Other = frozen(Net, from = 5)', 'ZT3203'],
    ['model Other = frozen(Net, from = "old.pt")', 'ZT3203'],
    ['model Other = ema(Net, from = "old")', 'ZT2002'],
  ])('%s: %s', (decl, code) => {
    const codes = codesOf(copy(decl)).filter((each) => each !== 'ZT5002');
    expect(codes[0]).toBe(code);
    expect(codes.length).toBeLessThanOrEqual(1);
  });

  test('nobody trains a copy', () => {
    const error = only(
      copy('model Other = ema(Net)', { optimizer: 'optimizer opt = adam { of = [Net, Other] }' }),
    );
    expect(error).toMatchObject({ code: 'ZT2006', at: 'Other' });
    expect(error.help).toBe('an optimizer trains `Net`, and `Other` follows it');
  });

  test('an instance is trained by someone', () => {
    const train =
      'step train(batch in train_set) { update opt { minimize mean(softmax_cross_entropy(Net(batch.image) + Other(batch.image), batch.label)) } }';
    expect(codesOf(copy('model Other = Net(8)', { train }))).toEqual(['ZT4101']);
    // A copy is not: its weights are the model's.
    expect(codesOf(copy('model Other = ema(Net)', { train }))).toEqual([]);
  });

  test('a loss that reaches a copy alone trains nothing', () => {
    const train =
      'step train(batch in train_set) { update opt { minimize mean(softmax_cross_entropy(Other(batch.image), batch.label)) } }';
    expect(codesOf(copy('model Other = ema(Net)', { train }))).toEqual(['ZT4103']);
  });

  test('an average takes ways through the train step', () => {
    const averages = ['A', 'B', 'C'].map((name) => `model ${name} = average(Net, from = 1.epoch)`).join('\n');
    const loss = (name: string) => `mean(softmax_cross_entropy(${name}(batch.image), batch.label))`;
    const validate = `step validate(batch in test_set) every 1.epoch { metric loss = ${loss('A')} + ${loss('B')} + ${loss('C')} }`;
    expect(found(copy(averages, { validate })).map(({ code }) => code)).toEqual(['ZT4111']);
  });

  test('one that nothing uses is told', () => {
    expect(codesOf(copy('model Other = ema(Net)', { validate: uses('Net') }))).toEqual(['ZT5002']);
  });
});
