/** Functions of images on the host: what they give, and that their draws depend on the row, the epoch and the seed alone. */
import jpeg from 'jpeg-js';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PNG } from 'pngjs';
import { afterAll, describe, expect, test } from 'vitest';
import * as data from '../../src/runtime/data/index.js';
import { decodePicture } from '../../src/runtime/transforms/decode.js';
import { withRow, type Image } from '../../src/runtime/transforms/image.js';
import * as images from '../../src/runtime/transforms/index.js';
import type { Tensor1D, Tensor4D } from '../../src/runtime/tensor.js';
import { percent } from '../../src/values/units.js';

const root = mkdtempSync(path.join(tmpdir(), 'ztrain-images-'));
afterAll(() => rmSync(root, { recursive: true }));

const bytes = (height: number, width: number, of: (row: number, column: number) => number): Image => ({
  dtype: 'u8',
  shape: [height, width, 1],
  values: Uint8Array.from({ length: height * width }, (_, at) => of(Math.floor(at / width), at % width)),
});
const numbered = (height: number, width: number): Image => bytes(height, width, (r, c) => r * width + c + 1);
const at = (row: number, epoch = 0, seed = 1, label = 'd') => ({ seed, label, epoch, row });
const draw = 'map.x';
const rowsOf = (count: number): number[] => Array.from({ length: count }, (_, row) => row);

describe('resize', () => {
  const picture = bytes(6, 5, (r, c) => (r * 7 + c * 29 + ((r * c) % 5) * 31) % 256);
  // Pillow 13.0.0, Image.resize((width, height), Image.BILINEAR), which rounds to bytes between its two passes.
  test.each([
    [
      [3, 4],
      [18, 77, 124, 174, 45, 136, 170, 204, 54, 128, 149, 166],
    ],
    [
      [9, 7],
      [
        ...[0, 17, 37, 58, 79, 99, 116, 4, 29, 61, 93, 125, 156, 182, 8, 45, 92, 139, 167, 206, 243],
        ...[
          13, 62, 123, 184, 153, 178, 227, 18, 79, 133, 153, 174, 195, 211, 22, 95, 142, 122, 194, 211, 195,
        ],
        ...[27, 111, 172, 167, 181, 183, 179, 32, 84, 126, 136, 146, 155, 163, 35, 52, 72, 93, 114, 134, 151],
      ],
    ],
    [
      [5, 3],
      [16, 73, 129, 40, 140, 208, 63, 153, 199, 86, 166, 189, 57, 111, 147],
    ],
  ] as const)('to %j is what Pillow gives', ([height, width], wanted) => {
    const { shape, values } = images.resize(picture, { size: [height, width] });
    expect(shape).toEqual([height, width, 1]);
    wanted.forEach((value, place) => expect(Math.abs((values[place] ?? 0) - value)).toBeLessThanOrEqual(1));
  });

  test('one number is the shorter side', () => {
    expect(images.resize(numbered(6, 4), { size: 2 }).shape).toEqual([3, 2, 1]);
    expect(images.resize(numbered(3, 10), { size: 6 }).shape).toEqual([6, 20, 1]);
    expect(images.resize(picture, { size: [6, 5] })).toBe(picture);
  });

  test('floats are not rounded', () => {
    const x: Image = { dtype: 'f32', shape: [1, 2, 1], values: Float32Array.of(0, 1) };
    const out = images.resize(x, { size: [1, 4] }).values;
    expect([...out]).toEqual([0, 0.25, 0.75, 1]);
  });
});

