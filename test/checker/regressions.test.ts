/** Specs that once were let through wrongly, or refused wrongly: each is checked, emitted and typed. */
import { describe, expect, test } from 'vitest';
import { checkProgram } from '../../src/checker/check.js';
import { memoryHost } from '../../src/checker/host.js';
import { emit, type EmittedFile } from '../../src/codegen/emit.js';
import { typecheck } from '../../src/codegen/typecheck.js';

const rest = `
data d = digits { batch = 32 map row -> { x: cast(row.image, f32) / 16, label: row.label } }
optimizer opt = adam { of = M }
step train(b in d) { update opt { minimize mean(softmax_cross_entropy(M(b.x), b.label)) } }
trainer T { steps = 3 }
`;

const image = 'model M on x: f32[n, 8, 8, 1] -> f32[n, 10]';

const specs = {
  'turns of a list with code of their own': `
    ${image} { return flatten(x) |> repeat w in [2.5, 3.5] { clamp(low = 0, high = w) } |> dense(10) as head }`,
  'turns whose sizes stand in the code': `
    fn cut(x: f32[n, c], i: int) -> f32[n, c - i] { return x[:, 0:c - i] }
    ${image} { return flatten(x) |> repeat i in 1 .. 4 { cut(i) } |> dense(10) as head }`,
  'turns with weights, and sizes in the code': `
    ${image} { return flatten(x) |> repeat w in [32, 16] as z { dense(w) as d |> reshape([n, w / 2, 2]) |> flatten() } |> dense(10) as head }`,
  'turns that change the rank': `
    ${image} { return flatten(x) |> repeat 2 { expand_dims(axis = -1) } |> reshape([n, 64]) |> dense(10) as head }`,
  'a repeat in a repeat': `
    param deep: int = 2 where deep > 0
    ${image} { return flatten(x) |> repeat i in deep as a { dense(64) as d |> repeat 2 as b { dense(64) as e |> relu() } } |> dense(10) as head }`,
  'a repeat in a repeat, as often as the outer one says': `
    ${image} { return flatten(x) |> repeat i in 0 .. 3 as a { repeat i as b { dense(64) as e |> relu() } } |> dense(10) as head }`,
  'a range that a param starts and ends': `
    param low: int = 2 where low > 0
    param high: int = 4 where high > low
    ${image} { return flatten(x) |> repeat i in low .. high as a { dense(64 * i) as d |> dense(64) as e |> clamp(low = 0, high = i) } |> dense(10) as head }`,
  'weights of one branch, used twice by what is inlined': `
    param deep: bool = true
    fn f(x: f32[n, c]) -> f32[n, c] = x * x
    ${image} { let g = flatten(x) let h = if deep then f(g |> dense(64) as d) else g return h |> dense(10) as head }`,
  'a repeat in one branch': `
    param deep: bool = true
    ${image} { let f = flatten(x) return (if deep then (f |> repeat 2 as r { dense(64) as q |> relu() }) else f) |> dense(10) as head }`,
  'a param of quoted choices where choices are taken': `
    param pad: "same" | "valid" = "same"
    block P(pp: "same" | "valid" = "valid") on x: f32[n, h, w, c] -> f32[n, 4] {
      return x |> conv2d(4, kernel = 3, padding = pp) as c |> conv2d(4, kernel = 1, padding = pad) as c1 |> global_avg_pool()
    }
    ${image} { return x |> P(pp = pad) as p |> dense(10) as head }`,
  'a bool given to a function': `
    fn f(x: f32[n, c], double: bool) -> f32[n, c] = if double then x * 2 else x
    param twice: bool = false
    ${image} { return flatten(x) |> f(twice) |> f(true) |> dense(10) as head }`,
  'a size that a later input gives plainly': `
    fn scaled(x: f32[n, 8 * b], by: f32[...s, b], i: int) -> f32[n, 8 * b] = x * mean(by) + i
    block Part on x: f32[n, 8 * b], part: f32[n, b] -> f32[n, b] { return concat([scaled(x, part, 2), part]) |> dense(b) as out }
    ${image} { let f = flatten(x) return f |> Part(part = f[:, 0:8]) as part |> dense(10) as head }`,
  'a part of a size that a shape was given': `
    fn turned(x: f32[b, t, m, s], base: float = 10_000) -> f32[b, t, m, s] {
      assert s % 2 == 0
      let angle = reshape(outer(range(t), base ** (-range(s / 2) / (s / 2))), [1, t, 1, s / 2])
      let left = x[..., :s / 2]
      let right = x[..., s / 2:]
      return concat([left * cos(angle) - right * sin(angle), left * sin(angle) + right * cos(angle)], axis = -1)
    }
    block Turned(m: int) on x: f32[b, t, d] -> f32[b, t, d] {
      assert d % (2 * m) == 0
      return x |> dense(d) as q |> reshape([b, t, m, d / m]) |> turned() |> reshape([b, t, d])
    }
    ${image} { return squeeze(x, axis = -1) |> Turned(2) as t |> flatten() |> dense(10) as head }`,
  'what has one rank, whatever it is given': `
    fn contrast(x: f32[n, c]) -> f32 {
      let keys = gather(unit(x))
      return mean(softmax_cross_entropy(keys @ transpose(keys), own_rows(keys)))
    }
    ${image} {
      let f = flatten(x)
      let table = outer(range(8), range(8))
      return (f * contrast(f) + mean(table)) |> dense(10) as head
    }`,
  'fields of a record that nothing reads': `
    fn two(x: f32[n, c]) -> { a: f32[n, c], b: f32[n, c] } { return { a: x * 2, b: x * 3 } }
    fn one(x: f32[n, c]) -> f32[n, c] { let r = two(x) return r.a }
    ${image} { return flatten(x) |> one() |> dense(10) as head }`,
  'add-ons under names of their own': `
    param bright: bool = true
    ${image} { return flatten(x) |> dense(10) as head }
    addon image_grid { of = zeros([4, 8, 8, 1]) }
    addon image_grid as other { of = if bright then ones([4, 8, 8, 1]) else zeros([4, 8, 8, 1]) }
    addon checkpoint as mine { every = 1.epoch }`,
  'what a function asks of the run': `
    fn late(loss: f32) -> f32 = if run.step < 3.steps then loss else 2 * loss
    ${image} { return flatten(x) |> dense(10) as head }
    step validate(v in d) {
      let early = run.step < 3.steps and run.epoch < 2.epochs
      let loss = mean(softmax_cross_entropy(M(v.x), v.label))
      if early { metric both = late(if early then loss else 0.5 * loss) by mean }
    }`,
  'a condition between parameters that a block hands on': `
    param g: int = 2 where 8 % g == 0
    block Heads(m: int, h: int where m % h == 0) on x: f32[n, t, m] -> f32[n, t, m] {
      return x |> reshape([n, t, h, m / h]) |> reshape([n, t, m]) |> dense(m) as o
    }
    block Layer(m: int, h: int) on x: f32[n, t, m] -> f32[n, t, m] { return x |> Heads(m, h) as a }
    ${image} { return reshape(x, [n, 8, 8]) |> Layer(8, 2) as l |> Layer(8, g) as k |> flatten() |> dense(10) as head }`,
  'conditions on sizes that functions hand on': `
    fn first(a: f32[n, 1], b: f32[n, k]) -> f32[n, k] = a + b
    fn split(a: f32[n, k], s: int where k % s == 0) -> f32[n, k] = reshape(a, [n, s, k / s]) |> reshape([n, k])
    fn other(a: f32[n, k], s: int) -> f32[n, k] = split(a, s)
    fn any(a: f32[...r, k], s: int where s < k) -> f32[...r, k] = a * s
    ${image} { let f = flatten(x) return first(f[:, :1], f) |> other(8) |> any(3) |> dense(10) as head }`,
  'names that every object has': `
    ${image} {
      return flatten(x) |> dense(8) as hasOwnProperty |> dense(8) as valueOf |> dense(8) as isPrototypeOf |> dense(10) as head
    }
    data rows = csv -> { constructor: f32, __proto__: f32, hasOwnProperty: i32 } { file = "x.csv" batch = 2 }
    step validate(v in rows) { metric a = mean(v.constructor + v.__proto__ + cast(v.hasOwnProperty, f32)) }`,
  'a default that a branch keeps away': `
    param drop: float = 1.5
    ${image} { return flatten(if drop < 1 then (x |> dropout(drop)) else x) |> dense(10) as head }`,
  'lists of numbers beside tensors': `
    const spread = [1, 2, 3.5, 4, 5, 6, 7, 8]
    ${image} { return (x - [0.5]) |> reshape([n, 8, 8]) |> flatten() |> dense(8) as mid |> scaled() |> dense(10) as head }
    fn scaled(y: f32[n, 8]) -> f32[n, 8] = [1, 1, 1, 1, 1, 1, 1, 0.5] * y / spread`,
  'data, models and schedules that are called as what is imported': `
    ${image} { return x |> flatten() |> dense(10) as head }
    model Steps = ema(M, decay = units)
    schedule units { constant(0.9, over = rest) }
    data images = digits { split = "test" map row -> { x: cast(row.image, f32) / 16, label: row.label } }
    data class = images { batch = 64 }
    step validate(ops in images) { metric a = mean(argmax(Steps(ops.x)) == ops.label) }
    step validate as other(v in class) = validate`,
  'a default that reads a param': `
    param keep: bool = true
    block B(yes: bool = keep) on x: f32[n, c] -> f32[n, c] { return if yes and keep then (x |> dense(c) as q) else x }
    ${image} { return x |> flatten() |> B() as b |> dense(10) as head }`,
  'params that defaults alone read': `
    param units: int = 16 where units >= 1
    param keep: float = 0.5
    block B(width: int = 2 * units, share: float = keep / 2) on x: f32[n, c] -> f32[n, width] {
      return x |> dense(width) as q |> dropout(share)
    }
    model M(hidden: int = units where hidden >= 1, spare: int = units) on x: f32[n, 8, 8, 1] -> f32[n, 10] {
      return x |> flatten() |> dense(hidden) as h |> B() as b |> dense(10) as head
    }
    model Wide = M(hidden = 2 * units)
    model Slow = ema(M, decay = 0.9)
    step validate(v in d) { metric m = mean(Wide(v.x)) metric s = mean(Slow(v.x)) }`,
} as const;

