/** `ztrainc plot`: what it writes, what it refuses, and that it may read while a run writes. */
import { appendFileSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { fourEpochs, writeRun } from '../plot/made-up-run.js';
import { openDesk, program, start } from './command-line.js';

const desk = openDesk();
afterAll(desk.remove);
writeRun(join(desk.folder, 'runs', 'a'), fourEpochs);
writeRun(join(desk.folder, 'runs', 'b'), fourEpochs.slice(0, 2));
writeRun(join(desk.folder, 'runs', 'empty'), []);

describe('ztrainc plot', () => {
  test('draws text to a pipe: 80 columns, no colour', async () => {
    const { code, stdout, stderr } = await desk.ztrainc(['plot', 'runs/a']);
    expect([code, stderr]).toEqual([0, '']);
    const lines = stdout.split('\n');
    expect(lines.slice(0, 3)).toEqual(['Made<Up> · a', '', 'loss']);
    expect(Math.max(...lines.map((line) => Array.from(line).length))).toBe(80);
    expect(stdout).not.toContain('\u001b');
  });

  test('draws several runs to a file, notes one without lines, and takes a half line of a run that goes on', async () => {
    appendFileSync(join(desk.folder, 'runs', 'b', 'metrics.jsonl'), '{"stage":"train","ov');
    const words = ['plot', 'runs/a/', 'runs/b', 'runs/empty', '--metrics', 'loss', '--x', 'time'];
    const { code, stdout, stderr } = await desk.ztrainc([...words, '--out', 'curves.svg']);
    expect([code, stdout]).toEqual([0, '']);
    expect(stderr).toBe(
      'note: runs/empty has measured nothing so far; wait for its first line\nwrote curves.svg\n',
    );
    const svg = readFileSync(join(desk.folder, 'curves.svg'), 'utf8');
    expect(svg).toContain('>a train<');
    expect(svg).toContain('>b validate<');
    expect(svg).not.toContain('accuracy');
  });

  test.each([
    [['runs/c'], 3, 'error: there is no folder runs/c'],
    [['runs'], 3, 'error: runs holds no run (there is no metrics.jsonl in it); did you mean runs/empty?'],
    [['runs/empty'], 3, 'error: runs/empty has measured nothing so far'],
    [['runs/a', '--metrics', 'los'], 2, 'error: no run has measured "los"; did you mean loss?'],
    [['runs/a', '--metrics', ','], 2, 'error: --metrics needs names'],
    [['runs/a', '--out', 'a.png'], 2, 'error: --out takes the name of an SVG file'],
    [['runs/a', '--out', 'none/a.svg'], 3, 'error: cannot write none/a.svg: '],
    [['runs/a', '--smooth', '0'], 2, 'error: --smooth takes the number of points'],
    [['runs/a', '--x', 'day'], 2, "error: option '--x <axis>' argument 'day' is invalid"],
    [['runs/a', '--metric', 'loss'], 2, '(Did you mean --metrics?)'],
    [[], 2, "error: missing required argument 'run'"],
  ] as const)('%j ends with code %d', async (words, code, message) => {
    const ended = await desk.ztrainc(['plot', ...words]);
    expect([ended.code, ended.stdout]).toEqual([code, '']);
    expect(ended.stderr).toContain(message);
  });

  test.runIf(process.platform === 'linux')(
    'leaves what was there, and nothing else, where a write is refused',
    async () => {
      const files = (): readonly string[] => readdirSync(desk.folder).sort();
      writeFileSync(join(desk.folder, 'kept.svg'), 'old');
      const before = files();
      for (const out of ['kept.svg', 'new.svg']) {
        // No file may be larger than 512 bytes.
        const words = [
          '-c',
          'ulimit -f 1; exec "$@"',
          'sh',
          process.execPath,
          program,
          'plot',
          'runs/a',
          '--out',
          out,
        ];
        const { code, stderr } = await start('/bin/sh', words, { cwd: desk.folder });
        expect([code, stderr]).toEqual([
          3,
          `error: cannot write ${out}: the file is larger than is allowed here; choose another --out\n`,
        ]);
      }
      expect(files()).toEqual(before);
      expect(readFileSync(join(desk.folder, 'kept.svg'), 'utf8')).toBe('old');
      symlinkSync('/dev/full', join(desk.folder, 'full.svg'));
      const { stderr } = await desk.ztrainc(['plot', 'runs/a', '--out', 'full.svg']);
      expect(stderr).toBe(
        'error: cannot write full.svg: the disk is full; free some space, or choose another --out\n',
      );
    },
  );

  test('of what has no run ends as every command does that is given one', async () => {
    for (const words of [['plot'], ['export', '--to', 'npz'], ['test', '--from'], ['predict', '--from']])
      for (const [path, reason] of [
        ['runs/nowhere', 'there is no folder runs/nowhere'],
        ['runs', 'runs '],
        ['runs/a/run.json', 'runs/a/run.json is a file'],
      ] as const) {
        const [code, stderr] = await desk.ztrainc([...words, path]).then((ran) => [ran.code, ran.stderr]);
        expect([words[0], code, stderr]).toEqual([words[0], 3, expect.stringContaining(`error: ${reason}`)]);
      }
  }, 180_000);

  test('draws the runs of a sweep', async () => {
    const folder = join(desk.folder, 'runs', 'sweep');
    mkdirSync(folder);
    for (const name of ['point-1', 'point-2']) writeRun(join(folder, name), fourEpochs);
    const runs = ['point-1', 'point-2'].map((name) => ({ runs: [{ folder: name }] }));
    appendFileSync(join(folder, 'sweep.json'), JSON.stringify({ points: runs }));
    const { code, stdout } = await desk.ztrainc(['plot', 'runs/sweep', '--metrics', 'loss']);
    expect([code, stdout.split('\n')[0]]).toEqual([0, 'Made<Up> · 2 runs']);
    expect(stdout).toContain('+ point-1 validate 0.225');
    // By what tells them apart, where the sweep says it; a run that is named itself as well is drawn once.
    const settled = ['point-1', 'point-2'].map((name, at) => ({
      runs: [{ folder: name, settings: { lr: 10 ** -(at + 1), units: 4 } }],
    }));
    writeFileSync(join(folder, 'sweep.json'), JSON.stringify({ points: settled }));
    for (const paths of [
      ['runs/sweep'],
      ['runs/sweep/point-2', 'runs/sweep'],
      ['runs/sweep', 'runs/sweep/point-1/'],
    ]) {
      const named = await desk.ztrainc(['plot', ...paths, '--metrics', 'loss']);
      expect(named.stdout).toContain('lr=0.1 validate 0.225');
      expect(named.stdout).toContain('lr=0.01 train 0.125');
      expect(named.stdout).toContain('· 2 runs');
      expect(named.stdout).not.toMatch(/point-|units/);
    }
  });
});
