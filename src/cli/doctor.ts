/** `ztrainc doctor`: whether this machine can compile and train. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { findPackageRoot } from '../codegen/package-root.js';
import { openCache, cachePath } from './cache.js';
import { trainerCommand } from './run.js';
import { search } from '../runtime/engine/tensorflow/locate.js';
import { exits, streams } from './streams.js';
import { counted } from '../values/counted.js';

const leastNode = 20;
const madeUpRows = 64;
const steps = 10;

/** A line through made-up points: small enough to train in a moment, and it goes through every phase. */
const spec = `data points = csv -> { x: f32, y: f32 } { file = "points.csv" batch = 16 shuffle = true }
model Line on x: f32[n, 1] -> f32[n] { return x |> dense(1) as line |> squeeze(axis = -1) }
optimizer opt = sgd { of = Line lr = 0.1 }
step train(batch in points) {
  update opt { minimize mean(squared_error(Line(expand_dims(batch.x, axis = -1)), batch.y)) }
}
trainer DoctorTrainer { epochs = 10 progress = "none" summary = false }
`;

const points = (): string =>
  Array.from({ length: madeUpRows }, (_, index) => index / madeUpRows)
    .map((x) => `${x},${2 * x + 1}`)
    .join('\n');

const trainSome = async (): Promise<number> => {
  const folder = mkdtempSync(join(tmpdir(), 'ztrain-doctor-'));
  try {
    writeFileSync(join(folder, 'doctor.ztrain'), spec);
    writeFileSync(join(folder, 'points.csv'), `x,y\n${points()}\n`);
    return await trainerCommand('train', [join(folder, 'doctor.ztrain')], { devRun: String(steps) });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

/** What a run can use. Whether the native library works is the other doctor's to find out. */
const engineLines = (): readonly string[] => {
  const { chosen, passedOver } = search();
  const [first] = passedOver;
  const native =
    chosen !== null
      ? `tensorflow ${chosen.version ?? 'of unknown version'} in ${chosen.folder}; \`ztrainc engine doctor\` tries it`
      : first === undefined
        ? 'no TensorFlow; `ztrainc engine install` gets it, which makes training many times faster'
        : `no TensorFlow that can be used (${first.source}: ${first.problem ?? 'unknown'}); \`ztrainc engine install\` gets one`;
  return ['embedded (WebAssembly, SIMD)', native];
};

export const doctorCommand = async (): Promise<number> => {
  const root = findPackageRoot();
  const line = (name: string, words: string): void => streams.say(`${name.padEnd(10)} ${words}`);
  const major = Number(process.versions.node.split('.')[0]);
  line('ztrainc', `${root.version} in ${root.folder}`);
  line('node', `${process.version}${major < leastNode ? `; ztrain needs ${leastNode} or newer` : ''}`);
  line(
    'machine',
    `${process.platform} ${process.arch}, ${counted(availableParallelism(), 'processor')}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
  );
  for (const words of engineLines()) line('engine', words);
  const cache = openCache();
  line(
    'cache',
    cache.kept ? cache.folder : `${cachePath()} cannot be used; bundles are made anew for each run`,
  );
  streams.say(`training   ${steps} steps on made-up data`);
  const code = await trainSome();
  line(
    'result',
    code === 0 && major >= leastNode ? 'all is well' : 'something is wrong; the lines above say what',
  );
  return code === 0 && major < leastNode ? exits.runFailed : code;
};
