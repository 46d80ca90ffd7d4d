/** Parts of data sets: whole shares, parts that are there, classes that are classes, and no validation on trained rows. */
import { describe, expect, test } from 'vitest';
import { codesOf, found, only } from './training-spec.js';

const map = 'map row -> { image: cast(row.image, f32) / 16, label: row.label }';

/** A run over parts of all digits. */
const over = (
  parts: string,
  train: string,
  validate: string,
  param = '',
): Parameters<typeof found>[0] & object => ({
  param,
  train_set: `data rows = digits { split = "all" batch = 32 ${parts} ${map} }\ndata train_set = rows { ${train} }`,
  test_set: `data test_set = rows { ${validate} }`,
});
const named = 'parts = { train: 80.percent, validate: 20.percent }';
const fold = 'param fold: int = 0 where fold >= 0 and fold < 5';

describe('parts', () => {
  test.each([
    over(named, 'part = "train" shuffle = true', 'part = "validate"'),
    over(`${named} split_seed = 3 stratify = "label"`, 'part = "train"', 'part = "validate"'),
    over('parts = folds(5) stratify = "label"', 'part = all_but(fold)', 'part = only(fold)', fold),
    over('parts = { train: 33.3.percent, validate: 66.7.percent }', 'part = "train"', 'part = "validate"'),
    over(
      'parts = { train: share.percent, validate: (100 - share).percent }',
      'part = "train"',
      'part = "validate"',
      'param share: int = 70 where share > 0 and share < 100',
    ),
  ])('are fine: case %#', (spec) => {
    expect(found(spec)).toEqual([]);
  });

  const shares = (parts: string, param = ''): ReturnType<typeof only> =>
    only(over(parts, 'part = "train"', 'part = "validate"', param));
  test('that are no whole', () => {
    expect(shares('parts = { train: 80.percent, validate: 10.percent }')).toMatchObject({
      code: 'ZT4301',
      message: 'the parts are 90 percent of the rows together, not 100',
      at: '{ train: 80.percent, validate: 10.percent }',
      help: 'write `validate: 20.percent`, or change another',
    });
    expect(shares('parts = { train: 33.3.percent, validate: 66.6.percent }').message).toContain(
      '99.9 percent',
    );
    expect(
      shares(
        'parts = { train: share.percent, validate: 40.percent }',
        'param share: int = 70 where share > 0',
      ),
    ).toMatchObject({ code: 'ZT4301', notes: ['so it is by default, with share = 70'] });
  });
  test('of nothing, of less, or of another unit', () => {
    expect(shares('parts = { train: 100.percent, validate: 0.percent }')).toMatchObject({
      code: 'ZT3302',
      message: '`validate` of `parts` is 0.percent, but `validate > 0` must hold',
    });
    expect(shares('parts = { train: 0.8, validate: 20.percent }')).toMatchObject({
      code: 'ZT3202',
      help: 'write `80.percent`',
    });
    expect(shares('parts = { train: 80.percent, validate: 2.epochs }').code).toBe('ZT3202');
    expect(shares('parts = 5')).toMatchObject({
      code: 'ZT3203',
      message: '`parts` of `digits` is an int, `{ train: 80.percent, … }` or `folds(…)` or `none` expected',
    });
  });
  test('one that is not there', () => {
    expect(only(over(named, 'part = "train"', 'part = "valid"'))).toMatchObject({
      code: 'ZT2001',
      message: 'unknown part `valid`',
      help: 'write `"validate"`',
    });
    expect(only(over(named, 'part = only(0)', 'part = "validate"'))).toMatchObject({
      code: 'ZT3203',
      message: '`part` is a choice among folds, "train" or "validate" expected',
    });
    expect(only(over('parts = folds(5)', 'part = "train"', 'part = only(1)'))).toMatchObject({
      code: 'ZT3203',
      at: '"train"',
    });
  });
  test('without parts', () => {
    expect(codesOf(over('', 'part = "train"', 'split = "test"'))).toContain('ZT4303');
    expect(codesOf(over('', 'split_seed = 1', 'split = "test"'))).toContain('ZT4303');
    expect(codesOf(over('stratify = "label"', 'split = "train"', 'split = "test"'))).toContain('ZT4303');
  });
  test('shared out twice', () => {
    for (const again of [named, 'split_seed = 2', 'stratify = "label"']) {
      expect(only(over(named, `part = "train" ${again}`, 'part = "validate"'))).toMatchObject({
        code: 'ZT4302',
      });
    }
  });
});

