/** Warnings: names of weights, what goes into losses, and what validation reads. */
import { describe, expect, test } from 'vitest';
import { check, codesOf, found, only } from './training-spec.js';

const train = (body: string): string => `step train(batch in train_set) { ${body} }`;
const net = (graph: string): string =>
  `model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> ${graph} }`;

describe('names of weights', () => {
  const names = (graph: string): ReturnType<typeof found> =>
    found({ model: net(graph) }).filter(({ code }) => code === 'ZT5001');

  test('a layer without `as` is named by the fix as it is now, so that old checkpoints still fit', () => {
    const shown = only({ model: net('dense(16) as hidden |> relu() |> dense(10)') });
    expect(shown).toMatchObject({ code: 'ZT5001', at: 'dense(10)', help: 'write `as dense1`' });
    expect(shown.notes[0]).toContain('`Net.dense1`');
    expect(shown.fixed).toContain('|> dense(10) as dense1 }');
    expect(check(shown.fixed ?? '').diagnostics).toEqual([]);
  });
  test('what owns no weights needs no name', () => {
    expect(names('dense(10) as head |> dropout(0.1)')).toEqual([]);
  });
  test('each layer of a repeat is named once', () => {
    expect(
      names('repeat 3 as deep { dense(64) as a |> relu() |> dense(64) } |> dense(10) as head').map(
        ({ at }) => at,
      ),
    ).toEqual(['dense(64)']);
    expect(names('repeat 3 as deep { dense(64) } |> dense(10) as head')).toEqual([]);
  });
  test('a repeat is named before its brace, where the count has a place', () => {
    const spec = {
      param: 'param depth: int = 2 where depth > 0',
      model: net('repeat depth { dense(64) } |> dense(10) as head'),
    };
    const shown = only(spec);
    expect(shown.fixed).toContain('repeat depth as repeat1 { dense(64) }');
    expect(check(shown.fixed ?? '').diagnostics).toEqual([]);
    expect(only({ model: net('repeat 2 { dense(64) } |> dense(10) as head') })).toMatchObject({
      fixed: null,
      help: 'name them: `repeat … as repeat1 { … }`',
    });
  });
  test('blocks are no exception', () => {
    const block = 'block Up(units: int) on x: f32[n, d] -> f32[n, units] { return x |> dense(units) as out }';
    expect(only({ block, model: net('Up(10)') })).toMatchObject({
      code: 'ZT5001',
      at: 'Up(10)',
      help: 'write `as up1`',
    });
  });
});

describe('activations before losses', () => {
  test('are found in the model, once for all steps', () => {
    const shown = only({ model: net('dense(10) as head |> softmax()') });
    expect(shown).toMatchObject({
      code: 'ZT5003',
      at: 'Net(batch.image)',
      related: [['softmax()', '`softmax` is applied here']],
    });
  });
  test('are found in steps, through names and layout', () => {
    const shown = only({
      train: train(
        'update opt { let p = softmax(Net(batch.image)) let q = reshape(p, [batch.size, 10]) minimize mean(softmax_cross_entropy(q, batch.label)) }',
      ),
    });
    expect(shown).toMatchObject({ code: 'ZT5003', at: 'q' });
  });
  test('are found in blocks', () => {
    const block =
      'block Head on x: f32[n, d] -> f32[n, 10] { let y = x |> dense(10) as out return sigmoid(y) }';
    expect(codesOf({ block, model: net('Head() as head |> dropout(0.1)') })).toEqual(['ZT5003']);
  });
  test('are looked for once, however often a value is used', () => {
    const lets = Array.from(
      { length: 60 },
      (_, at) => `let v${at + 1} = if p > 0 then v${at} else reshape(v${at}, [n, 10])`,
    );
    const model = `model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] {\n let v0 = image |> flatten() |> dense(10) as head\n ${lets.join('\n ')}\n return v60 }`;
    expect(codesOf({ param: 'param p: int = 1', model })).toEqual([]);
  });
  const measured = (metric: string) => ({
    train_set:
      'data train_set = digits { batch = 32 shuffle = true map row -> { image: cast(row.image, f32) / 16, label: row.label, one: row.label == 1 } }',
    validate: `step validate(batch in test_set) every 1.epoch { metric m = ${metric} }`,
  });
  const logit = 'Net(batch.image)[:, 1]';
  test.each([
    ['binary_accuracy', `binary_accuracy(sigmoid(${logit}), batch.one)`],
    ['f1', `f1(sigmoid(${logit}), batch.one)`],
    ['precision', `2 * precision(sigmoid(${logit}), batch.one, threshold = 0)`],
    ['recall', `1 - recall(sigmoid(${logit}), batch.one)`],
    ['confusion_matrix', `confusion_matrix(sigmoid(${logit}), batch.one)`],
    ['auroc', 'auroc(softmax(Net(batch.image)), batch.label)'],
    ['average_precision', 'average_precision(sigmoid(Net(batch.image)), batch.label)'],
  ])('are found before %s, which takes logits', (name, metric) => {
    const shown = only(measured(metric));
    expect(shown.code).toBe('ZT5003');
    expect(shown.message).toMatch(`\`${name}\` takes logits, and gets the result of`);
    expect(shown.at).toContain('Net(batch.image)');
    expect(shown.help?.includes('threshold = 0.5')).toBe(!['auroc', 'average_precision'].includes(name));
  });
  test.each([
    `binary_accuracy(sigmoid(${logit}), batch.one, threshold = 0.5)`,
    `f1(sigmoid(${logit}), batch.one, threshold = 0.5)`,
    'f1(softmax(Net(batch.image)), batch.label)',
    'confusion_matrix(softmax(Net(batch.image)), batch.label)',
    `auroc(sigmoid(${logit}), batch.one)`,
    'accuracy(softmax(Net(batch.image)), batch.label)',
    'top_k_accuracy(softmax(Net(batch.image)), batch.label, k = 3)',
  ])('are no mistake where they change nothing: %s', (metric) => {
    expect(codesOf(measured(metric))).toEqual([]);
  });
  test('have a place in the spec also where the loss stands in a function of the prelude', () => {
    const shown = only({
      train: train('update opt { minimize mean(-log_prob(softmax(Net(batch.image)), batch.label)) }'),
    });
    expect(shown).toMatchObject({ code: 'ZT5003', at: 'Net(batch.image)' });
  });
  test('are no mistake further up', () => {
    expect(codesOf({ model: net('dense(16) as hidden |> softmax() |> dense(10) as head') })).toEqual([]);
    expect(codesOf({ model: net('dense(10) as head |> log_softmax()') })).toEqual([]);
  });
});

