/** Axes of a sweep: names, types, limits and doubles of their values, and points that cannot run. */
import { describe, expect, test } from 'vitest';
import { explanations } from '../../src/parser/explanations.gen.js';
import { check, found, only, specOf } from './training-spec.js';

const model =
  'model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> dense(units) as hidden |> relu() |> dense(10) as head }';
const param =
  'param units: int = 16 where units > 0 and units % heads == 0\nparam heads: int = 4 where heads > 0\nparam kind: "a" | "b" = "a"\nassert kind == "a" or kind == "b"';
const over = (axes: string, rest = ''): Parameters<typeof only>[0] => ({
  param,
  model,
  addon: `addon sweep { over = [${axes}] pick = min(validate.loss) ${rest} }`,
});

describe('a sweep', () => {
  test('over what sets have from one that no step reads', () => {
    const spec = (axes: string): string =>
      specOf(over(axes)).replace(
        'data train_set = digits',
        'data rows = digits { batch = 8 }\ndata train_set = rows',
      );
    const codes = (axes: string): readonly string[] => check(spec(axes)).diagnostics.map(({ code }) => code);
    expect(spec('axis(rows.workers, [0, 1])')).toContain('data train_set = rows');
    expect(codes('axis(rows.prefetch, [1.batches, 2.batches])')).toEqual([]);
    expect(codes('axis(rows.batch, [16, 32])')).toEqual(['ZT4304']);
  });
  test('over params and attributes', () => {
    const fine = over(
      'axis(units, [16, 64]), axis(kind, ["a", "b"]), axis(opt.lr, [1e-4, 1]), axis(trainer.accumulate, [1, 2]), axis(train_set.batch, [16, 32]), axis(trainer.on_nan, ["stop", "skip"]), axis(trainer.log_every, [10.steps, 20.steps])',
      'average = axis(trainer.seed, range(3))',
    );
    expect(found(fine)).toEqual([]);
    const sweep = check(specOf(fine)).ir?.trainer?.addons.find(({ name }) => name === 'sweep');
    expect(sweep?.options.map(({ name }) => name)).toEqual(['over', 'pick', 'average']);
  });
  test.each([
    ['axis(unit, [1])', 'ZT2001', 'unknown param `unit`', 'write `units`'],
    ['axis(epochs, [1])', 'ZT2001', 'unknown param `epochs`', 'write `trainer.epochs`'],
    ['axis(op.lr, [1])', 'ZT2001', 'unknown setting `op.lr`', 'write `opt.lr`'],
    [
      'axis(opt.head.lr, [1])',
      'ZT2001',
      'unknown setting `opt.head.lr`',
      'an axis is a param, `lr`, or an attribute of one thing, `opt.lr`',
    ],
    ['axis(opt.lrr, [1])', 'ZT2002', 'unknown attribute `lrr` of `opt`', 'write `opt.lr`'],
    ['axis(opt.epsilon, [1e-8])', 'ZT4304', '`opt.epsilon` cannot be swept', 'make it a `param`'],
    ['axis(trainer.limit, [1.batches])', 'ZT4304', 'cannot be swept: it has parts', '`trainer.limit.train`'],
    ['axis(trainer.limit.trian, [1.batches])', 'ZT2001', 'unknown setting', '`trainer.limit.train`'],
    ['axis(trainer.limit.test, [1.batches])', 'ZT4304', 'takes no such step', null],
    ['axis(trainer.run_dir, ["a", "b"])', 'ZT4304', 'each run of a sweep has its own folder', '--run-dir'],
    ['axis(trainer.dev_run, [1.batches])', 'ZT4304', 'picks no point', '--dev-run'],
    ['axis(trainer.summary, [1, 2])', 'ZT4304', 'what is shown of a run', null],
    ['axis(trainer.progress, ["bar", "none"])', 'ZT4304', 'what is shown of a run', null],
    ['axis(trainer.profile, ["simple", none])', 'ZT4304', 'what is shown of a run', null],
    ['axis(trainer.epochs, [1, 2]), axis(trainer.steps, [10])', 'ZT4304', 'a run has one length', 'keep one'],
    ['axis(trainer.log_every, [0.steps])', 'ZT3203', 'is 0.steps, more than 0 expected', null],
    ['axis(units, [8.5])', 'ZT3203', 'a value of `units` is 8.5, a whole number expected', null],
    ['axis(units, ["8"])', 'ZT3203', 'a value of `units` is "8", a whole number expected', null],
    ['axis(kind, ["c"])', 'ZT3203', 'a value of `kind` is "c", one of "a", "b" expected', null],
    ['axis(trainer.log_every, [10.epochs])', 'ZT3203', 'a value of `trainer.log_every` is 10 epochs', null],
    ['axis(opt.lr, [-1e-3])', 'ZT3302', 'a value of `opt.lr` is -0.001, but `lr >= 0` must hold', null],
    ['axis(units, [16, 16])', 'ZT2011', '`16` is given twice', 'each value is run once; leave one out'],
    ['axis(opt.lr, [1, 1.0])', 'ZT2011', '`1` is given twice', null],
    [
      'axis(units, [16]), axis(units, [32])',
      'ZT2011',
      '`units` is given twice',
      'join their values in one axis',
    ],
    ['axis(units, [0])', 'ZT3302', '`units` at a point of the sweep is 0', null],
    // Each value is fine alone: 18 % 4 and 16 % 3 are not.
    [
      'axis(units, [16, 24]), axis(heads, [4, 3])',
      'ZT3302',
      '`units` at a point of the sweep is 16, but `units > 0 and units % heads == 0` must hold',
      null,
    ],
    ['axis(units, [])', 'ZT3203', 'the values of `units` is none, one or more expected', null],
    ['axis(units, 8)', 'ZT3203', 'the values of `units` is an int, a list, or `range(count)` expected', null],
    [
      'axis(units, [heads])',
      'ZT3203',
      '`heads` of an axis is an int, a value that is the same for every run expected',
      'write the values out, or make them constants',
    ],
    ['axis(heads, range(0))', 'ZT3203', 'the count of `range` is 0', null],
    ['axis("units", [1])', 'ZT3203', 'the name of an axis is "units"', null],
    [
      'axis(units)',
      'ZT2004',
      '`sweep` needs an axis, `axis(name, values)`',
      'write `axis(lr, [1e-4, 1e-3])`',
    ],
    ['units', 'ZT2004', '`sweep` needs an axis, `axis(name, values)`', null],
  ])('%s', (axes, code, message, help) => {
    const shown = only(over(axes));
    expect([shown.code, shown.message]).toEqual([code, expect.stringContaining(message)]);
    if (help !== null) expect(shown.help).toContain(help);
  });
  test('without an axis, or with a metric that nobody measures', () => {
    expect(only({ addon: 'addon sweep { pick = min(validate.loss) }' })).toMatchObject({ code: 'ZT2004' });
    expect(
      only({
        ...over('axis(units, [16])'),
        addon: 'addon sweep { over = axis(trainer.seed, range(2)) pick = max(validate.f1) }',
      }).code,
    ).toBe('ZT4201');
  });
  test.each(['run_dir', 'dev_run', 'progress', 'summary', 'profile', 'limit.test', 'limit.predict'])(
    'what is said of ZT4304 names %s',
    (name) => {
      expect(explanations['ZT4304']).toContain(`\`${name}\``);
    },
  );
  test('of constants', () => {
    const spec = over('axis(opt.lr, rates), axis(units, [base, 2 * base])');
    expect(found({ ...spec, param: `${param}\nconst rates = [1e-3, 1e-2]\nconst base = 16` })).toEqual([]);
  });
});

