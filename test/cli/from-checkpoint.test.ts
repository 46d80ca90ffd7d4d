/** What a checkpoint is enough for: `test` and `predict` without the spec, and `export`. */
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeCheckpoint } from '../../src/runtime/checkpoint/write.js';
import { contents } from '../runtime/checkpoint-contents.js';
import { openDesk, root, type Desk } from './command-line.js';

let desk: Desk;
beforeAll(async () => {
  desk = openDesk();
  mkdirSync(join(desk.folder, 'cars', 'parts'), { recursive: true });
  cpSync(join(root, 'specs', 'data'), join(desk.folder, 'cars', 'data'), { recursive: true });
  // In two files, in a project: what is imported is kept too.
  writeFileSync(join(desk.folder, 'cars', 'package.json'), '{}');
  const text = readFileSync(join(root, 'specs', 'mpg.ztrain'), 'utf8').replace(/^addon predictions.*$/m, '');
  const unit = '/// Where the rate ends.\nconst share = 100\n';
  writeFileSync(join(desk.folder, 'cars', 'parts', 'shares.ztrain'), unit);
  const imported = `import { share } from "parts/shares.ztrain"\n${text.replace('to = lr / 100', 'to = lr / share')}`;
  expect(imported).toContain('lr / share');
  writeFileSync(join(desk.folder, 'cars', 'mpg.ztrain'), imported);
  const ran = await desk.ztrainc(['run', 'cars/mpg.ztrain', 'trainer.epochs=2', '--run-dir', 'mpg']);
  expect(ran.stderr).toContain('run: mpg');
  expect(ran.code).toBe(0);
}, 60_000);
afterAll(() => desk.remove());