describe('the width of the head', () => {
  test('is held against the digits', () => {
    const shown = only({ model: net('dense(12) as head').replace('f32[n, 10]', 'f32[n, 12]') });
    expect(shown).toMatchObject({
      code: 'ZT5006',
      message: 'the logits have 12 classes, the labels 10',
      help: 'give the last layer 10 units',
    });
  });
  test('is held against the choices of a table', () => {
    const shown = only({
      train_set:
        'data train_set = csv -> { x: f32[4], kind: "a" | "b" | "c" } { file = "a.csv" batch = 8 shuffle = true }',
      model: 'model Net on x: f32[n, 4] -> f32[n, 2] { return x |> dense(2) as head }',
      train: train('update opt { minimize mean(softmax_cross_entropy(Net(batch.x), batch.kind)) }'),
      validate: '',
    });
    expect(shown).toMatchObject({
      code: 'ZT5006',
      notes: ['`kind` of `train_set` has 3 classes: "a", "b", "c"'],
    });
  });
  test('a param counts with its default', () => {
    const own = {
      model:
        'model Net on image: f32[n, 8, 8, 1] -> f32[n, k] { return image |> flatten() |> dense(k) as head }',
    };
    expect(codesOf({ ...own, param: 'param k: int = 10 where k > 0' })).toEqual([]);
    expect(codesOf({ ...own, param: 'param k: int = 11 where k > 0' })).toEqual(['ZT5006']);
  });
  test('labels that a map changes are left alone', () => {
    const set =
      'data train_set = digits { batch = 32 shuffle = true map row -> { image: cast(row.image, f32) / 16, label: cast(row.label > 4, i32) } }';
    expect(
      codesOf({ train_set: set, model: net('dense(2) as head').replace('f32[n, 10]', 'f32[n, 2]') }),
    ).toEqual([]);
  });
});

describe('data of validation', () => {
  const same = 'has the same source with the same arguments';
  test('is not that of training, by name or by content', () => {
    expect(
      only({
        validate:
          'step validate(batch in train_set) every 1.epoch { metric loss = mean(softmax_cross_entropy(Net(batch.image), batch.label)) }',
        test_set: '',
      }),
    ).toMatchObject({ code: 'ZT5004', at: 'train_set', related: [['train_set', 'trained on here']] });
    const copy = only({ test_set: 'data test_set = train_set { batch = 128 shuffle = false }' });
    expect(copy).toMatchObject({ code: 'ZT5004', at: 'test_set' });
    expect(copy.notes).toEqual([`\`test_set\` and \`train_set\` ${same.replace('has', 'have')}`]);
    expect(codesOf({ test_set: 'data test_set = train_set { split = "train" }' })).toEqual(['ZT5004']);
  });
  test('nor a part of it', () => {
    const shown = only({ test_set: 'data test_set = train_set { split = "all" }' });
    expect(shown).toMatchObject({
      code: 'ZT5004',
      message: '`step validate` reads rows that the model is trained on',
    });
  });
  test('another file is other data, the same file is not', () => {
    const csv = (file: string) => ({
      train_set:
        'data train_set = csv -> { x: f32[4], y: f32 } { file = "a.csv" columns = { x: ["p", "q", "r", "s"] } batch = 8 shuffle = true }',
      test_set: `data test_set = csv -> { x: f32[4], y: f32 } { file = "${file}" columns = { x: ["p", "q", "r", "s"] } }`,
      model: 'model Net on x: f32[n, 4] -> f32[n] { return x |> dense(1) as head |> squeeze(axis = -1) }',
      train: train('update opt { minimize mean(squared_error(Net(batch.x), batch.y)) }'),
      validate:
        'step validate(batch in test_set) every 1.epoch { metric loss = mean(squared_error(Net(batch.x), batch.y)) }',
    });
    expect(codesOf(csv('b.csv'))).toEqual([]);
    expect(codesOf(csv('a.csv'))).toEqual(['ZT5004']);
  });
});

