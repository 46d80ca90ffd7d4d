/** What a spec names and never reads: strict TypeScript takes what is emitted for it. */
import { describe, expect, test } from 'vitest';
import { checkProgram } from '../../src/checker/check.js';
import { memoryHost } from '../../src/checker/host.js';
import { emit, type EmittedFile } from '../../src/codegen/emit.js';
import { typecheck } from '../../src/codegen/typecheck.js';

const rest = `
data d = digits { batch = 32 map row -> { x: cast(row.image, f32) / 16, label: row.label } }
data held = digits { split = "test" batch = 32 map row -> { x: cast(row.image, f32) / 16, label: row.label } }
optimizer opt = adam { of = M }
step train(b in d) { update opt { minimize mean(softmax_cross_entropy(M(b.x), b.label)) } }
trainer T { steps = 3 }
`;

const head = 'model M on x: f32[n, 8, 8, 1] -> f32[n, 10]';
const plain = `${head} { return flatten(x) |> dense(10) as head }`;

/** Each with a part of its text: what must stay, although nothing reads it, and what may not. */
const specs = {
  'an input': {
    spec: `block B on x: f32[n, c], y: f32[n, d] -> f32[n, c] { return x |> dense(c) as q }
           ${head} { layer b = B() let f = flatten(x) return b(f, f) |> dense(10) as head }`,
    has: /forward\(x: Tensor2D, _y: Tensor2D\)/,
  },
  'an input of which a size is read': {
    spec: `block B on x: f32[n, c], y: f32[n, k] -> f32[n, c] { return x * k }
           ${head} { layer b = B() let f = flatten(x) return b(f, f) |> dense(10) as head }`,
    has: /forward\(x: Tensor2D, y: Tensor2D\)/,
  },
  'a batch': { spec: `${plain} step validate(b in held) { metric one = 1.0 }`, has: /validateStep\(_b: / },
  'what a layer gives': {
    spec: `${head} { let q = flatten(x) |> dense(3) as lost return flatten(x) |> dense(10) as head }`,
    has: /^ {4}this\.lost\.call\(/m,
  },
  'what a block with running statistics gives': {
    spec: `block B on x: f32[n, c] -> f32[n, c] { return x |> batch_norm() as q }
           ${head} { let z = flatten(x) |> B() as b return flatten(x) |> dense(10) as head }`,
    has: /^ {4}this\.b\.call\(/m,
  },
  'what a model gives': {
    spec: `${plain} step validate(b in held) { let q = M(b.x) metric l = mean(softmax_cross_entropy(M(b.x), b.label)) }`,
    has: /^ {4}this\.models\.m\.call\(/m,
  },
  'a mean over rows': {
    spec: `${plain} step validate(b in held) { let l = mean(M(b.x)) let k = mean(b.x) metric one = 1.0 }`,
    has: /^ {4}rows\.mean\(this\.models\.m\.call\(b\.x\)\);/m,
  },
  'what the branches of an `if` give': {
    spec: `param deep: bool = true
           fn square(x: f32[n, c]) -> f32[n, c] = x * x
           ${head} {
             let f = flatten(x)
             let q = if deep then square(f |> dense(64) as lost) else f
             return f |> dense(10) as head
           }`,
    has: /if \(deep\) \{\n[^}]*nn\.present\(this\.lost\)[^}]*\n {6}ops\.mul\(/,
  },
  'lets that only each other read, in turns': {
    spec: `fn f(x: f32[n, c], i: int) -> f32[n, c] { let a = x * i let b = a * 2 return x + 1 }
           ${head} {
             return flatten(x) |> repeat i in 3 { f(i) } |> repeat i in 2 as r { dense(64) as d |> f(i) } |> dense(10) as head
           }`,
    has: /for \(const \w+ of this\.r\) \{/,
  },
} as const;

describe('what nothing reads', () => {
  test('is left out, or called for what it does, and what is emitted is typed', async () => {
    const files: EmittedFile[] = [];
    for (const [index, [name, { spec, has }]] of Object.entries(specs).entries()) {
      const { ir, diagnostics } = checkProgram('main.ztrain', memoryHost({ 'main.ztrain': spec + rest }));
      expect(
        diagnostics.filter(({ severity }) => severity === 'error'),
        name,
      ).toEqual([]);
      if (ir === null) continue;
      for (const file of await emit(ir, { compilerVersion: '0.1.0' })) {
        expect(file.text, name).toMatch(has);
        files.push({ ...file, fileName: `case${index}.ts` });
      }
    }
    const { faults } = await typecheck(files, { folder: '/unread' });
    const [first] = faults;
    expect(first, Object.keys(specs)[Number(/case(\d+)/.exec(first?.file ?? '')?.[1])]).toBeUndefined();
  }, 60_000);
});