describe('the runs of a sweep', () => {
  const sweep = (axes: string, rest: Parameters<typeof only>[0] = {}): Parameters<typeof only>[0] => ({
    ...rest,
    addon: `${rest.addon ?? ''} addon sweep { over = [${axes}] pick = min(validate.loss) }`,
  });
  const warm = (over: string): Parameters<typeof only>[0] => ({
    schedule: `schedule s { warmup(to = 0.1, over = ${over}) cosine(to = 0, over = rest) }`,
    optimizer: 'optimizer opt = sgd { of = Net lr = s }',
  });

  test('have what they are told of at the value that makes it so', () => {
    // An epoch has 45 batches: a window of 64 is none.
    const shown = only(sweep('axis(trainer.accumulate, [64, 1])'));
    expect([shown.code, shown.at, shown.message]).toEqual([
      'ZT4204',
      '64',
      expect.stringContaining('`accumulate` is 64'),
    ]);
    expect(shown.notes.slice(-2)).toEqual([
      'in the run with trainer.accumulate = 64',
      '1 of the 2 runs of the sweep has this',
    ]);
  });
  test('where two axes decide, each is named by itself', () => {
    const shown = found(
      sweep('axis(trainer.accumulate, [1, 2]), axis(trainer.epochs, [1, 2])', warm('60.steps')),
    );
    expect(shown.map(({ code, at, related }) => [code, at, related[0]])).toEqual([
      ['ZT4202', '2', ['rest', 'does not hold here']],
      ['ZT4202', '1', ['rest', 'does not hold here']],
    ]);
    expect(shown.map(({ notes }) => notes.slice(-2))).toEqual([
      [
        'in the run with trainer.accumulate = 2, trainer.epochs = 2',
        '3 of the 4 runs of the sweep have this',
      ],
      [
        'in the run with trainer.accumulate = 1, trainer.epochs = 1',
        '3 of the 4 runs of the sweep have this',
      ],
    ]);
    // All in each run: the fault is the spec's, and stands there.
    const all = only(
      sweep('axis(trainer.accumulate, [1, 2]), axis(trainer.epochs, [1, 2])', warm('600.steps')),
    );
    expect([all.code, all.at]).toEqual(['ZT4202', 'rest']);
  });
  test('of a param, and of many axes', () => {
    const spec = sweep('axis(epochs, [2, 1])', {
      ...warm('60.steps'),
      param: 'param epochs: int = 2 where epochs > 0',
      trainer: 'trainer Digits { epochs = epochs }',
    });
    expect(only(spec)).toMatchObject({ code: 'ZT4202', at: '1' });
    // 20 x 20 runs: each value with the first of the others.
    const rates = Array.from({ length: 20 }, (_, at) => `${at + 1}e-3`).join();
    const counts = Array.from({ length: 20 }, (_, at) => `${20 - at}`).join();
    const model =
      'model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> dense(10, bias = rate > 0) as head }';
    const many = only(
      sweep(`axis(rate, [${rates}]), axis(trainer.epochs, [${counts}])`, {
        ...warm('60.steps'),
        model,
        param: 'param rate: float = 1',
      }),
    );
    expect(many).toMatchObject({ code: 'ZT4202', at: '1' });
    // What no check reads makes no difference: all 400 runs are known.
    expect(many.notes.at(-1)).toBe('20 of the 400 runs of the sweep have this');
    const some = only(
      sweep(`axis(opt.weight_decay, [${rates}]), axis(trainer.epochs, [${counts}])`, warm('60.steps')),
    );
    expect(some).toMatchObject({ code: 'ZT4202', at: '1' });
    expect(some.notes.at(-1)).toBe('1 of the 39 runs that were looked at has this; the sweep has 400');
    // All that were looked at are not all of the sweep.
    const all = only(
      sweep(`axis(opt.weight_decay, [${rates}]), axis(trainer.epochs, [${counts}])`, {
        ...warm('60.steps'),
        addon: 'addon early_stopping { monitor = min(validate.loss) patience = 30 }',
        schedule: '',
        optimizer: 'optimizer opt = sgd { of = Net lr = 0.1 }',
      }),
    );
    expect(all.notes.at(-1)).toBe('39 of the 39 runs that were looked at have this; the sweep has 400');
  });
  test('are what is checked, not the defaults that an axis replaces', () => {
    const stopping = 'addon early_stopping { monitor = min(validate.loss) }';
    const trainer = 'trainer Digits { epochs = 3 }';
    expect(found(sweep('axis(early_stopping.patience, [1, 2])', { trainer, addon: stopping }))).toEqual([]);
    expect(found({ trainer, addon: stopping }).map(({ code }) => code)).toEqual(['ZT5020']);
    // A warning holds where it holds in all runs.
    expect(found(sweep('axis(early_stopping.patience, [1, 20])', { trainer, addon: stopping }))).toEqual([]);
    expect(
      only(sweep('axis(early_stopping.patience, [20, 30])', { trainer, addon: stopping })),
    ).toMatchObject({ code: 'ZT5020', at: '20' });
    // The length of the run is the axis'.
    expect(found(sweep('axis(trainer.epochs, [1, 2])', { trainer: 'trainer Digits {}' }))).toEqual([]);
    expect(found(sweep('axis(trainer.steps, [100, 200])'))).toEqual([]);
    expect(found(sweep('axis(trainer.limit.train, [10.batches, 50.percent])'))).toEqual([]);
    expect(only(sweep('axis(trainer.limit.train, [1.percent, 50.percent])'))).toMatchObject({
      code: 'ZT4220',
      at: '1.percent',
    });
  });
});