test('what is right is emitted as typed code', async () => {
  const files: EmittedFile[] = [];
  const names = Object.keys(specs);
  for (const [index, [name, spec]] of Object.entries(specs).entries()) {
    const { ir, diagnostics } = checkProgram('main.ztrain', memoryHost({ 'main.ztrain': spec + rest }));
    expect(
      diagnostics.filter(({ severity }) => severity === 'error').map(({ message }) => message),
      name,
    ).toEqual([]);
    if (ir === null) continue;
    for (const file of await emit(ir, { compilerVersion: '0.1.0' }))
      files.push({ ...file, fileName: `case${index}.ts` });
  }
  const { faults } = await typecheck(files, { folder: '/regressions' });
  const [first] = faults;
  expect(first, names[Number(/case(\d+)/.exec(first?.file ?? '')?.[1])]).toBeUndefined();
}, 60_000);

const textOf = async (spec: string): Promise<string> => {
  const { ir } = checkProgram('main.ztrain', memoryHost({ 'main.ztrain': spec + rest }));
  if (ir === null) throw new Error('the spec is refused');
  return (await emit(ir, { compilerVersion: '0.1.0' })).map((file) => file.text).join('');
};

test('data and models keep their names, whatever is imported', async () => {
  const text = await textOf(specs['data, models and schedules that are called as what is imported']);
  for (const name of [
    'readonly images: Data<',
    'readonly class: Data<',
    'readonly steps: M;',
    '[from.images]',
    '[from.class]',
  ])
    expect(text).toContain(name);
});

