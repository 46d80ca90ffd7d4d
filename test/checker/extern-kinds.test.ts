/** Metrics, optimizers, schedule phases and layers in TypeScript: what a spec may declare of them, and how they are used. */
import { describe, expect, test } from 'vitest';
import { checkProgram } from '../../src/checker/check.js';
import { showSize } from '../../src/checker/dims/size.js';
import { memoryHost } from '../../src/checker/host.js';
import { axisFixed } from '../../src/parser/messages.gen.js';
import { specOf } from './training-spec.js';

const place = { file: 0, start: 0, end: 0 };

type Use = Parameters<typeof specOf>[0];

const check = (items: string, use: Use = {}) =>
  checkProgram(
    'spec.ztrain',
    memoryHost({ 'own.ts': '', 'spec.ztrain': specOf({ ...use, param: `extern "./own.ts" { ${items} }` }) }),
  );
/** Codes with the text that each stands at. */
const told = (items: string, use: Use = {}): readonly string[] => {
  const spec = specOf({ ...use, param: `extern "./own.ts" { ${items} }` });
  return check(items, use)
    .diagnostics.filter(({ severity }) => severity === 'error')
    .map(({ code, span }) => `${code} ${spec.slice(span.start, span.end)}`);
};

const validate = (metric: string): Use => ({
  validate: `step validate(batch in test_set) every 1.epoch { ${metric} }`,
});

describe('a metric', () => {
  const hits =
    'metric hits(logits: f32[n, c], label: i32[n], weight: f32[n] | none = none, k: int = 1 where k >= 1) -> f32';
  const use = (args: string): Use => validate(`metric m = hits(${args})`);

  test.each([
    'Net(batch.image), batch.label',
    'Net(batch.image), batch.label, weight = cast(batch.label, f32), k = 3',
    'Net(batch.image), batch.label, weight = none',
  ])('is called as declared: %s', (args) => {
    expect(told(hits, use(args))).toEqual([]);
  });
  test.each([
    ['Net(batch.image)', 'ZT2004 hits(Net(batch.image))'],
    ['batch.label, batch.label', 'ZT3201 batch.label'],
    ['Net(batch.image), Net(batch.image)', 'ZT3201 Net(batch.image)'],
    ['Net(batch.image), batch.label, k = 0', 'ZT3302 0'],
    ['Net(batch.image), batch.label, weight = Net(batch.image)', 'ZT3101 Net(batch.image)'],
    ['Net(batch.image), batch.label, top = 2', 'ZT2002 top'],
  ])('hits(%s): %s', (args, error) => {
    expect(told(hits, use(args))).toEqual([error]);
  });

  test('multiplied and added up it is finished first, and can be watched', () => {
    const used = {
      ...validate('metric m = 1 - hits(Net(batch.image), batch.label) / 2'),
      addon: 'addon early_stopping { monitor = max(validate.m) }',
    };
    expect(told(hits, used)).toEqual([]);
    const step = check(hits, used).ir?.trainer?.steps.find(({ stage }) => stage === 'validate');
    expect(step?.body.at(-1)).toMatchObject({
      kind: 'log',
      value: { kind: 'derive', parts: [{ of: { kind: 'metric', metric: 'hits', module: './own.ts' } }] },
    });
  });
  test('of several numbers it has each by name', () => {
    const two = 'metric two(x: f32[...s]) -> { low: f32, high: f32 }';
    const watch = (name: string): Use => ({
      ...validate('metric m = two(Net(batch.image))'),
      addon: `addon early_stopping { monitor = max(validate.${name}) }`,
    });
    expect(told(two, watch('m.high'))).toEqual([]);
    expect(told(two, watch('m.top'))).toEqual(['ZT4201 max(validate.m.top)']);
  });
  test('cannot be minimized', () => {
    const train =
      'step train(batch in train_set) { update opt { minimize hits(Net(batch.image), batch.label) } }';
    expect(told(hits, { train })).toEqual(['ZT4104 hits(Net(batch.image), batch.label)']);
  });
  test('stands in a step', () => {
    const model =
      'model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { let x = image |> flatten() |> dense(10) as head return x * hits(x, argmax(x)) }';
    expect(told(hits, { model })).toEqual(['ZT2006 hits(x, argmax(x))']);
  });
  test.each([
    ['metric m(x: f32[n])', 'ZT3203 m'],
    ['metric m(x: f32[n]) -> f32[n]', 'ZT3203 f32[n]'],
    ['metric m(x: f32[n]) -> { a: f32, b: i32 }', 'ZT3203 { a: f32, b: i32 }'],
    ['metric m on x: f32[n] -> f32', 'ZT2006 on x: f32[n] -> f32'],
    ['metric m(x: f32[n]) -> f32 { state = ["a"] }', 'ZT2002 state'],
  ])('declared as %s', (item, error) => {
    expect(told(item)).toContain(error);
  });
});

