import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { helpText } from '../../src/runtime/help.js';
import { main, readArguments, type MainIo } from '../../src/runtime/main.js';
import * as addons from '../../src/runtime/addons/index.js';
import type { TrainerSpec } from '../../src/runtime/trainer/spec.js';
import * as units from '../../src/values/units.js';
import { LineTrainer, type LineParams } from './tiny-trainer.js';

const root = mkdtempSync(join(tmpdir(), 'ztrain-main-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** `columns`: of a terminal; none is a pipe. */
async function run(
  argv: readonly string[],
  trainer: typeof LineTrainer = LineTrainer,
  columns: number | null = null,
) {
  const terminal = columns === null ? {} : { isTTY: true, columns };
  const out: string[] = [];
  const err: string[] = [];
  const io: MainIo = {
    stdout: { ...terminal, write: (text) => out.push(text) },
    stderr: { ...terminal, write: (text) => err.push(text) },
    environment: {},
    onSignal: () => () => undefined,
    exit: () => undefined,
  };
  const code = await main(trainer, argv, io);
  return { code, out: out.join(''), err: err.join('') };
}

const lines = (file: string): readonly Record<string, unknown>[] =>
  readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line): Record<string, unknown> => Object.fromEntries(Object.entries(JSON.parse(line))));