describe('rows that meet', () => {
  const trainer = 'trainer Digits { epochs = 1 accumulate = 5 }';
  const normed = net('dense(16) as hidden |> batch_norm() as norm |> dense(10) as head');

  test('batch normalization under accumulation, with the counts', () => {
    const shown = only({ model: normed, trainer });
    expect(shown).toMatchObject({
      code: 'ZT5008',
      at: 'Net(batch.image)',
      related: [['5', '5 batches a window']],
      notes: ['32 rows meet, not the 160 of a window'],
    });
  });
  test('is no matter without accumulation, nor are rows that stay apart', () => {
    expect(codesOf({ model: normed })).toEqual([]);
    expect(codesOf({ trainer })).toEqual([]);
  });
  test('a loss that is no sum of means', () => {
    const own = train(
      'update opt { let each = softmax_cross_entropy(Net(batch.image), batch.label) minimize sqrt(mean(each)) }',
    );
    expect(codesOf({ train: own })).toEqual([]);
    expect(only({ train: own, trainer })).toMatchObject({ code: 'ZT5008', at: 'sqrt(mean(each))' });
  });
});

describe('learning rates of 0', () => {
  const rates = (
    schedule: string,
    optimizer = 'optimizer opt = adam { of = Net lr = s }',
    epochs = 'epochs = 10',
  ): readonly (readonly [string, string, string | null])[] =>
    found({
      schedule: schedule === '' ? '' : `schedule s { ${schedule} }`,
      optimizer,
      trainer: `trainer Digits { ${epochs} }`,
    }).map(({ code, at, message, help }) => {
      expect(code).toBe('ZT5021');
      return [at, message.replace('the learning rate of ', ''), help];
    });

  test('after a schedule that ends at 0 before the run does', () => {
    expect(rates('cosine(from = 1e-3, to = 0, over = 5.epochs)')).toEqual([
      [
        's',
        '`opt` is 0 in the last 226 steps, 225 to 450: nothing is trained then',
        'let the schedule last as long as the run, `over = rest`, or shorten the run',
      ],
    ]);
  });

  test('in an epoch that keeps the start of its phase', () => {
    const [[, message, help] = []] = rates('linear(from = 0, to = 1e-3, over = rest, every = 1.epoch)');
    expect(message).toBe('`opt` is 0 in the first 45 steps, 1 to 45: nothing is trained then');
    expect(help).toContain('let it begin above 0');
    const middle =
      'linear(from = 1, to = 0, over = 1.epoch) constant(value = 0, over = 2.epochs) warmup(to = 1, over = rest)';
    expect(rates(middle)[0]?.[1]).toBe('`opt` is 0 in 91 steps, 45 to 135: nothing is trained then');
  });

  test('of a product, of a group, of a number', () => {
    const product =
      'optimizer opt = adam { of = Net lr = s * 0.1 group head { match = ["head.*"] lr = 0.0 } }';
    expect(rates('constant(value = 0, over = rest)', product)).toEqual([
      ['s * 0.1', '`opt` is 0 in the whole run: nothing is trained then', expect.anything()],
      [
        '0.0',
        'group `head` of `opt` is 0 in the whole run: nothing is trained then',
        'where the weights are to be kept, write `freeze = rest`',
      ],
    ]);
  });

  test('are none where they last less than an epoch, or where what is measured decides', () => {
    expect(rates('cosine(from = 1e-3, to = 0, over = rest)')).toEqual([]);
    expect(rates('cosine(from = 1e-3, to = 0, over = rest, every = 1.epoch)')).toEqual([]);
    expect(
      rates('warmup(to = 1e-3, over = 3.epochs, every = 1.epoch) constant(value = 1e-3, over = rest)'),
    ).toEqual([]);
    // Steps 406 to 450 of the last are an epoch, one fewer is not.
    expect(rates('linear(from = 1, to = 0, over = 407.steps)')).toEqual([]);
    expect(rates('linear(from = 1, to = 0, over = 406.steps)')).toHaveLength(1);
    expect(rates('plateau(validate.loss, from = 0, patience = 2, over = rest)')).toEqual([]);
  });

  test('are looked for in no time, also in a run without a sensible end', () => {
    const falling = 'linear(from = 1, to = 0, over = 10.steps)';
    for (const steps of ['1_000_000', '1_000_000_000_000', '9_000_000_000_000_000']) {
      const began = performance.now();
      expect(rates(falling, undefined, `steps = ${steps}`)).toHaveLength(1);
      // Each step on its own would take minutes.
      expect(performance.now() - began).toBeLessThan(10_000);
    }
    // The first step of 0 is found between two that were looked at.
    expect(rates(falling, undefined, 'steps = 1_000_000')[0]?.[1]).toContain('10 to 1000000');
  });
});
