/** Nothing in the prelude is declared and then ignored: each attribute and each option is read, or named by `later`. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { metricRules } from '../../src/checker/metric-rules.js';
import { loadPrelude, settingList, settingText, type Builtin } from '../../src/checker/prelude.js';
import { rules } from '../../src/checker/rules.js';
import { isPhase } from '../../src/values/phases.js';
import { runtimeReads } from './option-reads.js';
import { placeOf } from './prelude-contract.js';

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

const checker = read('checker', 'codegen', 'cli');
const runtime = runtimeReads('src/runtime/index.ts');

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
  /** By name, of a built-in: a word that stands in the code for something else counts for none. */
  const asked = new Set(
    [...checker.matchAll(/(?:settings\.get\(|setting(?:Text|List)\(\s*[\w.]+,\s*)'(\w+)'/g)].map(
      ([, name]) => name,
    ),
  );
  const elsewhere: Readonly<Record<string, string>> = {
    overridable: 'scripts/generate-options.mjs',
    // What the checker makes of a function that no kernel has: the contract's test reads it.
    lowered: 'test/checker/prelude-contract.ts',
    // By a loop over both.
    weights: 'src/checker/layers.ts',
    state: 'src/checker/layers.ts',
  };
  test.each(attributes)('%s is read', (name) => {
    const file = elsewhere[name];
    const isThere =
      file !== undefined && new RegExp(`\\b${name}\\b`).test(readFileSync(join(source, '..', file), 'utf8'));
    expect(asked.has(name) || isThere).toBe(true);
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
  const placed = built.flatMap((builtin) => {
    // Weights from elsewhere are put in place by the trainer, which the next test looks at.
    const place = builtin.name === 'pretrained' ? null : placeOf(builtin);
    return place === null || place.keys.length === 0 ? [] : [[nameOf(builtin), place] as const];
  });
  test.each(placed)(
    '%s reads each of its own',
    (_name, { home, exported, inputs, keys }) => {
      expect(runtime.unread(`src/runtime/${home}/index.ts`, exported, inputs, keys)).toEqual([]);
    },
    120_000,
  );

  test('what they become is read where a run follows it', () => {
    // The rule of an optimizer, a phase of a schedule, a copy of a model.
    expect(runtime.unreadOf('src/runtime/optim/optimizer.ts', 'Rule', ['/runtime/optim/'])).toEqual([]);
    expect(runtime.unreadOf('src/values/schedule.ts', 'Phase', ['/values/'])).toEqual([]);
    expect(runtime.unreadOf('src/runtime/copies/index.ts', 'Copy', ['/runtime/trainer/'])).toEqual([]);
    expect(
      runtime.unreadOf('src/runtime/addons/index.ts', 'PretrainedOptions', [
        '/trainer/pretrained',
        '/addons/pretrained',
      ]),
    ).toEqual([]);
    expect(runtime.unreadOf('src/runtime/data/index.ts', 'CommonOptions', ['/runtime/data/'])).toEqual([]);
    // What the prelude has of the trainer, by its contract; then what was made of it.
    expect(runtime.unreadOf('src/runtime/trainer/spec.ts', 'TrainerOptions', ['/runtime/trainer/'])).toEqual(
      [],
    );
    expect(
      runtime.unreadOf('src/runtime/trainer/resolved-options.ts', 'ResolvedOptions', ['/runtime/']),
    ).toEqual([]);
  }, 300_000);

  test('a word that another built-in reads is none that this one does', () => {
    const file = 'src/made-up.ts';
    const text = `
      interface Common { readonly lr: number; readonly centered?: boolean }
      interface Own extends Common { readonly depth?: number; readonly width?: number; readonly late?: number }
      const rate = (options: Common): number => options.lr;
      export const a = (options: { readonly centered: boolean }): boolean => options.centered;
      export function b(options: Own) { const { depth = 1 } = options; return new Net({ ...options, depth }); }
      class Net { constructor(readonly options: Own) {} get size() { return rate(this.options) * (this.options.width ?? 1); } }
      export type Rule = { readonly kind: 'x'; readonly m: number } | { readonly kind: 'y'; readonly m: number };
      export const c = (rule: Rule) => (rule.kind === 'x' ? rule.m : 0);
    `;
    const reads = runtimeReads(file, { [file]: text });
    expect(reads.unread(file, 'a', 0, ['centered'])).toEqual([]);
    expect(reads.unread(file, 'b', 0, ['lr', 'depth', 'width', 'centered', 'late'])).toEqual([
      'centered',
      'late',
    ]);
    expect(() => reads.unread(file, 'a', 0, ['lr'])).toThrow('declares no lr');
    expect(reads.unreadOf(file, 'Rule', [file])).toEqual(['"y".m']);
  });
});
