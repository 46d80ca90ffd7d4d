/** A small run in parts, of which a test replaces what it is about; and the diagnostics of such a run. */
import { checkProgram, type Checked } from '../../src/checker/check.js';
import { memoryHost } from '../../src/checker/host.js';
import type { Diagnostic } from '../../src/parser/diagnostic.js';

const parts = {
  param: '',
  train_set:
    'data train_set = digits { batch = 32 shuffle = true map row -> { image: cast(row.image, f32) / 16, label: row.label } }',
  test_set: 'data test_set = train_set { split = "test" batch = 128 shuffle = false }',
  block: '',
  model:
    'model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> dense(16) as hidden |> relu() |> dense(10) as head }',
  schedule: '',
  optimizer: 'optimizer opt = adam { of = Net }',
  train:
    'step train(batch in train_set) { update opt { minimize mean(softmax_cross_entropy(Net(batch.image), batch.label)) } }',
  validate:
    'step validate(batch in test_set) every 1.epoch { metric loss = mean(softmax_cross_entropy(Net(batch.image), batch.label)) }',
  trainer: 'trainer Digits { epochs = 1 }',
  addon: '',
};

export const specOf = (replaced: Partial<typeof parts> = {}): string =>
  Object.values({ ...parts, ...(replaced.validate === '' ? { test_set: '' } : {}), ...replaced })
    .filter((part) => part !== '')
    .join('\n');

export const check = (spec: string): Checked =>
  checkProgram('spec.ztrain', memoryHost({ 'spec.ztrain': spec }));

/** A diagnostic as a test reads it: texts instead of spans. */
export interface Shown {
  readonly code: string;
  readonly message: string;
  readonly at: string;
  readonly related: readonly (readonly [string, string])[];
  readonly notes: readonly string[];
  readonly help: string | null;
  /** The spec after the fix, or null where there is none. */
  readonly fixed: string | null;
}

const applied = (spec: string, diagnostic: Diagnostic): string | null =>
  diagnostic.fix
    ? [...diagnostic.fix.edits]
        .sort((a, b) => b.span.start - a.span.start)
        .reduce((text, { span, text: put }) => text.slice(0, span.start) + put + text.slice(span.end), spec)
    : null;

export const found = (replaced: Partial<typeof parts> = {}): readonly Shown[] => {
  const spec = specOf(replaced);
  return check(spec).diagnostics.map((each) => ({
    code: each.code,
    message: each.message,
    at: spec.slice(each.span.start, each.span.end),
    related: (each.related ?? []).map(
      ({ span, label }) => [spec.slice(span.start, span.end), label] as const,
    ),
    notes: each.notes ?? [],
    help: each.help ?? null,
    fixed: applied(spec, each),
  }));
};

export const codesOf = (replaced: Partial<typeof parts> = {}): readonly string[] =>
  found(replaced).map((each) => each.code);

/** The only diagnostic. */
export const only = (replaced: Partial<typeof parts>): Shown => {
  const all = found(replaced);
  const [first] = all;
  if (!first || all.length > 1)
    throw new Error(`one diagnostic expected, got ${JSON.stringify(all, null, 1)}`);
  return first;
};