describe('what is picked by is measured where the best checkpoint is', () => {
  const picking = (best: string, pick: string, every: string): Parameters<typeof only>[0] => ({
    param,
    model,
    validate: `step validate(batch in test_set) every 1.epoch { metric loss = mean(softmax_cross_entropy(Net(batch.image), batch.label)) }
step validate as slow(batch in test_set) every ${every} { metric rate = accuracy(Net(batch.image), batch.label) }`,
    trainer: 'trainer Digits { epochs = 4 }',
    addon: `addon checkpoint { every = 1.epoch best = ${best} }
addon sweep { over = [axis(units, [16, 64])] pick = ${pick} }`,
  });
  test.each([
    ['another every', 'min(validate.loss)', 'max(slow.rate)', '2.epochs', 45],
    ['a train metric within an epoch', 'max(slow.rate)', 'min(train.loss)', '0.5.epoch', 23],
  ])('%s is refused', (_name, best, pick, every, step) => {
    const diagnostic = only(picking(best, pick, every));
    expect(diagnostic.code).toBe('ZT5027');
    expect(diagnostic.message).toContain(`is not measured after step ${step}, where`);
  });
  test.each([
    ['the same metric', 'min(validate.loss)', 'min(validate.loss)', '2.epochs'],
    ['one that is measured more often', 'max(slow.rate)', 'min(validate.loss)', '2.epochs'],
    ['a train metric at the end of epochs', 'min(validate.loss)', 'min(train.loss)', '2.epochs'],
  ])('%s is fine', (_name, best, pick, every) => {
    expect(found(picking(best, pick, every))).toEqual([]);
  });
});
