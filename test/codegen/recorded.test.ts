/** What takes gradients outside of updates is recorded as a whole; an update records by itself. */
import { expect, test } from 'vitest';
import { checkProgram } from '../../src/checker/check.js';
import { memoryHost } from '../../src/checker/host.js';
import { emit } from '../../src/codegen/emit.js';
import { typecheck } from '../../src/codegen/typecheck.js';

const spec = `
data d = digits { batch = 32 map row -> { x: cast(row.image, f32) / 16, label: row.label } }
data held = digits { split = "test" batch = 32 map row -> { x: cast(row.image, f32) / 16, label: row.label } }
model Score on x: f32[n, 8, 8, 1] -> f32[n] { return flatten(x) |> dense(8) as a |> tanh() |> dense(1) as b |> squeeze(axis = -1) }
block Force() on x: f32[n, 64] -> f32[n, 64] { let e = x |> dense(8) as a |> tanh() return gradient(of = sum(e ** 2), by = x) }
model Field on x: f32[n, 8, 8, 1] -> f32[n, 64] { return flatten(x) |> Force() as force }
optimizer opt = adam { of = [Score, Field] }
step train(b in d) {
  update opt {
    let slope = gradient(of = sum(Score(b.x)), by = b.x)
    minimize mean(slope ** 2) + mean((Field(b.x) - 1) ** 2)
  }
}
step validate as plain(b in held) every 1.epoch { metric score = mean(Score(b.x)) }
step validate as field(b in held) every 1.epoch { metric force = mean(Field(b.x)) }
step test(b in held) { return { slope: gradient(of = sum(Score(b.x)), by = b.x) } }
trainer T { steps = 3 }
`;

test('steps and models that take gradients are recorded, others are not', async () => {
  const { ir, diagnostics } = checkProgram('spec.ztrain', memoryHost({ 'spec.ztrain': spec }));
  expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
  if (ir === null) throw new Error('the spec does not check');
  const files = await emit(ir, { compilerVersion: '0.1.0' });
  const text = files.map((file) => file.text).join('');
  const bodyOf = (name: string): string => {
    const from = text.indexOf(`  ${name}(`);
    return text.slice(from, text.indexOf('\n  }', from));
  };
  expect(bodyOf('trainStep')).not.toContain('recorded');
  expect(bodyOf('plainStep')).not.toContain('recorded');
  expect(bodyOf('fieldStep')).toContain('{\n    ops.recorded(() => {');
  expect(bodyOf('testStep')).toContain('{\n    return ops.recorded(() => {');
  const { faults } = await typecheck(files, { folder: process.cwd() });
  expect(faults).toEqual([]);
}, 60_000);
