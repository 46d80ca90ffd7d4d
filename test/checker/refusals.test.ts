/** Specs that once were accepted and failed later, in a build or a run: each has one error, where the mistake is. */
import { expect, test } from 'vitest';
import { checkProgram } from '../../src/checker/check.js';
import { memoryHost } from '../../src/checker/host.js';

const data = 'data d = digits { batch = 32 map row -> { x: cast(row.image, f32) / 16, label: row.label } }';
const model = 'model M on x: f32[n, 8, 8, 1] -> f32[n, 10] { return flatten(x) |> dense(10) as head }';
const optimizer = 'optimizer opt = adam { of = M }';
const step = 'step train(b in d) { update opt { minimize mean(softmax_cross_entropy(M(b.x), b.label)) } }';
const trainer = 'trainer T { steps = 3 }';

const heads = `
block Heads(m: int, g: int where m % g == 0) on x: f32[n, t, m] -> f32[n, t, m] {
  return x |> reshape([n, t, g, m / g]) |> reshape([n, t, m]) |> dense(m) as o
}
block Layer(m: int, g: int) on x: f32[n, t, m] -> f32[n, t, m] { return x |> Heads(m, g) as a }`;

interface Parts {
  readonly more: string;
  readonly model?: string;
  readonly optimizer?: string;
  readonly data?: string;
  readonly step?: string;
}

const whole = (parts: Parts): string =>
  [
    parts.more,
    parts.data ?? data,
    parts.model ?? model,
    parts.optimizer ?? optimizer,
    parts.step ?? step,
    trainer,
  ].join('\n');