describe('without the spec', () => {
  test('test and predict give what they give with it, from the data that is named', async () => {
    const spec = join(desk.folder, 'cars', 'mpg.ztrain');
    const given = ['--from', 'mpg', '--json'];
    const withSpec = await desk.ztrainc(['test', 'cars/mpg.ztrain', ...given]);
    expect(withSpec.code).toBe(0);
    const rows = await desk.ztrainc(['predict', 'cars/mpg.ztrain', ...given]);
    const [text, part] = [spec, join(desk.folder, 'cars', 'parts', 'shares.ztrain')].map((path) =>
      readFileSync(path),
    );
    rmSync(spec);
    rmSync(join(desk.folder, 'cars', 'parts'), { recursive: true });
    const alone = await desk.ztrainc(['test', ...given, '--data-root', 'cars']);
    expect([alone.code, alone.stdout]).toEqual([0, withSpec.stdout]);
    expect(alone.stderr).toContain('mpg.ztrain as mpg/checkpoints/step-');
    // It is the spec that was trained, to the letter.
    expect(alone.stderr).not.toContain('the spec has changed since');
    const rowsAlone = await desk.ztrainc(['predict', ...given, '--data-root', 'cars']);
    expect([rowsAlone.code, rowsAlone.stdout]).toEqual([0, rows.stdout]);
    expect(rows.stdout.trim().split('\n')).toHaveLength(78);
    const elsewhere = await desk.ztrainc(['test', ...given]);
    expect(elsewhere.code).toBe(3);
    expect(elsewhere.stderr).toContain('say with --data-root where relative paths start');
    expect(readdirSync(join(desk.folder, 'cars')).sort()).toEqual(['data', 'package.json']);
    mkdirSync(join(desk.folder, 'cars', 'parts'));
    writeFileSync(spec, text ?? '');
    writeFileSync(join(desk.folder, 'cars', 'parts', 'shares.ztrain'), part ?? '');
  }, 60_000);

  test('checkpoints of one file serve as folders do', async () => {
    const text = readFileSync(join(desk.folder, 'cars', 'mpg.ztrain'), 'utf8');
    const inOne = text.replace(
      /^addon checkpoint \{/m,
      'addon checkpoint { format = "ckpt" every = 1.epoch keep = 2 ',
    );
    expect(inOne).toContain('format = "ckpt"');
    writeFileSync(join(desk.folder, 'cars', 'one.ztrain'), inOne);
    const run = ['run', 'cars/one.ztrain', '--run-dir', 'one'];
    expect((await desk.ztrainc([...run, 'trainer.epochs=4'])).stderr).toContain(
      'checkpoints/step-00000040.ckpt',
    );
    const saved = readdirSync(join(desk.folder, 'one', 'checkpoints')).filter((name) =>
      name.startsWith('step-'),
    );
    expect(saved.length).toBeGreaterThanOrEqual(2);
    for (const name of saved) expect(name).toMatch(/^step-\d{8}\.ckpt$/);
    const data = ['--data-root', 'cars', '--json'];
    const ofRun = await desk.ztrainc(['test', '--from', 'one', ...data]);
    expect(JSON.parse(ofRun.stdout)).toHaveProperty('test.rmse');
    const best = readFileSync(join(desk.folder, 'one', 'checkpoints', 'best'), 'utf8').trim();
    const ofFile = await desk.ztrainc(['test', '--from', `one/checkpoints/${best}`, ...data]);
    expect([ofFile.code, ofFile.stdout]).toEqual([0, ofRun.stdout]);
    const folders = await desk.ztrainc([
      'run',
      'cars/mpg.ztrain',
      'trainer.epochs=4',
      '--run-dir',
      'several',
    ]);
    expect(folders.code).toBe(0);
    for (const from of ['one', 'several'])
      expect((await desk.ztrainc(['export', from, '--to', 'npz', '--out', `${from}.npz`])).code).toBe(0);
    expect(
      readFileSync(join(desk.folder, 'one.npz')).equals(readFileSync(join(desk.folder, 'several.npz'))),
    ).toBe(true);
  }, 60_000);

  test('what is missing is said', async () => {
    for (const [words, code, message] of [
      [['test'], 2, 'test needs --from RUN or --from CHECKPOINT, and the spec where that keeps none'],
      [['export', 'mpg/checkpoints/last', '--to', 'npz', '--out', '/dev/full/x.npz'], 3, 'cannot write'],
      [['run'], 2, 'error: name the spec to run, such as specs/digits.ztrain'],
      [['predict', '--from', 'none'], 3, 'error: there is no folder none; give the folder of a run'],
    ] as const) {
      const ended = await desk.ztrainc(words);
      expect(ended.stderr).toContain(message);
      expect(ended.code).toBe(code);
    }
  });

  test('a spec with code of its own is asked for', async () => {
    mkdirSync(join(desk.folder, 'own'));
    writeFileSync(
      join(desk.folder, 'own', 'parts.ts'),
      "import { ops } from 'ztrain/runtime';\nimport type { Tensor2D } from 'ztrain/runtime';\nexport const same = (x: Tensor2D): Tensor2D => ops.mul(x, 1);\n",
    );
    const spec = readFileSync(join(root, 'specs', 'digits.ztrain'), 'utf8');
    const own = spec
      .replace('|> flatten() ', '|> flatten() |> same() ')
      .replace('data train_set', 'extern "parts.ts" { fn same(x: f32[n, k]) -> f32[n, k] }\ndata train_set');
    expect(own).toContain('same()');
    writeFileSync(join(desk.folder, 'own', 'own.ztrain'), own);
    const words = ['trainer.epochs=1', '--run-dir', 'own-run'];
    const ran = await desk.ztrainc(['run', 'own/own.ztrain', ...words]);
    expect(ran.stderr).toContain('own-run');
    const ended = await desk.ztrainc(['test', '--from', 'own-run']);
    expect(ended.stderr).toContain(
      'own.ztrain has code of its own, which a checkpoint does not keep; name the spec: ztrainc test SPEC --from own-run',
    );
    expect(ended.code).toBe(2);
  }, 60_000);
});

test('what a checkpoint says that its spec is called leads nowhere', async () => {
  const { head, ...others } = contents(1);
  for (const [at, path] of [
    '../evil.ztrain',
    '/evil.ztrain',
    'a/evil.ztrain',
    'a\\evil.ztrain',
    '..',
  ].entries()) {
    const from = await writeCheckpoint(join(desk.folder, `named-${at}`), {
      ...others,
      head: { ...head, spec: { ...head.spec, files: [{ path, text: 'trainer T { epochs = 1 }' }] } },
    });
    const ended = await desk.ztrainc(['test', '--from', from]);
    expect(ended.stderr).toContain(
      `says that its spec is ${JSON.stringify(path)}, which is no name of a file; name the spec`,
    );
    expect(ended.code).toBe(2);
  }
}, 60_000);

describe('export', () => {
  test('writes the weights and says where', async () => {
    const made = await desk.ztrainc(['export', 'mpg', '--to', 'npz']);
    expect(made.code).toBe(0);
    expect(made.stdout).toMatch(/^MpgTrainer-step-\d{8}\.npz\n$/);
    expect(made.stderr).toMatch(/^weights of mpg\/checkpoints\/step-\d{8}: 6 tensors, [\d,]+ bytes\n$/);
    expect(existsSync(join(desk.folder, made.stdout.trim()))).toBe(true);
    const again = await desk.ztrainc(['export', 'mpg', '--to', 'npz']);
    expect([again.code, again.stdout]).toEqual([3, '']);
    expect(again.stderr).toContain('a file of that name is there; remove it, or choose another --out');
    expect((await desk.ztrainc(['export', 'mpg', '--to', 'tfjs', '--out', 'web'])).code).toBe(0);
    expect(readdirSync(join(desk.folder, 'web'))).toContain('weights_manifest.json');
  });

  test.each([
    [['export', 'mpg'], 2, 'export needs --to safetensors, npz or tfjs'],
    [['export', 'mpg', '--to', 'onnx'], 2, '--to takes safetensors, npz or tfjs, got onnx'],
    [['export', 'none', '--to', 'npz'], 3, 'there is no folder none'],
  ])('%j is refused', async (words, code, message) => {
    const ended = await desk.ztrainc(words);
    expect(ended.stderr).toContain(message);
    expect(ended.code).toBe(code);
  });
});