describe('an optimizer', () => {
  const lamb =
    'optimizer own(lr: float | schedule = 1e-3 where lr > 0, betas: float[2] = [0.9, 0.99], kind: "a" | "b" = "a", weight_decay: float = 0.01 where weight_decay >= 0) { slots = ["m", "v"] }';
  const use = (attributes: string): Use => ({ optimizer: `optimizer opt = own { of = Net ${attributes} }` });

  test('has what every optimizer has, and its own options with their defaults', () => {
    const used = {
      schedule: 'schedule warm { constant(1e-3, over = rest) }',
      ...use(
        'lr = warm clip = norm(1.0) freeze = 2.steps except = ["hidden.bias"] group bias { match = ["**.bias"] weight_decay = 0 lr = 1e-4 freeze = 5.steps }',
      ),
    };
    expect(
      told(lamb, {
        ...used,
        optimizer: `${used.optimizer}\noptimizer rest_of = own { of = Net match = ["hidden.bias"] }`,
        train:
          'step train(batch in train_set) { update opt, rest_of { minimize mean(softmax_cross_entropy(Net(batch.image), batch.label)) } }',
      }),
    ).toEqual([]);
    const [opt] = check(lamb, use('')).ir?.trainer?.optimizers ?? [];
    expect(opt).toMatchObject({ kind: 'own', extern: { module: './own.ts', slots: ['m', 'v'] } });
    expect(opt?.options.map(({ name }) => name)).toEqual(['lr', 'weight_decay']);
    expect(opt?.extern?.options.map(({ name }) => name)).toEqual(['betas', 'kind']);
  });
  test.each([
    ['lr = 0', 'ZT3302 0'],
    ['betas = [0.9]', 'ZT3203 [0.9]'],
    ['kind = "c"', 'ZT3203 "c"'],
    ['momentum = 0.9', 'ZT2002 momentum'],
    ['group bias { match = ["**.bias"] betas = [0.5, 0.5] }', 'ZT2002 betas'],
    ['weight_decay = -1', 'ZT3302 -1'],
  ])('%s: %s', (attributes, error) => {
    expect(told(lamb, use(attributes))).toEqual([error]);
  });
  test('without a declared weight_decay there is none, in groups neither', () => {
    const plain = 'optimizer own(speed: float = 1) { slots = [] }';
    expect(told(plain, use('lr = 0.1 weight_decay = 0.1'))).toEqual(['ZT2002 weight_decay']);
    expect(told(plain, use('lr = 0.1 group bias { match = ["**.bias"] weight_decay = 0 }'))).toEqual([
      'ZT2002 weight_decay',
    ]);
    expect(told(plain, use(''))).toHaveLength(1);
  });
  test('one amends another, whatever its name', () => {
    const adam = lamb.replace('optimizer own', 'optimizer adam');
    const used = {
      optimizer:
        'optimizer first = adam { of = Net lr = 0.5 kind = "b" match = ["head.**"] }\noptimizer opt = first { match = ["hidden.**"] betas = [0.1, 0.2] }',
      train:
        'step train(batch in train_set) { update first, opt { minimize mean(softmax_cross_entropy(Net(batch.image), batch.label)) } }',
    };
    expect(told(adam, used)).toEqual([]);
    const [, second] = check(adam, used).ir?.trainer?.optimizers ?? [];
    expect(second?.extern).toMatchObject({
      module: './own.ts',
      options: [
        { name: 'betas', value: { items: [{ value: 0.1 }, { value: 0.2 }] } },
        { name: 'kind', value: { value: 'b' } },
      ],
    });
    expect(second?.options.map(({ name }) => name)).toEqual(['lr', 'weight_decay']);
  });
  test('its attributes are no axis of a sweep', () => {
    const addon = 'addon sweep { over = [axis(opt.lr, [1e-3, 1e-2])] pick = min(validate.loss) }';
    expect(told(lamb, { ...use(''), addon })).toEqual([
      `${axisFixed(place, { name: 'opt.lr', reason: 'it is fixed when the trainer is built' }).code} opt.lr`,
    ]);
  });
  test.each([
    ['optimizer o(of: model)', 'ZT2006 of'],
    ['optimizer o(lr: int)', 'ZT3203 int'],
    ['optimizer o(weight_decay: float | schedule)', 'ZT3203 float | schedule'],
    ['optimizer o(x: f32[n])', 'ZT3203 f32[n]'],
    ['optimizer o(x: monitor)', 'ZT3203 monitor'],
    ['optimizer o() { slots = "m" }', 'ZT3203 "m"'],
    ['optimizer o() { slots = ["m", "m"] }', 'ZT3203 ["m", "m"]'],
    ['optimizer o() { slots = ["m/v"] }', 'ZT3203 ["m/v"]'],
    ['optimizer o() { solts = ["m"] }', 'ZT2002 solts'],
    ['optimizer o() -> f32', 'ZT2006 f32'],
  ])('declared as %s', (item, error) => {
    expect(told(item)).toEqual([error]);
  });
});