describe('the executable', () => {
  test('counts one of a thing as one', async () => {
    const folder = join(root, 'single');
    const one = await run(['rows=4', 'trainer.steps=1', '--run-dir', folder]);
    expect(one.err).toContain('\n1 step an epoch, 1 in all, writing to ');
    expect(one.err).toContain('finished after 1 step in ');
    const again = await run(['--resume', folder]);
    expect(again.err).toContain('has finished its 1 step\n');
    const dev = await run(['rows=4', '--dev-run=1']);
    expect(dev.err).toContain('a dev run of at most 1 step, and as many');
    for (const { err } of [one, again, dev])
      expect(err).not.toMatch(/\b1 (?:steps(?!\/)|rows(?!\/)|epochs|values|batches|runs)\b/);
  });

  test('trains, writes its folder, and tests and predicts from it', async () => {
    const folder = join(root, 'run');
    const trained = await run(['lr=0.2', 'rows=12', 'trainer.epochs=8', '--run-dir', folder]);
    expect(trained.err).toContain('finished after 24 steps');
    expect(trained.code).toBe(0);
    expect(trained.out).toBe('');
    expect(readdirSync(folder).sort()).toEqual([
      'checkpoints',
      'console.log',
      'metrics.jsonl',
      'run.json',
      'summary.json',
    ]);
    expect(readdirSync(join(folder, 'checkpoints')).sort()).toEqual(['last', 'step-00000024']);
    const records = lines(join(folder, 'metrics.jsonl'));
    expect(records.filter(({ stage }) => stage === 'validate').map(({ step }) => step)).toEqual([
      3, 6, 9, 12, 15, 18, 21, 24,
    ]);
    expect(records.filter(({ over }) => over === 'epoch')).toHaveLength(8);
    expect(records[0]).toMatchObject({ stage: 'train', over: 'window', step: 2, epoch: 0, 'lr.opt': 0.2 });
    const described: unknown = JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8'));
    expect(described).toMatchObject({
      params: { lr: 0.2, rows: 12, batch_size: 4 },
      origins: { lr: 'given', batch_size: 'default' },
      reason: 'finished',
      options: { epochs: 8, compile: 'auto', precision: 'f32' },
      data: { train: { rows: 12, files: [] } },
      devices: [{ engine: expect.any(String), cores: expect.any(Number) }],
    });

    // Params come from the checkpoint: 12 rows would not fit the default batch size's assertion otherwise.
    const tested = await run(['test', '--from', folder, '--json']);
    expect(tested.code).toBe(0);
    const measured = Object.entries(Object(JSON.parse(tested.out)));
    const last = records.at(-1);
    expect(Object.fromEntries(measured)['validate.loss']).toBeCloseTo(Number(last?.['loss']), 6);

    const predicted = await run(['predict', '--from', join(folder, 'checkpoints', 'step-00000024')]);
    expect(predicted.out.trim().split('\n')).toHaveLength(9);
    expect(predicted.out).toMatch(/^guess\n-?\d/);
  });

  test('a dev run writes nothing', async () => {
    const folder = join(root, 'dev');
    const { code, err } = await run(['--dev-run', '2', '--run-dir', folder]);
    expect(code).toBe(0);
    expect(err).toContain('after 2 steps');
    expect(err).toContain(
      'a dev run of at most 2 steps, and as many batches of each other step; a whole run has 5 steps an epoch, 15 in all',
    );
    expect(existsSync(folder)).toBe(false);
  });

  test('the same seed gives the same weights, another seed others', async () => {
    const bytes = async (name: string, ...more: readonly string[]): Promise<Buffer> => {
      const folder = join(root, name);
      await run(['--run-dir', folder, ...more]);
      return readFileSync(join(folder, 'checkpoints', 'step-00000015', 'model.safetensors'));
    };
    const first = await bytes('seed-a');
    expect((await bytes('seed-b')).equals(first)).toBe(true);
    expect((await bytes('seed-c', 'trainer.seed=2')).equals(first)).toBe(false);
  });

  test.each([
    [['lr=0'], 'lr must keep lr > 0, got lr = 0'],
    [['rl=1'], 'did you mean lr?'],
    [['lr=fast'], 'lr takes a number, got "fast"'],
    [['rows=1.5'], 'rows takes a whole number'],
    [['mode=plan'], 'did you mean plain?'],
    [['batch_size=50'], 'a batch is more than the data: batch_size <= rows, got rows = 20, batch_size = 50'],
    [['trainer.epoch=2'], 'did you mean epochs?'],
    [['trainer.epochs=2', 'trainer.steps=4'], 'both epochs = 2 and steps = 4 are set'],
    [['trainer.epochs=0'], 'trainer.epochs must keep epochs >= 1, got 0'],
    [['trainer.nodes=2'], 'declared but not built yet'],
    [['trainer.devices=1'], 'cannot be set at the command line'],
    [['trainer.log_every=2.epochs'], 'takes steps'],
    [['checkpoints.keep=2'], 'did you mean checkpoint?'],
    [['checkpoint.keep=0'], 'must keep keep >= 1'],
    [['opt.lr=-1'], 'must keep lr >= 0'],
    [['train.batch=x'], 'train.batch takes a whole number'],
    [['trainer.clip=1'], 'trainer.clip cannot be set at the command line'],
    [['train.record=x'], 'has no option "record"'],
    [['lr=1', 'lr=2'], 'lr is set twice, lr=1 and lr=2'],
    [['opt.lr=1', 'opt.lr=1'], 'opt.lr is set twice'],
    [['--lr=3'], 'write lr=3'],
    [['--lr', '3'], 'write lr=3'],
    [['--trainer.epochs=2'], 'write trainer.epochs=2'],
    [['--run-dir=a', '--run-dir', 'b'], '--run-dir is given twice, a and b'],
    [['--form', 'x'], 'did you mean --from?'],
    [['--devices', 'tpu'], 'takes auto, cpu, gpu or gpu:N'],
    [['--resume', 'auto', '--dev-run'], 'a dev run writes nothing, so it cannot go with --resume'],
    [['--allow', 'lr'], '--allow goes with --resume'],
    [['test', '--resume', 'auto'], '--resume goes with train; test takes --from RUN'],
    [['--devices', '4'], 'several devices'],
    [['epochs=3'], 'line has no param "epochs"; did you mean trainer.epochs?'],
    [['batch=3'], 'line has no param "batch"; did you mean train.batch or test.batch?'],
    [
      ['--epochs', '3'],
      'there is no option --epochs; params and attributes have no dashes, write trainer.epochs=3',
    ],
    [['--batch=3'], 'write train.batch=3 or test.batch=3'],
    [['train', 'test'], 'train and test are two commands'],
    [['tset'], 'did you mean test?'],
    [['test'], 'test needs --from'],
    [['--run-dir'], '--run-dir needs a value'],
    [['--run-dir', '--json'], '--run-dir needs a value, got "--json"'],
    [['--json'], '--json goes with test and predict'],
    [['test', '--from', 'x', '--run-dir', 'y'], '--run-dir goes with train'],
  ])('%j is misuse', async (argv, message) => {
    const { code, err } = await run(argv);
    expect(err).toContain(message);
    expect(code).toBe(2);
  });

  test('attributes of optimizers, data and add-ons', async () => {
    const folder = join(root, 'attributes');
    const { code, err } = await run([
      'opt.lr=0.05',
      'train.batch=10',
      'checkpoint.keep=3',
      'checkpoint.every=2.steps',
      'trainer.steps=6',
      '--run-dir',
      folder,
    ]);
    expect(err).toContain('2 steps an epoch, 6 in all');
    expect(code).toBe(0);
    expect(readdirSync(join(folder, 'checkpoints')).sort()).toEqual([
      'last',
      'step-00000002',
      'step-00000004',
      'step-00000006',
    ]);
    expect(lines(join(folder, 'metrics.jsonl'))[0]).toMatchObject({ 'lr.opt': 0.05 });
    expect(JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8'))).toMatchObject({
      overrides: [
        'opt.lr=0.05',
        'train.batch=10',
        'checkpoint.keep=3',
        'checkpoint.every=2.steps',
        'trainer.steps=6',
      ],
    });
  });

  test('a folder that cannot be used ends with 3', async () => {
    const file = join(root, 'file');
    writeFileSync(file, '');
    const under = await run(['--run-dir', join(file, 'run')]);
    expect(under.err).toContain('a part of the path is a file');
    expect(under.code).toBe(3);
    const missing = await run(['test', '--from', join(root, 'nowhere')]);
    expect(missing.err).toContain('there is no folder');
    expect(missing.code).toBe(3);
    const again = join(root, 'again');
    expect((await run(['--run-dir', again])).code).toBe(0);
    const twice = await run(['--run-dir', again]);
    expect(twice.err).toContain('holds a run already');
    expect(twice.code).toBe(3);
    const others = join(root, 'others');
    mkdirSync(others);
    writeFileSync(join(others, 'thesis.txt'), '');
    const mixed = await run(['--run-dir', others]);
    expect(mixed.err).toContain('holds other files (thesis.txt)');
    expect([mixed.code, readdirSync(others)]).toEqual([3, ['thesis.txt']]);
    if (existsSync('/proc/self')) {
      const refused = await run(['--run-dir', '/proc/nowhere/run']);
      expect(refused.err).toContain('choose another --run-dir');
      expect(refused.code).toBe(3);
    }
  });

  test('names the best checkpoint, and the last where it is another', async () => {
    class KeepsBest extends LineTrainer {
      protected override configureAddOns() {
        return [addons.checkpoint({ best: addons.min('validate.loss') })];
      }
    }
    // It learns nothing in the second epoch, so the first stays the best.
    const folder = join(root, 'both');
    const both = await run(['opt.lr=0', 'trainer.epochs=2', '--run-dir', folder], KeepsBest);
    expect(both.code).toBe(0);
    expect(both.err).toMatch(/^checkpoint: .+step-00000005 \(best\)\ncheckpoint: .+step-00000010 \(last\)$/m);
    const one = await run(['trainer.epochs=1', '--run-dir', join(root, 'one')], KeepsBest);
    expect(one.err).toMatch(/^checkpoint: .+step-00000005$/m);
  });

  test('a damaged checkpoint is refused by file and tensor', async () => {
    const folder = join(root, 'damaged');
    await run(['--run-dir', folder]);
    const file = join(folder, 'checkpoints', 'step-00000015', 'model.safetensors');
    const bytes = readFileSync(file);
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
    writeFileSync(file, bytes);
    const { code, err } = await run(['test', '--from', folder]);
    expect(err).toMatch(/model\.safetensors is damaged: the checksum of tensor Line\.dense\.\w+ differs/);
    expect(code).toBe(3);
  });

  test('a second signal ends at once, and the folder says so', async () => {
    const folder = join(root, 'at-once');
    let send: (signal: 'SIGINT' | 'SIGTERM') => void = () => undefined;
    const ends: unknown[] = [];
    await main(LineTrainer, ['trainer.epochs=1000', '--run-dir', folder], {
      stdout: { write: () => true },
      stderr: {
        write: (text) => {
          if (ends.length > 0 || !/epoch \d+/.test(text)) return;
          send('SIGINT');
          send('SIGTERM');
        },
      },
      environment: {},
      onSignal: (listener) => {
        send = listener;
        return () => undefined;
      },
      // The process is gone here: nothing after this counts.
      exit: (code) => {
        if (ends.length === 0)
          ends.push(code, JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')), readdirSync(folder));
      },
    });
    expect(ends).toEqual([
      143,
      expect.objectContaining({
        reason: 'ended at once by SIGTERM',
        ended: expect.stringMatching(/^\d{4}-/),
        started: expect.any(String),
        seed: expect.any(Number),
      }),
      expect.not.arrayContaining([expect.stringContaining('.tmp-')]),
    ]);
    expect(readFileSync(join(folder, 'console.log'), 'utf8')).toContain('ended at once by SIGTERM');
  });

  test('help tells params, defaults and limits', async () => {
    const { code, out } = await run(['--help']);
    expect(code).toBe(0);
    expect(out).toBe(helpText(LineTrainer.spec));
    expect(out).toContain('lr=0.1\n      Learning rate. (a number, lr > 0)');
    const doc = 'A sentence that goes on. '.repeat(20).trim();
    expect(helpText({ ...LineTrainer.spec, doc })).toContain(`${doc}\n`);
    expect(out).toContain('attributes: trainer.epochs=2, trainer.limit.train=10.percent, checkpoint.keep=5');
    // What has no epochs, as live data, is not told to take some.
    const lengthOf = (options: NonNullable<TrainerSpec<LineParams>['options']>): string =>
      /attributes: (.*?), checkpoint/.exec(helpText({ ...LineTrainer.spec, options }))?.[1] ?? '';
    expect(lengthOf({ steps: 50 })).toBe('trainer.steps=100');
    expect(lengthOf(({ lr }) => ({ steps: 10 * lr }))).toBe('trainer.steps=100');
    expect(lengthOf({ maxTime: units.hours(1) })).toBe('trainer.max_time=10.minutes');
    expect(
      lengthOf(() => {
        throw new RangeError('no such length');
      }),
    ).toContain('trainer.epochs=2');
    // In a terminal it breaks between words, and nothing of it is lost.
    const words = (text: string): readonly string[] => text.split(/\s+/);
    for (const columns of [20, 40, 80]) {
      const narrow = helpText(LineTrainer.spec, { columns });
      expect(words(narrow)).toEqual(words(out));
      const wide = narrow.split('\n').filter((line) => line.length > columns && line.trim().includes(' '));
      expect(wide).toEqual([]);
    }
    expect((await run(['--help'], LineTrainer, 40)).out).toBe(helpText(LineTrainer.spec, { columns: 40 }));
    expect((await run(['--help', 'train'])).out).toBe(out);
    expect((await run(['--version'])).out).toContain('LineTrainer');
    expect(readArguments(['--dev-run', 'lr=1']).devRun).toBe(3);
  });
});