describe('crops and flips', () => {
  test('the middle', () => {
    expect([...images.centerCrop(numbered(4, 5), { size: [2, 3] }).values]).toEqual([7, 8, 9, 12, 13, 14]);
    expect(() => images.centerCrop(numbered(2, 2), { size: [3, 1] })).toThrow(
      'center_crop of 3×1 does not fit an image of 2×2; resize it before',
    );
  });

  test('a drawn place: all places come, and what is around is 0', () => {
    const x = numbered(3, 3);
    const seen = new Set(
      rowsOf(200).map((row) =>
        withRow(at(row), () => [...images.randomCrop(x, { size: [2, 2], pad: 1, draw }).values].join()),
      ),
    );
    // 5 × 5 with the padding: 4 × 4 places.
    expect(seen.size).toBe(16);
    expect(seen.has('0,0,0,1')).toBe(true);
    expect(seen.has('9,0,0,0')).toBe(true);
    expect(seen.has('1,2,4,5')).toBe(true);
  });

  test('a flip along each axis, as often as its rate says', () => {
    const x = numbered(2, 2);
    const flip = (axis: number, rate: number, row: number): string =>
      withRow(at(row), () => [...images.randomFlip(x, { axis, rate, draw }).values].join());
    expect(flip(1, 1, 0)).toBe('2,1,4,3');
    expect(flip(0, 1, 0)).toBe('3,4,1,2');
    expect(flip(0, 0, 0)).toBe('1,2,3,4');
    const flipped = rowsOf(1000).filter((row) => flip(1, 0.25, row) === '2,1,4,3').length;
    expect(Math.abs(flipped - 250)).toBeLessThan(60);
  });

  test('a resized crop has the area and the ratio that it may have', () => {
    // Each pixel is its own column and row: what is read says where it was cut.
    const wide: Image = {
      dtype: 'f32',
      shape: [40, 60, 2],
      values: Float32Array.from({ length: 4800 }, (_, place) =>
        place % 2 === 0 ? Math.floor(place / 120) : Math.floor(place / 2) % 60,
      ),
    };
    for (const row of rowsOf(100)) {
      const { values, shape } = withRow(at(row), () =>
        images.randomResizedCrop(wide, { size: [8, 8], scale: [0.2, 0.5], ratio: [0.5, 2], draw }),
      );
      expect(shape).toEqual([8, 8, 2]);
      const [top = 0, left = 0] = values;
      const [bottom = 0, right = 0] = values.subarray(126);
      const [height, width] = [((bottom - top) * 8) / 7, ((right - left) * 8) / 7];
      expect(height * width).toBeGreaterThan(0.12 * 2400);
      expect(height * width).toBeLessThan(0.6 * 2400);
      expect(width / height).toBeGreaterThan(0.4);
      expect(width / height).toBeLessThan(2.5);
    }
    const thin = withRow(at(0), () =>
      images.randomResizedCrop(numbered(1, 50), { size: [2, 2], scale: [1, 1], draw }),
    );
    expect(thin.shape).toEqual([2, 2, 1]);
  });

  test('colours change within their fractions, and bytes stay bytes', () => {
    const x: Image = { dtype: 'u8', shape: [1, 2, 3], values: Uint8Array.of(10, 100, 200, 250, 0, 0) };
    const of = (row: number, options: Omit<images.JitterOptions, 'draw'>): number[] =>
      withRow(at(row), () => [...images.colorJitter(x, { ...options, draw }).values]);
    expect(of(0, {})).toEqual([...x.values]);
    const light = rowsOf(50).map((row) => of(row, { brightness: 0.5 })[1] ?? 0);
    expect(Math.min(...light)).toBeGreaterThanOrEqual(50);
    expect(Math.max(...light)).toBeLessThanOrEqual(150);
    expect(Math.max(...light) - Math.min(...light)).toBeGreaterThan(70);
    // Greys have no colour to change.
    const grey: Image = { dtype: 'f32', shape: [1, 1, 3], values: Float32Array.of(0.5, 0.5, 0.5) };
    const rich = withRow(at(3), () => images.colorJitter(grey, { saturation: 1, draw }).values);
    rich.forEach((value) => expect(value).toBeCloseTo(0.5, 6));
    expect(rowsOf(20).flatMap((row) => of(row, { contrast: 1, saturation: 1, brightness: 1 }))).toSatisfy(
      (values: number[]) => values.every((value) => Number.isInteger(value) && value >= 0 && value <= 255),
    );
  });
});

describe('arithmetic of the host', () => {
  test('is that of f32', () => {
    const x = images.cast(numbered(1, 3), { to: 'f32' });
    expect([...images.div(x, 3).values]).toEqual([1, 2, 3].map((value) => Math.fround(value / 3)));
    expect([...images.sub(1, images.mul(x, 0.1)).values]).toEqual(
      [1, 2, 3].map((value) => Math.fround(1 - Math.fround(value * Math.fround(0.1)))),
    );
    expect([...images.add(x, x).values]).toEqual([2, 4, 6]);
    expect([...images.cast({ ...x, values: Float32Array.of(-1.5, 0, 2.9) }, { to: 'i32' }).values]).toEqual([
      -1, 0, 2,
    ]);
  });
});