describe('a schedule phase', () => {
  const wave = 'schedule wave(low: float where low >= 0, turn: steps = 5.steps, over: duration)';
  const goes = 'schedule goes(to: float, over: duration, from: float | none = none)';
  const use = (phases: string): Use => ({
    schedule: `schedule s { ${phases} }`,
    optimizer: 'optimizer opt = adam { of = Net lr = s }',
    trainer: 'trainer Digits { steps = 100 }',
  });

  test.each([
    'wave(0.1, over = rest)',
    'constant(1, over = 5.steps) goes(0, over = 50.percent) wave(1, turn = 3.steps, over = rest)',
    'goes(0, from = 1, over = 1.epoch) linear(to = 1, over = rest)',
  ])('%s', (phases) => {
    expect(told(`${wave} ${goes}`, use(phases))).toEqual([]);
  });
  test.each([
    ['wave(-1, over = rest)', 'ZT3302 -1'],
    ['wave(1)', 'ZT2004 wave(1)'],
    ['wave(1, over = 5)', 'ZT3202 5'],
    ['wave(1, turn = 1.epoch, over = rest)', 'ZT3202 1.epoch'],
    ['wave(1, over = 200.steps)', 'ZT4202 200.steps'],
    ['wave(1, over = 100.steps) goes(0, over = rest)', 'ZT4202 rest'],
    ['goes(0, over = rest)', 'ZT2004 goes(0, over = rest)'],
    ['wave(1, from = 0, over = rest)', 'ZT2002 from'],
  ])('%s: %s', (phases, error) => {
    expect(told(`${wave} ${goes}`, use(phases))).toEqual([error]);
  });
  test('is no value', () => {
    expect(told(wave, { optimizer: 'optimizer opt = adam { of = Net lr = wave }' })).toEqual(['ZT2006 wave']);
  });
  test('a function is no phase', () => {
    expect(told('fn other(x: f32[n]) -> f32[n]', use('other(1, over = rest)'))).toEqual(['ZT2006 other']);
  });
  test.each([
    ['schedule p(low: float)', 'ZT2004 p'],
    ['schedule p(over: steps)', 'ZT3203 steps'],
    ['schedule p(over: duration, from: int)', 'ZT3203 int'],
    ['schedule p(over: duration, x: f32[n])', 'ZT3203 f32[n]'],
    ['schedule p(over: duration) { slots = ["m"] }', 'ZT2002 slots'],
  ])('declared as %s', (item, error) => {
    expect(told(item)).toEqual([error]);
  });
  test('a name of the prelude is hidden, and a warning says so', () => {
    const found = check('schedule cosine(over: duration)').diagnostics;
    expect(found.map(({ code }) => code)).toContain('ZT5009');
  });
});