describe('as a process', () => {
  const bundle = join(root, 'line.mjs');
  beforeAll(async () => {
    await build({
      stdin: {
        contents: `import { main } from './src/runtime/main.ts';
import { LineTrainer } from './test/runtime/tiny-trainer.ts';
process.exitCode = await main(LineTrainer);`,
        resolveDir: process.cwd(),
        loader: 'ts',
      },
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      outfile: bundle,
      logLevel: 'error',
      define: {
        'import.meta.url': JSON.stringify(
          new URL('../../src/runtime/engine/wasm-binary.ts', import.meta.url).href,
        ),
      },
      banner: {
        js: "import { createRequire as __r } from 'node:module'; const require = __r(import.meta.url); const __dirname = '.';",
      },
    });
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)(
    '%s finishes the step, saves and ends',
    async (signal, expected) => {
      const folder = join(root, signal);
      const child = spawn(process.execPath, [bundle, 'trainer.epochs=1000000', '--run-dir', folder], {
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let err = '';
      let sent = false;
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        err += text;
        if (!sent && /epoch \d+/.test(err)) {
          sent = true;
          child.kill(signal);
        }
      });
      const [code] = await once(child, 'exit');
      expect(err).toContain(`interrupted by ${signal}`);
      expect(code).toBe(expected);
      const last = readFileSync(join(folder, 'checkpoints', 'last'), 'utf8').trim();
      expect(existsSync(join(folder, 'checkpoints', last, 'manifest.json'))).toBe(true);
      expect(readFileSync(join(folder, 'run.json'), 'utf8')).toContain('"interrupted"');
    },
    30_000,
  );

  test('readers may leave early', async () => {
    const folder = join(root, 'unread');
    const through = async (line: string): Promise<string> => {
      const child = spawn('bash', ['-c', `${line}; echo "\${PIPESTATUS[0]}"`], {
        env: { ...process.env, PROGRAM: bundle, FOLDER: folder },
      });
      let out = '';
      child.stdout.on('data', (text: Buffer) => (out += text.toString()));
      await once(child, 'close');
      return out;
    };
    expect(await through('node "$PROGRAM" --run-dir "$FOLDER" 2>&1 >/dev/null | true')).toBe('0\n');
    expect(existsSync(join(folder, 'summary.json'))).toBe(true);
    const rows = 'node "$PROGRAM" predict --from "$FOLDER" 2> "$FOLDER/err" | true';
    expect(await through(rows)).toBe('0\n');
    expect(readFileSync(join(folder, 'err'), 'utf8')).not.toMatch(/EPIPE|at /);
  });

  test('killed at any moment, the newest checkpoint is whole', async () => {
    for (let turn = 0; turn < 5; turn += 1) {
      const folder = join(root, `killed-${turn}`);
      const argv = [
        bundle,
        'trainer.epochs=1000000',
        'checkpoint.every=1.steps',
        'checkpoint.keep=2',
        '--run-dir',
        folder,
      ];
      const child = spawn(process.execPath, argv, { stdio: 'ignore' });
      const last = join(folder, 'checkpoints', 'last');
      const ended = once(child, 'exit');
      await expect.poll(() => existsSync(last), { timeout: 20_000, interval: 7 * (turn + 1) }).toBe(true);
      child.kill('SIGKILL');
      await ended;
      const { code, out } = await run(['test', '--from', folder]);
      expect(out).toContain('validate.loss');
      expect(code).toBe(0);
    }
  }, 60_000);
});
