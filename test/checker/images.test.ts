/** Maps with functions of images: what runs on the host, what in the step, and what cannot. */
import { describe, expect, test } from 'vitest';
import { checkProgram } from '../../src/checker/check.js';
import { memoryHost } from '../../src/checker/host.js';
import { emit, type EmittedFile } from '../../src/codegen/emit.js';
import { typecheck } from '../../src/codegen/typecheck.js';

const spec = (map: string, more = '', size = '16, 16'): string => `
${more}
data photos = image_folder -> { image: u8[height, width, 3], label: i32 } { root = "photos" batch = 8 }
data train_set = photos { map row -> ${map} }
model Net on image: f32[n, ${size}, 3] -> f32[n, 10] { return flatten(image) |> dense(10) as head }
optimizer opt = sgd { of = Net lr = 0.1 }
step train(batch in train_set) { update opt { minimize mean(softmax_cross_entropy(Net(batch.image), batch.label)) } }
trainer T { epochs = 1 }
`;

const check = (text: string) => checkProgram('main.ztrain', memoryHost({ 'main.ztrain': text }));
const found = (text: string): readonly string[] =>
  check(text).diagnostics.map(
    ({ code, message, span }) => `${code} ${message} @ ${text.slice(span.start, span.end)}`,
  );

const view = `fn view(image: u8[h, w, 3]) -> f32[16, 16, 3] {
  let crop = random_flip(random_resized_crop(image, [16, 16], scale = [0.2, 1.0]), axis = 1)
  return color_jitter(cast(crop, f32) / 255, brightness = 0.4)
}`;

/** What must stand in the code. */
const fine = {
  'pixels travel as bytes': [
    spec('{ image: cast(center_crop(resize(row.image, 20), [16, 16]), f32) / 255, label: row.label }'),
    [
      "image: { dtype: 'u8', shape: [-1, -1, 3] }",
      ".prepare<{ readonly image: Tensor4D; readonly label: Tensor1D }>( { image: { dtype: 'u8', shape: [16, 16, 3] }, label: { dtype: 'i32', shape: [], from: 'label' } },",
      'image: transforms.centerCrop(transforms.resize(row.image, { size: 20 }), { size: [16, 16] }), label: row.label,',
      ".map((row) => ({ image: ops.div(ops.cast<Tensor4D>(row.image, { to: 'f32' }), 255), label: row.label, }))",
    ],
  ],
  'two calls are two draws, and what feeds the host is computed there': [
    spec('{ image: view(row.image), other: view(row.image), label: row.label }', view),
    [
      "draw: 'map.random_resized_crop',",
      "draw: 'map.random_resized_crop2',",
      "transforms.colorJitter(transforms.div(transforms.cast(crop, { to: 'f32' }), 255), { brightness: 0.4, draw: 'map.color_jitter', }),",
    ],
  ],
  'a local that both read': [
    spec(
      '{ image: cast(half(row.image), f32), label: row.label }',
      'fn half(image: u8[h, w, 3]) -> u8[16, 16, 3] {\n let x = resize(image, [32, 32])\n return center_crop(x, [16, 16])\n}',
    ),
    [
      'const x = transforms.resize(row.image, { size: [32, 32] });',
      'transforms.centerCrop(x, { size: [16, 16] })',
    ],
  ],
  'a param in a size': [
    spec(
      '{ image: cast(resize(row.image, [side, side]), f32), label: row.label }',
      'param side: int = 16 where side > 0',
      'side, side',
    ),
    [
      "image: { dtype: 'u8', shape: [side, side, 3] }",
      'transforms.resize(row.image, { size: [side, side] })',
    ],
  ],
  'a map of the host after another': [
    `data a = digits { map row -> { image: random_crop(row.image, [8, 8], pad = 1), label: row.label } }
data train_set = a { map row -> { image: random_flip(row.image), label: row.label, raw: cast(row.image, f32) } }
model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return flatten(image) |> dense(10) as head }
optimizer opt = sgd { of = Net lr = 0.1 }
step train(batch in train_set) { update opt { minimize mean(softmax_cross_entropy(Net(cast(batch.image, f32) + batch.raw), batch.label)) } }
trainer T { epochs = 1 }
`,
    [
      "image: transforms.randomFlip(row.image, { draw: 'map2.random_flip' }), label: row.label, image_row: row.image,",
      "raw: ops.cast<Tensor4D>(row.image_row, { to: 'f32' })",
    ],
  ],
} as const;

describe('a map with functions of images', () => {
  test('is cut between the host and the step, and typed', async () => {
    const files: EmittedFile[] = [];
    for (const [index, [name, [text, parts]]] of Object.entries(fine).entries()) {
      const { ir, diagnostics } = check(text);
      expect(
        diagnostics.map(({ message }) => message),
        name,
      ).toEqual([]);
      if (ir === null) continue;
      for (const file of await emit(ir, { compilerVersion: '0.1.0' })) {
        for (const part of parts) expect(file.text.replace(/\s+/g, ' '), name).toContain(part);
        files.push({ ...file, fileName: `case${index}.ts` });
      }
    }
    const { faults } = await typecheck(files, { folder: '/images' });
    expect(faults).toEqual([]);
  }, 60_000);

  test.each([
    [
      'sizes that differ',
      spec('{ image: cast(row.image, f32), label: row.label }'),
      'ZT3203 `image` of `train_set` is f32[n, height?, width?, 3], whose sizes differ from row to row, one size for all rows of a batch expected @ train_set',
    ],
    [
      'a shorter side alone',
      spec('{ image: cast(resize(row.image, 16), f32), label: row.label }'),
      'ZT3203 `image` of `train_set` is f32[n, resized_height?, resized_width?, 3], whose sizes differ from row to row, one size for all rows of a batch expected @ train_set',
    ],
    [
      'what the step computes first',
      spec('{ image: resize(exp(cast(row.image, f32)), [16, 16]), label: row.label }'),
      'ZT4900 a value that the step computes, as an input of a function that runs on the host, is not built yet @ exp(cast(row.image, f32))',
    ],
    [
      'no image',
      spec('{ image: cast(resize(row.label, [16, 16]), f32), label: row.label }'),
      'ZT3201 `x` of `resize` holds i32, u8 or f32 expected @ row.label',
    ],
    [
      'no size',
      spec('{ image: cast(resize(row.image, [0, 16]), f32), label: row.label }'),
      'ZT3302 `size` of `resize` is 0, but `size >= 1` must hold @ 0',
    ],
    [
      'a step',
      spec('{ image: cast(resize(row.image, [16, 16]), f32), label: row.label }').replace(
        'Net(batch.image)',
        'Net(random_flip(batch.image))',
      ),
      'ZT2006 `random_flip` is a function of the host, but one that runs in a step is needed here @ random_flip(batch.image)',
    ],
    [
      'after a map of the step',
      spec('{ image: cast(resize(row.image, [16, 16]), f32), label: row.label }')
        .replace(
          'model Net',
          'data other = train_set { map row -> { image: random_flip(row.image), label: row.label } }\nmodel Net',
        )
        .replace('in train_set', 'in other'),
      'ZT4900 a function that runs on the host, after a `map` that runs in the step, is not built yet @ map row -> { image: random_flip(row.image), label: row.label }',
    ],
  ])('%s', (_, text, message) => {
    expect(found(text)).toEqual([message]);
  });
});