describe('a layer', () => {
  const line =
    'layer line(units: int where units >= 1, scale: float = 2) on x: f32[...s, inputs] -> f32[...s, units] { weights = { weight: f32[inputs, units], bias: f32[units] } state = { seen: f32[2 * inputs] } }';
  const two =
    'layer two() on x: f32[n, d], y: f32[n, e] -> f32[n, d + e] { weights = { inner: { weight: f32[d, e] } } random = true }';
  const net = (body: string): Use => ({
    model: `model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { ${body} }`,
  });
  const weights = (items: string, body: string): readonly string[] =>
    (check(items, net(body)).weights.get('Net') ?? []).map(
      ({ path, shape, trainable }) => `${path}${trainable ? '' : ' (kept)'} ${shape.map(showSize).join(' ')}`,
    );

  test('has the weights that it declares, of the sizes there', () => {
    expect(
      weights(line, 'return image |> flatten() |> line(16) as hidden |> line(10, scale = 3) as head'),
    ).toEqual([
      'hidden.weight 64 16',
      'hidden.bias 16',
      'hidden.seen (kept) 128',
      'head.weight 16 10',
      'head.bias 10',
      'head.seen (kept) 32',
    ]);
    const [net1] =
      check(line, net('return image |> flatten() |> line(10) as head')).ir?.modules.at(-1)?.classes ?? [];
    expect(net1?.slots[0]?.content).toMatchObject({
      layer: 'line',
      options: [
        { name: 'inputs', value: { value: 64 } },
        { name: 'units' },
        { name: 'scale', value: { value: 2 } },
      ],
      extern: {
        module: './own.ts',
        takes: [['...s', 'inputs']],
        gives: ['...s', 'units'],
        state: [{ name: 'seen', shape: ['2 * inputs'] }],
      },
    });
  });
  test('of several inputs takes the others by name, and has the weights of its parts', () => {
    const body = 'let x = image |> flatten() return (x |> two(y = x) as both) |> dense(10) as head';
    expect(weights(two, body)).toEqual(['both.inner.weight 64 64', 'head.weight 128 10', 'head.bias 10']);
  });
  test('named, it has its weights once, and its own can be read', () => {
    const body =
      'layer l = line(64) let x = image |> flatten() |> l() |> l() return (x |> line(10) as head) + sum(l.bias)';
    expect(weights(line, body).slice(0, 3)).toEqual(['l.weight 64 64', 'l.bias 64', 'l.seen (kept) 128']);
    const model = check(line, net(body)).ir?.modules.at(-1)?.classes[0];
    expect(JSON.stringify(model?.value)).toContain('"weight":"bias","extern":true');
  });
  test('repeated, it has them for each turn', () => {
    const body = 'return image |> flatten() |> repeat 2 as all { line(64) } |> line(10) as head';
    expect(weights(line, body).slice(0, 4)).toEqual([
      'all.0.weight 64 64',
      'all.0.bias 64',
      'all.0.seen (kept) 128',
      'all.1.weight 64 64',
    ]);
  });
  test.each([
    ['image |> flatten() |> line(0) as head', 'ZT3302 0'],
    ['image |> line(10) as head', 'ZT3105 image |> line(10) as head'],
    ['image |> flatten() |> line(11) as head', 'ZT3105 image |> flatten() |> line(11) as head'],
    ['image |> flatten() |> line() as head', 'ZT2004 line() as head'],
    ['image |> flatten() |> line(10, bias = true) as head', 'ZT2002 bias'],
    ['line(flatten(image), 10)', 'ZT2007 line'],
    ['argmax(flatten(image)) |> line(10) as head', 'ZT3201 argmax(flatten(image))'],
  ])('%s: %s', (body, error) => {
    expect(told(line, net(`return ${body}`))).toContain(error);
  });
  test('an input that is missing, and one of another shape', () => {
    const body = (y: string): Use =>
      net(`let x = image |> flatten() return x |> two(${y}) as b |> dense(10) as head`);
    expect(told(two, body(''))).toEqual(['ZT2004 two() as b']);
    expect(told(two, body('y = image'))).toEqual(['ZT3101 image']);
  });
  test('a weight may not hold the batch', () => {
    const held = 'layer held() on x: f32[n, d] -> f32[n, d] { weights = { w: f32[n] } }';
    expect(told(held, net('return image |> flatten() |> held() as h |> dense(10) as head'))).toEqual([
      'ZT3108 held() as h',
    ]);
  });
  test('no gradient of a layer without weights of its own stops at it', () => {
    const plain = 'layer plain() on x: f32[n, d] -> f32[n, d]';
    expect(told(plain, net('return image |> flatten() |> dense(10) as head |> plain()'))).toEqual([]);
  });
  test.each([
    ['layer l()', 'ZT4205 l'],
    ['layer l() -> f32[n]', 'ZT2006 f32[n]'],
    ['layer l(x: f32[n]) on a: f32[n] -> f32[n]', 'ZT3203 f32[n]'],
    ['layer l() on a: float -> f32[n]', 'ZT3203 float'],
    ['layer l() on a: f32[n] -> f32[m]', 'ZT2001 m'],
    ['layer l() on a: f32[n, d] -> f32[n, d] { weights = ["w"] }', 'ZT3203 ["w"]'],
    ['layer l() on a: f32[n, d] -> f32[n, d] { weights = { w: i32[d] } }', 'ZT3203 i32[d]'],
    ['layer l() on a: f32[n, d] -> f32[n, d] { weights = { w: f32[e] } }', 'ZT2001 e'],
    ['layer l() on a: f32[n, d] -> f32[n, d] { random = "yes" }', 'ZT3203 "yes"'],
    ['layer l() on a: f32[n, d] -> f32[n, d] { rule = "conv" }', 'ZT2002 rule'],
  ])('declared as %s', (item, error) => {
    expect(told(item)).toContain(error);
  });
});

