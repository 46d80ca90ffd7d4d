/** What checkpoints cost: the disk's speed against `dd`, checksums, memory, and how long training waits for them. */
import { spawnSync } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundleCheckpoints } from './bundles.mjs';
import { bench, cache, root } from './places.mjs';
import { least, median, number } from './report.mjs';

const MiB = 2 ** 20;
const weightBytes = 128 * MiB;

const run = (program, args, environment = {}) => {
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd: root,
    env: { ...process.env, ...environment },
    encoding: 'utf8',
    maxBuffer: 64 * MiB,
  });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`);
  return { stdout, stderr };
};

const timed = (work) => {
  const began = performance.now();
  work();
  return performance.now() - began;
};

const bytesIn = (folder) =>
  readdirSync(folder, { recursive: true })
    .map((path) => statSync(join(folder, path)))
    .reduce((total, stat) => total + (stat.isFile() ? stat.size : 0), 0);

/** Takes a file out of the page cache, so that the next read is the disk's. */
const evict = (...paths) => {
  for (const path of paths) run('dd', [`of=${path}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0']);
};

/** How long the loop waits in a run of a model with 16 million weights that saves each hundredth step, of 450: four times. */
const waiting = (library, folder) => {
  const environment = { ZTRAIN_TENSORFLOW: library, ZTRAIN_ENGINE: 'tensorflow' };
  const train = (name, more) => {
    const place = join(folder, name);
    rmSync(place, { recursive: true, force: true });
    run(
      process.execPath,
      [
        join(root, 'dist', 'ztrainc.mjs'),
        'run',
        join(bench, 'specs', 'wide.ztrain'),
        '--run-dir',
        place,
        'saves=450',
        'trainer.profile=trace',
        ...more,
      ],
      environment,
    );
    const { traceEvents } = JSON.parse(readFileSync(join(place, 'trace.json'), 'utf8'));
    const last = Math.max(...traceEvents.map(({ ts = 0, dur = 0 }) => ts + dur));
    const spans = traceEvents.filter(({ name: own, ph }) => own === 'save checkpoint' && ph === 'X');
    return { ms: last / 1000, waits: spans.map(({ dur }) => dur / 1000) };
  };
  const none = train('none', ['checkpoint.every=1000.steps', 'checkpoint.last=false']);
  const saving = train('saving', [
    'checkpoint.every=100.steps',
    'checkpoint.last=false',
    'checkpoint.keep=1',
  ]);
  rmSync(folder, { recursive: true, force: true });
  return { none, saving };
};

export const checkpointSpeed = async ({ rounds, library }) => {
  const folder = join(cache, 'runs', 'checkpoint');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const program = await bundleCheckpoints();
  const values = join(folder, 'values');
  const data = new Float32Array(weightBytes / 4);
  // Finite numbers that no disk makes smaller.
  const bits = randomFillSync(new Uint32Array(data.buffer));
  bits.forEach((each, index) => (data[index] = (each >>> 8) / 2 ** 24));
  writeFileSync(values, new Uint8Array(data.buffer));
  // As many bytes as a checkpoint has. It stays in memory, which dd reads faster than a pipe.
  const thrice = join(folder, 'thrice');
  run('sh', ['-c', `cat ${values} ${values} ${values} | dd of=${thrice} bs=8M iflag=fullblock conv=fsync`]);
  const work = (order) =>
    JSON.parse(run(process.execPath, [program, JSON.stringify({ ...order, values })]).stdout);

  const saved = join(folder, 'saved');
  const checkpoint = join(saved, 'step-00000001');
  const tensorFiles = ['model.safetensors', 'optimizer.safetensors'].map((name) => join(checkpoint, name));
  const all = {
    dd: [],
    write: [],
    ddRead: [],
    ddKept: [],
    ddCached: [],
    read: [],
    plain: [],
    cached: [],
    cachedPlain: [],
  };
  let grown = 0;
  let bytes = 0;
  const plainCopy = join(folder, 'copy');
  for (let round = 0; round < Math.max(5, rounds); round += 1) {
    rmSync(saved, { recursive: true, force: true });
    const written = work({ does: 'write', folder: saved });
    all.write.push(written.ms);
    grown = Math.max(grown, written.grown);
    bytes = bytesIn(checkpoint);
    rmSync(plainCopy, { force: true });
    all.dd.push(timed(() => run('dd', [`if=${thrice}`, `of=${plainCopy}`, 'bs=8M', 'conv=fsync'])));
    const ddRead = (block) => timed(() => run('dd', [`if=${plainCopy}`, 'of=/dev/null', `bs=${block}`]));
    evict(plainCopy);
    all.ddRead.push(ddRead('8M'));
    evict(plainCopy, ...tensorFiles);
    // One block of the whole file: memory that nobody used, as a load needs.
    all.ddKept.push(ddRead(statSync(plainCopy).size));
    all.ddCached.push(ddRead(statSync(plainCopy).size));
    all.read.push(work({ does: 'read', folder: checkpoint }).ms);
    all.cached.push(work({ does: 'read', folder: checkpoint }).ms);
    all.cachedPlain.push(work({ does: 'plain', folder: checkpoint }).ms);
    evict(...tensorFiles);
    all.plain.push(work({ does: 'plain', folder: checkpoint }).ms);
  }
  const { none, saving } = waiting(library, join(folder, 'runs'));
  rmSync(folder, { recursive: true, force: true });

  const speed = (ms) => (bytes / MiB / (ms / 1000)).toFixed(0);
  const row = (label, times) => [label, speed(least(times)), speed(median(times))];
  const part = (label, target, value, isMet) =>
    `${label}: **${value}**; target ${target}: ${isMet ? 'met' : 'missed'}`;
  const writing = median(all.dd) / median(all.write);
  const reading = median(all.ddRead) / median(all.read);
  const keeping = median(all.ddKept) / median(all.read);
  const checking = 1 - median(all.plain) / median(all.read);
  const memory = 1 + grown / bytes;
  const wait = median(saving.waits);
  const step = none.ms / 450;
  const blocked = wait / 100 / step;
  return {
    title: 'Checkpoints',
    head: ['MiB/s', 'best', 'median'],
    rows: [
      row('saving, with checksums, flushed', all.write),
      row('dd with fsync', all.dd),
      row('reading from the disk, checked', all.read),
      row('the same without checksums', all.plain),
      row('dd from the disk, which keeps nothing', all.ddRead),
      row('dd from the disk into memory of its own', all.ddKept),
      row('reading from memory, checked', all.cached),
      row('the same without checksums', all.cachedPlain),
      row('dd from memory into memory of its own', all.ddCached),
    ],
    notes: [
      `a checkpoint has ${(bytes / MiB).toFixed(0)} MiB: 528 weights with two slots each`,
      part('saving against dd', 'at least 0.7', number(writing), writing >= 0.7),
      part('reading against dd, which keeps nothing', 'at least 0.7', number(reading), reading >= 0.7),
      part('reading against dd that keeps what it reads', 'at least 0.7', number(keeping), keeping >= 0.7),
      part('checksums, as a part of a load from the disk', 'at most 0.1', number(checking), checking <= 0.1),
      part(
        'memory while saving, the copy included, by the state',
        'at most 1.1',
        number(memory),
        memory <= 1.1,
      ),
      part(
        `training waits ${number(wait)} ms for a save of 192 MiB, by 100 steps of ${number(step)} ms`,
        'at most 0.05',
        number(blocked),
        blocked <= 0.05,
      ),
      `a run that saves each hundredth step takes ${number(saving.ms / none.ms)} of the time of one that does not`,
    ],
  };
};
