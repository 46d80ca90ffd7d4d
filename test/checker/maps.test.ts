/** Maps say what becomes of one row; what is emitted works on a batch of them, and must mean the same. */
import { describe, expect, test } from 'vitest';
import { checkProgram } from '../../src/checker/check.js';
import { memoryHost } from '../../src/checker/host.js';
import { emit, type EmittedFile } from '../../src/codegen/emit.js';
import { typecheck } from '../../src/codegen/typecheck.js';

const spec = (fields: string, more = ''): string => `
${more}
data d = digits { batch = 32 map row -> { x: cast(row.image, f32) / 16, label: row.label, ${fields} } }
model M on x: f32[n, 8, 8, 1] -> f32[n, 10] { return flatten(x) |> dense(10) as head }
optimizer opt = adam { of = M }
step train(b in d) { update opt { minimize mean(softmax_cross_entropy(M(b.x), b.label)) } metric m = mean(b.y) }
trainer T { steps = 3 }
`;

const check = (text: string) =>
  checkProgram('main.ztrain', memoryHost({ 'main.ztrain': text, 'extern.ts': '' }));

const centre = `fn centre(x: f32[h, w, c]) -> f32[h, w, c] {
  let m = mean(x)
  return (x - m) / (std(x) + 1e-5)
}`;

const perRow = {
  'a mean that a function names': [
    spec('y: centre(cast(row.image, f32))', centre),
    /const m = .*axis: \[1, 2, 3\]/,
  ],
  'turns that each take a mean': [
    spec('y: cast(row.image, f32) |> repeat 3 { centre() }', centre),
    /for \([^{]*\{\s+const m = .*axis: \[1, 2, 3\]/,
  ],
  'a number of a row beside its image': [
    spec('y: cast(row.image, f32) * cast(row.label, f32)'),
    /expandDims<Tensor4D>/,
  ],
  'axes from the front': [spec('y: max_of(cast(row.image, f32), axis = [0, 1])'), /axis: \[1, 2\]/],
  'axes from the end': [spec('y: sum(cast(row.image, f32), axis = -1)'), /axis: -1/],
  'a part': [spec('y: cast(row.image, f32)[2:6, :, 0]'), /\[null, \[2, 6\], null, 0\]/],
} as const;

describe('a map', () => {
  test('keeps rows apart, and is typed', async () => {
    const files: EmittedFile[] = [];
    for (const [index, [name, [text, has]]] of Object.entries(perRow).entries()) {
      const { ir, diagnostics } = check(text);
      expect(
        diagnostics.map(({ message }) => message),
        name,
      ).toEqual([]);
      if (ir === null) continue;
      for (const file of await emit(ir, { compilerVersion: '0.1.0' })) {
        expect(file.text, name).toMatch(has);
        files.push({ ...file, fileName: `case${index}.ts` });
      }
    }
    const { faults } = await typecheck(files, { folder: '/maps' });
    expect(faults).toEqual([]);
  }, 60_000);

  test.each([
    ['one draw for all rows', 'y: uniform([1]) + cast(row.label, f32)', '', '`uniform` in `map`'],
    ['a field without the row', 'y: zeros([3])', '', 'reads nothing of the row'],
    ['a number', 'y: 1.0', '', 'reads nothing of the row'],
    [
      'an extern, which takes one row',
      'y: shift(cast(row.image, f32))',
      'extern "./extern.ts" { fn shift(x: f32[h, w, c]) -> f32[h, w, c] }',
      '`shift` in `map`',
    ],
  ])('is refused: %s', (_what, fields, more, message) => {
    const { diagnostics } = check(spec(fields, more));
    expect(diagnostics.map((each) => each.code)).toEqual(['ZT4900']);
    expect(diagnostics[0]?.message).toContain(message);
  });
});