test.each([
  ['param latent: int = 3 where latent > 0', 'latent', [['latent', { ref: { kind: 'param' } }]], []],
  ['const latent = 3', '3', [['latent', { value: 3 }]], []],
])('a size of the file that weights are made of is told to the layer: %s', (line, shown, told, others) => {
  const spec = specOf({
    param: `${line} extern "./own.ts" { layer l() on x: f32[n, d] -> f32[n, latent] { weights = { w: f32[d, latent] } } }`,
    model:
      'model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> l() as l |> dense(10) as head }',
  });
  const { ir, diagnostics } = checkProgram('spec.ztrain', memoryHost({ 'own.ts': '', 'spec.ztrain': spec }));
  expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
  const content = ir?.modules[0]?.classes[0]?.slots[0]?.content;
  expect(content).toMatchObject({
    options: [['d', { value: 64 }] as const, ...told].map(([name, value]) => ({ name, value })),
    extern: { gives: ['n', shown], weights: [{ name: 'w', shape: ['d', shown] }], sizes: others },
  });
  expect(ir?.modules[0]?.externs[0]?.items[0]?.params.map(({ name }) => name)).toEqual(['d', 'latent']);
});

test('a param in what a layer takes and gives alone is held against it, and not told to it', () => {
  const spec = specOf({
    param:
      'param latent: int = 3 where latent > 0 extern "./own.ts" { layer l() on x: f32[n, d] -> f32[n, 2 * latent] }',
    model:
      'model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> l() |> dense(10) as head }',
  });
  const { ir } = checkProgram('spec.ztrain', memoryHost({ 'own.ts': '', 'spec.ztrain': spec }));
  const model = ir?.modules[0]?.classes[0];
  expect(model?.slots[0]?.content).toMatchObject({
    options: [],
    extern: { gives: ['n', '2 * latent'], sizes: [{ name: 'latent', value: { ref: { kind: 'param' } } }] },
  });
  expect(model?.options.map(({ name }) => name)).toEqual(['latent']);
});

test.each(['weights = { w: f32[d], w: f32[d, d] }', 'weights = { w: f32[d] } state = { w: f32[d] }'])(
  'nothing is owned twice: %s',
  (owned) => {
    expect(told(`layer l() on x: f32[n, d] -> f32[n, d] { ${owned} }`)).toEqual(['ZT2011 w']);
  },
);