describe('folds', () => {
  const folds = (count: string, choice: string, param = ''): ReturnType<typeof only> =>
    only(over(`parts = folds(${count})`, choice, 'part = only(1)', param));
  test('that are out of range', () => {
    expect(folds('5', 'part = all_but(5)')).toMatchObject({
      code: 'ZT3302',
      message: 'the fold of `all_but` is 5, but `5 < 5` must hold',
      help: 'the folds are 0 to 4',
    });
    expect(folds('5', 'part = only(-1)').code).toBe('ZT3302');
    expect(folds('1', 'part = all_but(0)')).toMatchObject({ code: 'ZT3302', at: '1' });
  });
  test('a param must keep to them', () => {
    expect(folds('5', 'part = only(fold)', 'param fold: int = 0 where fold >= 0')).toMatchObject({
      code: 'ZT3302',
      message: 'the fold of `only` is fold, but `fold < 5` must hold',
      help: 'add `where fold < 5` to the param',
    });
    expect(folds('5', 'part = only(fold)', 'param fold: int = 0 where fold < 5').code).toBe('ZT3302');
  });
});

describe('stratify', () => {
  const by = (field: string): ReturnType<typeof only> =>
    only(over(`${named} stratify = "${field}"`, 'part = "train"', 'part = "validate"'));
  test('by what is no class', () => {
    expect(by('image')).toMatchObject({
      code: 'ZT3203',
      message:
        '`stratify` is `image`, u8[8, 8, 1], a field of classes: i32, u8, bool or a choice of texts expected',
      help: 'fields of classes are `label`',
    });
    expect(by('lable')).toMatchObject({ code: 'ZT2003', help: 'write `"label"`' });
  });
});

describe('validating on what is trained on', () => {
  const overlap = (parts: string, train: string, validate: string): string =>
    codesOf(over(parts, train, validate, fold)).join();
  test.each([
    [named, 'part = "train"', 'part = "train"', 'ZT5004'],
    [named, 'part = "train"', '', 'ZT5004'],
    [named, '', 'part = "validate"', 'ZT5004'],
    ['parts = folds(5)', 'part = all_but(1)', 'part = only(0)', 'ZT5004'],
    ['parts = folds(5)', 'part = all_but(1)', 'part = all_but(2)', 'ZT5004'],
    ['parts = folds(5)', 'part = all_but(fold)', 'part = only(fold)', ''],
    ['parts = folds(5)', 'part = all_but(0)', 'part = only(fold)', ''],
    ['parts = folds(5)', 'part = only(0)', 'part = only(1)', ''],
    ['parts = folds(5)', 'part = only(0)', 'part = only(fold)', 'ZT5004'],
  ])('%s: %s and %s', (parts, train, validate, code) => {
    expect(overlap(parts, train, validate).replace(/,?ZT5002/, '')).toBe(code);
  });
  test('the help names another part', () => {
    expect(only(over(named, 'part = "train"', 'part = "train"'))).toMatchObject({
      help: 'read another part here: `part = "validate"`',
    });
  });
  test('another split of the same rows shares some', () => {
    const spec = over(named, 'part = "train"', 'part = "validate"');
    const other = `data others = digits { split = "all" ${named} split_seed = 1 ${map} }\ndata test_set = others { part = "validate" }`;
    expect(codesOf({ ...spec, test_set: other })).toEqual(['ZT5004']);
  });
});