test('each turn has its own value', async () => {
  const text = await textOf(specs['turns of a list with code of their own']);
  expect(text).toContain('high: 2.5');
  expect(text).toContain('high: 3.5');
});

test('where a range ends is tested before the run', async () => {
  const text = await textOf(`
    param k: int = 30
    param all: bool = false
    ${image} { let f = flatten(x) return (if all then f[:, :k] else f[:, k:2 * k]) + f[:, :k] |> dense(10) as head }`);
  expect(text).toContain("text: 'k <= 64'");
  expect(text).not.toContain('2 * k <= 64');
});

test('turns are counted from where the range starts', async () => {
  const text = await textOf(specs['a range that a param starts and ends']);
  expect(text).toContain('units: 64 * (low + i)');
  expect(text).toContain('high: low + i');
});

test('what one branch needs is computed in that branch', async () => {
  const text = await textOf(specs['weights of one branch, used twice by what is inlined']);
  expect(text).toMatch(/if \(deep\) \{[^}]*nn\.present\(this\.d\)/);
});

test('in a step as well', async () => {
  const text = await textOf(`
    param deep: bool = true
    fn square(x: f32[n, c]) -> f32[n, c] = x * x
    ${image} { return flatten(x) |> dense(10) as head }
    step validate(v in d) {
      metric m = mean(if deep then square(M(v.x)) else flatten(v.x)[:, 0:10])
    }`);
  expect(text).toMatch(/if \(this\.params\.deep\) \{[^}]*this\.models\.m\.call/);
});

