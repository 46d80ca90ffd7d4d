/** Add-ons in TypeScript: their options are checked as those of the prelude are, before anything starts. */
import { describe, expect, test } from 'vitest';
import { checkProgram } from '../../src/checker/check.js';
import { memoryHost } from '../../src/checker/host.js';
import type { Diagnostic } from '../../src/parser/diagnostic.js';
import { specOf } from './training-spec.js';

const options =
  'channel: string, webhook: secret | none = none, monitor: metric, others: monitor[...] = [], seen: metric[...] = [], when: "best" | "end" = "end", mention: string[...] = [], keys: secret[...] = [], every: steps = 10.steps, limit: int | none = none where limit > 0';
const config = 'phase = "dependent" owns = []';

const check = (addon: string, item = `addon notify(${options}) { ${config} }`) =>
  checkProgram(
    'spec.ztrain',
    memoryHost({ 'own.ts': '', 'spec.ztrain': specOf({ param: `extern "./own.ts" { ${item} }`, addon }) }),
  );
const codes = (addon: string, item?: string): readonly string[] =>
  check(addon, item).diagnostics.map(({ code }) => code);
const first = (addon: string, item?: string): Diagnostic | undefined => check(addon, item).diagnostics[0];

const use = (more = '', monitor = 'max(validate.loss)'): string =>
  `addon notify { channel = "#ml" monitor = ${monitor} ${more} }`;

describe('what is right', () => {
  test.each([
    use(),
    use('webhook = env("HOOK")'),
    use('', 'validate.loss'),
    use('others = [min(validate.loss), max(train.loss)] seen = [validate.loss, min(train.loss)]'),
    use('when = "best" mention = ["@ada", "@grace"] keys = [env("A"), env("B")] every = 5.steps limit = 3'),
  ])('%s', (addon) => {
    expect(codes(addon)).toEqual([]);
  });

  test('what the spec says of it is in the program, with all defaults', () => {
    const [addon] = check(use('limit = none')).ir?.trainer?.addons ?? [];
    expect(addon).toMatchObject({ module: './own.ts', phase: 'dependent', owns: [], many: false });
    expect(addon?.options.map(({ name }) => name)).toEqual([
      'channel',
      'monitor',
      'others',
      'seen',
      'when',
      'mention',
      'keys',
      'every',
    ]);
  });
});

describe('what is wrong', () => {
  test.each([
    ['a secret in the text', use('webhook = "https://x"'), 'ZT4207'],
    ['one of several secrets in the text', use('keys = [env("A"), "b"]'), 'ZT4207'],
    ['a secret from elsewhere', use('webhook = 3'), 'ZT3203'],
    ['a metric that no step has', use('', 'max(validate.acc)'), 'ZT4201'],
    ['a name that no step has', use('', 'validate.acc'), 'ZT4201'],
    ['one in a list', use('others = [max(validate.loss), min(validate.acc)]'), 'ZT4201'],
    ['a metric as a text', use('', '"validate.loss"'), 'ZT3203'],
    ['a monitor that is only named', use('others = [validate.loss]'), 'ZT3203'],
    ['another word', use('when = "never"'), 'ZT3203'],
    ['a number where a text stands', use('mention = [3]'), 'ZT3203'],
    ['a value outside its limits', use('limit = 0'), 'ZT3302'],
    ['epochs for steps', use('every = 1.epoch'), 'ZT3202'],
    ['an unknown option', use('chanel = "x"'), 'ZT2002'],
    ['a missing option', 'addon notify { channel = "#ml" }', 'ZT2004'],
    ['two of a kind of which there is one', `${use()}\n${use()}`, 'ZT4205'],
  ])('%s', (_name, addon, code) => {
    const found = codes(addon);
    expect(found).toHaveLength(1);
    if (code !== 'ZT4205') expect(found).toEqual([code]);
  });

  test('several need to be declared as such, and labels of their own', () => {
    const many = `addon notify(${options}) { ${config} many = true }`;
    expect(codes(`${use()}\n${use().replace('notify', 'notify as second')}`, many)).toEqual([]);
    expect(codes(`${use()}\n${use()}`, many)).toHaveLength(1);
  });

  test('one effect has one owner, in the prelude or not', () => {
    const stops = `addon notify(${options}) { phase = "trigger" owns = ["stop"] }`;
    const found = first(`addon early_stopping { monitor = min(validate.loss) }\n${use()}`, stops);
    expect(found?.code).toBe('ZT4206');
    expect(found?.message).toContain('early_stopping');
    expect(found?.message).toContain('notify');
  });

  test.each([
    ['a phase that is none', 'phase = "late"', 'ZT3203'],
    ['what it owns as one text', 'owns = "stop"', 'ZT3203'],
    ['many as a number', 'many = 2', 'ZT3203'],
    ['an unknown word', 'phse = "core"', 'ZT2002'],
    ['a word twice', 'phase = "core" phase = "core"', 'ZT2011'],
  ])('%s', (_name, settings, code) => {
    expect(codes('', `addon notify() { ${settings} }`)).toEqual([code]);
  });

  test.each(['f32[n]', 'model', 'schedule', '{ a: int }', 'int | string'])('an option of type %s', (type) => {
    const [found, ...others] = check('', `addon notify(x: ${type}) { ${config} }`).diagnostics;
    expect(others).toEqual([]);
    expect(found?.code).toBe('ZT3203');
  });

  test('a name that the prelude has is hidden, and a warning says so', () => {
    const found = check(
      'addon csv_log { }',
      'addon csv_log() { phase = "independent" owns = [] }',
    ).diagnostics;
    expect(found.map(({ severity }) => severity)).toEqual(['warning']);
  });
});
