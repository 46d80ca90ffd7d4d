/** The files that the specs of this folder read: small, made up, and the same each time. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import jpeg from 'jpeg-js';
import { PNG } from 'pngjs';
import { planNpz } from '../../../src/runtime/checkpoint/npz.js';
import { littleEndian, writeSafetensors } from '../../../src/runtime/checkpoint/safetensors.js';
import type { HostTensor } from '../../../src/runtime/engine/engine.js';
import { hostUniform } from '../../../src/runtime/engine/philox.js';
import { writeStripes } from '../striped-images.js';

/** `count` numbers in [0, 1) that are always the same for one name. */
const drawn = (name: string, count: number): Float32Array => hostUniform(5, name, count, { offset: 0 });
const indices = (count: number): readonly number[] => Array.from({ length: count }, (_, at) => at);
const lines = (all: readonly string[]): string => `${all.join('\n')}\n`;
const row = (values: Float32Array): string => [...values].map((value) => value.toFixed(4)).join(',');

/** A coloured picture whose colour and texture are those of its class. */
function picture(file: string, kind: number, number: number): void {
  const [width, height] = [14 + (number % 3), 15 + (number % 4)];
  const noise = drawn(file, width * height);
  const data = Buffer.alloc(4 * width * height, 255);
  for (const [pixel, bit] of noise.entries()) {
    const along = kind === 0 ? pixel % width : kind === 1 ? Math.floor(pixel / width) : pixel;
    data[4 * pixel] = 60 * kind + 40 * bit;
    data[4 * pixel + 1] = along % 4 < 2 ? 180 : 40;
    data[4 * pixel + 2] = 120 + 60 * bit;
  }
  mkdirSync(dirname(file), { recursive: true });
  if (number % 2 === 0) writeFileSync(`${file}.jpg`, jpeg.encode({ width, height, data }, 90).data);
  else writeFileSync(`${file}.png`, PNG.sync.write(Object.assign(new PNG({ width, height }), { data })));
}

function writeFlowers(folder: string): void {
  for (const [kind, name] of ['daisy', 'rose', 'tulip'].entries())
    for (const number of indices(8)) picture(join(folder, 'flowers', name, `${number}`), kind, number);
}

function writeFaces(folder: string): void {
  for (const number of indices(16)) picture(join(folder, 'faces', `${number}`), number % 2, number);
  const rows = indices(16).map((number) => {
    const age = number % 4 === 3 ? '' : `${1 + (number % 5)}`;
    return `faces/${number}.${number % 2 === 0 ? 'jpg' : 'png'},${age},${number % 2 === 0 ? 'true' : 'false'}`;
  });
  writeFileSync(join(folder, 'faces.csv'), lines(['file,age,smile', ...rows]));
}

function writeTables(folder: string): void {
  const oceans = ['INLAND', 'NEAR BAY', 'NEAR OCEAN', 'ISLAND'];
  const houses = indices(60).map((at) => {
    const [income = 0, rooms = 0, age = 0] = drawn(`house ${at}`, 3);
    const price = Math.exp(10 + income + 0.3 * rooms + 0.1 * (at % 4));
    return [
      1 + 9 * income,
      1 + Math.floor(6 * rooms),
      at % 3 === 0 ? '' : Math.floor(50 * age),
      oceans[at % 4],
      price,
    ];
  });
  const head = 'median income,rooms,age,ocean,median house value';
  writeFileSync(join(folder, 'houses.csv'), lines([head, ...houses.map((each) => each.join(','))]));

  const counts = indices(5).map((at) => `count_${at}`);
  const mails = indices(48).map((at) => {
    const values = drawn(`mail ${at}`, 5).map((value, word) => value + (at % 3 === 0 && word < 2 ? 0.7 : 0));
    return `${row(values)},${at % 3 === 0 ? 'true' : 'false'}`;
  });
  writeFileSync(join(folder, 'mails.csv'), lines([`${counts.join(',')},spam`, ...mails]));

  const pixels = indices(64).map((at) => `pixel_${at}`);
  const hard = indices(24).map((at) => `${row(drawn(`hard ${at}`, 64))},${at % 10}`);
  writeFileSync(join(folder, 'hard.csv'), lines([`${pixels.join(',')},label`, ...hard]));
}

