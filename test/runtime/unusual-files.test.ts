/** Runs whose small files are damaged, gone, or no files at all: each is named, none is waited for, and the others go on. */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { findCheckpoint } from '../../src/runtime/checkpoint/read.js';
import { readSummary, unfinishedSweepIn } from '../../src/runtime/run/sweep-folder.js';
import { SweepData } from '../../src/runtime/trainer/sweep-data.js';
import { checkpoints, filesIn, killed, run } from './killed-runs.js';
import { workInFolder } from './temporary-folder.js';

workInFolder('unusual-files');

beforeAll(() => killed('left'));

const runs = 'runs/LineTrainer';
/** A copy of the run that was left, of the newest name below `runs` so far. */
let count = 0;
function newest(): string {
  count += 1;
  const name = join(runs, `2999010${count}-000000-${String(count).repeat(4)}`);
  cpSync('left', name, { recursive: true });
  return name;
}

const makers: readonly (readonly [what: string, make: (path: string) => void])[] = [
  ['no regular file', (path) => void execFileSync('mkfifo', [path])],
  ['a folder', (path) => void mkdirSync(path)],
  ['a link', (path) => symlinkSync('/dev/zero', path)],
];

describe.each(makers)('%s', (what, make) => {
  test.each(['run.json', 'checkpoints/last', 'checkpoints/best'])(
    'in the place of %s is named, and the run is left as it was',
    async (name) => {
      const folder = `named-${what.replaceAll(' ', '-')}-${name.replace('/', '-')}`;
      cpSync('left', folder, { recursive: true });
      rmSync(join(folder, name));
      make(join(folder, name));
      const files = filesIn(folder).filter((line) => !line.includes('.lock'));
      for (const words of [[`--resume=${folder}`], [`--run-dir=${folder}`, '--resume=auto']]) {
        const { code, text } = await run(words);
        expect(text).toContain(`${join(folder, name)} is ${what}; remove it`);
        expect(code).not.toBe(0);
      }
      expect(filesIn(folder)).toEqual(files);
      rmSync(join(folder, name), { recursive: true });
      expect((await run([`--resume=${folder}`])).code).toBe(0);
    },
  );

  test('is told before the run is looked at, and its tensors read', async () => {
    const folder = `looked-at-${what.replaceAll(' ', '-')}`;
    cpSync('left', folder, { recursive: true });
    for (const each of checkpoints(folder))
      truncateSync(join(folder, 'checkpoints', each, 'model.safetensors'), 8);
    rmSync(join(folder, 'run.json'));
    make(join(folder, 'run.json'));
    expect((await run([`--resume=${folder}`])).text).toMatch(
      new RegExp(`^error: cannot go on with \\S*${folder}: \\S*run\\.json is ${what}; remove it\n$`),
    );
  });

  test('does not keep others from going on by auto', async () => {
    rmSync('runs', { recursive: true, force: true });
    const [older, other] = [newest(), newest()];
    for (const [index, name] of ['run.json', 'checkpoints/last'].entries()) {
      const folder = index === 0 ? other : newest();
      rmSync(join(folder, name));
      make(join(folder, name));
    }
    const { code, text } = await run(['--resume=auto']);
    expect(text).toContain(`passed over: ${other}, of which is not known whether it has ended`);
    expect(text).toContain(`${join(other, 'run.json')} is ${what}`);
    expect(text).toContain(`checkpoints/last is ${what}`);
    expect(text).toContain(`goes on after step 8, from ${older}/checkpoints/step-00000008`);
    expect(code).toBe(0);
  });
});

test('a pointer that leads elsewhere is not read', async () => {
  cpSync('left', 'pointed', { recursive: true });
  rmSync('pointed/checkpoints/best');
  symlinkSync('../run.json', 'pointed/checkpoints/best');
  await expect(findCheckpoint('pointed')).rejects.toThrow(
    /^cannot read pointed\/checkpoints\/best: it is a link; take another checkpoint: pointed\/checkpoints\/step-00000008/,
  );
});

describe('a run.json', () => {
  const damage = (folder: string): void =>
    writeFileSync(join(folder, 'run.json'), readFileSync(join(folder, 'run.json'), 'utf8').slice(0, 100));

  test('that is damaged is named by auto, and its run goes on where it is named', async () => {
    rmSync('runs', { recursive: true, force: true });
    const folder = newest();
    damage(folder);
    const nothing = await run(['--resume=auto']);
    expect(nothing.text).toMatch(
      new RegExp(
        `passed over: ${folder}, of which is not known whether it has ended: ${folder}/run\\.json is damaged: .*; go on by --resume ${folder}\n`,
      ),
    );
    expect(nothing.text).toContain('a new run');
    const { code, text } = await run([`--resume=${folder}`]);
    expect(text).toContain(`${folder}/run.json is damaged: `);
    expect(text).toContain('it is written anew, without earlier starts');
    expect(text).toContain('goes on after step 8');
    expect(code).toBe(0);
    expect(JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')).starts).toHaveLength(2);
  });

  test('that is gone is told, with the checkpoints that are there', async () => {
    rmSync('runs', { recursive: true, force: true });
    const folder = newest();
    rmSync(join(folder, 'run.json'));
    expect((await run(['--resume=auto'])).text).toContain(
      `passed over: ${folder}, of which is not known whether it has ended: it has checkpoints and no run.json; go on by --resume ${folder}`,
    );
    const { code, text } = await run([`--run-dir=${folder}`, '--resume=auto']);
    expect(code).not.toBe(0);
    expect(text).toContain(
      `${folder} has checkpoints of a run and no run.json, which says what the run is; put that back, go on from the newest of them by --resume ${folder}`,
    );
    const again = await run([`--resume=${folder}`]);
    expect(again.text).toContain('goes on after step 8');
    expect(again.code).toBe(0);
    expect(existsSync(join(folder, 'summary.json'))).toBe(true);
  });
});

test('files of a sweep are not waited for either', async () => {
  for (const name of ['b', 'a']) {
    mkdirSync(join('sweeps', name), { recursive: true });
    writeFileSync(join('sweeps', name, 'sweep.json'), '{"ended": false}');
  }
  rmSync('sweeps/b/sweep.json');
  execFileSync('mkfifo', ['sweeps/b/sweep.json']);
  const said: string[] = [];
  expect(await unfinishedSweepIn('sweeps', (line) => said.push(line))).toBe('sweeps/a');
  expect(said).toEqual(['passed over: sweeps/b: cannot read sweeps/b/sweep.json: it is no regular file']);
  mkdirSync('sweeps/a/point-1');
  execFileSync('mkfifo', ['sweeps/a/point-1/run.json']);
  await new SweepData('sweeps/a', false, () => undefined).takeUp('point-1');
  execFileSync('mkfifo', ['sweeps/a/point-1/metrics.jsonl']);
  const summary = {
    reason: 'finished',
    metrics: { 'train.loss': 1 },
    checkpoints: { best: 'step-00000002' },
  };
  writeFileSync('sweeps/a/point-1/summary.json', JSON.stringify(summary));
  // Of the weights that it kept nothing is known.
  expect((await readSummary('sweeps/a/point-1'))?.metrics).toEqual(new Map());
  rmSync('sweeps/a/point-1/summary.json');
  execFileSync('mkfifo', ['sweeps/a/point-1/summary.json']);
  await expect(readSummary('sweeps/a/point-1')).rejects.toThrow('summary.json: it is no regular file');
});