describe('refused', () => {
  const refused: Readonly<Record<string, readonly [spec: string, code: string]>> = {
    'a layer called again with other sizes': [
      `${image} { layer c = dense(10) return x |> flatten() |> c() |> c() }`,
      'ZT3102',
    ],
    'a named block called again with other sizes': [
      `block B(w: int) on x: f32[n, c] -> f32[n, w] { return x |> dense(w) as d }
       ${image} { layer b = B(10) return flatten(x) |> b() |> b() }`,
      'ZT3102',
    ],
    'blocks that apply each other': [
      `block A on x: f32[n, k] -> f32[n, k] { return x |> B() as b }
       block B on x: f32[n, k] -> f32[n, k] { return x |> A() as a }
       ${image} { return x |> flatten() |> A() as b |> dense(10) as head }`,
      'ZT2006',
    ],
    'more turns than anybody means': [
      `${image} { return x |> flatten() |> repeat 1_000_000_000 as r { dense(64) } |> dense(10) as head }`,
      'ZT3203',
    ],
    'a default made of another param': [
      `param low: int = 2
       param high: int = low
       ${image} { return x |> flatten() |> dense(high) as a |> dense(10) as head }`,
      'ZT3206',
    ],
    'a misspelled argument, which is then missing as well': [
      `${image} { return x |> flatten() |> dense(unit = 10) as head }`,
      'ZT2002',
    ],
    'choices that are not all taken': [
      `param pad: "same" | "other" = "same"
       ${image} { return x |> conv2d(4, kernel = 3, padding = pad) as c |> flatten() |> dense(10) as head }`,
      'ZT3203',
    ],
  };
  test.each(Object.entries(refused))('%s', (_name, [spec, code]) => {
    const { diagnostics } = checkProgram('main.ztrain', memoryHost({ 'main.ztrain': spec + rest }));
    const errors = diagnostics.filter(({ severity }) => severity === 'error');
    expect(errors.map((each) => each.code)).toEqual([code]);
  });
});
