/** `step measure`: what can be measured, where it can be read, and what may not be measured. */
import { describe, expect, test } from 'vitest';
import { check, codesOf, found, only, specOf } from './training-spec.js';

const measure = (
  body: string,
  map = 'cast(row.image, f32)',
  from = 'train_part',
): Parameters<typeof found>[0] & object => ({
  train_set: [
    'data rows = digits { split = "all" batch = 32 parts = { train: 80.percent, validate: 20.percent } }',
    'data train_part = rows { part = "train" }',
    `data train_set = train_part { map row -> { image: ${map}, label: row.label } }`,
  ].join('\n'),
  test_set: `data test_set = train_set { part = "validate" }\nstep measure as seen(batch in ${from}) { ${body} }`,
});

describe('a measure step', () => {
  test('gives tensors without rows', () => {
    const spec = measure(
      'metric mu = mean(cast(batch.image, f32), axis = 0) metric sigma = std(cast(batch.image, f32), axis = [0, 1, 2]) metric most = max_of(cast(batch.image, f32)) metric n = sum(batch.label)',
      '(cast(row.image, f32) - seen.mu) / seen.sigma / seen.most',
    );
    expect(found(spec)).toEqual([]);
    const step = check(specOf(spec)).ir?.trainer?.steps.find(({ stage }) => stage === 'measure');
    expect(step?.body).toMatchObject([
      { kind: 'measure', name: 'mu', how: 'mean', axes: [0] },
      { kind: 'measure', name: 'sigma', how: 'std', axes: [0, 1, 2] },
      { kind: 'measure', name: 'most', how: 'max_of', axes: null },
      { kind: 'measure', name: 'n', how: 'sum', axes: null },
    ]);
  });
  test('is a mean with a weight too', () => {
    const spec = measure(
      'metric mu = mean(cast(batch.image, f32), axis = 0, weight = cast(reshape(batch.label, [batch.size, 1, 1, 1]) > 3, f32))',
      'cast(row.image, f32) - seen.mu',
    );
    expect(found(spec)).toEqual([]);
    const step = check(specOf(spec)).ir?.trainer?.steps.find(({ stage }) => stage === 'measure');
    expect(step?.body).toMatchObject([{ kind: 'measure', how: 'mean', axes: [0], weight: { kind: 'op' } }]);
  });
  test.each([
    ['metric m = mean(cast(batch.image, f32), axis = 1)', 'ZT3203', 'not joined over rows'],
    ['metric m = sqrt(mean(cast(batch.label, f32)))', 'ZT3203', 'the figure `m` is f32 (one number)'],
    ['metric m = cast(batch.label, f32)', 'ZT3203', 'a `mean`, `sum`, `std`'],
    [
      'metric m = mean(cast(batch.image, f32)) metric m = mean(cast(batch.image, f32))',
      'ZT2011',
      '`m` is given twice',
    ],
    ['metric m = mean(cast(batch.image, f32)) by last', 'ZT2006', 'a way to join batches'],
    ['let x = cast(batch.label, f32) assert 1 > 0', 'ZT4205', '`step measure` measures nothing'],
    ['return { m: batch.label }', 'ZT4106', '`step measure` does not have'],
    ['update opt { minimize mean(cast(batch.label, f32)) }', 'ZT4106', ''],
    [
      'metric n = sum(batch.label) if 1 > 0 { metric m = mean(cast(batch.label, f32)) }',
      'ZT4106',
      'not be there',
    ],
    ['for k in 0..2 { metric m = mean(cast(batch.label, f32)) }', 'ZT4106', 'may not be there'],
  ])('%s', (body, code, message) => {
    const all = found(measure(body)).filter(
      (each) => (each.code !== 'ZT5002' && each.code !== 'ZT4205') || code === 'ZT4205',
    );
    expect(all.map((each) => each.code)).toContain(code);
    expect(all.find((each) => each.code === code)?.message).toContain(message);
  });
  const several = (inputs: string, body: string): Parameters<typeof found>[0] & object => ({
    test_set: `data test_set = train_set { split = "test" }\ndata other_set = train_set { batch = 9 }\nstep measure as seen(${inputs}) { ${body} }`,
  });
  const two = 'a in train_set, b in other_set';
  test('over several data sets is one for each, with the figures of its rows', () => {
    const spec = several(
      two,
      'let x = b.image let y = x * 2 metric mu = mean(a.image, axis = 0) metric most = max_of(y) metric n = sum(a.label)',
    );
    expect(found(spec).filter(({ code }) => code !== 'ZT5015')).toEqual([]);
    const steps = check(specOf(spec)).ir?.trainer?.steps.filter(({ stage }) => stage === 'measure');
    expect(
      steps?.map(({ name, inputs, body }) => [
        name,
        inputs.map(({ data }) => data),
        body.map((each) => 'name' in each && each.name),
      ]),
    ).toEqual([
      ['seen', ['train_set'], ['mu', 'n']],
      ['seen', ['other_set'], ['x', 'y', 'most']],
    ]);
  });
  test.each([
    [
      'metric m = mean(a.image) metric both = mean(cast(a.label, f32) * sum(b.image))',
      'ZT3203',
      'the figure `both` is made of the rows of `a` and `b`, rows of one data set are expected',
    ],
    ['metric m = mean(a.image)', 'ZT4205', 'nothing of `b` is measured'],
    ['if 1 > 0 { metric m = mean(a.image) }', 'ZT4106', 'may not be there'],
  ])('over several data sets: %s', (body, code, message) => {
    const all = found(several(two, body));
    expect(all.filter((each) => each.code === code).map((each) => each.message)).toEqual([
      expect.stringContaining(message),
    ]);
  });
  test('is read by its own name and the figure’s', () => {
    const body = 'metric mu = mean(cast(batch.image, f32))';
    expect(only(measure(body, 'cast(row.image, f32) - seen.my'))).toMatchObject({
      code: 'ZT2003',
      help: 'write `seen.mu`',
    });
    expect(codesOf(measure(body, 'cast(row.image, f32) - saw.mu'))).toEqual(['ZT2001']);
  });
  test('is read in steps, maps and models, not in attributes', () => {
    const body = 'metric mu = mean(cast(batch.image, f32))';
    const inStep = {
      ...measure(body),
      validate:
        'step validate(batch in test_set) every 1.epoch { metric loss = mean(softmax_cross_entropy(Net(batch.image), batch.label)) * seen.mu }',
    };
    expect(found(inStep)).toEqual([]);
    expect(
      only({ ...measure(body), optimizer: 'optimizer opt = adam { of = Net lr = seen.mu }' }),
    ).toMatchObject({ at: 'seen.mu', help: expect.stringContaining('in steps, in models and in `map`') });
  });
  const inModel = (of = 'seen.mu'): string =>
    `fn centered(x: f32[n, 8, 8, 1]) -> f32[n, 8, 8, 1] = x - ${of}
     block Centered on x: f32[n, 8, 8, 1] -> f32[n, 64] { return centered(x) |> flatten() }
     model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image / seen.sigma |> Centered() |> dense(10) as head }`;
  const figures =
    'metric mu = mean(cast(batch.image, f32), axis = 0) metric sigma = std(cast(batch.image, f32))';
  test('is read in models, their blocks and functions', () => {
    const spec = { ...measure(figures), model: inModel() };
    expect(found(spec)).toEqual([]);
    expect(JSON.stringify(check(specOf(spec)).ir?.modules.at(-1)?.classes)).toContain(
      '"kind":"measured","step":"seen","name":"mu"',
    );
  });
  test('has a shape in a model as well', () => {
    const wrong = { ...measure(figures.replace('axis = 0', 'axis = [0, 1]')), model: inModel() };
    expect(found(wrong)).toEqual([]);
    expect(
      only({
        ...measure(
          figures.replace('batch.image, f32), axis', 'batch.label, f32) * ones([batch.size]), axis'),
        ),
        model: inModel('seen.my'),
      }),
    ).toMatchObject({ code: 'ZT2003', help: 'write `seen.mu`' });
    const narrow = figures.replace('batch.image, f32)', 'one_hot(batch.label, 3), f32)');
    expect(codesOf({ ...measure(narrow), model: inModel() })).toEqual(['ZT3101']);
  });
  test('is not measured with a model that needs it', () => {
    const spec = {
      ...measure(`${figures} metric far = mean(Net(cast(batch.image, f32)))`),
      model: inModel(),
    };
    expect(only(spec)).toMatchObject({
      code: 'ZT2006',
      message: expect.stringContaining('is being measured'),
      help: 'measure without a model that needs the figures',
    });
  });
  test('comes after the figures that it needs, wherever they stand', () => {
    const spec = measure('metric mu = mean(Net(cast(batch.image, f32)), axis = 0)', 'cast(row.image, f32)');
    const with2 = {
      ...spec,
      test_set: `${spec.test_set}\nstep measure as first(batch in train_part) { metric sigma = std(cast(batch.image, f32)) }`,
      model:
        'model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image / first.sigma |> flatten() |> dense(10) as head }',
    };
    expect(found(with2)).toEqual([]);
    const steps = check(specOf(with2)).ir?.trainer?.steps.map(({ name }) => name);
    expect(steps).toEqual(['first', 'seen', 'train', 'validate']);
  });
  test('cannot need itself', () => {
    const spec = measure(
      'metric mu = mean(cast(batch.image, f32))',
      'cast(row.image, f32) - seen.mu',
      'train_set',
    );
    expect(found(spec).map(({ message }) => message)).toEqual([
      expect.stringContaining('what is being measured'),
    ]);
  });
  test('of held-out rows is warned of', () => {
    const body = 'metric most = max_of(cast(batch.image, f32))';
    const map = 'cast(row.image, f32) / seen.most';
    expect(codesOf(measure(body, map))).toEqual([]);
    expect(only(measure(body, map, 'rows'))).toMatchObject({
      code: 'ZT5015',
      message: '`step seen` measures rows that `step validate` holds the model against',
      at: 'rows',
    });
  });
  test('is no metric that can be watched', () => {
    const spec = {
      ...measure('metric mu = mean(cast(batch.image, f32))', 'cast(row.image, f32) - seen.mu'),
      addon: 'addon checkpoint { best = min(seen.mu) }',
    };
    expect(only(spec)).toMatchObject({ code: 'ZT4201' });
  });
});
