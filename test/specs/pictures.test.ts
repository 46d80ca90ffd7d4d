/** Pictures from folders, from their files to a network that tells them apart. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import jpeg from 'jpeg-js';
import { PNG } from 'pngjs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { lastCheckpoint, lastWeights, openWorkplace, type Workplace } from './run-spec.js';

/** A bar, bright on dark, in a picture of another size each time. */
function bar(
  upright: boolean,
  number: number,
): { readonly width: number; readonly height: number; readonly data: Buffer } {
  const width = 16 + (number % 5);
  const height = 16 + ((number * 3) % 7);
  const data = Buffer.alloc(width * height * 4, 255);
  const middle = 4 + ((number * 7) % 8);
  for (let pixel = 0; pixel < width * height; pixel += 1) {
    const along = upright ? pixel % width : Math.floor(pixel / width);
    const light = Math.abs(along - middle) <= 1 ? 230 : 20 + ((pixel * 13 + number) % 30);
    data.fill(light, 4 * pixel, 4 * pixel + 3);
  }
  return { width, height, data };
}

let place: Workplace;
beforeAll(() => {
  place = openWorkplace();
  cpSync(
    fileURLToPath(new URL('fixtures/shapes.ztrain', import.meta.url)),
    join(place.folder, 'shapes.ztrain'),
  );
  for (const name of ['upright', 'lying']) {
    mkdirSync(join(place.folder, 'bars', name), { recursive: true });
    for (let number = 0; number < 64; number += 1) {
      const picture = bar(name === 'upright', number);
      const file = join(place.folder, 'bars', name, `${number}`);
      if (number % 2 === 0) writeFileSync(`${file}.jpg`, jpeg.encode(picture, 90).data);
      else
        writeFileSync(`${file}.png`, PNG.sync.write(Object.assign(new PNG(picture), { data: picture.data })));
    }
  }
}, 60_000);
afterAll(() => place.remove());

test('bars that lie are told from those that stand', async () => {
  const run = await place.train(await place.build('shapes'), 'first', []);
  expect(run.best.get('validate.accuracy')).toBeGreaterThanOrEqual(0.95);
}, 180_000);

test('a run that goes on draws what it would have drawn', async () => {
  const program = await place.build('shapes');
  const whole = await place.train(program, 'whole', ['trainer.epochs=3']);
  const wanted = lastWeights(whole);
  // 8 steps end within the second epoch of 6.
  const cut = await place.train(program, 'cut', ['trainer.steps=8']);
  expect(lastWeights(cut).equals(wanted)).toBe(false);
  await place.call(program, ['trainer.steps=18', '--resume', lastCheckpoint(cut), '--allow', 'steps']);
  expect(lastCheckpoint(cut)).toMatch(/step-0*18$/);
  expect(lastWeights(cut).equals(wanted)).toBe(true);

  // Workers import the executable itself; they and batches ahead of the step change nothing.
  const words = ['train_set.workers=2', 'train_set.prefetch=3.batches', 'val_set.workers=1'];
  const threaded = await place.train(program, 'threaded', ['trainer.epochs=3', ...words]);
  expect(lastWeights(threaded).equals(wanted)).toBe(true);
  expect(threaded.metrics).toEqual(whole.metrics);

  // A signal in the middle of an epoch ends it, workers and all; it goes on without them.
  const folder = join(place.folder, 'runs', 'signalled');
  const child = spawn(
    program,
    ['trainer.epochs=3', 'trainer.log_every=1.step', '--run-dir', folder, ...words],
    {
      cwd: place.folder,
      stdio: 'ignore',
    },
  );
  const ended = once(child, 'exit');
  const file = join(folder, 'metrics.jsonl');
  for (let turn = 0; turn < 3000 && !(existsSync(file) && readFileSync(file).length > 0); turn += 1)
    await wait(10);
  child.kill('SIGINT');
  expect(await ended).toEqual([130, null]);
  await place.call(program, ['--resume', folder, 'train_set.workers=0', 'val_set.workers=0']);
  const last = readFileSync(join(folder, 'checkpoints', 'last'), 'utf8').trim();
  expect(last).toMatch(/step-0*18$/);
  expect(readFileSync(join(folder, 'checkpoints', last, 'model.safetensors')).equals(wanted)).toBe(true);
}, 180_000);
