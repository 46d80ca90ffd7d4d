/** Programs of several files: names of other files, under other names, and where two files use one name. */
import { describe, expect, test } from 'vitest';
import { checkProgram } from '../../src/checker/check.js';
import { memoryHost } from '../../src/checker/host.js';
import { emit, type EmittedFile } from '../../src/codegen/emit.js';
import { typecheck } from '../../src/codegen/typecheck.js';

const data = 'data d = digits { batch = 32 map row -> { x: cast(row.image, f32) / 16, label: row.label } }';
const net = (name: string): string =>
  `model ${name} on x: f32[n, 8, 8, 1] -> f32[n, 10] { return flatten(x) |> dense(10) as head }`;
const rest = (models: string, logits: string): string => `
${data}
optimizer opt = adam { of = ${models} }
step train(b in d) { update opt { minimize mean(softmax_cross_entropy(${logits}, b.label)) } }
trainer T { steps = 3 }
`;

const check = (files: Readonly<Record<string, string>>) => checkProgram('main.ztrain', memoryHost(files));

const library = `
const DIM = 16
fn scale(x: f32[n, c]) -> f32[n, c] = x * DIM
block Hidden(w: int) on x: f32[n, c] -> f32[n, w] { return x |> dense(w) as d }
${net('Net')}
fn both(x: f32[n, 8, 8, 1]) -> f32[n, 10] = Net(x) * 2
`;

const programs: Readonly<Record<string, string>> = {
  'everything under another name': `
    import { Net as Other, Hidden as Layer, scale as times, DIM as width } from "./library.ztrain"
    model M on x: f32[n, 8, 8, 1] -> f32[n, 10] {
      return flatten(x) |> times() |> Layer(width) as hidden |> dense(10) as head
    }
    ${rest('[M, Other]', 'M(b.x) + Other(b.x)')}`,
  'a model that an imported function calls': `
    import { Net as Other, both } from "./library.ztrain"
    ${rest('Other', 'both(b.x)')}`,
};

describe('a program of two files', () => {
  test('is emitted as typed code', async () => {
    const files: EmittedFile[] = [];
    for (const [index, [name, main]] of Object.entries(programs).entries()) {
      const { ir, diagnostics } = check({ 'main.ztrain': main, 'library.ztrain': library });
      expect(
        diagnostics.filter(({ severity }) => severity === 'error').map(({ message }) => message),
        name,
      ).toEqual([]);
      if (ir === null) continue;
      for (const file of await emit(ir, { compilerVersion: '0.1.0' }))
        files.push({ ...file, fileName: `${index}/${file.fileName}` });
    }
    const { faults } = await typecheck(files, { folder: '/imports' });
    expect(faults).toEqual([]);
  }, 60_000);

  test.each([
    ['blocks', 'block B on x: f32[n, c] -> f32[n, c] { return x |> dense(c) as d }'],
    ['constants', 'const DIM = 8'],
  ])('has one of two %s of one name', (_what, declaration) => {
    const { diagnostics } = check({
      'library.ztrain': `${declaration}\n${net('Net')}`,
      'main.ztrain': `import { Net } from "./library.ztrain"\n${declaration}\n${rest('Net', 'Net(b.x)')}`,
    });
    const errors = diagnostics.filter(({ severity }) => severity === 'error');
    expect(errors.map(({ code, span }) => [code, span.file])).toEqual([['ZT2010', 0]]);
  });
});