describe('a model', () => {
  const net = (rest: string, params = '()'): string =>
    `model Net${params} on image: f32[n, 8, 8, 1] -> f32[n, 10] ${rest}`;
  const owned =
    '{ weights = { hidden: { weight: f32[64, units] }, gain: f32[units] } state = { seen: f32[2] } }';
  const whole = net(owned, '(units: int = 16 where units > 0)');
  const used: Use = { model: '' };

  test('has its weights without a name before theirs', () => {
    const { weights, ir } = check(whole, used);
    expect(
      (weights.get('Net') ?? []).map(({ path, shape, trainable }) => [path, shape.map(showSize), trainable]),
    ).toEqual([
      ['hidden.weight', ['64', 'units'], true],
      ['gain', ['units'], true],
      ['seen', ['2'], false],
    ]);
    const made = ir?.modules.at(-1)?.classes.find(({ name }) => name === 'Net');
    expect(made).toMatchObject({ role: 'model', slots: [{ whole: true, named: true }], body: [] });
  });
  test('is made with other parameters, copied, grouped and frozen, as any model', () => {
    const rest = {
      model: 'model Wide = Net(units = 32) model Smooth = ema(Net, decay = 0.9) model Still = frozen(Wide)',
      optimizer: `optimizer opt = adam { of = Net group gain { match = ["gain"] lr = 0.1 } group hidden { match = ["hidden.**"] freeze = after(1.epoch) } }
optimizer other = adam { of = Wide }`,
      train:
        'step train(batch in train_set) { update opt, other { minimize mean(softmax_cross_entropy(Net(batch.image) + Wide(batch.image) + Smooth(batch.image) + Still(batch.image), batch.label)) } }',
    };
    expect(told(whole, rest)).toEqual([]);
    const { weights, ir } = check(whole, rest);
    for (const model of ['Net', 'Smooth', 'Wide', 'Still'])
      expect(weights.get(model)?.map(({ path }) => path)).toEqual(['hidden.weight', 'gain', 'seen']);
    expect(ir?.trainer?.models.map(({ name, class: made }) => `${name}: ${made}`)).toEqual([
      'Net: Net',
      'Wide: Net',
      'Smooth: Net',
      'Still: Net',
    ]);
  });
  test.each([
    [
      net('{ weights = { gain: f32[2] } }'),
      { optimizer: 'optimizer opt = adam { of = Net group g { match = ["gian"] } }' },
      'ZT4110 "gian"',
    ],
    ['model Net', {}, 'ZT4205 Net'],

    [net('{ weights = { w: f32[units] } }', '(units: int)'), {}, 'ZT3303 units'],
    [net('{ weights = { w: f32[units] } }', '(units: int = 0 where units > 0)'), {}, 'ZT3301 0'],
    [net('{ weights = { w: f32[n] } }'), {}, 'ZT3108 Net'],
    [net('{ weights = { w: f32[k] } }'), {}, 'ZT2001 k'],
    [net('{ weights = ["w"] }'), {}, 'ZT3203 ["w"]'],
    [net('{ rule = "conv" }'), {}, 'ZT2002 rule'],
    ['model Net() on x: f32[...s] -> f32[3]', {}, 'ZT3112 f32[...s]'],
    ['model Net() on x: f32[n, 8, 8, 1] -> f32[m, 10]', {}, 'ZT2001 m'],
    ['model Net() on x: float -> f32[3]', {}, 'ZT3203 float'],
    ['model Net() on x: f32[n, 8, 8, 3] -> f32[n, 10]', {}, 'ZT3102 batch.image'],
    ['model Net() on x: f32[n, 8, 8, 1], y: f32[n] -> f32[n, 10]', {}, 'ZT2004 Net(batch.image)'],
    [`${net('')} model Net() on x: f32[n] -> f32[n]`, {}, 'ZT2010 Net'],
  ] as const)('%s: %j: %s', (item, use, error) => {
    const [first, ...others] = new Set(told(item, { ...used, ...use }));
    expect([first, others.filter((each) => !each.endsWith('batch.label'))]).toEqual([error, []]);
  });
  test('of another file is imported as any model', () => {
    const spec = specOf({ param: 'import { Net } from "./nets.ztrain"', model: '' });
    const nets = `extern "./own.ts" { ${whole} }`;
    const host = memoryHost({ 'own.ts': '', 'nets.ztrain': nets, 'spec.ztrain': spec });
    const { diagnostics, weights } = checkProgram('spec.ztrain', host);
    expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(weights.get('Net')?.map(({ path }) => path)).toEqual(['hidden.weight', 'gain', 'seen']);
  });
  test('whose rows meet, and one that draws, are known for it', () => {
    const twice =
      'step train(batch in train_set) { update opt { minimize mean(softmax_cross_entropy(Net(batch.image) + Net(batch.image), batch.label)) } }';
    const drawing = check(whole.replace('{ weights', '{ random = true meets_rows = true weights'), {
      ...used,
      train: twice,
    });
    expect(drawing.ir?.modules.at(-1)?.classes.find(({ name }) => name === 'Net')?.random).toBe(true);
    expect(JSON.stringify(drawing.ir?.trainer?.steps[0])).toContain('"label":"train.opt.Net2"');
    expect(JSON.stringify(check(whole, { ...used, train: twice }).ir?.trainer?.steps[0])).not.toContain(
      '"label":"train.opt.Net2"',
    );
  });
});

test('a trainer cannot be one', () => {
  expect(told('trainer other()')).toEqual(['ZT4900 trainer other()']);
});
