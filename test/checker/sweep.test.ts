/** Axes of a sweep: names, types, limits and doubles of their values, and points that cannot run. */
import { describe, expect, test } from 'vitest';
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
  test('of constants', () => {
    const spec = over('axis(opt.lr, rates), axis(units, [base, 2 * base])');
    expect(found({ ...spec, param: `${param}\nconst rates = [1e-3, 1e-2]\nconst base = 16` })).toEqual([]);
  });
});
