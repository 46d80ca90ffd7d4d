/** Nothing in the prelude is declared and then ignored: each attribute and each option is read, or named by `later`. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { metricRules } from '../../src/checker/metric-rules.js';
import { loadPrelude, settingList, settingText, type Builtin } from '../../src/checker/prelude.js';
import { rules } from '../../src/checker/rules.js';
import { camel } from '../../src/codegen/names.js';
import { isPhase } from '../../src/values/phases.js';

const prelude = loadPrelude();
const source = fileURLToPath(new URL('../../src/', import.meta.url));

const read = (...folders: readonly string[]): string =>
  folders
    .flatMap((folder) =>
      readdirSync(join(source, folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts') && !name.endsWith('.gen.ts'))
        .map((name) => readFileSync(join(source, folder, name), 'utf8')),
    )
    .join('\n');

/** Weights from elsewhere are put in place by the trainer. */
const readTrainer = (name: string): string =>
  readFileSync(join(source, 'runtime/trainer', `${name}.ts`), 'utf8');

const checker = read('checker', 'codegen', 'cli');
/** Where the options of each kind are read. */
const readers: Readonly<Record<string, string>> = {
  // `only` and `all_but` choose rows of a data set.
  fn: read('runtime/ops', 'runtime/losses', 'runtime/optim', 'runtime/data', 'runtime/transforms'),
  model: read('runtime/copies', 'runtime/trainer'),
  layer: read('runtime/nn'),
  optimizer: read('runtime/optim'),
  schedule: read('runtime/schedules', 'values'),
  metric: read('runtime/metrics'),
  data: read('runtime/data'),
  trainer: read('runtime/trainer', 'runtime/engine', 'runtime/progress'),
  addon: [read('runtime/addons'), ...['pretrained', 'pretrained-plan'].map(readTrainer)].join('\n'),
};

/** Whether a name is used and not only declared: no `name: type` of an interface, no comment. */
const isRead = (text: string, name: string): boolean =>
  text
    .split('\n')
    .filter((line) => !/^\s*(\/\/|\/?\*)/.test(line) && !new RegExp(`readonly ${name}\\??:`).test(line))
    .some((line) => new RegExp(`(^|[^\\w'"-])${name}\\b(?!['"-])`).test(line));

const isLater = (builtin: Builtin): boolean => settingList(builtin, 'later').includes(builtin.name);
const nameOf = ({ what, name }: Builtin): string => `${what} ${name}`;
const built = prelude.all.filter((each) => !isLater(each));

describe('attributes of a declaration', () => {
  const attributes = [
    ...new Set(
      prelude.all.flatMap(({ config }) =>
        (config?.entries ?? []).flatMap((entry) => (entry.kind === 'attribute' ? [entry.name.text] : [])),
      ),
    ),
  ];
  // The second says what the checker makes of a function that no kernel has: the contract's test reads it.
  const generators = ['overridable', 'lowered'];
  test.each(attributes)('%s is read', (name) => {
    const asked = new RegExp(`['"]${name}['"]`).test(checker);
    expect(asked || generators.includes(name)).toBe(true);
  });

  test.each(prelude.all.map((each) => [nameOf(each), each] as const))('of %s fit it', (_name, builtin) => {
    const params = builtin.params.map((param) => param.name.text);
    const later = settingList(builtin, 'later');
    for (const key of later) expect([...params, builtin.name]).toContain(key);
    for (const name of ['overridable', 'grouped']) {
      for (const key of settingList(builtin, name)) {
        expect(params).toContain(key);
        expect(later).not.toContain(key);
      }
    }
    const phase = settingText(builtin, 'phase');
    if (builtin.what === 'addon') expect(phase !== null && isPhase(phase)).toBe(true);
    const rule = settingText(builtin, 'rule');
    // Those of layers are code of the checker's own.
    if (rule !== null && (builtin.what === 'fn' || builtin.what === 'metric'))
      expect((builtin.what === 'metric' ? metricRules : rules).has(rule)).toBe(true);
    if (rule !== null && builtin.what === 'layer') expect(checker).toContain(`'${rule}'`);
    if (builtin.what === 'metric') expect(rule).not.toBeNull();
  });
});

describe('options', () => {
  test.each(
    built.flatMap((builtin) => {
      const later = settingList(builtin, 'later');
      return builtin.params
        .filter((param) => !later.includes(param.name.text))
        .map((param) => [nameOf(builtin), param.name.text, builtin] as const);
    }),
  )('%s reads %s', (_name, key, { what }) => {
    const inRuntime = isRead(readers[what] ?? '', camel(key));
    // What the compiler alone needs has no reader in a run: how many devices there are.
    const inChecker = what === 'trainer' && new RegExp(`'${key}'`).test(checker);
    expect(inRuntime || inChecker).toBe(true);
  });

  test('an option that is declared only is found', () => {
    expect(isRead('interface A {\n  readonly bins?: number;\n}', 'bins')).toBe(false);
    expect(isRead('// bins\n * of bins', 'bins')).toBe(false);
    expect(isRead('const { bins = 2 } = options;', 'bins')).toBe(true);
    expect(isRead('return options.bins;', 'bins')).toBe(true);
  });
});