function writeTexts(folder: string): void {
  const words = indices(14).map((at) => `word${at}`);
  writeFileSync(join(folder, 'words.txt'), lines(words));
  const sentences = indices(40).map((at) => {
    const own = [...drawn(`sentence ${at}`, 2 + (at % 6))].map((value) => Math.floor(14 * value));
    return JSON.stringify({ words: own.map((word) => words[word]), tags: own.map((word) => word % 4) });
  });
  writeFileSync(join(folder, 'sentences.jsonl'), lines(sentences));

  writeFileSync(join(folder, 'text.txt'), 'a rose is a rose is a rose. '.repeat(30));
  writeFileSync(join(folder, 'unseen.txt'), 'is a rose a rose? a rose is. '.repeat(6));
  const prompts = indices(3).map((at) =>
    JSON.stringify({
      tokens: [...[...'a rose'].map((letter) => letter.charCodeAt(0) + at), ...Array<number>(6).fill(256)],
    }),
  );
  writeFileSync(join(folder, 'prompts.jsonl'), lines(prompts));
}

/** Cells, and which pixels are theirs, as NumPy saves arrays. */
function writeCells(folder: string): void {
  const [count, side] = [16, 16];
  const mask = new Float32Array(count * side * side);
  const image = new Float32Array(3 * mask.length);
  const places = drawn('cells', 3 * count);
  const noise = drawn('pixels', mask.length);
  for (const [at, bit] of noise.entries()) {
    const [cell, y, x] = [Math.floor(at / side ** 2), Math.floor(at / side) % side, at % side];
    const [down = 0, along = 0, radius = 0] = places.subarray(3 * cell);
    const isIn = (y - 3 - 10 * down) ** 2 + (x - 3 - 10 * along) ** 2 < (2 + 3 * radius) ** 2;
    mask[at] = isIn ? 1 : 0;
    image.set([isIn ? 0.7 + 0.3 * bit : 0.3 * bit, bit, 1 - bit], 3 * at);
  }
  const tensors = new Map<string, HostTensor>([
    ['image', { dtype: 'f32', shape: [count, side, side, 3], values: image }],
    ['mask', { dtype: 'f32', shape: [count, side, side], values: mask }],
  ]);
  const plan = planNpz([...tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape })));
  const pieces = [...tensors].flatMap(([name, { values }]) => {
    const bytes = littleEndian(values);
    return [plan.before(name, bytes).bytes, bytes];
  });
  writeFileSync(join(folder, 'cells.npz'), Buffer.concat([...pieces, plan.end().bytes]));
}

/** The trunk of `residual.ztrain` with the names and layouts that PyTorch gives to a ResNet, and a layer that nothing takes. */
function writeTorchTrunk(file: string): void {
  const tensors = new Map<string, HostTensor>();
  const add = (name: string, shape: readonly number[], least: number, most: number): void => {
    const values = drawn(
      name,
      shape.reduce((product, size) => product * size, 1),
    );
    tensors.set(name, { dtype: 'f32', shape, values: values.map((value) => least + (most - least) * value) });
  };
  const norm = (name: string, size: number): void => {
    add(`${name}.weight`, [size], 0.5, 1.5);
    add(`${name}.bias`, [size], -0.1, 0.1);
    add(`${name}.running_mean`, [size], -0.2, 0.2);
    add(`${name}.running_var`, [size], 0.5, 1.5);
  };
  const conv = (name: string, to: number, from: number, kernel: number): void =>
    add(`${name}.weight`, [to, from, kernel, kernel], -0.5, 0.5);
  const block = (name: string, to: number, from: number): void => {
    conv(`${name}.conv1`, to, from, 3);
    norm(`${name}.bn1`, to);
    conv(`${name}.conv2`, to, to, 3);
    norm(`${name}.bn2`, to);
    if (to === from) return;
    conv(`${name}.downsample.0`, to, from, 1);
    norm(`${name}.downsample.1`, to);
  };
  conv('conv1', 4, 3, 3);
  norm('bn1', 4);
  block('layer1.0', 4, 4);
  block('layer2.0', 8, 4);
  block('layer2.1', 8, 8);
  add('fc.weight', [10, 8], -0.5, 0.5);
  writeFileSync(file, Buffer.concat(writeSafetensors(tensors)));
}

/** Writes `data/` and the weights of PyTorch into a folder. */
export function writeMadeUpData(folder: string): void {
  const data = join(folder, 'data');
  mkdirSync(data, { recursive: true });
  writeFlowers(data);
  writeFaces(data);
  writeTables(data);
  writeTexts(data);
  writeCells(data);
  writeStripes(join(data, 'clothes'), { train: 60, test: 40 });
  writeTorchTrunk(join(folder, 'trunk.safetensors'));
}