/** A picture of one colour but for its first pixel, which is black. */
function png(width: number, height: number, colour: readonly [number, number, number]): Buffer {
  const picture = new PNG({ width, height });
  for (let pixel = 0; pixel < width * height; pixel += 1)
    picture.data.set([...(pixel === 0 ? [0, 0, 0] : colour), 200], 4 * pixel);
  return PNG.sync.write(picture);
}

describe('pictures', () => {
  test('PNG: colours, grey, alpha', () => {
    const file = png(2, 1, [100, 200, 50]);
    expect(decodePicture(file, 3)).toEqual({
      dtype: 'u8',
      shape: [1, 2, 3],
      values: Uint8Array.of(0, 0, 0, 100, 200, 50),
    });
    expect([...decodePicture(file, 1).values]).toEqual([0, 153]);
    expect([...decodePicture(file, 4).values]).toEqual([0, 0, 0, 200, 100, 200, 50, 200]);
    expect(() => decodePicture(file.subarray(0, 45), 3)).toThrow(
      /^the PNG data is damaged, cut short or of a kind that is not read: its decoder says ".+"$/,
    );
  });

  test('JPEG: near what was written', () => {
    const plain = Buffer.alloc(16 * 16 * 4, 120);
    const { data: file } = jpeg.encode({ width: 16, height: 16, data: plain }, 95);
    const { shape, values } = decodePicture(file, 3);
    expect(shape).toEqual([16, 16, 3]);
    expect(values.every((value) => Math.abs(value - 120) <= 2)).toBe(true);
    expect(() => decodePicture(file.subarray(0, 300), 3)).toThrow(
      /^the JPEG data is damaged, cut short or of a kind that is not read: its decoder says ".+"$/,
    );
  });

  test('anything else is refused', () => {
    expect(() => decodePicture(Buffer.from('GIF89a'), 3)).toThrow('the file is no PNG and no JPEG');
    expect(() => decodePicture(Buffer.alloc(0), 3)).toThrow('the file is empty');
    const huge = png(2, 2, [1, 1, 1]);
    huge.writeUInt32BE(100_000, 16);
    huge.writeUInt32BE(100_000, 20);
    expect(() => decodePicture(huge, 3)).toThrow('100000×100000 pixels, more than 200 million');
  });
});

const record = { image: { dtype: 'u8', shape: [-1, -1, 3] }, label: { dtype: 'i32', shape: [] } } as const;
type Photos = Readonly<{ image: Tensor4D; label: Tensor1D }>;

function folder(name: string, files: Readonly<Record<string, Uint8Array>>): string {
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(root, name, file)), { recursive: true });
    writeFileSync(path.join(root, name, file), content);
  }
  return name;
}

const plain = (label: number, at: number): Buffer =>
  png(6 + (at % 3), 5 + (at % 2), [10 * label + at, 100 + at, 200]);
const shelf = Object.fromEntries(
  ['b-dogs', 'a-cats', 'c-fish'].flatMap((name, label) =>
    rowsOf(8).map((row) => [`${name}/${row}.${row % 2 === 0 ? 'png' : 'PNG'}`, plain(label, row)] as const),
  ),
);