const refusals: Readonly<Record<string, readonly [parts: Parts, code: string, at: string]>> = {
  'the clock of the run in a model': [
    {
      more: '',
      model: model.replace('flatten(x)', 'flatten(x) |> dropout(if run.step < 3.steps then 0.1 else 0.5)'),
    },
    'ZT3206',
    'run.step',
  ],
  'the clock of the run in a function that a model calls': [
    {
      more: 'fn w(x: f32[n, m]) -> f32[n, m] = if run.epoch < 3.epochs then x else 2 * x',
      model: model.replace('flatten(x)', 'flatten(x) |> w()'),
    },
    'ZT3206',
    'run.epoch',
  ],
  'the clock of the run in a constant': [
    {
      more: 'const c = if run.step < 3.steps then 1 else 2',
      optimizer: 'optimizer opt = adam { of = M lr = c }',
    },
    'ZT3206',
    'run.step',
  ],
  'the clock of the run in an option': [
    { more: '', optimizer: 'optimizer opt = adam { of = M lr = if run.step < 3.steps then 1e-3 else 1e-4 }' },
    'ZT3206',
    'run.step',
  ],
  'the clock of the run as an interval': [
    { more: '', step: step.replace('{', '{ every run.step { metric a = 1.0 by last }') },
    'ZT3206',
    'run.step',
  ],
  'an extern beyond the project': [
    { more: 'extern "../outside.ts" { fn f(x: f32[n]) -> f32[n] }' },
    'ZT2031',
    '"../outside.ts"',
  ],
  'a constant that is not of its type': [{ more: 'const k: int = 1.5' }, 'ZT3203', '1.5'],
  'a text as an int': [{ more: 'const k: int = "x"' }, 'ZT3203', '"x"'],
  'a choice that is none': [{ more: 'const k: "a" | "b" = "c"' }, 'ZT3203', '"c"'],
  'a constant of an unknown type': [{ more: 'const k: number = 3' }, 'ZT2001', 'number'],
  'a fraction as an int': [{ more: 'const k: int = 7 / 2' }, 'ZT3104', '7 / 2'],
  'a let of a step that is not of its type': [
    { more: '', step: step.replace('{', '{ let k: int = 2.5').replace('b.label))', 'b.label)) * k') },
    'ZT3203',
    '2.5',
  ],
  'a let of a model that is not of its type': [
    { more: '', model: model.replace('{', '{ let k: int = 2.5').replace('dense(10)', 'dense(k)') },
    'ZT3203',
    '2.5',
  ],
  'a default of a function that nothing calls': [
    { more: 'fn f(x: f32[n], k: int = "a") -> f32[n] = x * 2' },
    'ZT3203',
    '"a"',
  ],
  'a default of a function that breaks its condition': [
    { more: 'fn f(x: T[...s], k: float = 2.0 where k < 1) -> T[...s] = x * 2' },
    'ZT3301',
    '2.0',
  ],
  'a field twice': [{ more: 'const r = { x: 1, x: 2 }' }, 'ZT2011', 'x'],
  'a field of a map twice': [
    { more: '', data: data.replace('label: row.label', 'label: row.label, label: row.label') },
    'ZT2011',
    'label',
  ],
  'an assert that defaults do not pass': [{ more: 'param a: int = 4 assert a > 5' }, 'ZT3109', 'a > 5'],
  'an assert that defaults that are no ints do not pass': [
    { more: 'param a: float = 0.5 assert a > 0.75' },
    'ZT3109',
    'a > 0.75',
  ],
  'a default beyond the limit of a layer': [
    { more: 'param drop: float = 1.5', model: model.replace('flatten(x)', 'flatten(x) |> dropout(drop)') },
    'ZT3302',
    'drop',
  ],
  'a default beyond the limit of a layer in a block': [
    {
      more: `param drop: float = 1.5
        block B(r: float) on x: f32[n, m] -> f32[n, m] { return x |> dropout(r) }`,
      model: model.replace('flatten(x)', 'flatten(x) |> B(drop)'),
    },
    'ZT3302',
    'B(drop)',
  ],
  'a default beyond the limit of an optimizer': [
    { more: 'param rate: float = -1e-3', optimizer: 'optimizer opt = adam { of = M lr = rate }' },
    'ZT3302',
    'rate',
  ],
  'a default that only the branch that is taken refuses': [
    {
      more: 'param drop: float = 1.5',
      model: model.replace('flatten(x)', 'flatten(if drop < 1 then x else (x |> dropout(drop)))'),
    },
    'ZT3302',
    'drop',
  ],
  'a block given what breaks the condition of a block in it': [
    { more: heads, model: model.replace('flatten(x)', 'reshape(x, [n, 8, 8]) |> Layer(8, 3) |> flatten()') },
    'ZT3302',
    'Layer(8, 3)',
  ],
  'a block given a param that breaks its condition': [
    {
      more: `param k: int = 2 ${heads}`,
      model: model.replace('flatten(x)', 'reshape(x, [n, 8, 8]) |> Heads(8, k) |> flatten()'),
    },
    'ZT3302',
    'k',
  ],
  'a fraction of numbers as a size': [
    { more: '', model: model.replace('flatten(x)', 'reshape(x, [n, 8, 3 / 2, 8]) |> flatten()') },
    'ZT3104',
    '3 / 2',
  ],
  'a fraction as a size that nothing says is whole': [
    { more: 'fn f(a: f32[n, k]) -> f32[n, k] = reshape(reshape(a, [n, 2, k / 2]), [n, k])' },
    'ZT3104',
    'k / 2',
  ],
  'a range that ends behind its axis by default': [
    { more: 'param k: int = 70', model: model.replace('flatten(x)', 'flatten(x)[:, :k]') },
    'ZT3102',
    ':k',
  ],
  'an index behind its axis by default': [
    { more: 'param k: int = 64', model: model.replace('flatten(x)', 'flatten(x)[:, k:k + 1]') },
    'ZT3102',
    'k:k + 1',
  ],
  'a size that only a result has': [{ more: 'fn f(a: f32[n, m]) -> f32[n, q] = a' }, 'ZT2001', 'q'],
  'sizes of two names that are added': [
    { more: 'fn f(a: f32[n], b: f32[m]) -> f32[n] = a + b' },
    'ZT3102',
    'a + b',
  ],
  'a size that happens to be 1 where it is used': [
    {
      more: 'fn f(a: f32[n, k], b: f32[n, m]) -> f32[n, m] = a + b',
      model: model.replace('flatten(x)', 'f(flatten(x)[:, :1], flatten(x))'),
    },
    'ZT3102',
    'a + b',
  ],
};

test.each(Object.entries(refusals))('%s', (_name, [parts, code, at]) => {
  const text = whole(parts);
  const { diagnostics } = checkProgram('main.ztrain', memoryHost({ 'main.ztrain': text }));
  const errors = diagnostics.filter(({ severity }) => severity === 'error');
  expect(errors.map(({ code: own, span }) => [own, text.slice(span.start, span.end)])).toEqual([[code, at]]);
});