describe('image_folder', () => {
  const host = { root, seed: 3, label: 'd' };
  const photos = (name: string, options: Partial<data.ImageFolderOptions> = {}): data.Data<Photos> =>
    data.imageFolder<Photos>({ root: name, record, ...options });
  const prepared = (set: data.Data<Photos>): data.Data<Photos> =>
    set.prepare<Photos>(
      { image: { dtype: 'u8', shape: [3, 3, 3] }, label: { dtype: 'i32', shape: [] } },
      ({ image, label }) => ({
        image: images.randomCrop(images.resize(image, { size: 5 }), { size: [3, 3], draw: 'map.crop' }),
        label,
      }),
    );

  test('classes are the folders in the order of their names; other files are left alone', async () => {
    const name = folder('shelf', {
      ...shelf,
      'a-cats/notes.txt': Buffer.from('x'),
      'a-cats/.hidden.png': Buffer.from('x'),
    });
    const open = await prepared(photos(name, { batch: 100 })).open(host);
    expect(open.rows).toBe(24);
    const { tensors } = await open.batch(0, 0);
    expect([...(tensors[1]?.values ?? [])]).toEqual([
      ...rowsOf(8).map(() => 0),
      ...rowsOf(8).map(() => 1),
      ...rowsOf(8).map(() => 2),
    ]);
    expect(tensors[0]?.shape).toEqual([24, 3, 3, 3]);
  });

  test('a row has the same bytes whatever the batches, and others in another epoch, under another name or seed', async () => {
    const name = folder('same', shelf);
    const bytesOf = async (
      batch: number,
      epoch: number,
      change: Partial<typeof host> = {},
    ): Promise<string> => {
      const open = await prepared(photos(name, { batch })).open({ ...host, ...change });
      const parts: number[] = [];
      for (let index = 0; index < open.batchesPerEpoch; index += 1)
        parts.push(...((await open.batch(epoch, index)).tensors[0]?.values ?? []));
      return parts.join();
    };
    const first = await bytesOf(24, 2);
    expect(await bytesOf(5, 2)).toBe(first);
    expect(await bytesOf(1, 2)).toBe(first);
    expect(await bytesOf(24, 3)).not.toBe(first);
    expect(await bytesOf(24, 2, { seed: 4 })).not.toBe(first);
    expect(await bytesOf(24, 2, { label: 'e' })).not.toBe(first);
    // What ran before does not matter.
    const open = await prepared(photos(name, { batch: 24 })).open(host);
    await open.batch(0, 0);
    expect((await open.batch(2, 0)).tensors[0]?.values.join()).toBe(first);
  });

  test('parts by class need no picture decoded', async () => {
    const name = folder(
      'broken',
      Object.fromEntries(Object.keys(shelf).map((file) => [file, Buffer.from('no picture')])),
    );
    const set = photos(name, {
      parts: { train: percent(75), validate: percent(25) },
      part: 'validate',
      stratify: 'label',
    });
    const open = await set.open(host);
    expect([...open.rowsOf(0, 0)].map((row) => Math.floor(row / 8))).toEqual([0, 0, 1, 1, 2, 2]);
    await expect(open.batch(0, 0)).rejects.toThrow(
      /^broken\/a-cats\/\d\.(png|PNG): the picture cannot be read \(the file is no PNG and no JPEG\); replace it/,
    );
  });

  test('pictures that do not decode are skipped and counted, where that is asked for', async () => {
    const name = folder('some', {
      ...shelf,
      'a-cats/3.PNG': Buffer.from('x'),
      'c-fish/0.png': plain(1, 1).subarray(0, 60),
    });
    const open = await prepared(photos(name, { batch: 100, onBadRow: 'skip' })).open(host);
    expect([open.rows, open.skipped]).toEqual([22, 2]);
    expect(open.leftOut).toEqual([
      {
        file: `${name}/a-cats/3.PNG`,
        reason: 'the picture cannot be read (the file is no PNG and no JPEG)',
      },
      {
        file: `${name}/c-fish/0.png`,
        reason: expect.stringMatching(
          /^the picture cannot be read \(the PNG data is damaged, cut short .*decoder says ".+"\)$/,
        ),
      },
    ]);
    expect((await open.batch(0, 0)).tensors[1]?.values.filter((label) => label === 0)).toHaveLength(7);
  });

  test('has one digest over the names and bytes of all pictures', async () => {
    const name = folder('digested', { ...shelf, 'a-cats/notes.txt': Buffer.from('x') });
    const read = async () => {
      const { files, close } = await photos(name).open(host);
      const all = await Promise.all(
        files.map(async ({ file, bytes, sha256 }) => ({ file, bytes, sha256: await sha256 })),
      );
      await close();
      return all;
    };
    const sha256 = (...parts: readonly (string | Uint8Array)[]): Buffer =>
      parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest();
    const sorted = Object.entries(shelf).sort(([a], [b]) => (a < b ? -1 : 1));
    const wanted = sha256(...sorted.flatMap(([file, bytes]) => [`${file}\0`, sha256(bytes)])).toString('hex');
    const bytes = sorted.reduce((sum, [, content]) => sum + content.length, 0);
    expect(await read()).toEqual([{ file: 'digested', bytes, sha256: wanted }]);
    const file = (each: string): string => path.join(root, name, each);
    // Neither times nor what is no picture.
    utimesSync(file('a-cats/0.png'), 1, 1);
    writeFileSync(file('a-cats/notes.txt'), 'other');
    expect((await read())[0]?.sha256).toBe(wanted);
    // One picture in the place of another of the same size.
    const [first, second] = ['a-cats/0.png', 'a-cats/6.png'].map((each) => readFileSync(file(each)));
    if (first === undefined || second === undefined) throw new Error('no pictures');
    writeFileSync(file('a-cats/0.png'), second);
    writeFileSync(file('a-cats/6.png'), first);
    expect((await read())[0]).not.toMatchObject({ sha256: wanted });
    writeFileSync(file('a-cats/0.png'), first);
    writeFileSync(file('a-cats/6.png'), second);
    expect((await read())[0]?.sha256).toBe(wanted);
    renameSync(file('a-cats/0.png'), file('a-cats/9.png'));
    expect((await read())[0]?.sha256).not.toBe(wanted);
  });

  test('a picture that is gone when the digest is made is named', async () => {
    const name = folder('leaving', { 'a/0.png': plain(0, 0), 'a/1.png': plain(0, 1) });
    const open = await photos(name).open(host);
    rmSync(path.join(root, name, 'a/1.png'));
    await expect(open.files[0]?.sha256).rejects.toThrow('leaving/a/1.png: the picture cannot be read');
  });

  test('what the host does comes before what the step does', () => {
    expect(() => prepared(photos('shelf').map((row) => row))).toThrow(
      'prepare runs on the host, before what map computes in the step: call it first',
    );
  });

  test('sizes that differ make no batch, and the message says of which file', async () => {
    const open = await photos(folder('sizes', shelf)).open(host);
    await expect(open.batch(0, 0)).rejects.toThrow(
      "sizes/a-cats/0.png: row 1, column 'image': the value is u8[5, 6, 3], u8[-1, -1, 3] is wanted; resize or crop it in map",
    );
    const small = prepared(photos('sizes')).prepare<Photos>(
      { image: { dtype: 'u8', shape: [9, 9, 3] }, label: { dtype: 'i32', shape: [] } },
      ({ image, label }) => ({ image: images.centerCrop(image, { size: [9, 9] }), label }),
    );
    await expect((await small.open(host)).batch(0, 0)).rejects.toThrow(
      'sizes/a-cats/0.png: row 1: center_crop of 9×9 does not fit an image of 3×3; resize it before',
    );
  });

  test.each([
    ['nowhere', /^nowhere: there is no such folder \(looked for .*nowhere\)/],
    ['flat', /^flat: there is no folder in it; each class has a folder of its own/],
    ['empty', /data 'd' \(image_folder empty\) has no rows/],
  ])('%s', async (name, message) => {
    folder('flat', { 'a.png': plain(0, 0) });
    mkdirSync(path.join(root, 'empty', 'class'), { recursive: true });
    await expect(photos(name).open(host)).rejects.toThrow(message);
  });

  test('a label with choices is the number of its folder’s name among them', async () => {
    const name = folder('named', { 'no/0.png': plain(0, 0), 'yes/0.png': plain(0, 0) });
    const chosen = (choices: readonly string[]) =>
      data.imageFolder<Photos>({
        root: name,
        record: { image: { dtype: 'u8', shape: [5, 6, 3] }, label: { dtype: 'i32', shape: [], choices } },
      });
    const open = await chosen(['yes', 'no']).open(host);
    expect([...((await open.batch(0, 0)).tensors[1]?.values ?? [])]).toEqual([1, 0]);
    await expect(chosen(['yes']).open(host)).rejects.toThrow("named: the folder 'no' is not one of 'yes'");
    expect(() => data.imageFolder({ root: name, record: { image: record.image } })).toThrow(
      'a record of image_folder has an image u8[height, width, channels] of 1, 3 or 4 channels and a class i32, got { image: u8[-1, -1, 3] }',
    );
  });
});
